"""The power goes at any storage call of a command, and any of what was not synced is lost (powercut.py): what is left is
the state before or the state after, undamaged, and the state after once the command has said so; the next one needs no
help."""

import re
import shutil
from typing import NamedTuple

import deltalake
import pytest

import peers
from faults import PROOF, seeded
from powercut import HOW, Disk, spread, summary, traced
from test_crashes import AFTER, EXECUTION, FIRST, KEYED, MERGED, MORE, PARTED, PLAIN, TABLE, at, rows_in, written

MANY = [{"id": n, "market": f"M{n:02}", "price": n} for n in range(40)]
"""More partitions than are synced one by one; and more files than wait for a checkpoint, when they are replaced."""
CHANCE = re.compile(r'"\d{4}-\d\d-\d\dT[^"]*"|"ingestion_id": "\w*"|"attempts": \d+')
"""What another run of the same command says otherwise."""
ALL_ROWS = f"SELECT * FROM {TABLE} ORDER BY id"


def ingest(feed, options=(), into=TABLE):
    return ["ingest", feed, "--into", into, *options]


class Scenario(NamedTuple):
    """Commands that made the warehouse, and the one during which the power goes. Lists of objects become feeds."""

    before: list
    command: list
    look: list = ["query", "--format", "ndjson", ALL_ROWS]
    """What tells the old state from the new one."""
    repeats: bool = True
    """Whether the same command again ends well where it has had its effect."""
    has_steps: bool = False
    """Whether there are states between the old and the new one."""


TWO = [ingest(*PARTED), ingest(MERGED, ["--mode", "merge"])]
THREE = [*TWO, ingest(MORE, ["--mode", "merge"])]
VACUUM = ["vacuum", TABLE, "--keep-versions", "1", "--apply"]
VERSIONS = ["--json", "history", TABLE]
SCENARIOS = {
    "a new warehouse": Scenario([], ingest(*PLAIN)),
    "a new table with partitions": Scenario([ingest(AFTER, into="other")], ingest(*PARTED)),
    "append": Scenario([ingest(*PLAIN)], ingest(MORE)),
    "merge": Scenario([ingest(*PARTED)], ingest(MERGED, ["--mode", "merge"])),
    "overwrite many partitions": Scenario(
        [ingest(MANY, ["--partition-by", "market"])], ingest([row | {"price": 0} for row in MANY], ["--mode", "overwrite"])
    ),
    "a backfill": Scenario(
        [ingest(FIRST, EXECUTION + ["1", "--key", "id"]), ingest(MERGED, EXECUTION + ["2"]), ingest(MORE, EXECUTION + ["3"])],
        ingest([{"id": 1, "market": "CH", "price": 77}, {"id": 4, "market": "CH"}], EXECUTION + ["1"]),
    ),
    "a first execution": Scenario([ingest(*KEYED)], ingest(MERGED, EXECUTION + ["1"])),
    "a transaction": Scenario(
        [ingest(*PLAIN)],
        ["transaction", {"id": "night", "ingestions": [{"table": TABLE, "feeds": [MORE]}, {"table": "u", "feeds": [AFTER]}]}],
        look=["query", "--format", "ndjson", f"SELECT * FROM {TABLE} t, u ORDER BY t.id"],
    ),
    "hold": Scenario(TWO, ingest(MORE, ["--mode", "merge", "--hold-publish"]), look=VERSIONS),
    "publish": Scenario([*TWO, ingest(MORE, ["--mode", "merge", "--hold-publish"])], ["publish", TABLE]),
    "pin": Scenario(TWO, ["publish", f"{TABLE}@1", "--pin"]),
    "compact": Scenario([ingest(*PLAIN), ingest(MORE), ingest(AFTER)], ["compact", TABLE], look=VERSIONS),
    "vacuum": Scenario(THREE, VACUUM, look=["query", "--format", "ndjson", f'SELECT * FROM "{TABLE}@1" ORDER BY id']),
    "vacuum, undone": Scenario(
        [*THREE, VACUUM], ["vacuum", TABLE, "--undo"], repeats=False,
        look=["query", "--format", "ndjson", f'SELECT * FROM "{TABLE}@1" ORDER BY id'],
    ),
    "drop": Scenario(TWO, ["drop", TABLE], repeats=False),
    "bring back": Scenario([*TWO, ["drop", TABLE]], ["restore", TABLE], repeats=False),
    "alter": Scenario([ingest(*PARTED)], ["alter", TABLE, "--rename", "price=amount", "--add", "note:text"], repeats=False),
    "quarantine": Scenario(
        [ingest(*KEYED)], ingest([*MORE, {"id": 12345, "market": "X", "price": "n/a"}], ["--on-bad-row", "quarantine"])
    ),
    "immutable": Scenario([ingest(FIRST, PARTED[1] + ["--immutable"])], ingest(MERGED, ["--mode", "merge"])),
    "symlinks": Scenario([ingest(*PARTED), ["symlinks", TABLE]], ingest(MERGED, ["--mode", "merge"])),
    "tag": Scenario(TWO, ["tag", f"{TABLE}@1", "first"], look=["--json", "tag", TABLE]),
    "push": Scenario(
        [ingest(FIRST)], ["push", TABLE, "--to", "dir:{}/outbox", "--chunk-records", "2"], look=["--json", "deliveries"], has_steps=True
    ),
}  # fmt: skip


class Stage:
    """A scenario's warehouse, in a directory of its own; the calls of the command; what is seen before and after it."""

    def __init__(self, directory, scenario):
        self.directory, self.scenario, self.feeds = directory, scenario, 0
        (directory / "base" / "w").mkdir(parents=True)
        for command in scenario.before:
            at(directory / "base" / "w").run(*self.words(command))
        if not scenario.before:
            (directory / "base" / "w").rmdir()
        self.command, self.next = self.words(scenario.command), self.words(ingest(AFTER, ["--mode", "append"], "next"))
        self.trial = at(directory / "trial" / "w")
        disk = self.restart()
        self.old = self.seen()
        self.trace = traced(self.trial, *self.command)
        assert self.trace.run.code == 0, self.trace.run.err
        for call in self.trace.calls:
            disk.take(*call)
        disk.check()
        self.new = self.seen()
        assert self.old != self.new

    def words(self, command):
        """The command with its feeds, and what its options say of files, written out."""
        def word(given):
            if isinstance(given, list):
                self.feeds += 1
                return str(written(self.directory / f"feed {self.feeds}.json", given))
            if isinstance(given, dict):
                steps = [step | {"feeds": [word(feed) for feed in step["feeds"]]} for step in given["ingestions"]]
                return str(written(self.directory / "transaction.json", given | {"ingestions": steps}))
            return given.replace("{}", str(self.directory / "trial"))

        return [word(given) for given in command]

    def restart(self):
        """The disk as it was before the command."""
        shutil.rmtree(self.directory / "trial", ignore_errors=True)
        shutil.copytree(self.directory / "base", self.directory / "trial")
        return Disk(self.directory / "trial")

    def seen(self):
        if not self.trial.path.exists():
            return 1, "", []
        found = self.trial.run(*self.scenario.look, code=None)
        assert found.code == 0 or "there is no table" in found.err or "was vacuumed" in found.err, found.err
        files = sorted((self.directory / "trial" / "outbox").rglob("*.json"))
        return found.code, CHANCE.sub("…", found.out), [(file.name, file.read_text()) for file in files]

    def check(self, left, is_told):
        """What a cut left is old or new, whole, and goes on."""
        shutil.rmtree(self.directory / "trial", ignore_errors=True)
        spread(left, self.directory / "trial")
        if self.trial.path.exists():
            self.trial.run("verify")
        found = self.seen()
        if is_told or not self.scenario.has_steps:
            assert found == self.new or found == self.old and not is_told, f"{found}\nold: {self.old}\nnew: {self.new}"
        if found != self.new or self.scenario.repeats:
            self.trial.run(*self.command)
        assert self.seen() == self.new
        assert self.trial.run("--json", *self.next).json["outcome"] == "committed"
        self.trial.run("verify")
        self.check_readers()

    def check_readers(self):
        """Another engine reads the newest version as Varve does."""
        if deltalake.DeltaTable.is_deltatable(str(self.trial.table(TABLE))):
            rows = peers.deltalake_rows(self.trial.table(TABLE), None)
            version = self.trial.head(TABLE)
            assert rows_in(rows) == rows_in(self.trial.rows(f"{TABLE}@{version}", ["id"]))


@pytest.fixture(params=SCENARIOS, scope="module")
def stage(request, tmp_path_factory):
    return Stage(tmp_path_factory.mktemp("powercut"), SCENARIOS[request.param])


def test_a_power_cut_after_any_call(stage, request):
    chance = seeded(request.node.name)
    calls, told = stage.trace.calls, stage.trace.told
    cuts = dict.fromkeys(range(len(calls) + 1), HOW)
    if not PROOF:
        cuts = {number: [chance.choice(HOW)] for number in chance.sample(range(len(calls)), 2)} | {len(calls): ["kept"]}
    disk, tried = stage.restart(), set()
    for number, call in enumerate([*calls, None]):
        for how in cuts.get(number, []):
            seed, is_told = chance.randrange(2**32), told is not None and number >= told
            left = disk.cut(how, seed)
            state = summary(left), is_told
            if state not in tried:
                tried.add(state)
                print(f"cut before call {number + 1} of {len(calls)}, {call and ' '.join(call[0])}: {how}, seed {seed}")
                stage.check(left, is_told)
        if call:
            disk.take(*call)


def test_what_is_told_after_a_kill_outlasts_a_power_cut(stage, request):
    """A killed run's writes are there for the next one to see, and need not last: it must not take them for granted.

    But SQLite does so with what it reads: a ledger may fall back, and then a delivery is acknowledged once more."""
    every = range(1, len(stage.trace.calls) + 1)
    for number in every if PROOF else seeded(request.node.name).sample(every, 1):
        disk = stage.restart()
        killed, again = traced(stage.trial, *stage.command, kill_at=number), traced(stage.trial, *stage.command)
        assert again.run.code == 0 or not stage.scenario.repeats, again.run.err
        # The call that it was killed at is logged, too.
        for call in [*(killed.calls if killed.run.code == 0 else killed.calls[:-1]), *again.calls]:
            disk.take(*call)
        disk.check()
        if again.run.code == 0:
            print(f"killed at call {number}, {' '.join(killed.calls[-1][0])}")
            stage.check(disk.cut("kept"), is_told=not stage.scenario.has_steps)
