"""`varve export --iceberg`: each version is a snapshot that pyiceberg and Polars read row by row."""

import decimal
import json
import os
import shutil

import pytest

import peers
import test_readers
from test_readers import ndjson, varve_rows


def iceberg_rows(table, snapshot):
    rows = table.scan(snapshot_id=snapshot).to_arrow().to_pylist()
    return rows


def opened(warehouse, table):
    from pyiceberg.table import StaticTable

    return StaticTable.from_metadata(f"file://{warehouse.table(table)}")


def check(warehouse, table, types, key, versions=None):
    """Every snapshot against what Varve says; `types` of every column that there ever was."""
    found = opened(warehouse, table)
    head = warehouse.head(table)
    assert [snapshot.snapshot_id for snapshot in found.metadata.snapshots] == (versions or list(range(1, head + 1)))
    for snapshot in found.metadata.snapshots:
        number = snapshot.snapshot_id
        schema = found.schemas()[snapshot.schema_id]
        names = [field.name for field in schema.fields]
        wanted = varve_rows(warehouse, table, number, {name: types[name] for name in names})
        assert peers.ordered(iceberg_rows(found, number), key) == peers.ordered(wanted, key), f"snapshot {number}"
    return found


def metadata_files(warehouse, table):
    return {path.name: path.read_bytes() for path in (warehouse.table(table) / "metadata").iterdir()}


def outside(warehouse):
    return {path: size for path, size in warehouse.files().items() if "/metadata/" not in path}


@pytest.mark.parametrize("partitioned_by", [None, "flag", "number", "price", "mass", "day", "moment", "name"])
def test_every_type_and_version_is_equal(warehouse, tmp_path, partitioned_by):
    types = test_readers.TYPES
    first = test_readers.FIRST
    if partitioned_by == "name":
        first = [found | {"name": found["name"] or "empty"} for found in first if len(found["name"] or "") < 100]
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(test_readers.SCHEMA))
    options = ["--into", "things"]
    creation = ["--schema", schema, "--key", "id"] + (["--partition-by", partitioned_by] if partitioned_by else [])
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", first, types), *options, *creation)
    warehouse.ingest(ndjson(tmp_path / "2.ndjson", test_readers.SECOND, types), *options, "--mode", "append")
    warehouse.ingest(ndjson(tmp_path / "3.ndjson", test_readers.MERGED, types), *options, "--mode", "merge")
    warehouse.ingest(ndjson(tmp_path / "4.ndjson", test_readers.LAST, types), *options, "--mode", "overwrite")
    before = outside(warehouse)
    report = warehouse.run("export", "things", "--iceberg", "--json").json
    assert (report["version"], report["snapshots"]) == (4, 4)
    assert outside(warehouse) == before
    check(warehouse, "things", types, ["id"])
    assert warehouse.run("verify", "things").code == 0


@pytest.mark.parametrize("partitioned_by", [None, "market"])
def test_struck_rows_columns_that_change_and_older_states(warehouse, tmp_path, partitioned_by):
    types = {"id": "int64", "market": "text", "n": "int64", "note": "text", "remark": "text"}

    def feed(name, rows):
        kinds = {key: types[key] for key in rows[0]}
        return ndjson(tmp_path / name, rows, kinds)

    first = [{"id": n, "market": f"m{n % 3}", "n": n} for n in range(30)]
    creation = ["--key", "id", "--mode", "merge", "--updates", "merge-on-read"]
    warehouse.ingest(feed("1", first), "--into", "t", *creation, *(["--partition-by", "market"] if partitioned_by else []))
    warehouse.ingest(feed("2", [{"id": n, "market": f"m{n % 3}", "n": -n} for n in (1, 2, 31)]), "--into", "t")
    warehouse.ingest(feed("3", [{"id": n, "market": f"m{n % 3}", "n": 0, "note": "x"} for n in (1, 5, 6)]), "--into", "t")
    warehouse.run("export", "t", "--iceberg")
    once = metadata_files(warehouse, "t")
    check(warehouse, "t", types, ["id"])
    warehouse.run("export", "t", "--iceberg")
    assert metadata_files(warehouse, "t") == once
    warehouse.run("alter", "t", "--rename", "note=remark")
    warehouse.run("restore", "t@2")
    warehouse.run("truncate", "t")
    warehouse.run("restore", "t@3")
    warehouse.ingest(feed("8", [{"id": 5, "market": "m2", "n": 7, "note": "y"}]), "--into", "t")
    warehouse.run("tag", "t@2", "early")
    warehouse.run("export", "t", "--iceberg")
    found = check(warehouse, "t", types, ["id"])
    # What the first export wrote of these versions is what the second uses.
    later = metadata_files(warehouse, "t")
    assert {name for name in once if name.endswith((".avro", ".parquet"))} <= set(later)
    assert found.metadata.refs["early"].snapshot_id == 2
    assert found.metadata.current_snapshot_id == warehouse.head("t")
    # An older version as the current one.
    warehouse.run("export", "t@2", "--iceberg")
    assert opened(warehouse, "t").metadata.current_snapshot_id == 2
    assert len(opened(warehouse, "t").scan().to_arrow()) == 31


def test_polars_reads_it(warehouse, tmp_path):
    import polars

    rows = [{"id": n, "price": decimal.Decimal(n)} for n in range(10)]
    types = {"id": "int64", "price": "decimal(5,0)"}
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", rows, types), "--into", "t", "--key", "id", "--updates", "merge-on-read")
    warehouse.ingest(ndjson(tmp_path / "2.ndjson", [{"id": 3, "price": decimal.Decimal(7)}], types), "--into", "t", "--mode", "merge")
    report = warehouse.run("export", "t", "--iceberg", "--json").json
    for number in (1, 2):
        found = polars.scan_iceberg(report["metadata"], snapshot_id=number).collect().to_dicts()
        wanted = [row | {"price": 7} if number == 2 and row["id"] == 3 else row for row in rows]
        assert peers.ordered([{k: int(v) for k, v in row.items()} for row in found], ["id"]) == peers.ordered(
            [{k: int(v) for k, v in row.items()} for row in wanted], ["id"]
        )


def test_a_table_that_moved_is_exported_again(warehouse, another, tmp_path):
    types = {"id": "int64"}
    for number in (1, 2):
        warehouse.ingest(ndjson(tmp_path / f"{number}.ndjson", [{"id": number}], types), "--into", "t")
    warehouse.run("export", "t", "--iceberg", "--base-path", "s3://lake/t/")
    text = next((warehouse.table("t") / "metadata").glob("v2.metadata.json")).read_text()
    assert json.loads(text)["location"] == "s3://lake/t" and "s3://lake/t/metadata/snapshot-" in text
    first = set(metadata_files(warehouse, "t"))
    shutil.copytree(warehouse.path, another.path)
    another.run("export", "t", "--iceberg")
    check(another, "t", types, ["id"])
    # Nothing is left of the export under the other address.
    left = set(metadata_files(another, "t"))
    assert left & first == {"v2.metadata.json", "version-hint.text"} and len(left) == len(first)


def test_many_versions_share_their_manifests(warehouse, tmp_path):
    types = {"id": "int64", "n": "int64"}
    for number in range(1, 81):
        rows = [{"id": number, "n": number}] if number != 80 else [{"id": 3, "n": 0}, {"id": 80, "n": 80}]
        mode = ["--key", "id"] if number == 1 else ["--mode", "merge"] if number == 80 else []
        warehouse.ingest(ndjson(tmp_path / f"{number}.ndjson", rows, types), "--into", "t", *mode)
    warehouse.run("export", "t", "--iceberg")
    check(warehouse, "t", types, ["id"])
    manifests = list((warehouse.table("t") / "metadata").glob("manifest-*.avro"))
    assert len(manifests) <= 90


def test_an_export_is_whole_or_not_there(warehouse, tmp_path):
    types = {"id": "int64"}
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", [{"id": 1}], types), "--into", "t")
    warehouse.run("export", "t", "--iceberg")
    place = warehouse.table("t") / "metadata"
    # What a crash leaves: drafts, and files that were cut off.
    for file in place.glob("*.avro"):
        file.chmod(0o600)
        file.write_bytes(file.read_bytes()[:10])
    (place / "v9.metadata.json.tmp").write_text("{")
    warehouse.run("export", "t", "--iceberg")
    check(warehouse, "t", types, ["id"])
    assert not list(place.glob("*.tmp"))
    warehouse.run("export", "t", code=2)
    warehouse.run("export", "nothing", "--iceberg", code=1)


def test_a_vacuum_leaves_the_export_and_the_next_export_leaves_out_what_it_took(warehouse, tmp_path):
    types = {"id": "int64", "n": "int64"}
    first = [{"id": n, "n": n} for n in range(20)]
    options = ["--into", "t", "--key", "id", "--mode", "merge", "--updates", "merge-on-read"]
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", first, types), *options)
    for number in (2, 3, 4):
        warehouse.ingest(ndjson(tmp_path / f"{number}.ndjson", [{"id": 3, "n": -number}], types), "--into", "t")
    warehouse.run("export", "t", "--iceberg")
    before = metadata_files(warehouse, "t")
    for file in (warehouse.table("t") / "metadata").iterdir():
        os.utime(file, (1_000_000_000, 1_000_000_000))
    warehouse.run("vacuum", "t", "--keep-versions", "1", "--apply", VARVE_CLOCK="2034-10-06T12:00:00Z")
    assert metadata_files(warehouse, "t") == before
    wanted = varve_rows(warehouse, "t", 4, types)
    assert peers.ordered(iceberg_rows(opened(warehouse, "t"), 4), ["id"]) == peers.ordered(wanted, ["id"])
    report = warehouse.run("export", "t", "--iceberg", "--json").json
    assert report["left_out"] == [2, 3]
    check(warehouse, "t", types, ["id"], versions=[1, 4])
