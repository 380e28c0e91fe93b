"""`--key-from`: the key that the documentation's recipe makes with hashlib is the key in the table, whatever the feed."""

import datetime
import decimal
import json
import random

import deltalake
import pyarrow
import pyarrow.parquet

import transcripts
from conftest import ROOT
from faults import seeded


def recipe():
    text = (ROOT / "Documentation" / "WritePatterns.md").read_text(encoding="utf-8")
    found = {}
    for kind, _, lines in transcripts.blocks(text):
        if kind == "python":
            exec("\n".join(lines), found)
    return found["record_key"]


TYPES = {
    "flag": pyarrow.bool_(), "count": pyarrow.int64(), "ratio": pyarrow.float64(), "price": pyarrow.decimal128(30, 4),
    "short": pyarrow.decimal128(9, 2), "day": pyarrow.date32(), "seen": pyarrow.timestamp("us", "UTC"),
    "name": pyarrow.string(),
}  # fmt: skip


def values(chance: random.Random):
    """One value of each type, often of a kind that is easily spelled wrong."""
    ratio = chance.choice([0.1, -0.0, 1e16, 1e-7, 5e-324, 1.7976931348623157e308, chance.uniform(-1e6, 1e6), 123456789.0])
    name = chance.choice(["", " ", "7", "7.0", "  padded\t", "Größe ½", "\u00a0kept", "a\u0000b", "日本語", "line\nbreak"])
    return {
        "flag": chance.random() < 0.5,
        "count": chance.choice([0, -1, 10**18, -(2**63), 2**63 - 1, chance.randrange(-1000, 1000) * 100]),
        "ratio": ratio,
        "price": decimal.Decimal(chance.randrange(-(10**29), 10**29) * chance.choice([1, 0])).scaleb(-4),
        "short": decimal.Decimal(chance.randrange(-(10**8), 10**8)).scaleb(-2),
        "day": datetime.date(chance.randrange(1, 9999), chance.randrange(1, 13), chance.randrange(1, 29)),
        "seen": datetime.datetime(2024, 10, 6, tzinfo=datetime.timezone.utc)
        + datetime.timedelta(microseconds=chance.randrange(-(6 * 10**16), 10**16)),
        "name": name,
    }


def keys_of(warehouse, table):
    rows = deltalake.DeltaTable(str(warehouse.table(table))).to_pyarrow_table().to_pylist()
    return {row["number"]: row["_key"] for row in rows}


def test_the_keys_are_those_of_the_recipe(warehouse, tmp_path):
    chance, record_key = seeded("record keys"), recipe()
    rows = []
    for number in range(300):
        row = {name: None if chance.random() < 0.1 else value for name, value in values(chance).items()}
        # The last column of the key tells all of them apart.
        rows.append({"number": number} | row)
    schema = pyarrow.schema([("number", pyarrow.int64()), *TYPES.items()])
    table = pyarrow.Table.from_pylist(rows, schema)
    pyarrow.parquet.write_table(table, tmp_path / "feed.parquet", store_decimal_as_integer=False)
    key = [*TYPES, "number"]
    report = warehouse.ingest(
        tmp_path / "feed.parquet", "--into", "things", "--mode", "insert", "--key-from", ",".join(key)
    )
    assert report["rows"]["inserted"] == len(rows)
    wanted = {row["number"]: record_key(*(row[name] for name in key)) for row in rows}
    assert keys_of(warehouse, "things") == wanted

    # The columns turned round: not one row is new.
    turned = table.select([*reversed(table.column_names)])
    pyarrow.parquet.write_table(turned, tmp_path / "again.parquet", store_decimal_as_integer=False)
    again = warehouse.ingest(tmp_path / "again.parquet", "--into", "things")
    assert again["rows"]["inserted"] == 0 and again["rows"]["unchanged"] == len(rows)


def test_spellings_of_one_value_have_one_key(warehouse, tmp_path):
    record_key = recipe()
    feed = tmp_path / "feed.csv"
    feed.write_text("number,price,day,name\n1,1.50,2024-10-06,A\n2,100,2024-10-07, B \n")
    warehouse.ingest(feed, "--into", "things", "--mode", "merge", "--key-from", "price,day,name")
    D = decimal.Decimal
    assert keys_of(warehouse, "things") == {
        1: record_key(D("1.5"), datetime.date(2024, 10, 6), "A"),
        2: record_key(100, datetime.date(2024, 10, 7), "B"),
    }
    other = tmp_path / "other.json"
    other.write_text('[{"name":"A ","day":"2024-10-06","price":15e-1,"number":3},{"price":1e2,"day":"2024-10-07","name":"B"}]')
    report = warehouse.ingest(other, "--into", "things")
    assert report["rows"]["inserted"] == 0, json.dumps(report)
