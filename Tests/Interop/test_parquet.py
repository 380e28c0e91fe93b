"""Parquet files of Varve's, as pyarrow, DuckDB and Polars read them.

As a test: the files that Tests/VarveParquetTests/Fixtures keeps from every released writer. As a script, with a
directory: the files there, each with its values beside it (`name.parquet`, `name.json`), compared value by value.
"""

import datetime
import decimal
import json
import pathlib
import sys

import duckdb
import polars
import pyarrow.parquet

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "VarveParquetTests" / "Fixtures"
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
decimal.getcontext().prec = 60


def spelled(value):
    """A value as the JSON has it; see VarveParquetTests/make_fixtures.py."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return value
    if isinstance(value, decimal.Decimal):
        return str(int(value.scaleb(-value.as_tuple().exponent)))
    if isinstance(value, datetime.datetime):
        return str((value.astimezone(datetime.timezone.utc) - EPOCH) // datetime.timedelta(microseconds=1))
    if isinstance(value, datetime.date):
        return str((value - datetime.date(1970, 1, 1)).days)
    raise TypeError(type(value))


def wanted(column):
    if column["type"] == "double":
        return [None if text is None else float(text) for text in column["values"]]
    return column["values"]


def from_pyarrow(path):
    table = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True).read()
    return {name: table[name].to_pylist() for name in table.column_names}


def from_duckdb(path):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = true")
    relation = connection.execute(f"SELECT * FROM read_parquet('{path}')")
    names = [description[0] for description in relation.description]
    rows = relation.fetchall()
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def from_polars(path):
    frame = polars.read_parquet(path)
    return {name: frame[name].to_list() for name in frame.columns}


READERS = {"pyarrow": from_pyarrow, "duckdb": from_duckdb, "polars": from_polars}


def differences(path, columns):
    """What the readers read otherwise than the JSON says."""
    found = []
    for reader, read in READERS.items():
        values = read(path)
        if list(values) != [column["name"] for column in columns]:
            found.append(f"{path.name}, {reader}: columns {list(values)}")
            continue
        for column in columns:
            expected = wanted(column)
            actual = [spelled(value) for value in values[column["name"]]]
            if actual != expected:
                row = next((i for i, pair in enumerate(zip(actual, expected)) if pair[0] != pair[1]), "count")
                found.append(f"{path.name}, {reader}, {column['name']}, row {row}")
    return found


def statistics_differences(path):
    """Filters that readers answer by statistics, against the same filters on all rows."""
    found = []
    table = pyarrow.parquet.read_table(path)
    connection = duckdb.connect()
    for name, kind in zip(table.column_names, table.schema.types):
        # Python's decimals of 38 places do not fit a parameter.
        place = f"CAST(CAST(? AS VARCHAR) AS {kind})".replace("128", "") if str(kind).startswith("decimal") else "?"
        values = [value for value in table[name].to_pylist() if value is not None]
        for value in sorted(set(values))[:: max(1, len(set(values)) // 5)]:
            for sign, matches in [("=", lambda v: v == value), (">", lambda v: v > value), ("<", lambda v: v < value)]:
                query = f"""SELECT count(*) FROM read_parquet('{path}') WHERE "{name}" {sign} {place}"""
                parameter = f"{value:f}" if place != "?" else value
                if connection.execute(query, [parameter]).fetchone()[0] != sum(map(matches, values)):
                    found.append(f"{path.name}, {name} {sign} {value}")
    return found


def pairs(value):
    """A map, which is a dictionary or a list of structures, as a list of pairs."""
    if value is None:
        return None
    return [list(pair) for pair in value.items()] if isinstance(value, dict) else [list(p.values()) for p in value]


def nested_differences(path):
    expected = json.loads(path.with_suffix(".json").read_text())
    found = []
    rows = json.loads(json.dumps(pyarrow.parquet.read_table(path).to_pylist()))
    if rows != expected:
        found.append(f"{path.name}, pyarrow: {rows}")
    wanted_maps = [row["add"] and row["add"]["partitionValues"] for row in expected]
    relation = duckdb.connect().execute(f"SELECT add.partitionValues FROM read_parquet('{path}')")
    maps = [pairs(value) for (value,) in relation.fetchall()]
    if maps != wanted_maps:
        found.append(f"{path.name}, duckdb: {maps}")
    maps = [row["add"] and pairs(row["add"]["partitionValues"]) for row in polars.read_parquet(path).to_dicts()]
    if maps != wanted_maps:
        found.append(f"{path.name}, polars: {maps}")
    return found


def check(directory):
    found = []
    files = sorted(pathlib.Path(directory).glob("varve-*.parquet"))
    assert files, f"no files in {directory}"
    for path in files:
        columns = json.loads(path.with_suffix(".json").read_text())
        found += differences(path, columns)
        found += statistics_differences(path)
    for path in sorted(pathlib.Path(directory).glob("nested-*.parquet")):
        found += nested_differences(path)
    return found


def test_files_of_every_release_are_read_alike():
    assert check(FIXTURES) == []


if __name__ == "__main__":
    problems = check(sys.argv[1])
    print("\n".join(problems) or "all equal")
    sys.exit(1 if problems else 0)
