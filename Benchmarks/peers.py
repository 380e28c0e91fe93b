"""The same work by other engines: one feed into one fresh table. Run as `peers.py PEER FEED TABLE [THREADS]`.

Prints {"work_seconds": …}: the work without interpreter start and imports, since those are not what is compared.
"""

import importlib
import json
import sys
import time
from pathlib import Path


def duckdb_connection(threads: int, *extensions: str):
    import duckdb
    connection = duckdb.connect(config={"threads": threads, "autoinstall_known_extensions": "false",
                                        "autoload_known_extensions": "false"})
    for name in extensions:
        folder = Path(importlib.import_module(f"duckdb_extension_{name}").__file__).parent
        binary = next(folder.glob(f"extensions/v*/{name}.duckdb_extension"))
        connection.execute(f"LOAD '{binary}'")
    return connection


def ducklake(connection, table: str) -> None:
    Path(table).mkdir(parents=True)
    connection.execute(f"ATTACH 'ducklake:{table}/catalog.ducklake' AS lake (DATA_PATH '{table}/data')")


def duckdb_json(feed, table, threads):
    connection = duckdb_connection(threads, "ducklake")
    started = time.perf_counter()
    ducklake(connection, table)
    connection.execute(f"CREATE TABLE lake.products AS SELECT * FROM read_json('{feed}')")
    return started


def duckdb_csv(feed, table, threads):
    connection = duckdb_connection(threads, "ducklake")
    started = time.perf_counter()
    ducklake(connection, table)
    connection.execute(f"CREATE TABLE lake.products AS SELECT * FROM read_csv('{feed}')")
    return started


def duckdb_xlsx(feed, table, threads):
    connection = duckdb_connection(threads, "ducklake", "excel")
    started = time.perf_counter()
    ducklake(connection, table)
    connection.execute(f"CREATE TABLE lake.products AS SELECT * FROM read_xlsx('{feed}')")
    return started


def fastexcel_delta(feed, table, threads):
    import deltalake
    import fastexcel
    started = time.perf_counter()
    rows = fastexcel.read_excel(feed).load_sheet(0).to_arrow()
    deltalake.write_deltalake(table, rows)
    return started


def polars_ndjson(feed, table, threads):
    import deltalake
    import polars
    started = time.perf_counter()
    deltalake.write_deltalake(table, polars.read_ndjson(feed).to_arrow())
    return started


def polars_csv(feed, table, threads):
    import deltalake
    import polars
    started = time.perf_counter()
    deltalake.write_deltalake(table, polars.read_csv(feed).to_arrow())
    return started


if __name__ == "__main__":
    peer, feed, table = sys.argv[1:4]
    began = globals()[peer](feed, table, int(sys.argv[4]) if len(sys.argv) > 4 else 2)
    print(json.dumps({"work_seconds": time.perf_counter() - began}))
