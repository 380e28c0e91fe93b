"""Which operations commit side by side: ours is planned and staged when theirs commits, then ours goes on.

- beside: what ours read was not touched; it commits as it was staged, on top of theirs.
- planned anew: it was; ours is staged again on their version, without help, and commits.
- after theirs: it stages nothing, so that only what it leaves shows that it was planned on theirs where it must be.
- nothing left: planned anew, ours has no effect any more, and makes no version.
- refused: planned anew, ours has become wrong; exit 3, and the sentence says what it collided with.
- unseen: ours was told to drop what was done by other means, and theirs came after that was said; ours is refused.
- rivals: both are the same execution, of different input; ours is refused, since nobody can know which of them is meant.

Whatever becomes of it, the table is as if one had come after the other."""

import json

import deltalake
import pyarrow
import pytest

import peers
from faults import paused, run
from test_crashes import at, check_tidy, written

TABLE = "products"

# A table whose key names its partition, so that a key lies in one partition only.
#
# ours                  theirs                 same partition   another partition
KEYED = """
append                | append                | planned anew   | beside
append                | insert                | planned anew   | beside
append                | merge                 | planned anew   | beside
append                | overwrite partition   | planned anew   | beside
append                | overwrite table       | planned anew   | planned anew
append                | append by delta-rs    | planned anew   | beside
append                | delete by delta-rs    | planned anew   | beside
insert                | append                | planned anew   | beside
insert                | append of that key    | nothing left   | beside
insert                | insert                | planned anew   | beside
insert                | merge                 | planned anew   | beside
insert                | overwrite partition   | planned anew   | beside
insert                | overwrite table       | planned anew   | planned anew
insert                | append by delta-rs    | planned anew   | beside
insert                | delete by delta-rs    | planned anew   | beside
merge                 | append                | planned anew   | beside
merge                 | insert                | planned anew   | beside
merge                 | merge                 | planned anew   | beside
merge                 | overwrite partition   | planned anew   | beside
merge                 | overwrite table       | planned anew   | planned anew
merge                 | append by delta-rs    | planned anew   | beside
merge                 | delete by delta-rs    | planned anew   | beside
overwrite partition   | append                | planned anew   | beside
overwrite partition   | insert                | planned anew   | beside
overwrite partition   | merge                 | planned anew   | beside
overwrite partition   | overwrite partition   | planned anew   | beside
overwrite partition   | overwrite table       | planned anew   | planned anew
overwrite partition   | append by delta-rs    | planned anew   | beside
overwrite partition   | delete by delta-rs    | planned anew   | beside
overwrite table       | append                | planned anew   | planned anew
overwrite table       | insert                | planned anew   | planned anew
overwrite table       | merge                 | planned anew   | planned anew
overwrite table       | overwrite partition   | planned anew   | planned anew
overwrite table       | overwrite table       | planned anew   | planned anew
overwrite table       | append by delta-rs    | planned anew   | planned anew
overwrite table       | delete by delta-rs    | planned anew   | planned anew
append                | truncate partition    | planned anew   | beside
insert                | truncate partition    | planned anew   | beside
merge                 | truncate partition    | planned anew   | beside
overwrite partition   | truncate partition    | planned anew   | beside
overwrite table       | truncate partition    | planned anew   | planned anew
append                | restore elsewhere     | beside         | beside
merge                 | restore elsewhere     | beside         | beside
overwrite partition   | restore elsewhere     | beside         | beside
overwrite table       | restore elsewhere     | planned anew   | planned anew
truncate partition    | append                | after theirs   | after theirs
truncate partition    | merge                 | after theirs   | after theirs
truncate partition    | overwrite partition   | after theirs   | after theirs
truncate partition    | overwrite table       | after theirs   | nothing left
truncate partition    | truncate partition    | nothing left   | after theirs
truncate partition    | append by delta-rs    | after theirs   | after theirs
restore               | append                | after theirs   | after theirs
restore               | merge                 | after theirs   | after theirs
restore               | overwrite partition   | after theirs   | after theirs
restore               | overwrite table       | after theirs   | after theirs
restore               | truncate partition    | after theirs   | after theirs
restore               | restore elsewhere     | nothing left   | nothing left
restore               | append by delta-rs    | after theirs   | after theirs
append                | append of that key    | refused        | beside
append                | stateful merge        | planned anew   | beside
append                | transaction           | planned anew   | beside
merge                 | stateful merge        | planned anew   | beside
merge                 | transaction           | planned anew   | beside
overwrite partition   | stateful merge        | planned anew   | beside
overwrite table       | transaction           | planned anew   | planned anew
truncate partition    | stateful merge        | after theirs   | after theirs
restore               | transaction           | after theirs   | after theirs
stateful merge        | append                | planned anew   | planned anew
stateful merge        | merge                 | planned anew   | planned anew
stateful merge        | stateful merge        | planned anew   | planned anew
stateful merge        | the next execution    | planned anew   | planned anew
stateful merge        | the same execution    | nothing left   | nothing left
stateful merge        | a rival execution     | rivals         | rivals
stateful merge        | transaction           | planned anew   | planned anew
stateful merge        | overwrite table       | planned anew   | planned anew
stateful merge        | restore elsewhere     | planned anew   | planned anew
stateful merge        | append by delta-rs    | planned anew   | planned anew
backfill              | append                | refused        | -
backfill              | truncate partition    | refused        | -
backfill              | the next execution    | planned anew   | -
backfill              | the same execution    | planned anew   | -
backfill              | compact               | planned anew   | -
backfill, reapplying  | append                | planned anew   | -
backfill, discarding  | append                | unseen         | -
transaction           | append                | planned anew   | planned anew
transaction           | merge                 | planned anew   | planned anew
transaction           | stateful merge        | planned anew   | planned anew
transaction           | transaction           | planned anew   | planned anew
transaction           | overwrite table       | planned anew   | planned anew
transaction           | truncate partition    | planned anew   | planned anew
transaction           | delete by delta-rs    | planned anew   | planned anew
append                | append, a new column  | planned anew   | planned anew
merge                 | append, a new column  | planned anew   | planned anew
overwrite partition   | append, a new column  | planned anew   | planned anew
"""

# A table without key, parted all the same.
KEYLESS = """
append                | append                | beside         | beside
append                | overwrite partition   | beside         | beside
append                | overwrite table       | beside         | beside
append                | truncate partition    | beside         | beside
append                | append by delta-rs    | beside         | beside
append                | delete by delta-rs    | beside         | beside
overwrite partition   | append                | planned anew   | beside
overwrite partition   | append by delta-rs    | planned anew   | beside
truncate partition    | append                | after theirs   | after theirs
"""


def cases(text, name):
    for line in text.strip().splitlines():
        ours, theirs, same, other = (cell.strip() for cell in line.split("|"))
        for place, wanted in (("same", same), ("other", other)):
            if wanted != "-":
                yield pytest.param(name, ours, theirs, place, wanted, id=f"{name}: {ours}, {theirs}, {place}")


OURS = {
    "append": ([{"market": "DE", "id": 5, "price": 5}], ["--mode", "append"]),
    "insert": ([{"market": "DE", "id": 5, "price": 5}], ["--mode", "insert"]),
    "merge": ([{"market": "DE", "id": 1, "price": 5}, {"market": "DE", "id": 6, "price": 6}], ["--mode", "merge"]),
    "overwrite partition": (
        [{"market": "DE", "id": 7, "price": 7}], ["--mode", "overwrite", "--partition", "market=DE"],
    ),
    "overwrite table": ([{"market": "DE", "id": 8, "price": 8}], ["--mode", "overwrite"]),
    "stateful merge": (
        [{"market": "DE", "id": 1, "price": 9}, {"market": "DE", "id": 9, "price": 9}],
        ["--mode", "stateful-merge", "--execution", "2"],
    ),
    "transaction": ([{"market": "DE", "id": 1, "price": 4}, {"market": "DE", "id": 4, "price": 4}], ["merge"]),
}  # fmt: skip
for name, more in {"": [], ", reapplying": ["--reapply"], ", discarding": ["--discard-interposed"]}.items():
    corrected = [{"market": "DE", "id": 1, "price": 7}, {"market": "AT", "id": 7, "price": 7}]
    OURS[f"backfill{name}"] = (corrected, ["--mode", "stateful-merge", "--execution", "1", *more])


def transaction(directory, name, rows, mode):
    """Into the table, and into another that it makes."""
    feeds = [str(written(directory / f"{name}.json", rows))]
    other = str(written(directory / f"{name} other.json", [{"n": 1}]))
    return written(directory / f"{name} transaction.json", {"ingestions": [
        {"table": TABLE, "mode": mode, "feeds": feeds}, {"table": f"other_{name}", "feeds": [other]},
    ]})  # fmt: skip


def theirs_by_varve(operation, market):
    """Feed and options; they leave ours something to do in every case."""
    rows = {
        "append": [{"market": market, "id": 50, "price": 50}],
        "append of that key": [{"market": market, "id": 5, "price": 50}],
        "append, a new column": [{"market": market, "id": 50, "price": 50, "more": True}],
        "insert": [{"market": market, "id": 50, "price": 50}, {"market": market, "id": 1, "price": 50}],
        "merge": [{"market": market, "id": 2, "price": 60}, {"market": market, "id": 60, "price": 60}],
        "overwrite partition": [{"market": market, "id": 70, "price": 70}],
        "overwrite table": [{"market": market, "id": 80, "price": 80}],
        "stateful merge": [{"market": market, "id": 2, "price": 61}, {"market": market, "id": 61, "price": 61}],
        "the next execution": [{"market": market, "id": 1, "price": 63}, {"market": market, "id": 9, "price": 63}],
        "the same execution": OURS["stateful merge"][0],
        "a rival execution": [{"market": market, "id": 1, "price": 64}],
    }[operation]
    options = {
        "insert": ["--mode", "insert"],
        "merge": ["--mode", "merge"],
        "overwrite partition": ["--mode", "overwrite", "--partition", f"market={market}"],
        "overwrite table": ["--mode", "overwrite"],
        "stateful merge": ["--mode", "stateful-merge", "--execution", "1"],
        "the next execution": ["--mode", "stateful-merge", "--execution", "3"],
        "the same execution": ["--mode", "stateful-merge", "--execution", "2"],
        "a rival execution": ["--mode", "stateful-merge", "--execution", "2"],
    }
    return rows, options.get(operation, ["--mode", "append"])


COMMANDS = {
    "truncate partition": ["truncate", TABLE, "--partition", "market=DE"],
    "restore": ["restore", f"{TABLE}@1"],
}


def do_theirs(warehouse, operation, market, directory):
    table = str(warehouse.table(TABLE))
    if operation == "truncate partition":
        warehouse.run("truncate", TABLE, "--partition", f"market={market}")
    elif operation == "transaction":
        rows = [{"market": market, "id": 2, "price": 62}, {"market": market, "id": 62, "price": 62}]
        done = warehouse.run("--json", "transaction", transaction(directory, "theirs", rows, "merge")).json
        assert done["outcome"] == "committed"
    elif operation == "compact":
        assert warehouse.run("--json", "compact", TABLE).json["outcome"] == "committed"
    elif operation == "restore elsewhere":
        warehouse.run("restore", f"{TABLE}@1")
    elif operation == "append by delta-rs":
        row = {"market": [market], "id": pyarrow.array([50], pyarrow.int64()), "price": pyarrow.array([50], pyarrow.int64())}
        deltalake.write_deltalake(table, pyarrow.table(row), mode="append")
    elif operation == "delete by delta-rs":
        deltalake.DeltaTable(table).delete(f"market = '{market}' AND id = 2")
    else:
        rows, options = theirs_by_varve(operation, market)
        report = warehouse.ingest(written(directory / "theirs.json", rows), "--into", TABLE, *options)
        assert report["outcome"] == "committed"


def make(directory, name, ours):
    directory.mkdir()
    warehouse = at(directory / "warehouse")
    rows = [{"market": market, "id": n, "price": n} for market in ("DE", "AT", "FR") for n in (1, 2)]
    options = ["--partition-by", "market"] + (["--key", "market,id"] if name == "keyed" else [])
    warehouse.ingest(written(directory / "first.json", rows), "--into", TABLE, *options)
    # What a restore takes back lies in neither of the two partitions.
    warehouse.ingest(written(directory / "second.json", [{"market": "FR", "id": 3, "price": 3}]), "--into", TABLE)
    if ours.startswith("backfill"):
        for execution in ("1", "2"):
            rows = [{"market": "DE", "id": 1, "price": int(execution)}, {"market": "AT", "id": int(execution), "price": 0}]
            feed = written(directory / f"execution {execution}.json", rows)
            warehouse.ingest(feed, "--into", TABLE, "--mode", "stateful-merge", "--execution", execution)
    return warehouse


def told(outcome):
    """The version of the table and the rows that the command tells of."""
    report = outcome.json
    if "ingestions" in report:
        assert report["outcome"] == "committed"
        report = next(found for found in report["ingestions"] if found["table"] == TABLE)
    return report["version"], report["rows"]


def rows_of(warehouse, reference=TABLE):
    return sorted(json.dumps(row, sort_keys=True) for row in warehouse.rows(reference, ["market", "id"]))


@pytest.mark.parametrize("name, ours, theirs, place, wanted", [*cases(KEYED, "keyed"), *cases(KEYLESS, "keyless")])
def test_the_matrix(tmp_path, name, ours, theirs, place, wanted):
    market = "DE" if place == "same" else "AT"
    warehouse = make(tmp_path / "raced", name, ours)
    if ours == "transaction":
        words = ["--json", "transaction", transaction(tmp_path, "ours", *OURS[ours][:1], *OURS[ours][1])]
    elif ours in OURS:
        feed, options = OURS[ours]
        words = ["--json", "ingest", written(tmp_path / "ours.json", feed), "--into", TABLE, *options]
    else:
        words = ["--json", *COMMANDS[ours]]
    with paused(warehouse, *words, before="rename:/part-00000-" if ours in OURS else "mkdir:/_varve/staging/") as finish:
        do_theirs(warehouse, theirs, market, tmp_path)
        theirs_head = warehouse.head(TABLE)
        outcome = finish()

    # The same two, one after the other.
    alone = make(tmp_path / "alone", name, ours)
    do_theirs(alone, theirs, market, tmp_path)
    is_only_raced = wanted in ("rivals", "unseen")
    if is_only_raced:
        assert outcome.code == 3 and "meanwhile" in outcome.err and outcome.err.count("\n") == 1, outcome.err
        assert warehouse.head(TABLE) == theirs_head and rows_of(warehouse) == rows_of(alone)
        # Said again, it is said of what is there now.
        outcome = run(warehouse, *words)
    after = alone.run(*words, code=outcome.code)
    found = rows_of(warehouse)
    assert found == rows_of(alone)
    if wanted == "nothing left":
        assert outcome.code == 0 and outcome.json["outcome"] == after.json["outcome"] == "unchanged"
        assert warehouse.head(TABLE) == theirs_head
    elif outcome.code == 0:
        assert told(outcome) == told(after) and warehouse.head(TABLE) == alone.head(TABLE) > theirs_head
        # A part staged after the pause was planned after it.
        staged_again = any(call.name == "create" and call.path.endswith(".draft") for call in outcome.calls)
        done = "planned anew" if staged_again else "beside" if ours in OURS else "after theirs"
        assert is_only_raced or done == wanted
    else:
        assert (outcome.code, wanted) == (3, "refused"), outcome.err
        assert outcome.err.count("\n") == 1 and outcome.err == after.err
        assert warehouse.head(TABLE) == theirs_head
    assert rows_of(warehouse, f"{TABLE}@{theirs_head}") == rows_of(alone, f"{TABLE}@{theirs_head}")
    by_others = [peers.normal(row) for row in peers.deltalake_rows(warehouse.table(TABLE), None)]
    assert sorted(json.dumps(row, sort_keys=True) for row in by_others) == found
    check_tidy(warehouse)
