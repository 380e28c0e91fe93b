"""A table whose columns change: every version has its own columns and rows, in every reader."""

import datetime
import decimal
import json

import deltalake
import pytest

import peers

TABLE = "products"
FIRST = [
    {"sku": "A1", "market": "DE", "price": 1, "day": datetime.date(2024, 1, 31), "note": "x"},
    {"sku": "B1", "market": "AT", "price": 2, "day": None, "note": None},
    {"sku": "C1", "market": None, "price": -3, "day": datetime.date(1969, 12, 31), "note": "ü"},
]
SCHEMA = {
    "columns": [
        {"name": "sku", "type": "text"}, {"name": "market", "type": "text"}, {"name": "price", "type": "int64"},
        {"name": "day", "type": "date"}, {"name": "note", "type": "text"},
    ]
}  # fmt: skip
STEPS = [
    ["--rename", "note=remark", "--order", "remark"],
    ["--widen", "price=decimal(12,3),day=timestamp"],
    ["--add", "weight:double", "--drop", "day"],
    ["--drop", "weight,remark", "--add", "remark:int64"],
    ["--widen", "price=text"],
]


def instant(day):
    return day and datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.timezone.utc)


def expected():
    """The rows of each version, as a model has them."""
    rows = FIRST
    yield rows
    rows = [{"remark": row.pop("note"), **row} for row in map(dict, rows)]
    yield rows
    rows = [row | {"price": decimal.Decimal(row["price"]).quantize(decimal.Decimal("0.001")), "day": instant(row["day"])} for row in rows]
    yield rows
    rows = [{name: value for name, value in row.items() if name != "day"} | {"weight": None} for row in rows]
    yield rows
    rows = [{name: row[name] for name in ("sku", "market", "price")} | {"remark": None} for row in rows]
    yield rows
    yield [row | {"price": str(row["price"])} for row in rows]


@pytest.mark.parametrize("partitioning", [[], ["--partition-by", "market"]], ids=["plain", "partitioned"])
def test_each_version_has_its_own_columns_in_every_reader(warehouse, tmp_path, spark, partitioning):
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    feed = tmp_path / "1.json"
    feed.write_text(json.dumps([row | {"day": row["day"] and row["day"].isoformat()} for row in FIRST]))
    warehouse.ingest(feed, "--into", TABLE, "--key", "sku", "--schema", tmp_path / "schema.json", *partitioning)
    for step in STEPS:
        warehouse.run("alter", TABLE, *step)
    path = warehouse.table(TABLE)
    for version, rows in enumerate(expected(), start=1):
        wanted = peers.ordered(rows, ["sku"])
        columns = list(rows[0])
        for name, read in peers.READERS.items():
            found = read(path, version)
            if name == "pyarrow":
                # It reads the files alone, which do not know of a column that was only added.
                found = [{column: row.get(column) for column in columns} for row in found]
            assert peers.ordered(found, ["sku"]) == wanted, f"{name}, version {version}"
            assert name == "pyarrow" or list(found[0]) == columns, f"{name}, version {version}"
        assert peers.ordered(peers.spark_rows(spark, path, version), ["sku"]) == wanted, f"spark, version {version}"
        shown = json.loads(warehouse.run("--json", "query", "--format", "json", f'SELECT * FROM "{TABLE}@{version}"').out)
        assert [list(row) for row in shown] == [columns] * len(rows)
    assert warehouse.run("verify").code == 0
    # A stranger goes on with the columns of now.
    import pyarrow

    more = pyarrow.table({"sku": ["Z9"], "market": ["DE"], "price": ["9"], "remark": pyarrow.array([1], pyarrow.int64())})
    deltalake.write_deltalake(str(path), more, mode="append")
    assert [row["sku"] for row in warehouse.rows(TABLE, ["sku"])] == ["A1", "B1", "C1", "Z9"]
