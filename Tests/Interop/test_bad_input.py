"""Bad input: one clear sentence that names the place, the right exit code, nothing committed, nothing left behind."""

import json
import os
import re
import resource
import subprocess

import pytest

import hostile
from conftest import binary
from test_readers import ndjson

CASES = pytest.mark.parametrize(
    "name, data, options, words", [case[1:] for case in hostile.INPUTS], ids=[case[0] for case in hostile.INPUTS]
)


@pytest.fixture
def filled(warehouse, tmp_path):
    """A warehouse with one table `there` of two versions."""
    for number in (1, 2):
        feed = ndjson(tmp_path / f"{number}.ndjson", [{"id": number, "name": "a"}], {"id": "int64", "name": "text"})
        warehouse.ingest(feed, "--into", "there")
    return warehouse


def check_sentence(outcome, words):
    """One line for people, with the place in it and nothing of the program's insides."""
    lines = outcome.err.strip().split("\n")
    assert lines[-1].startswith("varve: "), outcome.err
    for word in words:
        assert word in outcome.err, f"{word!r} is not in: {outcome.err}"
    for inside in ("Swift", "Optional(", "Problem(", "fatalError", "Fatal error", ".swift:", "nil"):
        assert inside not in outcome.err, outcome.err
    assert outcome.out == ""


@CASES
def test_bad_input_is_refused_with_its_place(filled, tmp_path, name, data, options, words):
    feed = tmp_path / name
    feed.write_bytes(data)
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"columns": [{"name": "id", "type": "int64"}, {"name": "name", "type": "text"}]}))
    options = [str(schema) if option == "SCHEMA" else option for option in options]
    before = filled.files()
    outcome = filled.run("ingest", feed, "--into", "fresh", *options, code=1)
    check_sentence(outcome, words)
    assert filled.files() == before
    assert not filled.table("fresh").exists()
    assert [table["name"] for table in filled.run("--json", "tables").json] == ["there"]


@CASES
def test_bad_input_leaves_no_warehouse_behind(warehouse, tmp_path, name, data, options, words):
    feed = tmp_path / name
    feed.write_bytes(data)
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"columns": [{"name": "id", "type": "int64"}, {"name": "name", "type": "text"}]}))
    options = [str(schema) if option == "SCHEMA" else option for option in options]
    warehouse.run("ingest", feed, "--into", "fresh", *options, code=1)
    assert not warehouse.path.exists() or not any(warehouse.path.iterdir())


def test_a_bomb_is_refused_early_and_in_little_memory(filled, tmp_path):
    feed = tmp_path / "bomb.xlsx"
    feed.write_bytes(hostile.bomb())
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    outcome = filled.run("ingest", feed, "--into", "fresh", code=1)
    check_sentence(outcome, ["bomb.xlsx"])
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 20
    assert not filled.table("fresh").exists()


def test_declared_counts_that_lie_change_nothing(warehouse, tmp_path):
    feed = tmp_path / "lies.xlsx"
    strings = (
        f'<?xml version="1.0"?><sst {hostile.MAIN} count="4000000000" uniqueCount="4000000000">'
        "<si><t>one</t></si><si><t>two</t></si></sst>"
    )
    rows = "".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c><c r="B{n}" t="s"><v>{n % 2}</v></c></row>' for n in (2, 3))
    head = '<dimension ref="A1:XFD1048576"/>'
    feed.write_bytes(hostile.workbook(hostile.sheet(hostile.HEADER + rows, head=head), strings))
    warehouse.ingest(feed, "--into", "lies")
    assert warehouse.rows("lies", ["id"]) == [{"id": 2, "name": "one"}, {"id": 3, "name": "two"}]


@pytest.mark.parametrize(
    "words, code, sentence",
    [
        (["ingest", "nowhere.csv", "--into", "t"], 1, ["nowhere.csv"]),
        (["ingest", "/var/empty/*", "--into", "t"], 1, ["regular file"]),
        (["ingest", "/dev/null", "--into", "t"], 1, ["/dev/null", "regular file"]),
        (["preview", "nowhere.csv"], 1, ["nowhere.csv"]),
        (["cells", "nowhere.xlsx"], 1, ["nowhere.xlsx"]),
        (["ingest", "1.ndjson", "--into", "Bad-Name"], 2, ["Bad-Name"]),
        (["ingest", "1.ndjson", "--into", "inbox"], 2, ["inbox"]),
        (["ingest", "1.ndjson", "--into", "../t"], 2, ["../t"]),
        (["describe", "nothing"], 1, ['"nothing"']),
        (["describe", "there@99"], 1, ["there", "99"]),
        (["describe", "there@1999-01-01"], 1, ["there", "1999-01-01"]),
        (["describe", "there@x"], 1, ["x"]),
        (["history", "nothing"], 1, ['"nothing"']),
        (["diff", "there@1", "nothing@1"], 1, ['"nothing"']),
        (["query", "SELECT * FROM nothing"], 1, ["nothing"]),
        (["query", 'SELECT * FROM "there@99"'], 1, ["99"]),
        (["query", "SELECT nothing FROM there"], 1, ["nothing"]),
        (["query", "SELEKT 1"], 1, ["SELEKT"]),
        (["query", "SELECT 1; SELECT 2"], 1, ["more than one"]),
        (["query", "CREATE TABLE x (y)"], 1, []),
        (["query", "ATTACH 'other.sqlite' AS other"], 1, []),
        (["query", "DELETE FROM there"], 1, []),
        (["query", "SELECT load_extension('x')"], 1, []),
        (["ingest", "1.ndjson"], 2, ["--into"]),
        (["ingset"], 2, ["ingest"]),
        (["query"], 2, ["SQL"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)  # fmt: skip
def test_a_wrong_command_says_so(filled, tmp_path, words, code, sentence, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = filled.files()
    outcome = filled.run(*words, code=code)
    check_sentence(outcome, sentence)
    assert filled.files() == before


def test_a_column_that_cannot_widen_is_refused_with_its_rows(filled, tmp_path):
    feed = ndjson(tmp_path / "3.ndjson", [{"id": 3}, {"id": "many"}], {"id": "text"})
    before = filled.files()
    outcome = filled.run("ingest", feed, "--into", "there", code=1)
    check_sentence(outcome, ["3.ndjson", "line 2", '"id"', '"many"'])
    assert filled.files() == before


def test_standard_output_that_cannot_be_written_is_a_failure(filled):
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [str(binary()), "query", "SELECT * FROM there"],
            env=filled.environment, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert process.returncode == 1
    assert "standard output" in process.stderr


def test_a_reader_that_leaves_early_is_no_failure(filled, tmp_path):
    rows = [{"id": number, "name": "x" * 100} for number in range(20_000)]
    filled.ingest(ndjson(tmp_path / "many.ndjson", rows, {"id": "int64", "name": "text"}), "--into", "many")
    command = f"'{binary()}' query --format csv 'SELECT * FROM many' | head -n 2; echo ${{PIPESTATUS[0]}}"
    process = subprocess.run(["bash", "-c", command], env=filled.environment, capture_output=True, text=True)
    assert process.stdout.split("\n")[0] == "id,name"
    assert process.stdout.strip().split("\n")[-1] == "0"
    assert process.stderr == ""


def test_a_table_on_a_disk_too_small_says_so_and_leaves_nothing(filled, tmp_path):
    rows = [{"id": number, "name": os.urandom(50).hex()} for number in range(20_000)]
    feed = ndjson(tmp_path / "many.ndjson", rows, {"id": "int64", "name": "text"})
    before = filled.files()
    command = ["prlimit", "--fsize=100000", str(binary()), "ingest", str(feed), "--into", "fresh"]
    process = subprocess.run(command, env=filled.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert process.returncode == 1, process.stderr
    assert re.search("too large|File too large", process.stderr), process.stderr
    assert filled.files() == before
