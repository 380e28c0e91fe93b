"""Symlink manifests: what their paths hold is what readers are shown, at every step, and after a crash with the next one."""

import json
import shutil

import duckdb
import pyarrow.parquet
import pytest

import peers
from conftest import Warehouse
from faults import PROOF, run, seeded
from test_crashes import at, written

TABLE = "prices"
PARTED = ["--key", "id", "--partition-by", "market"]


def rows(*markets, start=0, price=1.5):
    return [{"id": start + n, "market": market, "price": price} for n, market in enumerate(markets)]


def manifests(warehouse):
    return sorted((warehouse.table(TABLE) / "_symlink_format_manifest").rglob("manifest"))


def paths(warehouse):
    return [line for manifest in manifests(warehouse) for line in manifest.read_text().splitlines()]


def normal(found):
    return sorted(json.dumps({name: peers.normal(value) for name, value in row.items()}, sort_keys=True) for row in found)


def check(warehouse):
    """Read from the listed paths alone, by two engines; each list names files of its own partition."""
    listed = paths(warehouse)
    wanted = normal(warehouse.rows(TABLE, ["id"]))
    assert all(path.startswith(f"file://{warehouse.path.resolve()}/{TABLE}/") for path in listed)
    by_arrow, by_duckdb = [], []
    if listed:
        plain = [path.removeprefix("file://") for path in listed]
        for path in plain:
            by_arrow += pyarrow.parquet.ParquetFile(path).read().to_pylist()
        connection = duckdb.connect()
        table = connection.execute("SELECT * FROM read_parquet(?, hive_partitioning = false, union_by_name = true)", [listed])
        names = [column[0] for column in table.description]
        by_duckdb = [dict(zip(names, row)) for row in table.fetchall()]
    assert normal(by_duckdb) == normal(by_arrow) == wanted
    for manifest in manifests(warehouse):
        partition = manifest.parent.relative_to(warehouse.table(TABLE) / "_symlink_format_manifest")
        for line in manifest.read_text().splitlines():
            assert line.startswith(f"file://{(warehouse.table(TABLE) / partition).resolve()}/")
    assert "whole" in warehouse.run("verify", TABLE).out
    return listed


def test_the_lists_follow_what_readers_are_shown(warehouse, tmp_path):
    def ingest(name, feed, *options):
        return warehouse.ingest(written(tmp_path / f"{name}.json", feed), "--into", TABLE, *options)

    ingest("1", rows("DE", "AT", None, "A B/50%", "größer"), *PARTED)
    assert manifests(warehouse) == []
    warehouse.run("symlinks", TABLE)
    assert len(check(warehouse)) == 5
    ingest("2", rows("DE", "CH", start=10))
    assert len(check(warehouse)) == 7
    ingest("3", rows("DE", start=0, price=7.5), "--mode", "merge")
    check(warehouse)
    # A partition that is emptied has no list.
    before = len(manifests(warehouse))
    warehouse.run("truncate", TABLE, "--partition", "market=CH")
    check(warehouse)
    assert len(manifests(warehouse)) == before - 1
    # Held, pinned and let go of.
    kept = paths(warehouse)
    ingest("4", rows("DE", start=20), "--hold-publish")
    assert check(warehouse) == kept
    warehouse.run("publish", TABLE)
    assert check(warehouse) != kept
    warehouse.run("publish", f"{TABLE}@1")
    assert len(check(warehouse)) == 5
    ingest("5", rows("DE", start=30))
    assert len(check(warehouse)) == 5
    warehouse.run("publish", TABLE, "--unpin")
    check(warehouse)
    warehouse.run("restore", f"{TABLE}@4")
    check(warehouse)
    # Several versions as one decision.
    for day in (1, 2, 1):
        ingest(f"day {day}", rows("DE", "AT", start=40 + day), "--mode", "stateful-merge", "--execution", str(day), "--reingest")
        check(warehouse)
    warehouse.run("symlinks", TABLE, "--off")
    assert not (warehouse.table(TABLE) / "_symlink_format_manifest").exists()
    ingest("6", rows("DE", start=60))
    assert manifests(warehouse) == []


def test_a_table_without_partitions_has_one_list_even_when_it_is_empty(warehouse, tmp_path):
    warehouse.ingest(written(tmp_path / "1.json", rows("DE", "AT")), "--into", TABLE)
    warehouse.run("symlinks", TABLE)
    assert len(check(warehouse)) == 1 and len(manifests(warehouse)) == 1
    warehouse.run("truncate", TABLE)
    assert check(warehouse) == [] and len(manifests(warehouse)) == 1
    # What another engine commits is listed by our next commit.
    import deltalake

    deltalake.write_deltalake(str(warehouse.table(TABLE)), pyarrow.table(
        {"id": pyarrow.array([5]), "market": ["IT"], "price": [2.0]}), mode="append")  # fmt: skip
    warehouse.ingest(written(tmp_path / "2.json", rows("DE", start=9)), "--into", TABLE)
    assert len(check(warehouse)) == 2


def test_lists_that_are_damaged_are_found_and_mended_and_those_of_a_copy_are_made_anew(warehouse, tmp_path):
    warehouse.ingest(written(tmp_path / "1.json", rows("DE", "AT", "FR")), "--into", TABLE, *PARTED)
    warehouse.run("symlinks", TABLE)
    first, second, _ = manifests(warehouse)
    first.write_text("file:///elsewhere\n")
    second.unlink()
    stray = first.parent.parent / "market=XX" / "manifest"
    stray.parent.mkdir()
    stray.write_text("")
    found = json.loads(warehouse.run("--json", "verify", TABLE, code=4).out)[0]["findings"]
    assert sorted(finding["kind"] for finding in found) == ["altered", "missing", "stray"]
    warehouse.run("repair", TABLE)
    assert len(check(warehouse)) == 3
    copy = Warehouse(tmp_path / "copy")
    shutil.copytree(warehouse.path, copy.path)
    assert "lay before" in copy.run("verify", TABLE).out
    copy.ingest(written(tmp_path / "2.json", rows("DE", start=7)), "--into", TABLE)
    assert len(check(copy)) == 4


@pytest.mark.parametrize("act", ["ingest", "symlinks", "publish"])
def test_killed_at_any_storage_call(tmp_path, act):
    base = at(tmp_path / "base")
    base.ingest(written(tmp_path / "1.json", rows("DE", "AT", "FR")), "--into", TABLE, *PARTED)
    if act != "symlinks":
        base.run("symlinks", TABLE)
    if act == "publish":
        base.ingest(written(tmp_path / "2.json", rows("IT", start=5)), "--into", TABLE, "--hold-publish")
    words = {
        "ingest": ["ingest", written(tmp_path / "3.json", rows("DE", "CH", start=10)), "--into", TABLE, "--mode", "merge"],
        "symlinks": ["symlinks", TABLE],
        "publish": ["publish", TABLE],
    }[act]

    def trial():
        shutil.rmtree(tmp_path / "trial", ignore_errors=True)
        shutil.copytree(base.path, tmp_path / "trial")
        return at(tmp_path / "trial")

    whole = run(trial(), *words)
    assert whole.code == 0, whole.err
    count = len(whole.calls)
    lists = [number for number, call in enumerate(whole.calls, start=1) if "/_symlink_format" in call.path + call.new_path]
    some = seeded(act).sample(range(1, count + 1), 2) + seeded(act).sample(lists, 3)
    for number in range(1, count + 1) if PROOF else sorted(set(some)):
        place = trial()
        killed = run(place, *words, kill_at=number)
        assert killed.code == -9
        # Each list is whole, and names files that are there.
        for line in paths(place):
            pyarrow.parquet.ParquetFile(line.removeprefix("file://")).metadata
        assert run(place, "verify", TABLE).code == 0
        again = run(place, *words)
        assert again.code == 0, again.err
        place.ingest(written(tmp_path / "after.json", rows("PL", start=90)), "--into", TABLE, "--mode", "merge")
        listed = paths(place)
        assert any("market=PL" in path for path in listed)
        check(place)
        assert list(place.path.rglob("*.tmp")) == []
