"""Writes Fixtures/*.parquet with other people's writers, and what they hold as JSON: `index.json` names for each file
its columns and the file with their values.

    python Tests/VarveParquetTests/make_fixtures.py

Needs pyarrow, duckdb, polars and deltalake. The files are committed: the tests do not need Python to read them.
A value in the JSON is null, or a text: of an int64, the days of a date, the microseconds of a timestamp, the unscaled
number of a decimal; `true` or `false`; a double as Python prints it; a text as it is.
"""

import datetime
import decimal
import json
import pathlib
import random
import shutil
import tempfile
import uuid

import deltalake
import duckdb
import polars
import pyarrow
import pyarrow.parquet

FIXTURES = pathlib.Path(__file__).parent / "Fixtures"
ROWS = 300
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

random.seed(7)
decimal.getcontext().prec = 60


def spread(value, every=7):
    """ROWS values, each `every`-th of them null."""
    return [None if row % every == 3 else value(row) for row in range(ROWS)]


def spelled(value):
    """A value as the JSON has it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, str)):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, decimal.Decimal):
        return str(int(value.scaleb(-value.as_tuple().exponent)))
    if isinstance(value, datetime.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        return str((aware - EPOCH) // datetime.timedelta(microseconds=1))
    if isinstance(value, datetime.date):
        return str((value - datetime.date(1970, 1, 1)).days)
    raise TypeError(type(value))


index = {}


def save(name, columns, reason, values="common"):
    index[name] = {"about": reason, "values": f"values-{values}.json", "columns": columns}


def save_values(name, columns):
    """`columns`: (name, Varve's type, values)."""
    described = {column: {"type": kind, "values": [spelled(v) for v in values]} for column, kind, values in columns}
    (FIXTURES / f"values-{name}.json").write_text(json.dumps(described, ensure_ascii=False, indent=0) + "\n")


TEXTS = ["", "a", "Straße", "名前", "🪨 layer", "x" * 40]
common = {
    "flag": ("boolean", pyarrow.bool_(), spread(lambda r: r % 3 == 0)),
    "id": ("int64", pyarrow.int64(), list(range(1000, 1000 + ROWS))),
    "wild": ("int64", pyarrow.int64(), spread(lambda r: random.randint(-(2**63), 2**63 - 1))),
    "few": ("int64", pyarrow.int64(), spread(lambda r: r % 5)),
    "price": ("double", pyarrow.float64(), spread(lambda r: random.uniform(-1e6, 1e6))),
    "amount": ("decimal(10,2)", pyarrow.decimal128(10, 2), spread(lambda r: decimal.Decimal(r * 37 - 5000).scaleb(-2))),
    "huge": (
        "decimal(38,10)",
        pyarrow.decimal128(38, 10),
        spread(lambda r: decimal.Decimal(random.randint(-(10**37), 10**37)).scaleb(-10)),
    ),
    "day": ("date", pyarrow.date32(), spread(lambda r: datetime.date(1900, 1, 1) + datetime.timedelta(days=r * 97))),
    "at": (
        "timestamp",
        pyarrow.timestamp("us", tz="UTC"),
        spread(lambda r: EPOCH + datetime.timedelta(microseconds=r * 86_399_999_999 - 10**13)),
    ),
    "text": ("text", pyarrow.string(), spread(lambda r: TEXTS[r % 6] + (str(r) if r % 2 else ""))),
    "category": ("text", pyarrow.string(), spread(lambda r: TEXTS[r % 4])),
    "nothing": ("text", pyarrow.string(), [None] * ROWS),
}


def arrow_table(names=None, required=False):
    names = names or list(common)
    fields = [pyarrow.field(name, common[name][1], nullable=not (required and None not in common[name][2])) for name in names]
    return pyarrow.table([pyarrow.array(common[name][2], common[name][1]) for name in names], pyarrow.schema(fields))


def save_common(name, reason, names=None):
    save(name, names or list(common), reason)


def pyarrow_files():
    for codec in ["none", "snappy", "gzip", "zstd"]:
        for version in ["1.0", "2.0"]:
            name = f"pyarrow-{codec}-v{version[0]}"
            pyarrow.parquet.write_table(
                arrow_table(required=version == "2.0"),
                FIXTURES / f"{name}.parquet",
                compression=codec,
                data_page_version=version,
                write_page_checksum=True,
                row_group_size=170,
                data_page_size=600,
                write_batch_size=32,
            )
            save_common(name, "dictionaries, several pages and row groups, checksums")

    encodings = {
        "id": "DELTA_BINARY_PACKED",
        "wild": "DELTA_BINARY_PACKED",
        "few": "BYTE_STREAM_SPLIT",
        "day": "DELTA_BINARY_PACKED",
        "price": "BYTE_STREAM_SPLIT",
        "at": "PLAIN",
        "text": "DELTA_BYTE_ARRAY",
        "category": "DELTA_LENGTH_BYTE_ARRAY",
        "flag": "RLE",
        "huge": "DELTA_BYTE_ARRAY",
        "amount": "BYTE_STREAM_SPLIT",
    }
    for version in ["1.0", "2.0"]:
        pyarrow.parquet.write_table(
            arrow_table(list(encodings)),
            FIXTURES / f"pyarrow-encodings-v{version[0]}.parquet",
            compression="none",
            use_dictionary=False,
            column_encoding=encodings,
            data_page_version=version,
            data_page_size=900,
            write_batch_size=50,
        )
        save_common(f"pyarrow-encodings-v{version[0]}", "each encoding beyond PLAIN", list(encodings))

    pyarrow.parquet.write_table(
        arrow_table(["amount", "huge"]),
        FIXTURES / "pyarrow-decimal-integer.parquet",
        store_decimal_as_integer=True,
        compression="snappy",
    )
    save_common("pyarrow-decimal-integer", "small decimals as INT64", ["amount", "huge"])


def odd_types():
    """Types that are not ours, but can be read as one of ours without loss."""
    whole = lambda low, high: spread(lambda r: random.randint(low, high))
    millis = spread(lambda r: EPOCH + datetime.timedelta(milliseconds=r * 86_399_999))
    local = spread(lambda r: datetime.datetime(2024, 1, 1) + datetime.timedelta(seconds=r))
    times = spread(lambda r: datetime.time(r % 24, r % 60, 59, (r % 2) * 500_000))
    clock = lambda t: None if t is None else t.strftime("%H:%M:%S") + (".5" if t.microsecond else "")
    halves = spread(lambda r: r / 8)
    ids = spread(lambda r: uuid.UUID(int=r * 2**100 + r))
    columns = [
        ("int8", "int64", pyarrow.int8(), whole(-128, 127)),
        ("uint8", "int64", pyarrow.uint8(), whole(0, 255)),
        ("int16", "int64", pyarrow.int16(), whole(-(2**15), 2**15 - 1)),
        ("uint16", "int64", pyarrow.uint16(), whole(0, 2**16 - 1)),
        ("int32", "int64", pyarrow.int32(), whole(-(2**31), 2**31 - 1)),
        ("uint32", "int64", pyarrow.uint32(), whole(0, 2**32 - 1)),
        ("uint64", "int64", pyarrow.uint64(), whole(0, 2**63 - 1)),
        ("float", "double", pyarrow.float32(), halves),
        ("half", "double", pyarrow.float16(), halves),
        ("millis", "timestamp", pyarrow.timestamp("ms", tz="UTC"), millis),
        ("nanos", "timestamp", pyarrow.timestamp("ns", tz="UTC"), millis),
        ("local", "timestamp", pyarrow.timestamp("us"), local),
        ("time_millis", "text", pyarrow.time32("ms"), times),
        ("time_micros", "text", pyarrow.time64("us"), times),
        ("time_nanos", "text", pyarrow.time64("ns"), times),
        ("large", "text", pyarrow.large_string(), common["text"][2]),
        ("coded", "text", pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), common["category"][2]),
        ("uuid", "text", pyarrow.uuid(), ids),
        ("small_decimal", "decimal(5,1)", pyarrow.decimal128(5, 1), spread(lambda r: decimal.Decimal(r).scaleb(-1))),
        ("null", "text", pyarrow.null(), [None] * ROWS),
    ]
    schema = pyarrow.schema([(name, kind) for name, _, kind, _ in columns])
    arrays = []
    for name, _, kind, values in columns:
        if name == "half":
            arrays.append(pyarrow.array(values, pyarrow.float64()).cast(kind))
        elif name == "uuid":
            arrays.append(pyarrow.array([v and v.bytes for v in values], pyarrow.binary(16)).cast(kind))
        else:
            arrays.append(pyarrow.array(values, kind))
    expected = []
    for name, ours, _, values in columns:
        if name.startswith("time_"):
            values = [clock(v) for v in values]
        elif name == "uuid":
            values = [v and str(v) for v in values]
        expected.append((name, ours, values))
    save_values("types", expected)
    for codec, dictionary in [("snappy", True), ("none", False)]:
        name = f"pyarrow-types-{'dictionary' if dictionary else 'plain'}"
        pyarrow.parquet.write_table(
            pyarrow.table(arrays, schema), FIXTURES / f"{name}.parquet", compression=codec, use_dictionary=dictionary
        )
        save(name, [column for column, _, _ in expected], "types of other systems", "types")

    pyarrow.parquet.write_table(
        arrow_table(["id", "at", "amount", "huge", "text"]),
        FIXTURES / "pyarrow-int96.parquet",
        flavor="spark",
        use_deprecated_int96_timestamps=True,
        version="1.0",
    )
    save_common("pyarrow-int96", "as Spark wrote it before version 3", ["id", "at", "amount", "huge", "text"])


def duckdb_files():
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    table = arrow_table()
    connection.register("arrow_rows", table)
    connection.execute("CREATE TABLE rows AS SELECT * REPLACE (CAST(nothing AS VARCHAR) AS nothing) FROM arrow_rows")
    for codec in ["uncompressed", "snappy", "gzip", "zstd"]:
        for version in ["V1", "V2"]:
            name = f"duckdb-{codec}-{version.lower()}"
            connection.execute(
                f"COPY rows TO '{FIXTURES}/{name}.parquet' "
                f"(FORMAT parquet, COMPRESSION {codec}, PARQUET_VERSION {version})"
            )
            save_common(name, "DuckDB's writer")


def polars_files():
    frame = polars.from_arrow(arrow_table())
    for codec in ["uncompressed", "snappy", "gzip", "zstd"]:
        frame.write_parquet(FIXTURES / f"polars-{codec}.parquet", compression=codec, row_group_size=200)
        save_common(f"polars-{codec}", "Polars' writer")


def delta_files():
    """A checkpoint as delta-rs writes it, and a data file of its."""
    with tempfile.TemporaryDirectory() as directory:
        table = arrow_table().append_column("market", pyarrow.array(["DE", "FR ö", None] * (ROWS // 3), pyarrow.string()))
        deltalake.write_deltalake(
            directory, table, partition_by=["market"], name="products", description="what we sell",
            configuration={"delta.appendOnly": "false", "delta.logRetentionDuration": "interval 30 days"},
        )
        deltalake.write_deltalake(directory, table, mode="overwrite")
        lake = deltalake.DeltaTable(directory)
        lake.create_checkpoint()
        source = next(pathlib.Path(directory, "_delta_log").glob("*.checkpoint.parquet"))
        shutil.copy(source, FIXTURES / "delta-rs-checkpoint.parquet")
        rows = pyarrow.parquet.read_table(source).to_pylist()
        text = json.dumps(rows, ensure_ascii=False, default=str)
        (FIXTURES / "delta-rs-checkpoint.rows.json").write_text(text + "\n")
    with tempfile.TemporaryDirectory() as directory:
        deltalake.write_deltalake(directory, arrow_table())
        shutil.copy(next(pathlib.Path(directory).glob("*.parquet")), FIXTURES / "delta-rs-data.parquet")
        save_common("delta-rs-data", "delta-rs's writer")


def nested_files():
    schema = pyarrow.schema(
        [
            ("id", pyarrow.int32()),
            ("tags", pyarrow.list_(pyarrow.string())),
            ("inner", pyarrow.struct([("a", pyarrow.int64()), ("b", pyarrow.string())])),
            ("map", pyarrow.map_(pyarrow.string(), pyarrow.string())),
        ]
    )
    rows = [
        {"id": 1, "tags": ["x", None, "y"], "inner": {"a": 1, "b": "one"}, "map": [("k", "v"), ("l", None)]},
        {"id": 2, "tags": [], "inner": None, "map": []},
        {"id": None, "tags": None, "inner": {"a": None, "b": "two"}, "map": None},
        {"id": 4, "tags": ["z"], "inner": {"a": 4, "b": None}, "map": [("k", "w")]},
    ]
    for version in ["1.0", "2.0"]:
        pyarrow.parquet.write_table(
            pyarrow.Table.from_pylist(rows, schema),
            FIXTURES / f"pyarrow-nested-v{version[0]}.parquet",
            data_page_version=version,
        )


def refused_files():
    """What must be refused with a sentence; each file has one column, `value`."""
    def write(name, array, **options):
        pyarrow.parquet.write_table(pyarrow.table({"value": array}), FIXTURES / f"refused-{name}.parquet", **options)

    write("uint64", pyarrow.array([1, 2**63], pyarrow.uint64()))
    write("nanoseconds", pyarrow.array([1_000, 1_001], pyarrow.timestamp("ns")))
    write("binary", pyarrow.array([b"ok", b"\xff\xfe"], pyarrow.binary()))
    write("brotli", pyarrow.array([1, 2], pyarrow.int64()), compression="brotli")
    write("lz4", pyarrow.array([1, 2], pyarrow.int64()), compression="lz4")
    write("decimal256", pyarrow.array([decimal.Decimal(1)], pyarrow.decimal256(60, 0)))


if __name__ == "__main__":
    FIXTURES.mkdir(exist_ok=True)
    for old in FIXTURES.iterdir():
        if not old.name.startswith(("varve-", "nested-")):
            old.unlink()
    save_values("common", [(column, kind, values) for column, (kind, _, values) in common.items()])
    pyarrow_files()
    odd_types()
    duckdb_files()
    polars_files()
    delta_files()
    nested_files()
    refused_files()
    (FIXTURES / "index.json").write_text(json.dumps(index, indent=1) + "\n")
