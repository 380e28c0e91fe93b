"""Writers do at random whatever writers do, at once, on one table; then its own log is replayed naively.

Each version must be what its operation makes of the version before (a backfill: of the version that it went back to), each
answer of a command must be true of some version that was the newest while it ran, and readers never see the inside of a
backfill."""

import json
import time

import pytest

from faults import PROOF, seeded
from test_crashes import at, head, written
from test_writers import together

TABLE = "products"
MARKETS = ["DE", "AT", None]


class Refused(Exception):
    """The model would not do it."""


def fed(rows, feed, mode, market=None):
    """What a feed makes of rows (by id), as its mode says."""
    rows = dict(rows)
    if mode == "overwrite":
        kept = {} if market is None else {key: row for key, row in rows.items() if row["market"] != market[0]}
        if kept.keys() & {record["id"] for record in feed}:
            raise Refused
        return kept | {record["id"]: record for record in feed}
    for record in feed:
        before = rows.get(record["id"])
        if before and mode == "append":
            raise Refused
        if before is None or mode != "insert":
            rows[record["id"]] = (before or {"id": record["id"], "market": None, "v": None}) | record
    return rows


def done_again(rows, before, after):
    """What a version did to the one before, done to other rows."""
    rows = dict(rows)
    for key in before.keys() - after.keys():
        rows.pop(key, None)
    for key, row in after.items():
        if key not in before:
            rows[key] = rows.get(key, {}) | row
        elif row != before[key]:
            # Where a row lies is always told.
            changed = {name: row[name] for name in row if name == "market" or row[name] != before[key][name]}
            rows[key] = rows.get(key, {"id": key, "v": None}) | changed
    return rows


class Act:
    """One command, and what it said."""

    def __init__(self, words, feed=None):
        self.words = [str(word) for word in words]
        self.feed = feed
        self.outcome = None
        # The newest version before it began and after it ended.
        self.span = (0, 0)

    def do(self, warehouse):
        first = head(warehouse)
        self.outcome = warehouse.run(*([] if self.words[0] == "query" else ["--json"]), *self.words, code=None)
        self.span = (first, head(warehouse))

    @property
    def report(self):
        return json.loads(self.outcome.out)

    def __repr__(self):
        said = (self.outcome.code, self.outcome.out, self.outcome.err) if self.outcome else "not done"
        return f"varve {' '.join(self.words)} ({self.feed}), from {self.span[0]} to {self.span[1]}: {said}"


class Writer:
    """Draws its commands one after the other. Every feed is new, by its values of `v`."""

    def __init__(self, number, directory):
        self.random = seeded(f"writer {number}")
        self.number = number
        self.directory = directory
        self.count = 0
        self.acts = []

    def feed(self, market=None, is_partial=False):
        self.count += 1
        identities = self.random.sample(range(14), self.random.randint(1, 4))
        rows = []
        for place, identity in enumerate(identities):
            rows.append({"id": identity, "market": market[0] if market else self.random.choice(MARKETS)})
            if not (is_partial and place and self.random.random() < 0.3):
                rows[-1]["v"] = self.number * 100_000 + self.count * 100 + place
        path = written(self.directory / f"writer {self.number}, {self.count}.json", rows)
        return rows, path

    def ingest(self, *options, market=None, is_partial=False):
        rows, path = self.feed(market, is_partial)
        return Act(["ingest", path, "--into", TABLE, *options], rows)

    def draw(self, head):
        draw = self.random
        market = [draw.choice(["DE", "AT"])]
        some = draw.randint(1, max(head, 1))
        held = ["--hold-publish"] if draw.random() < 0.1 else []
        execution = ["--mode", "stateful-merge", "--execution", draw.randint(1, 6)]
        again = draw.choices([[], ["--reapply"], ["--discard-interposed"]], [2, 6, 1])[0]
        return draw.choices(
            [
                lambda: self.ingest("--mode", "append", *held),
                lambda: self.ingest("--mode", "merge", *held, is_partial=True),
                lambda: self.ingest("--mode", "insert", *held),
                lambda: self.ingest("--mode", "overwrite", *held),
                lambda: self.ingest("--mode", "overwrite", "--partition", f"market={market[0]}", *held, market=market),
                lambda: self.ingest(*execution, *again, *held, is_partial=True),
                lambda: Act(["truncate", TABLE]),
                lambda: Act(["truncate", TABLE, "--partition", f"market={market[0]}"]),
                lambda: Act(["restore", f"{TABLE}@{some}"]),
                lambda: Act(["compact", TABLE]),
                lambda: Act(["vacuum", TABLE, "--keep-versions", 12, "--keep-executions", 6, "--apply"]),
                lambda: Act(["publish", TABLE, "--unpin"]),
                lambda: Act(["publish", f"{TABLE}@{some}", "--pin"]),
                lambda: Act(["query", "--format", "ndjson", f"SELECT * FROM {TABLE}"]),
                lambda: Act(["verify", TABLE]),
            ],
            [3, 4, 2, 1, 2, 8, 0.3, 1, 1, 2, 0.5, 2, 0.3, 4, 0.5],
        )[0]()


class Line:
    """The versions as their operations say they must be."""

    def __init__(self, warehouse, feeds):
        self.warehouse = warehouse
        self.infos = []
        for number in range(warehouse.head(TABLE) + 1):
            entry = warehouse.table(TABLE) / "_delta_log" / f"{number:020d}.json"
            assert entry.exists(), f"there is no version {number}"
            self.infos.append(json.loads(entry.read_text().splitlines()[0])["commitInfo"]["varve"])
        self.states = [{}]
        for number, info in enumerate(self.infos[1:], start=1):
            self.states.append(self.after(number, info, feeds))

    def after(self, number, info, feeds):
        details = info.get("details", {})
        before = self.states[-1]
        match info["mode"]:
            case "truncate" if "partitions" in details:
                gone = [partition["market"] for partition in details["partitions"]]
                return {key: row for key, row in before.items() if row["market"] not in gone}
            case "truncate":
                return {}
            case "restore":
                return self.states[details["restored"]]
            case "compact":
                return before
            case "reapply":
                again = details["reapplied_from"]
                return done_again(before, self.states[again - 1], self.states[again])
            case mode:
                (source,) = info["sources"]
                base = self.states[details["restored_from"]] if "restored_from" in details else before
                market = [details["partitions"][0]["market"]] if "partitions" in details else None
                return fed(base, feeds[source["name"]], "merge" if mode == "stateful-merge" else mode, market)

    def is_shown(self, number):
        """Whether readers may ever see it: not what a decision goes on from."""
        step = self.infos[number].get("details", {}).get("decision")
        following = self.infos[number + 1].get("details", {}).get("decision") if number + 1 < len(self.infos) else None
        return step is None or following is None or step["id"] != following["id"]

    def settled(self, number):
        """The version before the decision that it is a step of; itself where it is none."""
        details = self.infos[number].get("details", {})
        return number - details["decision"]["step"] - 1 if "decision" in details else number

    def rows(self, number):
        return [self.states[number][key] for key in sorted(self.states[number])]


def check_answer(act, line, pinned):
    """Whether what the command said is true of a version that was the newest while it ran."""
    (first, last), (command, *words), code = act.span, act.words, act.outcome.code
    first = line.settled(first)
    among = [number for number in range(first, last + 1) if line.is_shown(number)]
    error = act.outcome.err
    assert code in (0, 3), act
    if code == 3:
        assert error.count("\n") == 1, act
        is_gone = "vacuumed" in error or "vacuum" in error
        mode = words[words.index("--mode") + 1] if "--mode" in words else command
        if mode == "stateful-merge":
            assert is_gone or "by other means" in error or "committed meanwhile from other input" in error, act
        elif mode in ("append", "overwrite"):
            market = [words[words.index("--partition") + 1].removeprefix("market=")] if "--partition" in words else None

            def is_refused(number):
                try:
                    fed(line.states[number], act.feed, mode, market)
                except Refused:
                    return True
                return False

            assert any(map(is_refused, among)), act
        else:
            assert is_gone and command in ("restore", "publish"), act
    elif command == "query":
        shown = [line.rows(number) for number in range(1, last + 1) if line.is_shown(number) or number in pinned]
        rows = sorted(map(json.loads, act.outcome.out.splitlines()), key=lambda row: row["id"])
        assert rows in shown, act
    elif command in ("ingest", "truncate", "restore", "compact"):
        report = act.report
        if report["outcome"] == "committed":
            assert first < report["version"] <= last, act
        else:
            assert report["outcome"] == "unchanged" and first <= report["version"] <= last, act


def check_versions(warehouse, line, numbers):
    """Whether each version is what it must be, as far as a vacuum left it; returns how many it took."""
    parts = [f'SELECT {number} AS version, * FROM "{TABLE}@{number}"' for number in numbers]
    found = warehouse.run("query", "--format", "json", " UNION ALL ".join(parts) + " ORDER BY version, id", code=None)
    if found.code and len(numbers) > 1:
        half = len(numbers) // 2
        return check_versions(warehouse, line, numbers[:half]) + check_versions(warehouse, line, numbers[half:])
    if found.code:
        assert "vacuum" in found.err, found.err
        return 1
    rows = {number: [] for number in numbers}
    for row in found.json:
        rows[row.pop("version")].append(row)
    for number in numbers:
        assert rows[number] == line.rows(number), f"version {number}, {line.infos[number]}"
    return 0


def trial(directory, steps):
    warehouse = at(directory / "warehouse")
    writers = [Writer(number, directory) for number in range(4)]
    first = writers[0].ingest("--mode", "append", "--key", "id", "--partition-by", "market", market=["DE"])
    first.do(warehouse)
    assert first.outcome.code == 0, first
    writers[0].acts.append(first)

    def work(writer):
        def acts():
            for _ in range(steps):
                act = writer.draw(head(warehouse))
                writer.acts.append(act)
                act.do(warehouse)

        return acts

    together(*map(work, writers))
    acts = [act for writer in writers for act in writer.acts]
    line = Line(warehouse, {act.words[1].rsplit("/", 1)[-1]: act.feed for act in acts if act.feed})
    gone = check_versions(warehouse, line, range(1, len(line.states)))
    pinned = {int(act.words[1].partition("@")[2]) for act in acts if "--pin" in act.words}
    for act in acts:
        check_answer(act, line, pinned)
    versions = [act.report["version"] for act in acts if act.feed and act.outcome.code == 0 and act.report["outcome"] == "committed"]
    assert len(set(versions)) == len(versions), "two commands were told of one version"
    executions = warehouse.run("--json", "executions", TABLE).json
    assert all(run["status"] == "active" for run in executions), executions
    assert warehouse.run("--json", "verify").code == 0
    assert list((warehouse.table(TABLE) / "_varve" / "staging").iterdir()) == []
    assert list(warehouse.path.glob("_transactions/pending/*")) == []
    return len(line.states) - 1, gone, sum(act.outcome.code == 3 for act in acts), len(acts)


@pytest.mark.parametrize("number", range(200 if PROOF else 1))
def test_whatever_writers_do_at_once_could_have_been_done_one_after_the_other(tmp_path, number):
    began = time.monotonic()
    versions, gone, refused, acts = trial(tmp_path, 40 if PROOF else 8)
    print(f"{acts} commands, {refused} refused, {versions} versions, {gone} vacuumed, {time.monotonic() - began:.1f} s")
    assert versions > acts / 4
