"""Compaction changes no row for any reader, and stands in nobody's way."""

import json
import subprocess

import pytest

import peers
from conftest import binary
from test_readers import ndjson

TYPES = {"id": "int64", "market": "text", "price": "double"}


def fed(warehouse, tmp_path, count, *options):
    rows = []
    for number in range(count):
        more = [{"id": number * 3 + n, "market": ["DE", "AT", None][n], "price": number / 7} for n in range(3)]
        warehouse.ingest(ndjson(tmp_path / f"{number}.ndjson", more, TYPES), "--into", "t", "--mode", "append", *options)
        rows += more
    return rows


@pytest.mark.parametrize("options", [[], ["--partition-by", "market", "--key", "id"]])
def test_every_reader_sees_the_same_rows_before_and_after(warehouse, tmp_path, spark, options):
    wanted = peers.ordered(fed(warehouse, tmp_path, 6, *options), ["id"])
    order = warehouse.run("query", "--format", "ndjson", "SELECT * FROM t").out
    report = warehouse.run("--json", "compact", "t").json
    assert (report["version"], report["files_after"], report["rows"]) == (7, 3 if options else 1, 18)
    assert warehouse.run("query", "--format", "ndjson", "SELECT * FROM t").out == order
    for version in (6, 7):
        for name, read in peers.READERS.items():
            assert peers.ordered(read(warehouse.table("t"), version), ["id"]) == wanted, f"{name}, version {version}"
        assert peers.ordered(peers.spark_rows(spark, warehouse.table("t"), version), ["id"]) == wanted
    entry = (warehouse.table("t") / "_delta_log" / f"{7:020d}.json").read_text().splitlines()
    changes = [action.get("add") or action.get("remove") for action in map(json.loads, entry)]
    assert {change["dataChange"] for change in changes if change} == {False}
    told = json.loads(entry[0])["commitInfo"]["varve"]["details"]["compaction"]
    assert told["rows_sha256"] == report["rows_sha256"] and told["files_before"] == (18 if options else 6)
    assert "0 inserted, 0 updated, 0 deleted" in warehouse.run("diff", "t@6", "t@7").out
    warehouse.run("verify")


def test_a_delivery_of_changes_across_it_sends_nothing_and_one_of_an_old_version_the_same_bytes(warehouse, tmp_path):
    fed(warehouse, tmp_path, 5, "--key", "id")
    out = tmp_path / "out"
    warehouse.run("push", "t", "--to", f"dir:{out}", "--chunk-records", "4")
    before = {path.name: path.read_bytes() for path in next(out.iterdir()).iterdir()}
    warehouse.run("compact", "t")
    delivered = warehouse.run("--json", "push", "t", "--to", f"dir:{out}", "--changes-since", "delivered").json
    assert delivered["records"] == 0
    again = tmp_path / "again"
    warehouse.run("push", "t@5", "--to", f"dir:{again}", "--chunk-records", "4")
    after = {path.name: path.read_bytes() for path in next(again.iterdir()).iterdir()}
    records = [json.loads(before[name]).get("records") for name in sorted(before)]
    assert records == [json.loads(after[name]).get("records") for name in sorted(after)] and len(records) > 3


def test_ingests_and_compactions_at_once_lose_nothing(warehouse, tmp_path):
    fed(warehouse, tmp_path, 3, "--key", "id")
    environment = {k: v for k, v in warehouse.environment.items() if k not in ("VARVE_SEED", "VARVE_CLOCK")}
    commands = []
    for number in range(6):
        rows = [{"id": 100 + number, "market": "DE", "price": 0.5}, {"id": 1, "market": "AT", "price": number / 2}]
        feed = ndjson(tmp_path / f"more {number}.ndjson", rows, TYPES)
        commands.append(["ingest", str(feed), "--into", "t", "--mode", "merge"])
    commands += [["compact", "t"]] * 4
    running = [subprocess.Popen([str(binary()), *words], env=environment, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True) for words in commands]  # fmt: skip
    for process, words in zip(running, commands):
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, f"{words}: {err}"
    warehouse.run("compact", "t")
    assert [row["id"] for row in warehouse.rows("t", ["id"])] == [*range(9), *range(100, 106)]
    warehouse.run("verify")
