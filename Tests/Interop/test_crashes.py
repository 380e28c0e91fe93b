"""`varve ingest` is killed, or one of its storage calls fails, wherever that can be: what is left is the version before
or the version after, in every reader, and the next command needs no help. So it is for commands that change a table
without a feed. What is only read by Varve itself is stopped by CrashTests of VarveCLITests.

Killing is blind to a missing sync, since the page cache survives the program: the order of syncs is asserted beside
this, from the trace of the same binary (SyncOrderTests)."""

import json
import re
import shutil
import urllib.parse
from typing import NamedTuple

import deltalake
import pytest

import peers
from conftest import Warehouse
from faults import PROOF, run, seeded

TABLE = "products"
FIRST = [{"id": n, "market": market, "price": n} for n, market in enumerate(["DE", "AT", "DE", None, "FR"])]
MORE = [{"id": n, "market": market, "price": n} for n, market in enumerate(["DE", "CH", None], start=10)]
MERGED = [{"id": 1, "market": "AT", "price": 100}, {"id": 2, "market": "FR"}, {"id": 20, "market": "DE", "price": 1}]
AFTER = [{"id": 90, "market": "IT", "price": 1}]


class Scenario(NamedTuple):
    """What an ingest does to a table that earlier ones made, each of a feed and options; or, without a feed, a command."""

    before: list
    feed: list | None
    options: list


PLAIN = (FIRST, [])
KEYED = (FIRST, ["--key", "id"])
PARTED = (FIRST, ["--key", "id", "--partition-by", "market"])
EXECUTION = ["--mode", "stateful-merge", "--execution"]
SCENARIOS = {
    "a new table": Scenario([], FIRST, []),
    "a new table with key and partitions": Scenario([], *PARTED),
    "append": Scenario([PLAIN], MORE, []),
    "append to partitions": Scenario([PARTED], MORE, []),
    "append with a new and a wider column": Scenario([PLAIN], [{"id": 10, "price": 0.5, "name": "new"}], []),
    "insert": Scenario([PARTED], [FIRST[0] | {"price": 99}, *MORE], ["--mode", "insert"]),
    "overwrite the table": Scenario([PLAIN, (MORE, [])], AFTER, ["--mode", "overwrite"]),
    "overwrite a partition": Scenario(
        [PARTED], [{"id": 50, "market": "DE", "price": 5}], ["--mode", "overwrite", "--partition", "market=DE"]
    ),
    "overwrite the feed's partitions": Scenario(
        [PARTED], [{"id": 60, "market": "DE", "price": 6}, {"id": 61, "market": "AT"}], ["--mode", "overwrite", "--dynamic"]
    ),
    "empty a partition": Scenario(
        [PARTED], [], ["--mode", "overwrite", "--partition", "market=DE", "--allow-empty"]
    ),
    "merge": Scenario([KEYED], MERGED, ["--mode", "merge"]),
    "merge that moves rows between partitions": Scenario([PARTED], MERGED, ["--mode", "merge"]),
    "merge with a wider column": Scenario([PARTED], [{"id": 1, "price": 0.25}], ["--mode", "merge"]),
    "merge into an immutable table": Scenario([(FIRST, PARTED[1] + ["--immutable"])], MERGED, ["--mode", "merge"]),
    "truncate": Scenario([PARTED], None, ["truncate", TABLE, "--partition", "market=DE"]),
    "alter": Scenario([PARTED], None, ["alter", TABLE, "--rename", "price=amount", "--add", "note:text", "--order", "note"]),
    "restore": Scenario([PLAIN, (AFTER, ["--mode", "overwrite"])], None, ["restore", f"{TABLE}@1"]),
    "stateful merge": Scenario([(FIRST, EXECUTION + ["1", "--key", "id"])], MERGED, EXECUTION + ["2"]),
    "stateful merge that replays later executions": Scenario(
        [(FIRST, EXECUTION + ["1", "--key", "id"]), (MERGED, EXECUTION + ["2"]), (MORE, EXECUTION + ["3"])],
        [{"id": 1, "market": "CH", "price": 77}, {"id": 4, "market": "CH"}], EXECUTION + ["1"],
    ),
    "quarantine": Scenario(
        [KEYED], [*MORE, {"id": 12345, "market": "X", "price": "n/a"}], ["--on-bad-row", "quarantine"]
    ),
}  # fmt: skip


def at(directory):
    """A warehouse whose commands draw their ids by chance, as people's do."""
    warehouse = Warehouse(directory)
    for name in ("VARVE_SEED", "VARVE_CLOCK"):
        del warehouse.environment[name]
    return warehouse


def written(path, rows):
    path.write_text(json.dumps(rows))
    return path


def rows_in(found):
    return sorted(json.dumps({name: peers.normal(value) for name, value in row.items()}) for row in found)


def states(warehouse, names):
    """What each reader sees: rows, or nothing where there is no table. A table without its first feed is none."""
    table = warehouse.table(TABLE)
    is_there = deltalake.DeltaTable.is_deltatable(str(table)) and deltalake.DeltaTable(str(table)).version() > 0
    for name in names:
        if name == "varve":
            outcome = run(warehouse, "query", "--format", "ndjson", f"SELECT * FROM {TABLE}")
            assert outcome.code == 0 or "there is no table" in outcome.err, outcome.err
            assert outcome.calls == [], "reading never writes"
            yield name, rows_in(map(json.loads, outcome.out.splitlines())) if outcome.code == 0 else None
        else:
            yield name, rows_in(peers.READERS[name](table, None)) if is_there else None


def state(warehouse, names=("varve", "deltalake", "polars")):
    """The one state that all these readers see."""
    found = dict(states(warehouse, names))
    seen = {json.dumps(rows) for rows in found.values()}
    assert len(seen) == 1, f"readers differ: {found}"
    return next(iter(found.values()))


def head(warehouse):
    log = warehouse.table(TABLE) / "_delta_log"
    return warehouse.head(TABLE) if any(log.glob("*.json")) else -1


def content(warehouse):
    """What no later command may touch: data, manifests and log entries."""
    kept = [*warehouse.path.rglob("*.parquet"), *warehouse.path.rglob("_manifest.json")]
    kept += warehouse.path.rglob("_delta_log/*.json")
    return {path.relative_to(warehouse.path): path.read_bytes() for path in kept if "staging" not in path.parts}


def check_tidy(warehouse):
    """Nothing in staging, every version directory is named by the entry of its number, nothing half-written."""
    table = warehouse.table(TABLE)
    assert list((table / "_varve" / "staging").iterdir()) == []
    named, kept = set(), set()
    versions = sorted((table / "_delta_log").glob("*.json"))
    assert [int(entry.stem) for entry in versions] == list(range(len(versions)))
    for entry in versions:
        for action in map(json.loads, entry.read_text().splitlines()):
            if "add" in action:
                named.add((table / urllib.parse.unquote(action["add"]["path"])).parent)
            info = action.get("commitInfo", {}).get("varve", {})
            named.update((table / manifest["path"]).parent for manifest in info.get("manifests", []))
            if "quarantine" in info.get("details", info):
                kept.add(table / info.get("details", info)["quarantine"]["path"])
    there = {path for path in table.rglob("v*") if re.fullmatch(r"v\d{8,}", path.name) and path.is_dir()}
    assert there == {path for path in named if re.fullmatch(r"v\d{8,}", path.name)}
    assert set((table / "_varve" / "quarantine").glob("*")) == kept
    assert [path for path in warehouse.path.rglob("*") if path.suffix in (".tmp", ".draft")] == []
    assert [path for path in table.iterdir() if path.is_dir() and not any(path.iterdir())] == []


def without_ledger(calls):
    """The numbered calls but those of the ledger, which is an account of what was tried, and never a gate."""
    of_ledger = False
    for number, call in enumerate(calls, start=1):
        # It syncs the warehouse's directory when its journal has come or gone.
        of_ledger = "/varve.sqlite" in call.path or "/varve.locks" in call.path or (
            of_ledger and call.name == "fsync" and "/" + TABLE not in call.path and "/_transactions" not in call.path
        )
        if not of_ledger:
            yield number, call


class Stage:
    """A scenario's warehouse before the command, and what a run without faults makes of it."""

    def __init__(self, directory, name):
        self.directory, self.scenario = directory, SCENARIOS[name]
        self.base = at(directory / "base")
        for number, (feed, options) in enumerate(self.scenario.before):
            self.base.ingest(written(directory / f"before {number}.json", feed), "--into", TABLE, *options)
        self.base.path.mkdir(exist_ok=True)
        self.words = ["--json", *self.scenario.options]
        if self.scenario.feed is not None:
            feed = written(directory / "feed.json", self.scenario.feed)
            self.words[1:1] = ["ingest", feed, "--into", TABLE]
        self.after = written(directory / "after.json", AFTER)
        self.old, self.old_head = state(self.base), head(self.base)
        trial = self.trial()
        self.whole = run(trial, *self.words)
        assert self.whole.code == 0, self.whole.err
        self.new, self.new_head = state(trial), head(trial)
        self.content = content(self.base)
        links = [(number, call) for number, call in enumerate(self.whole.calls, start=1) if call.name == "link"]
        self.links = [number for number, _ in links]
        self.decides = any("/_transactions/" in call.new_path for _, call in links)
        """Whether it is several versions that count as one, from the decision on."""
        self.record = next(number for number, call in links if self.is_record(call))
        assert self.new != self.old
        assert self.new_head > self.old_head + 1 if self.decides else self.new_head == max(self.old_head, 0) + 1

    def trial(self):
        path = self.directory / "trial"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.base.path, path)
        return at(path)

    def is_record(self, call):
        """Whether it is the link from which on the change counts."""
        place = "/_transactions/" if self.decides else f"/_delta_log/{self.new_head:020d}.json"
        return call.name == "link" and place in call.new_path

    def check_killed(self, trial, killed):
        """The call that is logged last is the one that it died at."""
        assert killed.code == -9
        is_recorded = any(map(self.is_record, killed.calls[:-1]))
        verified = run(trial, "verify")
        assert verified.code == 0, f"what a dead writer leaves is no damage: {verified.out}"
        is_new = self.check_fault(trial)
        assert is_new == is_recorded or self.decides and not is_new
        return is_new

    def check_fault(self, trial):
        """Old or new, nothing else, and what was there is there. Returns whether it is new."""
        # Others read the log, and may see how far the next writer has still to go.
        found = state(trial, ["varve"]) if self.decides else state(trial)
        assert found in (self.old, self.new)
        assert content(trial).items() >= self.content.items()
        is_new = found == self.new
        if self.decides:
            assert self.old_head <= head(trial) <= self.new_head and (not is_new or head(trial) == self.new_head)
        elif self.old_head < 0 and not is_new:
            assert head(trial) <= 0
        else:
            assert head(trial) == (self.new_head if is_new else self.old_head)
        return is_new

    def check_next(self, trial):
        """The same command again ends in the new state, and after one more there is nothing left of what happened."""
        assert run(trial, "ingestions").code == 0
        again = run(trial, *self.words)
        # A ledger that is not in order would be remarked upon.
        assert again.code == 0 and again.err in ("", self.whole.err), again.err
        assert state(trial, ["varve", "deltalake"]) == self.new
        assert head(trial) == self.new_head
        assert list(trial.path.glob("_transactions/pending/*")) == []
        mode = ["--mode", "append", "--reingest"] if "--key" not in str(self.scenario) else ["--mode", "merge"]
        after = run(trial, "--json", "ingest", self.after, "--into", TABLE, *mode)
        assert after.code == 0 and after.json["outcome"] == "committed", after.err
        assert content(trial).items() >= self.content.items()
        check_tidy(trial)


@pytest.fixture(params=SCENARIOS, scope="module")
def stage(request, tmp_path_factory):
    return Stage(tmp_path_factory.mktemp("crashes"), request.param)


def sample(stage, name, some):
    """Which calls a sweep stops at: all of them under VARVE_PROOF, else both sides of the commit and some by chance."""
    count = len(stage.whole.calls)
    if PROOF:
        return range(1, count + 1)
    chosen = seeded(name).sample(range(1, count + 1), some)
    return sorted({*chosen, stage.record, stage.record + 1})


def test_killed_at_any_storage_call(stage, request):
    seen = set()
    # Also on both sides of entries that are not the commit: of a table that is made, of a decision that is carried out.
    links = {number + side for number in stage.links for side in (0, 1)}
    for number in sorted({*sample(stage, request.node.name, some=4), *links}):
        trial = stage.trial()
        seen.add(stage.check_killed(trial, run(trial, *stage.words, kill_at=number)))
        stage.check_next(trial)
    assert seen == {False, True} or stage.decides


def test_killed_in_the_middle_of_a_write(stage, request):
    # What the ledger writes is not the same number of calls each time.
    writes = [number for number, call in without_ledger(stage.whole.calls) if call.name == "write"]
    for number in writes if PROOF else seeded(request.node.name).sample(writes, 1):
        trial = stage.trial()
        stage.check_killed(trial, run(trial, *stage.words, tear_at=number))
        stage.check_next(trial)


def check_failed(stage, trial, run, call_number):
    """A run that met an error says so in one sentence, unless it stands all the same."""
    is_new = stage.check_fault(trial)
    if run.code == 0:
        assert is_new, "acknowledged, and not there"
        assert run.json["outcome"] == "committed"
        return
    assert run.code == 1 and run.out == "", run.err
    assert run.err.startswith("varve: ") and run.err.count("\n") == 1, run.err
    assert is_new == ("not known" in run.err) or stage.decides, run.err


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_a_storage_call_that_fails(stage, request, error):
    for number in sample(stage, request.node.name, some=1):
        trial = stage.trial()
        check_failed(stage, trial, run(trial, *stage.words, error_at=number, error=error), number)
        stage.check_next(trial)


def test_a_disk_that_stays_full(stage, request):
    for number in sample(stage, request.node.name, some=1):
        trial = stage.trial()
        failed = run(trial, *stage.words, error_at=number, error="ENOSPC", error_stays=1)
        check_failed(stage, trial, failed, number)
        stage.check_next(trial)


def test_a_sync_that_fails_is_final(stage, request):
    """Nothing is recorded after it, the same file is not synced again, and nobody is told that all is well."""
    ours = list(without_ledger(stage.whole.calls))
    syncs = [number for number, call in ours if "sync" in call.name and number <= stage.record + 1]
    log_sync = syncs[-1]
    assert log_sync == stage.record + 1, "the directory is synced right after the link"
    for number in syncs if PROOF else sorted({*seeded(request.node.name).sample(syncs, 2), log_sync}):
        trial = stage.trial()
        failed = run(trial, *stage.words, error_at=number)
        assert failed.code == 1, f"call {number}"
        later = [call for _, call in without_ledger(failed.calls[number:])]
        path = failed.calls[number - 1].path
        assert [call for call in later if call.name == "link"] == [], "went on"
        # A directory may be synced once more when what was put into it is taken out again.
        is_file = any(call.name == "create" and call.path == path for call in failed.calls)
        assert not (is_file and any("sync" in call.name and call.path == path for call in later)), "synced again"
        is_new = stage.check_fault(trial)
        assert is_new == (number == log_sync and not stage.decides)
        assert (number == log_sync) == ("not known" in failed.err), failed.err
        if number == log_sync:
            assert later == [], "of an unknown outcome nothing is touched"
        stage.check_next(trial)


def chosen(name, whole, moment):
    """Calls to stop at: all under VARVE_PROOF, else both sides of the moment from which the change counts, and three more."""
    every = range(1, len(whole.calls) + 1)
    return every if PROOF else sorted({moment, moment + 1, *seeded(name).sample(every, 3)} & set(every))


def dropped(warehouse):
    return sorted(path.name for path in (warehouse.path / "_trash").glob("*"))


def test_a_drop_that_is_killed_leaves_the_table_in_its_place_or_in_the_trash(tmp_path):
    base = at(tmp_path / "base")
    base.ingest(written(tmp_path / "first.json", FIRST), "--into", TABLE)
    rows = state(base)

    def trial():
        shutil.rmtree(tmp_path / "trial", ignore_errors=True)
        shutil.copytree(base.path, tmp_path / "trial")
        return at(tmp_path / "trial")

    whole = run(trial(), "drop", TABLE)
    assert whole.code == 0, whole.err
    moment = next(n for n, call in enumerate(whole.calls, start=1) if call.name == "rename" and "/_trash/" in call.new_path)
    for number in chosen("drop", whole, moment):
        for fault in ({"kill_at": number}, {"error_at": number, "error": "EIO"}):
            place = trial()
            ended = run(place, "drop", TABLE, **fault)
            is_gone = number > moment
            assert ended.code == (-9 if "kill_at" in fault else 1), ended.err
            assert (state(place, ["varve"]) is None) == is_gone == bool(dropped(place))
            if is_gone:
                assert run(place, "restore", TABLE).code == 0
            assert state(place) == rows
            assert run(place, "verify").code == 0
            assert run(place, "drop", TABLE).code == 0 and state(place, ["varve"]) is None


@pytest.mark.parametrize("words", [["publish", TABLE], ["publish", f"{TABLE}@1"], ["publish", TABLE, "--pin"]], ids=" ".join)
def test_a_publication_that_is_killed_is_the_old_or_the_new_one(tmp_path, words):
    base = at(tmp_path / "base")
    base.ingest(written(tmp_path / "first.json", FIRST), "--into", TABLE)
    base.ingest(written(tmp_path / "more.json", MORE), "--into", TABLE)
    base.ingest(written(tmp_path / "after.json", AFTER), "--into", TABLE, "--hold-publish")

    def trial():
        shutil.rmtree(tmp_path / "trial", ignore_errors=True)
        shutil.copytree(base.path, tmp_path / "trial")
        return at(tmp_path / "trial")

    old = state(base, ["varve"])
    whole = run(done := trial(), *words)
    assert whole.code == 0, whole.err
    new = state(done, ["varve"])
    assert new != old
    seen = set()
    moment = next(n for n, call in enumerate(whole.calls, start=1) if call.new_path.endswith("/_proxy.json"))
    for number in chosen(" ".join(words), whole, moment):
        for fault in ({"kill_at": number}, {"error_at": number, "error": "ENOSPC"}):
            place = trial()
            ended = run(place, *words, **fault)
            found = state(place, ["varve"])
            assert found in (old, new)
            # An error in what is only tidied up is no failure.
            assert ended.code == -9 if "kill_at" in fault else ended.code == 1 or ended.code == 0 and found == new, ended.err
            seen.add(found == new)
            assert run(place, "verify").code == 0
            assert run(place, *words).code == 0 and state(place, ["varve"]) == new
            assert head(place) == 3 and list(place.path.rglob("*.tmp")) == []
            pasts = [json.loads(path.read_text()) for path in sorted((place.table(TABLE) / "_varve" / "proxy").glob("*.json"))]
            assert pasts[-1]["version"] == json.loads((place.table(TABLE) / "_proxy.json").read_text())["version"]
    assert seen == {False, True}
