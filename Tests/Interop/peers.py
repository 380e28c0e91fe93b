"""The independent readers. Each gives the rows of one version of a Delta table as a list of plain Python objects."""

import contextlib
import datetime
import decimal
import importlib.util
import os
import pathlib


def normal(value):
    """One spelling for values that the readers give in different types."""
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            value = value.replace(tzinfo=datetime.timezone.utc)
        return value.astimezone(datetime.timezone.utc).isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float) and value != value:
        return "NaN"
    if hasattr(value, "to_pydatetime"):
        return normal(value.to_pydatetime())
    return value


def ordered(rows, keys):
    """Rows as sorted lists of (column, value); nulls sort first, and types never meet."""
    plain = [{name: normal(value) for name, value in row.items()} for row in rows]
    return sorted(plain, key=lambda row: [(row[key] is not None, str(row[key])) for key in keys])


def deltalake_rows(path, version):
    import deltalake
    import pyarrow

    # Through its query engine: `to_pyarrow_table` misspells negative decimals among the partition values.
    table = deltalake.DeltaTable(str(path), version=version)
    answer = deltalake.QueryBuilder().register("t", table).execute("SELECT * FROM t")
    return pyarrow.table(answer.read_all()).to_pylist()


def polars_rows(path, version):
    import polars

    return polars.scan_delta(str(path), version=version).collect().to_dicts()


def duckdb_connection():
    """DuckDB with its Delta extension from the wheel: nothing is downloaded."""
    import duckdb

    connection = duckdb.connect(
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    )
    package = pathlib.Path(importlib.util.find_spec("duckdb_extension_delta").submodule_search_locations[0])
    extension = next(package.glob("extensions/*/delta.duckdb_extension"))
    connection.execute(f"LOAD '{extension}'")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def duckdb_rows(path, version):
    with duckdb_connection() as connection:
        answer = connection.execute(f"SELECT * FROM delta_scan('file://{path}', version => {version})")
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row)) for row in answer.fetchall()]


def pyarrow_rows(path, version):
    """The Parquet files of a version, read by pyarrow alone: live files from the log, columns from the files."""
    import deltalake
    import pyarrow.parquet

    files = deltalake.DeltaTable(str(path), version=version).file_uris()
    rows = []
    for file in files:
        local = file.removeprefix("file://")
        rows += pyarrow.parquet.ParquetFile(local).read().to_pylist()
    return rows


@contextlib.contextmanager
def spark_session():
    os.environ.setdefault("RUST_LOG", "error")
    os.environ.setdefault("SAIL_MODE", "local-cluster")
    os.environ.setdefault("SAIL_CLUSTER__WORKER_INITIAL_COUNT", "2")
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    _, port = server.listening_address
    session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    try:
        yield session
    finally:
        session.stop()
        server.stop()


def spark_rows(session, path, version):
    frame = session.read.format("delta").option("versionAsOf", version).load(str(path))
    rows = [row.asDict() for row in frame.collect()]
    # Timestamps come in the process's zone without saying so.
    for row in rows:
        for name, value in row.items():
            if isinstance(value, datetime.datetime) and value.tzinfo is None:
                row[name] = value.astimezone(datetime.timezone.utc)
    return rows


READERS = {
    "deltalake": deltalake_rows,
    "polars": polars_rows,
    "duckdb": duckdb_rows,
    "pyarrow": pyarrow_rows,
}


def decimals(rows, columns):
    """The same rows with these columns as exact decimals, whatever a JSON reader made of them."""
    for row in rows:
        for column in columns:
            if row[column] is not None:
                row[column] = decimal.Decimal(str(row[column]))
    return rows
