"""Write-once tables, as somebody whom permissions bind: commits, going back, repair and crashes, and no way round."""

import json
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile

import pytest

import faults
from conftest import Warehouse, binary

NOBODY = 65534


@pytest.fixture
def bound():
    """A warehouse of somebody who is not root; nothing in it stops the directory from being removed afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        if os.geteuid() == 0:
            os.chmod(directory, 0o755)
            # The checkout may lie where only root may look.
            shutil.copy(binary(), pathlib.Path(directory, "varve"))
            pathlib.Path(directory, "own").mkdir()
            os.chown(pathlib.Path(directory, "own"), NOBODY, NOBODY)
            if as_bound(f"{directory}/varve", "--version").returncode != 0:
                pytest.skip("what the command is linked with lies where only root may look")
        else:
            pathlib.Path(directory, "own").mkdir()
        yield Bound(pathlib.Path(directory, "own"))
        subprocess.run(["chmod", "-R", "u+w", directory], check=True)


class Bound(Warehouse):
    def __init__(self, directory):
        super().__init__(directory / "warehouse")
        self.directory = directory
        self.varve = directory.parent / "varve" if os.geteuid() == 0 else binary()

    def start(self, words, **more):
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        environment = self.environment | more
        return subprocess.run(
            [str(self.varve), *map(str, words)], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=120, **user,
        )  # fmt: skip

    def run(self, *words, code=0, **more):
        done = self.start(words, **more)
        assert done.returncode == code, f"varve {words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def feed(self, name, rows):
        path = self.directory / name
        path.write_text(json.dumps(rows))
        return path

    def take(self, name, rows, *options):
        return json.loads(self.run("--json", "ingest", self.feed(name, rows), "--into", "t", *options).stdout)

    def count(self):
        return json.loads(self.run("query", "--format", "json", "SELECT count(*) AS n FROM t").stdout)[0]["n"]

    def open_directories(self):
        return [path for path in versions(self) if stat.S_IMODE(path.stat().st_mode) != 0o555]


def versions(warehouse):
    return [path for path in warehouse.table("t").rglob("v*") if path.is_dir() and path.name[1:].isdigit()]


def as_bound(*words):
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        return subprocess.run(words, capture_output=True, text=True, **user)
    except PermissionError:
        return subprocess.CompletedProcess(words, 126)


KEYED = ["--key", "id", "--partition-by", "market", "--immutable"]


def test_everything_goes_on_and_nothing_is_changed_behind_it(bound):
    rows = [{"id": n, "market": market, "price": n} for n, market in enumerate(["DE", "AT", "FR", "DE"])]
    bound.take("1.json", rows, *KEYED)
    bound.take("2.json", [{"id": 1, "market": "DE", "price": 7}, {"id": 9, "market": "CH"}], "--mode", "merge")
    bound.take("3.json", [{"id": 50, "market": "DE"}], "--mode", "overwrite", "--partition", "market=DE")
    bound.run("truncate", "t", "--partition", "market=FR")
    bound.run("restore", "t@2")
    for day in (1, 2, 3, 1):
        bound.take(f"day {day}.json", [{"id": day, "market": "IT", "price": day}],
                   "--mode", "stateful-merge", "--execution", str(day), "--reingest")  # fmt: skip
    transaction = bound.feed("all.json", {"ingestions": [
        {"table": "t", "mode": "merge", "feeds": [str(bound.feed("4.json", [{"id": 60, "market": "PL"}]))]},
        {"table": "u", "immutable": True, "feeds": [str(bound.feed("5.json", [{"n": 1}]))]},
    ]})  # fmt: skip
    bound.run("transaction", transaction)
    assert versions(bound) and bound.open_directories() == []
    assert bound.run("verify").stdout.count("whole") == 2

    # Nobody adds, takes away, renames or writes.
    part = next(bound.table("t").rglob("part-*.parquet"))
    before = part.read_bytes()
    for words in (["touch", part.parent / "more"], ["rm", "-f", part], ["mv", part, part.with_name("other")],
                  ["dd", "if=/dev/zero", f"of={part}", "conv=notrunc", "count=1"], ["mv", part.parent, bound.path]):  # fmt: skip
        assert as_bound(*map(str, words)).returncode != 0, words
    assert part.read_bytes() == before
    assert "immutable" in bound.run("drop", "t", code=3).stderr


def test_a_table_that_becomes_immutable_later(bound):
    bound.take("1.json", [{"id": 1, "market": "DE"}], "--key", "id", "--partition-by", "market")
    bound.take("2.json", [{"id": 2, "market": "AT"}])
    assert len(bound.open_directories()) == 2
    bound.run("immutable", "t", "--days", "30")
    assert bound.open_directories() == []
    assert "30 days" in bound.run("describe", "t").stdout
    later = {"VARVE_CLOCK": "2024-12-01T00:00:00Z"}
    assert "2024-11-05" in bound.run("drop", "t", code=3).stderr
    bound.run("drop", "t", **later)
    bound.run("restore", "t", **later)
    assert bound.count() == 2


@pytest.mark.parametrize("act", ["ingest", "immutable"])
def test_killed_at_any_storage_call(bound, act):
    """Old or new, as ever; and the next writer seals what the dead one left."""
    for name in ("VARVE_SEED", "VARVE_CLOCK"):
        del bound.environment[name]
    bound.take("1.json", [{"id": 1, "market": "DE"}], *(KEYED if act == "ingest" else KEYED[:-1]))
    feed = bound.feed("2.json", [{"id": 2, "market": "DE"}, {"id": 3, "market": "AT"}])
    words = ["ingest", feed, "--into", "t"] if act == "ingest" else ["immutable", "t", "--days", "1"]
    after = bound.feed("3.json", [{"id": 4, "market": "IT"}])

    log = bound.directory / "calls"
    if os.geteuid() == 0:
        # Whoever runs the command must be able to load what kills it.
        os.chmod(faults.shim().parent, 0o755)
    kept = bound.directory / "kept"
    as_bound("cp", "-a", str(bound.path), str(kept))

    def attempt(**how):
        as_bound("chmod", "-R", "u+w", str(bound.path))
        as_bound("rm", "-rf", str(bound.path), str(log))
        as_bound("cp", "-a", str(kept), str(bound.path))
        return bound.start(words, **faults.environment(bound, log, **how))

    assert attempt().returncode == 0
    calls = faults.calls_of(log)
    chosen = range(1, len(calls) + 1)
    if not faults.PROOF:
        sealing = [number for number in chosen if calls[number - 1].name == "fchmod" and "/v0" in calls[number - 1].path]
        assert sealing
        chosen = sorted({1, *faults.seeded(act).sample(chosen, 3), *sealing, len(calls)})
    seen = set()
    for number in chosen:
        killed = attempt(kill_at=number)
        assert killed.returncode == -9, number
        head = bound.head("t")
        assert head in (1, 2)
        seen.add(head)
        assert bound.count() == (3 if act == "ingest" and head == 2 else 1)
        bound.run("verify", "t")
        bound.run(*words)
        bound.run("ingest", after, "--into", "t")
        assert bound.open_directories() == [], number
        assert "whole" in bound.run("verify", "t").stdout
    assert seen == {1, 2}
