"""Ctrl-C ends a command with 130, and leaves what was there before."""

import signal
import subprocess
import time

import pytest

from conftest import binary
from test_readers import ndjson


@pytest.fixture
def large_feed(tmp_path):
    path = tmp_path / "large.csv"
    with path.open("w") as file:
        file.write("id,name,price\n")
        for block in range(100):
            file.write("".join(f"{block * 10_000 + n},name of {n},{n / 7}\n" for n in range(10_000)))
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interrupted_ingest_leaves_nothing(warehouse, tmp_path, large_feed, number):
    feed = ndjson(tmp_path / "1.ndjson", [{"id": 1}], {"id": "int64"})
    warehouse.ingest(feed, "--into", "there")
    before = warehouse.files()
    process = subprocess.Popen(
        [str(binary()), "ingest", str(large_feed), "--into", "large"],
        env=warehouse.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    staging = warehouse.table("large") / "_varve" / "staging"
    while not (staging.is_dir() and any(staging.iterdir())):
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.send_signal(number)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert out == "" and error.startswith("varve: ") and error.count("\n") == 1
    assert warehouse.files() == before
    warehouse.ingest(feed, "--into", "large")


def test_an_interrupted_query_ends(warehouse, tmp_path):
    feed = ndjson(tmp_path / "1.ndjson", [{"id": n} for n in range(2_000)], {"id": "int64"})
    warehouse.ingest(feed, "--into", "there")
    sql = "SELECT sum(a.id * b.id * c.id) FROM there a, there b, there c"
    process = subprocess.Popen(
        [str(binary()), "query", sql],
        env=warehouse.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=20)
    assert process.returncode == 130, error
    assert out == ""
