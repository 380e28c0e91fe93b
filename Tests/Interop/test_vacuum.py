"""A vacuum takes what nobody needs, and what is kept stays the same for every reader."""

import json
import subprocess

import deltalake
import pytest

import peers
from conftest import binary
from test_readers import ndjson

TYPES = {"id": "int64", "market": "text", "price": "int64"}


def filled(warehouse, tmp_path, versions=5, *options):
    """A table each of whose versions changes a row of the one before; returns the rows by version."""
    expected, rows = {}, {}
    for version in range(1, versions + 1):
        change = [{"id": 0, "market": "DE", "price": version}, {"id": version + 10, "market": "AT", "price": 0}]
        feed = ndjson(tmp_path / f"{version}.ndjson", change, TYPES)
        warehouse.ingest(feed, "--into", "t", "--key", "id", "--mode", "merge", *options)
        rows |= {row["id"]: row for row in change}
        expected[version] = list(rows.values())
    return expected


def vacuum(warehouse, *words):
    return warehouse.run("--json", "vacuum", "t", *words).json


def fates(report):
    return {version["version"]: version["fate"] for version in report["versions"]}


@pytest.mark.parametrize("options", [[], ["--partition-by", "market"]])
def test_kept_versions_are_read_by_everyone(warehouse, tmp_path, spark, options):
    expected = filled(warehouse, tmp_path, 6, *options)
    warehouse.run("tag", "t@2", "kept")
    report = vacuum(warehouse, "--keep-versions", "2", "--apply")
    assert {version for version, fate in fates(report).items() if fate == "removed"} == {1, 3, 4}
    for version in (2, 5, 6):
        wanted = peers.ordered(expected[version], ["id"])
        assert peers.ordered(warehouse.rows(f"t@{version}", ["id"]), ["id"]) == wanted
        for name, read in peers.READERS.items():
            assert peers.ordered(read(warehouse.table("t"), version), ["id"]) == wanted, f"{name}, version {version}"
        assert peers.ordered(peers.spark_rows(spark, warehouse.table("t"), version), ["id"]) == wanted
    refused = warehouse.run("query", 'SELECT * FROM "t@3"', code=3)
    assert refused.err.startswith("varve: ") and refused.err.count("\n") == 1 and "was vacuumed" in refused.err
    # A commit of another engine goes on from there, and so do we.
    deltalake.DeltaTable(str(warehouse.table("t"))).delete("id = 11")
    assert len(warehouse.rows("t", ["id"])) == len(expected[6]) - 1
    warehouse.run("verify")


def test_a_query_of_another_process_is_not_disturbed(warehouse, tmp_path):
    rows = [{"id": number, "name": "x" * 200} for number in range(2000)]
    for part in range(10):
        feed = ndjson(tmp_path / f"{part}.ndjson", rows[part * 200 : part * 200 + 200], {"id": "int64", "name": "text"})
        warehouse.ingest(feed, "--into", "t")
    last = ndjson(tmp_path / "last.ndjson", rows[:1], {"id": "int64", "name": "text"})
    warehouse.ingest(last, "--into", "t", "--mode", "overwrite")
    query = [str(binary()), "query", "--format", "ndjson", 'SELECT * FROM "t@10"']
    with subprocess.Popen(query, env=warehouse.environment, stdout=subprocess.PIPE, text=True) as reader:
        first = reader.stdout.readline()
        # The pipe is full, so the reader waits for us in the middle of its files.
        report = vacuum(warehouse, "--keep-versions", "1", "--grace-days", "0", "--apply")
        assert next(v for v in report["versions"] if v["version"] == 10)["reasons"] == ["being read"]
        found = [json.loads(first), *map(json.loads, reader.stdout)]
    assert reader.returncode == 0 and sorted(found, key=lambda row: row["id"]) == rows
    assert fates(vacuum(warehouse, "--keep-versions", "1", "--apply"))[10] == "removed"


def test_deliveries_keep_what_they_need(warehouse, tmp_path):
    filled(warehouse, tmp_path, 5)
    warehouse.run("push", "t@1", "--to", f"dir:{tmp_path / 'out'}")
    # Nobody listens there: the delivery is begun, and not complete.
    target = {"kind": "callback", "url": "http://127.0.0.1:9/", "retry": {"attempts": 1, "first_seconds": 0.01}}
    (warehouse.path / "varve.json").write_text(json.dumps({"targets": {"shop": target}}))
    warehouse.run("push", "t@2", "--to", "shop", code=1)
    report = vacuum(warehouse, "--keep-versions", "1", "--apply")
    reasons = {version["version"]: " ".join(version["reasons"]) for version in report["versions"]}
    assert "delivered to" in reasons[1] and reasons[2] == "delivery to shop not complete"
    assert fates(report)[3] == "removed" and fates(report)[4] == "removed"
    warehouse.run("push", "t", "--to", f"dir:{tmp_path / 'out'}", "--changes-since", "delivered")
    # Now the target has the newest: version 1 is not needed for it any more.
    assert fates(vacuum(warehouse, "--keep-versions", "1", "--apply"))[1] == "removed"


def test_a_vacuum_of_another_engine_is_told_from_loss(warehouse, tmp_path):
    expected = filled(warehouse, tmp_path, 4)
    table = deltalake.DeltaTable(str(warehouse.table("t")))
    gone = table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert gone
    found = warehouse.run("--json", "verify", "t").json[0]
    assert found["whole"] and {finding["kind"] for finding in found["findings"]} == {"vacuumed"}
    report = vacuum(warehouse, "--keep-versions", "1", "--apply")
    assert report["files"] == [] and fates(report)[1] == "lost"
    assert peers.ordered(warehouse.rows("t", ["id"]), ["id"]) == peers.ordered(expected[4], ["id"])


def test_deletion_vectors_of_another_engine_go_with_the_versions_that_need_them(warehouse, spark):
    """Written by Sail: each deletion leaves the data file where it is, and a new file of vectors beside it."""
    table = warehouse.table("t")
    table.parent.mkdir()
    location = f"USING delta LOCATION 'file://{table}' TBLPROPERTIES ('delta.enableDeletionVectors'='true')"
    for act in (f"CREATE TABLE struck (id BIGINT) {location}", "INSERT INTO struck SELECT id FROM range(100)",
                "DELETE FROM struck WHERE id < 10", "DELETE FROM struck WHERE id >= 95",
                "DELETE FROM struck WHERE id = 50"):  # fmt: skip
        spark.sql(act).collect()
    bounds = {1: (0, 100), 2: (10, 100), 3: (10, 95)}
    expected = {version: set(range(*span)) for version, span in bounds.items()} | {4: set(range(10, 95)) - {50}}

    def vectors():
        return {path.name for path in table.rglob("deletion_vector_*.bin") if "_varve" not in path.parts}

    def ids(version):
        return {row["id"] for row in warehouse.rows(f"t@{version}", ["id"])}

    assert len(vectors()) == 3 and all(ids(version) == expected[version] for version in expected)
    spare = table / "deletion_vector_0b5a3c2e-4a21-4f0e-9a51-0123456789ab.bin"
    spare.write_bytes(b"1")
    before = vectors()
    report = vacuum(warehouse, "--keep-versions", "1", "--apply")
    kinds = [file["kind"] for file in report["files"]]
    assert kinds == ["deletion vectors"] * 2 and fates(report) == {0: "shared", 1: "shared", 2: "removed", 3: "removed", 4: "kept"}
    # What another engine may be about to commit stays.
    assert len(vectors()) == 2 and spare.name in vectors()
    assert ids(4) == expected[4] == {row["id"] for row in peers.spark_rows(spark, table, 4)} and ids(1) == expected[1]
    assert "was vacuumed" in warehouse.run("query", 'SELECT * FROM "t@3"', code=3).err
    assert warehouse.run("--json", "verify", "t").json[0]["whole"]
    assert "versions 2 to 3 can be read again" in warehouse.run("vacuum", "t", "--undo").out
    assert vectors() == before and all(ids(version) == expected[version] for version in expected)
    old = warehouse.run("--json", "vacuum", "t", "--keep-versions", "9", VARVE_CLOCK="2034-10-06T12:00:00Z").json
    assert [(file["path"], file["kind"]) for file in old["files"]] == [(spare.name, "orphan")]
    warehouse.run("verify", "t")


def test_writers_and_vacuums_at_once_lose_nothing(warehouse, tmp_path):
    warehouse.ingest(ndjson(tmp_path / "0.ndjson", [{"id": 0}], {"id": "int64"}), "--into", "t", "--key", "id")
    environment = {k: v for k, v in warehouse.environment.items() if k not in ("VARVE_SEED", "VARVE_CLOCK")}
    words = []
    for number in range(1, 9):
        feed = ndjson(tmp_path / f"{number}.ndjson", [{"id": number}, {"id": 0}], {"id": "int64"})
        words.append(["ingest", str(feed), "--into", "t", "--mode", "merge"])
    words += [["vacuum", "t", "--keep-versions", "1", "--apply"]] * 4
    running = [subprocess.Popen([str(binary()), *w], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True) for w in words]  # fmt: skip
    for process, command in zip(running, words):
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, f"{command}: {err}"
    assert [row["id"] for row in warehouse.rows("t", ["id"])] == list(range(9))
    warehouse.run("verify")


def test_who_names_no_version_is_never_told_that_it_was_vacuumed(warehouse, tmp_path):
    warehouse.ingest(ndjson(tmp_path / "0.ndjson", [{"id": 0}], {"id": "int64"}), "--into", "t", "--key", "id")
    environment = {k: v for k, v in warehouse.environment.items() if k not in ("VARVE_SEED", "VARVE_CLOCK")}
    commands = []
    for number in range(1, 7):
        feed = ndjson(tmp_path / f"{number}.ndjson", [{"id": 0, "n": number}], {"id": "int64", "n": "int64"})
        commands.append(["ingest", str(feed), "--into", "t", "--mode", "merge"])
        commands.append(["vacuum", "t", "--keep-versions", "1", "--grace-days", "0", "--apply"])
        commands += [["query", "--format", "csv", "SELECT * FROM t"]] * 3
    running = [subprocess.Popen([str(binary()), *words], env=environment, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True) for words in commands]  # fmt: skip
    for process, words in zip(running, commands):
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, f"{words}: {err}"
