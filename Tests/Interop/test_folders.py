"""A folder's files become versions, one by one and in order: at once with `ingest`, as they come with `watch`."""

import json
import os
import signal
import subprocess
import time

import pytest

from conftest import binary


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "inbox"
    path.mkdir()
    return path


def put(folder, name, *records):
    (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))


def prices(warehouse):
    return {row["sku"]: row["price"] for row in warehouse.rows("t", ["sku"])}


def test_a_folder_is_taken_in_the_order_of_names(warehouse, folder):
    put(folder, "2.ndjson", {"sku": "A", "price": 2})
    put(folder, "10.ndjson", {"sku": "A", "price": 10})
    put(folder, "1.ndjson", {"sku": "A", "price": 1}, {"sku": "B", "price": 1})
    put(folder, ".hidden.ndjson", {"sku": "X", "price": 0})
    put(folder, "3.ndjson.part", {"sku": "X", "price": 0})
    (folder / "deeper").mkdir()
    done = warehouse.ingest(folder, "--into", "t", "--mode", "merge", "--key", "sku")
    assert [(entry["file"].rsplit("/")[-1], entry["version"]) for entry in done] == [
        ("1.ndjson", 1), ("10.ndjson", 2), ("2.ndjson", 3)]  # fmt: skip
    assert prices(warehouse) == {"A": 2, "B": 1}
    again = warehouse.ingest(folder, "--into", "t")
    assert [entry["outcome"] for entry in again] == ["unchanged"] * 3
    assert warehouse.head("t") == 3


def test_a_pattern_is_a_folder_too(warehouse, folder):
    for number in range(4):
        put(folder, f"{number}.ndjson", {"n": number})
    assert [entry["version"] for entry in warehouse.ingest(f"{folder}/[02].nd*", "--into", "t")] == [1, 2]
    assert warehouse.rows("t", ["n"]) == [{"n": 0}, {"n": 2}]
    outcome = warehouse.run("ingest", f"{folder}/none*", "--into", "t", code=1)
    assert "no regular file" in outcome.err


def test_overwriting_from_a_folder_twice_changes_nothing(warehouse, folder):
    put(folder, "1.ndjson", {"n": 1})
    put(folder, "2.ndjson", {"n": 2})
    warehouse.ingest(folder, "--into", "t", "--mode", "overwrite")
    warehouse.ingest(folder, "--into", "t", "--mode", "overwrite")
    assert warehouse.head("t") == 2
    assert warehouse.rows("t", ["n"]) == [{"n": 2}]


def test_a_failure_stops_only_where_order_matters(warehouse, another, folder):
    put(folder, "1.ndjson", {"sku": "A", "price": 1})
    put(folder, "2.ndjson", {"sku": "A", "price": "x"})
    put(folder, "3.ndjson", {"sku": "B", "price": 3})
    outcome = warehouse.run("--json", "ingest", folder, "--into", "t", code=1)
    assert [entry["outcome"] for entry in outcome.json] == ["committed", "failed", "committed"]
    failed = [entry for entry in warehouse.run("--json", "ingestions").json if entry["state"] == "failed"]
    assert [entry["sources"] for entry in failed] == [["2.ndjson"]]

    merge = ("--into", "t", "--mode", "merge", "--key", "sku")
    outcome = another.run("--json", "ingest", folder, *merge, code=1)
    assert [entry["outcome"] for entry in outcome.json] == ["committed", "failed"]
    outcome = another.run("--json", "ingest", folder, *merge, "--keep-going", code=1)
    assert [entry["outcome"] for entry in outcome.json] == ["unchanged", "failed", "committed"]


class Watch:
    def __init__(self, warehouse, *words):
        environment = {name: value for name, value in warehouse.environment.items() if name != "VARVE_CLOCK"}
        environment.pop("VARVE_SEED")
        self.process = subprocess.Popen(
            [str(binary()), "--json", "watch", *map(str, words), "--every", "1"],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def next(self):
        """What it says of the next file."""
        line = self.process.stdout.readline()
        assert line, self.process.communicate()
        return json.loads(line)

    def end(self, number):
        self.process.send_signal(number)
        _, error = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_what_comes_into_a_watched_folder_is_ingested(warehouse, folder, number):
    put(folder, "1.ndjson", {"sku": "A", "price": 1})
    watch = Watch(warehouse, folder, "--into", "t")
    assert watch.next()["version"] == 1
    put(folder, "2.ndjson", {"sku": "B", "price": "x"})
    assert watch.next()["outcome"] == "failed"
    put(folder, "3.ndjson", {"sku": "C", "price": 3})
    assert watch.next()["version"] == 2
    put(folder, "2.ndjson", {"sku": "B", "price": 2.5})
    assert watch.next()["outcome"] == "committed"
    watch.end(number)
    assert prices(warehouse) == {"A": 1, "B": 2.5, "C": 3}
    assert {entry["state"] for entry in warehouse.run("--json", "ingestions").json} == {"done"}
    staging = warehouse.table("t") / "_varve" / "staging"
    assert not any(staging.iterdir())

    # What it did before, it knows when it is started again.
    watch = Watch(warehouse, folder, "--into", "t")
    assert [watch.next()["outcome"] for _ in range(3)] == ["unchanged"] * 3
    watch.end(number)
    assert warehouse.head("t") == 3


def test_a_watch_runs_the_retries_that_are_due(warehouse, folder, tmp_path):
    put(folder, "1.ndjson", {"sku": "A", "price": 1})
    warehouse.ingest(folder / "1.ndjson", "--into", "t")
    elsewhere = tmp_path / "late.ndjson"
    elsewhere.write_text('{"sku":"B","price":"x"}\n')
    # By the injected clock this failed long ago.
    warehouse.run("ingest", elsewhere, "--into", "t", code=1)
    elsewhere.write_text('{"sku":"B","price":2}\n')
    watch = Watch(warehouse, folder, "--into", "t")
    lines = [watch.next(), watch.next()]
    watch.end(signal.SIGTERM)
    assert [line["outcome"] for line in lines if "state" in line] == ["committed"]
    assert prices(warehouse) == {"A": 1, "B": 2}


def test_an_interrupted_ingest_of_a_folder_says_so(warehouse, folder):
    put(folder, "1.ndjson", {"n": 1})
    with (folder / "2.csv").open("w") as file:
        file.write("n,name\n")
        file.writelines(f"{n},name of {n}\n" for n in range(1_000_000))
    process = subprocess.Popen(
        [str(binary()), "ingest", str(folder), "--into", "t"],
        env=warehouse.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert "version 1" in process.stdout.readline()
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert warehouse.head("t") == 1
    assert [entry["state"] for entry in warehouse.run("--json", "ingestions").json] == ["done"]


def test_a_name_that_is_not_utf8_is_said(warehouse, folder):
    put(folder, "1.ndjson", {"sku": "A", "price": 1})
    strange = os.fsencode(folder) + b"/Gr\xf6\xdfe.ndjson"
    os.rename(folder / "1.ndjson", strange)
    put(folder, "2.ndjson", {"sku": "B", "price": 2})
    outcome = warehouse.run("--json", "ingest", folder, "--into", "t", code=1)
    assert [(entry["file"].rsplit("/")[-1], entry["outcome"]) for entry in outcome.json] == [
        ("2.ndjson", "committed"), (r"Gr\xf6\xdfe.ndjson", "failed")]  # fmt: skip
    assert "is not UTF-8" in outcome.json[1]["error"]
    named = warehouse.run("ingest", os.fsdecode(strange), "--into", "t", code=1)
    assert "is not UTF-8" in named.err
    watch = Watch(warehouse, folder, "--into", "t")
    assert [watch.next()["outcome"] for _ in range(2)] == ["unchanged", "failed"]
    watch.end(signal.SIGTERM)


def test_a_watched_folder_that_is_not_there_is_refused(warehouse, folder):
    assert "there is no such file" in warehouse.run("watch", folder / "typo", "--into", "t", code=1).err


@pytest.mark.parametrize("words", ["verify", "repair", "tables", "ingestions", "deliveries", "retry", "query SELECT"])
def test_a_named_warehouse_that_is_not_there_is_an_error(warehouse, tmp_path, words):
    assert "check VARVE_WAREHOUSE" in warehouse.run(*words.split(), code=1).err
    named = warehouse.run("--warehouse", tmp_path / "typo", *words.split(), code=1)
    assert f"{tmp_path / 'typo'}: there is no such warehouse; check --warehouse" in named.err


def test_the_same_content_read_otherwise_and_new_columns_are_remarked_on(warehouse, folder):
    feed = folder / "a.csv"
    feed.write_text("sku;n\nA;1\n")
    warehouse.ingest(feed, "--into", "t")
    again = warehouse.ingest(feed, "--into", "t", "--delimiter", ";")
    assert (again["version"], again["remarks"]) == (2, [
        '"a.csv" has the content of version 1, read as detected, and now with delimiter=;; '
        "rows that both take are doubled"])  # fmt: skip
    feed.write_text("sku;n;foo;bar\nA;1;2;3\n")
    assert "new columns: foo, bar" in warehouse.ingest(feed, "--into", "t")["remarks"]


def test_a_dropped_table_may_be_brought_back_under_another_name(warehouse, folder):
    put(folder, "1.ndjson", {"sku": "A", "price": 1})
    warehouse.ingest(folder, "--into", "s")
    warehouse.run("drop", "s")
    put(folder, "2.ndjson", {"sku": "B", "price": 2})
    warehouse.ingest(folder / "2.ndjson", "--into", "s")
    dropped = next((warehouse.path / "_trash").glob("s@*"))
    dropped.rename(warehouse.table("s_old"))
    warehouse.run("verify")
