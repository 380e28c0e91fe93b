"""What the command does on a terminal, and only there: width, colour, progress."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

from conftest import binary
from test_readers import ndjson

ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def on_terminal(warehouse, *words, columns=60, **environment):
    """(standard output, standard error) of a run whose streams are terminals of that width."""
    streams, ends = [], []
    for _ in range(2):
        own, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        streams.append(own)
        ends.append(theirs)
    process = subprocess.Popen(
        [str(binary()), *map(str, words)],
        env=warehouse.environment | {"TERM": "xterm"} | environment,
        stdin=subprocess.DEVNULL, stdout=ends[0], stderr=ends[1],
    )  # fmt: skip
    for end in ends:
        os.close(end)
    texts = [drain(stream) for stream in streams]
    assert process.wait(timeout=60) == 0, texts
    return texts


def drain(stream):
    parts = []
    while True:
        try:
            part = os.read(stream, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(stream)
    return b"".join(parts).decode("utf-8").replace("\r\n", "\n")


@pytest.fixture
def filled(warehouse, tmp_path):
    rows = [{"id": number, "text": "Wörter " * 30} for number in range(3)]
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", rows, {"id": "int64", "text": "text"}), "--into", "there")
    return warehouse


def test_a_table_keeps_to_the_width_of_the_terminal(filled):
    for columns in (20, 60, 200):
        out, _ = on_terminal(filled, "query", "SELECT * FROM there", columns=columns)
        lines = ESCAPE.sub("", out).splitlines()
        assert len(lines) == 5 and max(map(len, lines)) <= columns
        assert ("…" in lines[2]) == (columns < 200 + 15)


def test_colour_is_for_terminals_and_can_be_switched_off(filled):
    coloured, _ = on_terminal(filled, "query", "SELECT * FROM there")
    plain, _ = on_terminal(filled, "query", "SELECT * FROM there", NO_COLOR="1")
    assert ESCAPE.search(coloured) and not ESCAPE.search(plain)
    assert not ESCAPE.search(filled.run("query", "SELECT * FROM there").out)


def test_progress_is_drawn_on_a_terminal_and_is_gone_at_the_end(warehouse, tmp_path):
    feed = tmp_path / "large.csv"
    with feed.open("w") as file:
        file.write("id,name\n")
        for block in range(150):
            file.write("".join(f"{block * 10_000 + n},name of {n}\n" for n in range(10_000)))
    out, error = on_terminal(warehouse, "ingest", feed, "--into", "large", columns=80)
    assert re.search(r"reading  █*░*  +\d+ %  [\d,]+ rows", error), error
    assert ESCAPE.sub("", error.rsplit("\r", 1)[-1]).strip() in ("", "the delimiter is \",\"")
    assert out.startswith("large: version 1, 1,500,000 rows read")
    _, quiet = on_terminal(warehouse, "--quiet", "ingest", feed, "--into", "quiet")
    assert quiet == ""


def asked(warehouse, *answers):
    """What `varve advise` says on a terminal to somebody who answers so."""
    own, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(binary()), "advise"], env=warehouse.environment | {"TERM": "xterm", "NO_COLOR": "1"},
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    # A terminal keeps what is typed ahead.
    os.write(own, "".join(answer + "\n" for answer in answers).encode())
    text = drain(own)
    assert process.wait(timeout=60) == 0
    return text


def test_advice_is_asked_for_on_a_terminal_only(warehouse):
    text = asked(warehouse, "n", "perhaps", "Yes", "y", " y ")
    assert text.count("[y/n]") == 5 and "Stateful merger" in text and "--mode stateful-merge" in text
    assert "Data overwrite" in asked(warehouse, "y", "n")
    refused = warehouse.run("advise", "--full", "no", code=2).err
    assert "--keys yes|no is open: Are there columns that identify a row" in refused
    assert warehouse.run("--json", "advise", "--full", "yes", "--metadata", "yes").json["pattern"] == "Fast metadata cleaner"


def test_eighty_columns_show_what_a_history_is_read_for(warehouse, tmp_path):
    rows = [{"id": number, "text": "a"} for number in range(1_200)]
    feed = ndjson(tmp_path / "Lieferung ほうじ茶 vom Montag.ndjson", rows, {"id": "int64", "text": "text"})
    warehouse.ingest(feed, "--into", "supplier_stock", "--key", "id", "--mode", "stateful-merge", "--execution", "1")
    for words, expected in (
        (("history", "supplier_stock"), ["1", "stateful-merge", "1,200", "0", "0", "Lieferung", "…"]),
        (("executions", "supplier_stock"), ["1", "active", "1", "1,200", "0", "0", "Lieferung", "ほうじ茶", "vom"]),
        (("tables",), ["supplier_stock", "1", "1,200", "id"]),
        (("ingestions",), ["supplier_stock", "done", "1"]),
    ):
        out, _ = on_terminal(warehouse, *words, columns=80)
        row = ESCAPE.sub("", out).splitlines()[2]
        found = iter(row.split())
        assert all(any(word == there for there in found) for word in expected), row
