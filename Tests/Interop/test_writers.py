"""Many writers on one table: none of their versions is lost, whoever they are and wherever they meet."""

import json
import threading
import time

import deltalake
import pyarrow
import pytest

import peers
from faults import PROOF, paused, seeded
from test_crashes import at, check_tidy, written

TABLE = "products"


def together(*works):
    """Runs all of them at once, and raises what one of them raised."""
    problems = []

    def run(work):
        try:
            work()
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def delta_append(path, ids):
    data = pyarrow.table({"id": pyarrow.array(ids, pyarrow.int64()), "market": ["DE"] * len(ids)})
    deltalake.write_deltalake(str(path), data, mode="append")


def ids(warehouse, reference=TABLE):
    sql = f'SELECT id FROM "{reference}" ORDER BY id'
    return [row["id"] for row in warehouse.run("query", "--format", "json", sql).json]


@pytest.fixture
def warehouse(tmp_path):
    return at(tmp_path / "warehouse")


@pytest.mark.parametrize("options", [[], ["--key", "id", "--mode", "merge"]], ids=["append", "merge"])
def test_writers_at_once_lose_no_version(warehouse, tmp_path, options):
    """They also race for who makes the table. Each merge reads what all others wrote."""
    writers, commits = (8, 200) if PROOF and not options else (4, 25) if not options else (4, 8)
    versions = []

    def writer(number):
        def work():
            for commit in range(commits):
                identity = number * 1000 + commit
                feed = written(tmp_path / f"{identity}.json", [{"id": identity, "market": "DE"}])
                report = warehouse.ingest(feed, "--into", TABLE, *options)
                assert report["outcome"] == "committed" and report["rows"]["inserted"] == 1
                versions.append((report["version"], identity))

        return work

    began = time.monotonic()
    together(*map(writer, range(writers)))
    total = writers * commits
    print(f"{total} commits of {writers} writers took {time.monotonic() - began:.1f} s")
    versions.sort()
    assert [version for version, _ in versions] == list(range(1, total + 1))
    assert ids(warehouse) == sorted(identity for _, identity in versions)
    # Each version is the one before and the row that its writer was told of.
    for version in {1, 2, total // 2, total - 1, total}:
        wanted = sorted(identity for _, identity in versions[:version])
        assert ids(warehouse, f"{TABLE}@{version}") == wanted
        assert sorted(row["id"] for row in peers.deltalake_rows(warehouse.table(TABLE), version)) == wanted
    check_tidy(warehouse)


def merged(inputs):
    """What executions leave, run in the order of their numbers: a key's newest values, column by column."""
    rows = {}
    for execution in sorted(inputs):
        for record in inputs[execution]:
            rows.setdefault(record["id"], {"id": record["id"], "a": None, "b": None}).update(record)
    return [rows[key] for key in sorted(rows)]


def test_executions_at_once_leave_what_they_leave_in_their_order(warehouse, tmp_path):
    """They race for who makes the table, too; then some are corrected at once, and late ones come."""
    random = seeded("executions at once")
    inputs = {}

    def execution(number, wave):
        records = [
            {"id": key} | {name: random.randrange(9) for name in random.choice(("a", "b", "ab"))}
            for key in random.sample(range(12), 5)
        ]
        inputs[number] = [record | {"a": number} if place == 0 else record for place, record in enumerate(records)]
        feed = written(tmp_path / f"{wave} {number}.json", inputs[number])
        words = ["--into", TABLE, "--mode", "stateful-merge", "--key", "id", "--execution", str(number)]

        def work():
            report = warehouse.ingest(feed, *words)
            assert report["outcome"] == "committed"

        return work

    waves = [random.sample(range(0, 80, 10), 6)]
    for _ in range(40 if PROOF else 1):
        waves.append(random.sample(waves[0], 3) + random.sample(range(1, 80, 10), 3))
    for wave, numbers in enumerate(waves):
        together(*[execution(number, wave) for number in numbers])
        assert warehouse.rows(TABLE, ["id"]) == merged(inputs)
        told = warehouse.run("--json", "executions", TABLE).json
        assert [(int(run["execution"]), run["status"]) for run in told] == [(number, "active") for number in sorted(inputs)]
    assert warehouse.run("--json", "verify").code == 0
    check_tidy(warehouse)


def test_two_writers_and_delta_rs_at_once_lose_nothing(warehouse, tmp_path):
    warehouse.ingest(written(tmp_path / "0.json", [{"id": 0, "market": "DE"}]), "--into", TABLE)
    commits = 25 if PROOF else 8

    def ours(number):
        def work():
            for commit in range(commits):
                identity = number * 1000 + commit
                feed = written(tmp_path / f"{identity}.json", [{"id": identity, "market": "DE"}])
                assert warehouse.ingest(feed, "--into", TABLE)["outcome"] == "committed"

        return work

    def theirs():
        for commit in range(commits):
            delta_append(warehouse.table(TABLE), [3000 + commit])

    together(ours(1), ours(2), theirs)
    wanted = [0] + [number * 1000 + commit for number in (1, 2, 3) for commit in range(commits)]
    head = warehouse.head(TABLE)
    assert head == 1 + 3 * commits
    assert ids(warehouse) == wanted
    assert sorted(row["id"] for row in peers.deltalake_rows(warehouse.table(TABLE), head)) == wanted
    seen = set()
    for version in range(1, head + 1):
        rows = {row["id"] for row in peers.polars_rows(warehouse.table(TABLE), version)}
        assert rows > seen and len(rows) == version
        seen = rows


BETWEEN = "link:/_delta_log/00000000000000000002.json"
"""After the staged directories have got their places, and before the entry gets its name."""


@pytest.mark.parametrize(
    "options, feed, told, final",
    [
        ([], [{"id": 2, "market": "AT"}], {"inserted": 1}, {(1, "DE"), (3, "DE"), (2, "AT")}),
        (["--mode", "merge"], [{"id": 3, "market": "AT"}], {"inserted": 0, "updated": 1}, {(1, "DE"), (3, "AT")}),
        (["--mode", "merge"], [{"id": 1, "market": "FR"}], {"updated": 1}, {(1, "FR"), (3, "DE")}),
        (["--mode", "overwrite"], [{"id": 9, "market": "DE"}], {"inserted": 1, "deleted": 2}, {(9, "DE")}),
    ],
    ids=["append", "merge of their row", "merge of our row", "overwrite"],
)
def test_delta_rs_commits_between_place_and_record(warehouse, tmp_path, options, feed, told, final):
    """Their version stands, and ours is the next, planned on theirs where it must be."""
    warehouse.ingest(
        written(tmp_path / "1.json", [{"id": 1, "market": "DE"}]), "--into", TABLE, "--key", "id", "--partition-by", "market"
    )
    table = warehouse.table(TABLE)
    words = ["--json", "ingest", written(tmp_path / "2.json", feed), "--into", TABLE, *options]
    with paused(warehouse, *words, before=BETWEEN) as finish:
        assert list(table.glob("market=*/v00000002")), "nothing was placed yet"
        delta_append(table, [3])
        outcome = finish()
    assert outcome.code == 0 and outcome.json["version"] == 3, outcome.err
    assert outcome.json["rows"].items() >= told.items()
    assert ids(warehouse, f"{TABLE}@2") == [1, 3]
    for rows in (warehouse.rows(TABLE, ["id"]), peers.deltalake_rows(table, 3), peers.polars_rows(table, 3)):
        assert {(row["id"], row["market"]) for row in rows} == final and len(rows) == len(final)
    check_tidy(warehouse)


def test_an_append_of_a_key_that_delta_rs_took_meanwhile_is_refused(warehouse, tmp_path):
    warehouse.ingest(written(tmp_path / "1.json", [{"id": 1, "market": "DE"}]), "--into", TABLE, "--key", "id")
    words = ["ingest", written(tmp_path / "2.json", [{"id": 3, "market": "AT"}]), "--into", TABLE]
    with paused(warehouse, *words, before=BETWEEN) as finish:
        delta_append(warehouse.table(TABLE), [3])
        outcome = finish()
    assert outcome.code == 3 and "3" in outcome.err and outcome.err.count("\n") == 1, outcome.err
    assert ids(warehouse) == [1, 3]
    check_tidy(warehouse)


def test_delta_rs_makes_the_table_first(warehouse, tmp_path):
    """Ours was to make it too, and found out when its version 0 was taken."""
    feed = written(tmp_path / "1.json", [{"id": 1, "market": "AT"}])
    words = ["--json", "ingest", feed, "--into", TABLE]
    with paused(warehouse, *words, before="link:/_delta_log/00000000000000000000.json") as finish:
        delta_append(warehouse.table(TABLE), [3])
        outcome = finish()
    rows = {(row["id"], row["market"]) for row in peers.deltalake_rows(warehouse.table(TABLE), None)}
    if outcome.code == 0:
        assert outcome.json["version"] == 1 and rows == {(1, "AT"), (3, "DE")}
    else:
        assert outcome.code == 3 and outcome.err.count("\n") == 1 and rows == {(3, "DE")}
    assert ids(warehouse) == sorted(identity for identity, _ in rows)


@pytest.mark.parametrize(
    "ours, theirs",
    [
        (([{"id": 1, "a": "x"}], []), ([{"id": 2, "b": "y"}], [])),
        (([{"id": 1, "a": "x"}], []), ([{"id": 2, "a": 5}], [])),
        (([{"id": 1, "a": "x"}], []), ([{"id": 1, "a": "y"}], ["--key", "id"])),
        (([{"id": 1, "a": "x"}], ["--partition-by", "a"]), ([{"id": 2, "a": "y"}], [])),
        (([{"id": 1, "a": "x"}], ["--key", "id", "--mode", "merge"]), ([{"id": 1, "a": "y"}], ["--key", "id"])),
    ],
    ids=["other columns", "another type", "a key", "partitions", "the same key"],
)
def test_two_first_feeds_that_do_not_agree_leave_a_table_that_somebody_asked_for(warehouse, tmp_path, ours, theirs):
    """What the slower one meets is a table that is there: it joins it by the rules of any later feed, or is refused."""
    (our_rows, our_options), (their_rows, their_options) = ours, theirs
    words = ["--json", "ingest", written(tmp_path / "ours.json", our_rows), "--into", TABLE, *our_options]
    with paused(warehouse, *words, before="rename:/part-00000-") as finish:
        their_feed = written(tmp_path / "theirs.json", their_rows)
        warehouse.ingest(their_feed, "--into", TABLE, *their_options)
        outcome = finish()
    alone = at(tmp_path / "alone")
    alone.ingest(their_feed, "--into", TABLE, *their_options)
    after = alone.run(*words, code=outcome.code)
    found = [warehouse.rows(TABLE, ["id"]), alone.rows(TABLE, ["id"])]
    if outcome.code == 0:
        assert found[0] == found[1] and after.json["rows"] == outcome.json["rows"]
    else:
        assert outcome.code in (1, 3) and outcome.err == after.err, outcome.err
        assert found[0] == their_rows
    listed = [peers.deltalake_rows(warehouse.table(TABLE), None), json.loads(json.dumps(found[0]))]
    assert sorted(listed[0], key=str) == sorted(listed[1], key=str)
    describes = [where.run("--json", "describe", TABLE).json["columns"] for where in (warehouse, alone)]
    assert describes[0] == describes[1]
