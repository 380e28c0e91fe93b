"""Merge-on-read: rows struck out by deletion vectors are gone in every reader, and back in every older version."""

import decimal
import json
import random

import pytest

import peers
import vectors
from test_readers import ndjson, varve_rows

TYPES = {"id": "int64", "market": "text", "price": "decimal(10,2)"}
# pyarrow reads the files alone, and so sees rows that are struck out.
READERS = {name: read for name, read in peers.READERS.items() if name != "pyarrow"}


def row(identity, price=None):
    # A path that must be escaped leads Polars past the deletion vector: such files are written anew.
    return {"id": identity, "market": ["m/0", "m1", "m2"][identity % 3], "price": price}


def check(warehouse, table, model, spark, types=TYPES):
    """`model` is the rows of version 1, 2, …"""
    path = warehouse.table(table)
    for number, rows in enumerate(model, start=1):
        wanted = peers.ordered(rows, ["id"])
        known = {name: kind for name, kind in types.items() if name in rows[0]} if rows else types
        assert peers.ordered(varve_rows(warehouse, table, number, known), ["id"]) == wanted, f"varve, version {number}"
        for name, read in READERS.items():
            assert peers.ordered(read(path, number), ["id"]) == wanted, f"{name}, version {number}"
        assert peers.ordered(peers.spark_rows(spark, path, number), ["id"]) == wanted, f"spark, version {number}"


def actions(warehouse, table, version):
    log = warehouse.table(table) / "_delta_log" / f"{version:020}.json"
    return [json.loads(line) for line in log.read_text().splitlines()]


def adds(warehouse, table, version):
    return [action["add"] for action in actions(warehouse, table, version) if "add" in action]


@pytest.mark.parametrize("partitioned_by", [None, "market"])
def test_every_version_is_equal_in_every_reader(warehouse, tmp_path, spark, partitioned_by):
    price = decimal.Decimal("1.00")
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"columns": [{"name": n, "type": t} for n, t in TYPES.items()]}))
    state, model = {}, []

    def feed(rows, *words, deleted=(), types=TYPES):
        lines = [found | {"gone": False} for found in rows] + [row(n) | {"gone": True} for n in deleted]
        path = ndjson(tmp_path / f"{len(model)}.ndjson", lines, types | {"gone": "boolean"})
        report = warehouse.ingest(path, "--into", "things", *words)
        model.append(list(state.values()))
        return report

    def merge(rows, deleted=(), *words):
        state.update({found["id"]: found for found in rows})
        for identity in deleted:
            state.pop(identity, None)
        return feed(rows, "--mode", "merge", "--delete-when", "gone", *words, deleted=deleted)

    first = [row(n, price) for n in range(60)]
    creation = ["--schema", schema, "--key", "id", "--updates", "merge-on-read"]
    merge(first, (), *creation, *(["--partition-by", "market"] if partitioned_by else []))
    # Updates, inserts and deletes; then the same rows again, rows of a newer file, and a file of which nothing is left.
    report = merge([row(n, price + n + 1) for n in (0, 7, 30, 100)], [1, 2, 59])
    assert (report["rows"]["updated"], report["rows"]["inserted"], report["rows"]["deleted"]) == (3, 1, 3)
    old = [add for add in adds(warehouse, "things", 2) if "deletionVector" in add]
    assert sum(add["deletionVector"]["cardinality"] for add in old) == (4 if partitioned_by else 6)
    assert {add["deletionVector"]["storageType"] for add in old} == {"i"}
    assert all(json.loads(add["stats"])["tightBounds"] is False for add in old)
    merge([row(n, price - n) for n in (7, 8, 100, 101)], [0])
    merge([row(n, decimal.Decimal("5.00")) for n in (7, 8, 30, 100, 101)])
    merge([], [7, 8, 30, 100, 101])
    check(warehouse, "things", model, spark)

    # An older version comes back with what was struck out of it, and nothing else.
    warehouse.run("restore", "things@2")
    model.append(model[1])
    state.update({found["id"]: found for found in model[1]})
    for identity in set(state) - {found["id"] for found in model[1]}:
        del state[identity]
    merge([row(3, decimal.Decimal("9.99"))])
    check(warehouse, "things", model, spark)
    changed = warehouse.run("diff", "--json", "things@5", "things@6").json
    assert changed is not None
    assert warehouse.run("verify", "things").code == 0


def test_a_table_changes_its_way_and_its_columns(warehouse, tmp_path, spark):
    """Copy-on-write, then merge-on-read, a column more, one less and one wider over struck rows, and back again."""
    types = {"id": "int64", "n": "int64", "note": "text"}

    def rows(numbers, n):
        return [{"id": number, "n": n, "note": f"{number}"} for number in numbers]

    def merge(found, kinds=types):
        state.update({line["id"]: line for line in found})
        warehouse.ingest(ndjson(tmp_path / f"{len(model)}.ndjson", found, kinds), "--into", "things", "--mode", "merge", *creation)
        model.append(list(state.values()))

    state, model, creation = {}, [], ["--key", "id"]
    merge(rows(range(20), 1))
    creation = []
    merge(rows([3], 2))
    warehouse.run("alter", "things", "--updates", "merge-on-read")
    model.append(model[-1])
    merge(rows([4, 5, 30], 3))
    assert any("deletionVector" in add for add in adds(warehouse, "things", 4))
    warehouse.run("alter", "things", "--drop", "note")
    state = {number: {"id": number, "n": line["n"]} for number, line in state.items()}
    model.append(list(state.values()))
    assert not any("deletionVector" in add for add in adds(warehouse, "things", 5))
    merge([{"id": number, "n": 4} for number in (0, 5)])
    assert any("deletionVector" in add for add in adds(warehouse, "things", 6))
    check(warehouse, "things", model, spark, types)
    merge([{"id": 6, "n": decimal.Decimal("0.5")}], types | {"n": "decimal(21,1)"})
    warehouse.run("alter", "things", "--updates", "copy-on-write")
    model.append(model[-1])
    merge([{"id": 7, "n": 5}])
    for number in (7, 8, 9):
        found = {line["id"]: decimal.Decimal(line["n"]) for line in peers.duckdb_rows(warehouse.table("things"), number)}
        assert found == {line["id"]: decimal.Decimal(line["n"]) for line in model[number - 1]}, number
    assert warehouse.run("verify", "things").code == 0


def test_struck_rows_stay_gone_when_files_are_compacted_and_vacuumed(warehouse, tmp_path, spark):
    found = {n: row(n, decimal.Decimal("1.00")) for n in range(40)}
    options = ["--into", "things", "--key", "id", "--mode", "merge", "--updates", "merge-on-read"]
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", list(found.values()), TYPES), *options)
    model = [list(found.values())]
    for number in (2, 3):
        changed = [row(n, decimal.Decimal(number)) for n in (number, 10, 20 + number, 50 + number)]
        found.update({line["id"]: line for line in changed})
        warehouse.ingest(ndjson(tmp_path / f"{number}.ndjson", changed, TYPES), "--into", "things")
        model.append(list(found.values()))
    assert warehouse.run("describe", "--json", "things").json["updates"] == "merge-on-read"
    states = "SELECT id, price, _from_version AS f, _to_version AS t FROM [things@history] WHERE id = 10 ORDER BY f"
    expected = [(1, 1.0, 2), (2, 2.0, 3), (3, 3.0, None)]
    assert [(s["f"], float(s["price"]), s["t"]) for s in warehouse.run("query", "--format", "json", states).json] == expected
    assert warehouse.run("verify", "things", "--rerun").code == 0
    warehouse.run("compact", "things")
    model.append(model[-1])
    assert not any("deletionVector" in add for add in adds(warehouse, "things", 4))
    check(warehouse, "things", model, spark)
    assert [(s["f"], float(s["price"]), s["t"]) for s in warehouse.run("query", "--format", "json", states).json] == expected
    warehouse.run("vacuum", "things", "--keep-versions", "1", "--apply", VARVE_CLOCK="2034-10-06T12:00:00Z")
    for name, read in READERS.items():
        assert peers.ordered(read(warehouse.table("things"), 4), ["id"]) == peers.ordered(model[3], ["id"]), name
    assert warehouse.run("verify", "things").code == 0


def test_no_list_of_files_shows_struck_rows(warehouse, tmp_path):
    """Engines that read lists of files know no deletion vectors."""
    found = [row(n, decimal.Decimal("1.00")) for n in range(5)]
    options = ["--into", "things", "--key", "id", "--mode", "merge"]
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", found, TYPES), *options, "--updates", "merge-on-read")
    warehouse.run("symlinks", "things", code=3)
    warehouse.run("alter", "things", "--updates", "copy-on-write")
    warehouse.run("symlinks", "things")
    warehouse.run("alter", "things", "--updates", "merge-on-read", code=3)
    assert warehouse.run("verify", "things").code == 0


def test_the_vectors_are_those_of_the_protocol(warehouse, tmp_path):
    """What Varve writes, decoded by hand: magic number, one bitmap, and the numbers of the struck rows."""
    rows = [row(n, decimal.Decimal("1.00")) for n in range(200_000)]
    warehouse.ingest(
        ndjson(tmp_path / "1.ndjson", rows, TYPES), "--into", "things", "--key", "id", "--mode", "merge",
        "--updates", "merge-on-read",
    )  # fmt: skip
    struck = sorted({0, 5, 65_535, 65_536, 199_999, *range(70_000, 80_000)})
    changed = [row(n, decimal.Decimal("2.00")) for n in struck]
    warehouse.ingest(ndjson(tmp_path / "2.ndjson", changed, TYPES), "--into", "things")
    [vector] = [add["deletionVector"] for add in adds(warehouse, "things", 2) if "deletionVector" in add]
    assert vector == vectors.inline(struck)
    found = {action["protocol"]["minReaderVersion"] for action in actions(warehouse, "things", 0) if "protocol" in action}
    assert found == {3}


def test_a_small_change_to_a_large_file_writes_little(warehouse, tmp_path):
    """A merge of 100 rows into a file of a million, counted in bytes."""
    feed = tmp_path / "1.csv"
    with feed.open("w") as file:
        file.write("id,name,price\n")
        for number in range(1_000_000):
            file.write(f"{number},product {number * 7919 % 1_000_003},{number % 977}\n")
    warehouse.ingest(feed, "--into", "large", "--key", "id", "--mode", "merge", "--updates", "merge-on-read")
    before = warehouse.files()
    chosen = random.Random(7).sample(range(1_000_000), 100)
    changes = tmp_path / "2.csv"
    changes.write_text("id,name,price\n" + "".join(f"{n},changed {n},0\n" for n in chosen))
    warehouse.ingest(changes, "--into", "large")
    after = warehouse.files()
    written = {path: size for path, size in after.items() if before.get(path) != size}
    assert sum(before.values()) > 1_000_000
    assert sum(written.values()) < 50_000, written
    counted = "SELECT count(*) AS n, sum(name LIKE 'changed %') AS c, count(DISTINCT id) AS d FROM large"
    assert warehouse.run("query", "--format", "json", counted).json == [{"n": 1_000_000, "c": 100, "d": 1_000_000}]
    assert len(warehouse.run("diff", "--json", "large@1", "large@2").out.splitlines()) >= 1


STRUCK = [[0, 3], [0, 3, 4, 5, 65_536, 99_999], list(range(10_000, 60_000)) + [0, 70_000]]


@pytest.mark.parametrize("with_runs", [False, True])
@pytest.mark.parametrize("kind", ["inline", "file", "prefixed", "absolute"])
def test_the_vectors_of_other_writers_are_read(warehouse, kind, with_runs):
    table = warehouse.table("theirs")
    table.parent.mkdir()
    count = 100_000

    def described(rows):
        if kind == "inline":
            return vectors.inline(rows, with_runs)
        prefix = {"file": "", "prefixed": "ab", "absolute": ""}[kind]
        return vectors.in_file(table, rows, prefix, "p" if kind == "absolute" else "u", with_runs)

    table.mkdir()
    found = [described(sorted(rows)) for rows in STRUCK]
    files = list(table.rglob("*.bin"))
    kept = {file: file.read_bytes() for file in files}
    table.rmdir() if not files else None
    if files:
        import shutil

        shutil.rmtree(table)
    vectors.strangers_table(table, count, found)
    for file, held in kept.items():
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(held)
    for number, rows in enumerate(STRUCK, start=2):
        left = warehouse.run("query", "--format", "json", f'SELECT count(*) AS n, sum(id) AS s FROM "theirs@{number}"').json
        assert left == [{"n": count - len(rows), "s": sum(range(count)) - sum(rows)}]
        gone = warehouse.run("query", "--format", "json", f'SELECT id FROM "theirs@{number}" WHERE id IN (0, 3, 70000)').json
        assert [line["id"] for line in gone] == [n for n in (0, 3, 70_000) if n not in rows]
    assert warehouse.run("verify", "theirs").code == 0
    # Written to as ever, by copying: what was struck out stays out.
    feed = table.parent / "more.csv"
    feed.write_text("id\n100000\n")
    warehouse.ingest(feed, "--into", "theirs", "--mode", "append")
    assert sum(1 for _ in peers.deltalake_rows(table, 5)) == count - len(STRUCK[-1]) + 1


def test_a_damaged_vector_is_found(warehouse):
    table = warehouse.table("theirs")
    table.parent.mkdir()
    table.mkdir()
    vector = vectors.in_file(table, [1, 2, 3])
    [file] = table.glob("*.bin")
    held = file.read_bytes()
    file.unlink()
    table.rmdir()
    vectors.strangers_table(table, 100, [vector])
    file.write_bytes(held)
    assert warehouse.run("verify", "theirs").code == 0
    start = vector["offset"]
    for place in [0, *range(start, len(held))]:
        file.write_bytes(held[:place] + bytes([held[place] ^ 1]) + held[place + 1 :])
        found = warehouse.run("verify", "theirs", code=4)
        assert file.name in found.out + found.err, place
    file.write_bytes(held[:-1])
    warehouse.run("query", "SELECT * FROM theirs", code=4)
    file.unlink()
    found = warehouse.run("verify", "theirs", code=4)
    assert "missing" in found.out + found.err
