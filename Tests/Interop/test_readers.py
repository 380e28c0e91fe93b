"""Every version of a table is the same rows in Varve, delta-rs, Polars, DuckDB, pyarrow and Spark."""

import datetime
import decimal
import json

import pytest

import peers

UTC = datetime.timezone.utc
SCHEMA = {
    "columns": [
        {"name": "id", "type": "int64", "nullable": False},
        {"name": "flag", "type": "boolean"},
        {"name": "number", "type": "int64"},
        {"name": "ratio", "type": "double"},
        {"name": "price", "type": "decimal(10,2)"},
        {"name": "mass", "type": "decimal(38,10)"},
        {"name": "day", "type": "date"},
        {"name": "moment", "type": "timestamp"},
        {"name": "name", "type": "text"},
        {"name": "attributes", "type": "json"},
    ]
}
TYPES = {column["name"]: column["type"] for column in SCHEMA["columns"]}


def row(identity, **values):
    """One row of the model: every column, null unless given."""
    return {name: None for name in TYPES} | {"id": identity} | values


FIRST = [
    row(
        1,
        flag=True,
        number=9_223_372_036_854_775_807,
        ratio=0.1,
        price=decimal.Decimal("19.99"),
        mass=decimal.Decimal("1234567890123456789012345678.0123456789"),
        day=datetime.date(2024, 2, 29),
        moment=datetime.datetime(2024, 2, 29, 23, 59, 59, 999999, UTC),
        name="Käse, 日本, 🌸, \"quoted\"",
        attributes='{"a":[1,2.50,null],"z":{"ü":true}}',
    ),
    row(
        2,
        flag=False,
        number=-9_223_372_036_854_775_808,
        ratio=-1.7976931348623157e308,
        price=decimal.Decimal("-99999999.99"),
        mass=decimal.Decimal("-0.0000000001"),
        day=datetime.date(1969, 12, 31),
        moment=datetime.datetime(1969, 12, 31, 23, 59, 59, 1, UTC),
        name="",
        attributes="[]",
    ),
    row(3),
    row(4, number=0, ratio=5e-324, price=decimal.Decimal("0.00"), day=datetime.date(1, 1, 1), name="line\nline\ttab"),
    row(5, day=datetime.date(9999, 12, 31), moment=datetime.datetime(1900, 1, 1, tzinfo=UTC), name="x" * 300),
]
SECOND = [row(number, name=f"appended {number}", ratio=number / 7) for number in range(10, 30)]
MERGED = [row(3, name="no longer empty"), row(30, name="new", flag=True)]
LAST = [row(99, name="alone")]


def spelled(value, kind):
    """A value of the model as a feed spells it."""
    if value is None:
        return "null"
    if kind == "json":
        return value
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    if isinstance(value, datetime.datetime):
        return json.dumps(value.isoformat())
    if isinstance(value, datetime.date):
        return json.dumps(value.isoformat())
    return json.dumps(value, ensure_ascii=False)


def ndjson(path, rows, types):
    lines = ["{" + ",".join(f"{json.dumps(n)}:{spelled(v, types[n])}" for n, v in row.items()) + "}" for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def varve_rows(warehouse, table, version, types):
    """What Varve says, with the values back in the model's types."""
    # As text, nested JSON is spelled as it is stored.
    columns = ", ".join(f"{n} || '' AS {n}" if kind == "json" else n for n, kind in types.items())
    text = warehouse.run("query", "--format", "json", f'SELECT {columns} FROM "{table}@{version}"').out
    rows = json.loads(text, parse_float=str)
    for found in rows:
        for name, value in found.items():
            found[name] = back(value, types[name])
    return rows


def back(value, kind):
    if value is None:
        return None
    if kind == "boolean":
        return bool(value)
    if kind == "double":
        return float(value)
    if kind.startswith("decimal"):
        return decimal.Decimal(str(value)).quantize(decimal.Decimal(1).scaleb(-int(kind[:-1].split(",")[1])), context=WIDE)
    if kind == "date":
        return datetime.date.fromisoformat(value)
    if kind == "timestamp":
        return datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    return value


WIDE = decimal.Context(prec=60)


def check_everywhere(warehouse, table, expected, types, key, spark=None, skip=()):
    """`expected` is the model: the rows of version 1, 2, …"""
    path = warehouse.table(table)
    for number, rows in enumerate(expected, start=1):
        wanted = peers.ordered(rows, key)
        known = {name: types[name] for name in rows[0]}
        assert peers.ordered(varve_rows(warehouse, table, number, known), key) == wanted, f"varve, version {number}"
        for name, read in peers.READERS.items():
            if name not in skip:
                assert peers.ordered(read(path, number), key) == wanted, f"{name}, version {number}"
        if spark is not None:
            assert peers.ordered(peers.spark_rows(spark, path, number), key) == wanted, f"spark, version {number}"


@pytest.fixture
def schema(tmp_path):
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA))
    return path


@pytest.mark.parametrize("partitioned_by", [None, "flag", "number", "price", "day", "moment", "name"])
def test_every_type_and_version_is_equal_in_every_reader(warehouse, tmp_path, schema, spark, partitioned_by):
    first = [dict(found) for found in FIRST]
    if partitioned_by == "name":
        # The empty string is no partition value, and a folder's name holds at most 255 bytes.
        first = [found | {"name": found["name"] or "empty"} for found in first if len(found["name"] or "") < 100]
    options = ["--into", "things"]
    creation = ["--schema", schema, "--key", "id"] + (["--partition-by", partitioned_by] if partitioned_by else [])
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", first, TYPES), *options, *creation)
    warehouse.ingest(ndjson(tmp_path / "2.ndjson", SECOND, TYPES), *options, "--mode", "append")
    merged = warehouse.ingest(ndjson(tmp_path / "3.ndjson", MERGED, TYPES), *options, "--mode", "merge")
    assert (merged["rows"]["updated"], merged["rows"]["inserted"]) == (1, 1)
    warehouse.ingest(ndjson(tmp_path / "4.ndjson", LAST, TYPES), *options, "--mode", "overwrite")

    appended = first + SECOND
    after_merge = [found for found in appended if found["id"] != 3] + MERGED
    check_everywhere(warehouse, "things", [first, appended, after_merge, LAST], TYPES, ["id"], spark)


@pytest.mark.parametrize("level", [1, 22])
def test_every_level_of_compression_is_read_by_everyone(warehouse, tmp_path, schema, spark, level):
    options = ["--into", "things", "--schema", schema, "--zstd-level", level]
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", FIRST, TYPES), *options)
    check_everywhere(warehouse, "things", [FIRST], TYPES, ["id"], spark)


NASTY = [
    "plain", "a b", "a/b", "a\\b", "..", ".", "...", "a=b", "=", "a:b", "100%", "%2F", "%2e%2e", "é", "e\u0301", "日本",
    "🌸", "a'b", 'a"b', "a#b", "a?b", "a*b", "{x}", "[y]", "^", "A", "a", " lead", "trail ", "tab\there", "line\nline",
    "null", "NULL", "None", "_hidden", ".hidden", "v00000001", "x" * 200, "-1", "1e3", "true", "\x01", "\x7f", "a&b",
    "a+b", "a;b", "a,b", "~", "$HOME", "`id`", "<b>", "|",
]  # fmt: skip


def test_nasty_partition_values_stay_what_they_are(warehouse, tmp_path, spark):
    types = {"id": "int64", "place": "text"}
    rows = [{"id": number, "place": value} for number, value in enumerate([*NASTY, None])]
    outside = sorted(path.name for path in tmp_path.iterdir())
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", rows, types), "--into", "places", "--partition-by", "place")
    more = [{"id": 100 + number, "place": value} for number, value in enumerate([*NASTY, None])]
    warehouse.ingest(ndjson(tmp_path / "2.ndjson", more, types), "--into", "places")
    check_everywhere(warehouse, "places", [rows, rows + more], types, ["id"], spark)
    # Each value has a folder of its own, and nothing else came to be beside the warehouse.
    folders = [path for path in warehouse.table("places").iterdir() if path.name.startswith("place=")]
    assert len(folders) == len(rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(outside + ["1.ndjson", "2.ndjson", "warehouse"])


@pytest.mark.parametrize("value, what", [("", "empty"), ("y" * 300, "255")])
def test_a_value_that_can_be_no_folder_is_refused_with_its_row(warehouse, tmp_path, value, what):
    feed = ndjson(tmp_path / "1.ndjson", [{"id": 1, "place": "ok"}, {"id": 2, "place": value}], {"id": "int64", "place": "text"})
    outcome = warehouse.run("ingest", feed, "--into", "places", "--partition-by", "place", code=1)
    assert "1.ndjson" in outcome.err and "line 2" in outcome.err and what in outcome.err


def test_a_column_added_later_is_null_in_older_rows_and_absent_from_older_versions(warehouse, tmp_path, spark):
    types = {"id": "int64", "name": "text", "more": "int64"}
    first = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    second = [{"id": 3, "name": "c", "more": 7}]
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", first, types), "--into", "growing")
    warehouse.ingest(ndjson(tmp_path / "2.ndjson", second, types), "--into", "growing")
    both = [found | {"more": None} for found in first] + second
    # pyarrow reads the files alone, which do not know of columns that came later.
    check_everywhere(warehouse, "growing", [first, both], types, ["id"], spark, skip=["pyarrow"])


def test_a_widened_column_keeps_every_value_in_every_version(warehouse, tmp_path, spark):
    first = [{"id": 1, "n": 1}, {"id": 2, "n": 2**60 + 1}]
    second = [{"id": 3, "n": decimal.Decimal("2.5")}]
    types = {"id": "int64", "n": "decimal(20,1)"}
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", first, types), "--into", "widening")
    warehouse.ingest(ndjson(tmp_path / "2.ndjson", second, types), "--into", "widening")
    for name, read in peers.READERS.items():
        path = warehouse.table("widening")
        assert sorted((found["id"], found["n"]) for found in read(path, 1)) == [(1, 1), (2, 2**60 + 1)], name
        found = sorted((found["id"], decimal.Decimal(found["n"])) for found in read(path, 2))
        assert found == [(1, 1), (2, 2**60 + 1), (3, decimal.Decimal("2.5"))], name


def test_time_travel_by_time_is_the_same_in_delta_rs_and_varve(tmp_path):
    import deltalake

    from conftest import Warehouse

    types = {"id": "int64"}
    for number in (1, 2, 3):
        place = Warehouse(tmp_path / "warehouse", clock=f"2024-10-0{number}T12:00:00Z", seed=number)
        place.ingest(ndjson(tmp_path / f"{number}.ndjson", [{"id": number}], types), "--into", "dated")
    for day, count in [("2024-10-02", 1), ("2024-10-03", 2), ("2024-10-04", 3)]:
        table = deltalake.DeltaTable(str(place.table("dated")))
        table.load_as_version(f"{day}T00:00:00Z")
        assert table.to_pyarrow_table().num_rows == count
        counted = place.run("query", "--format", "json", f'SELECT count(*) AS n FROM "dated@{day}"').json
        assert counted == [{"n": count}]
