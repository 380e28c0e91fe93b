"""Other Delta writers may commit to our tables: what they write is seen, and what we wrote stays."""

import deltalake
import pyarrow

import peers
from test_readers import ndjson

TYPES = {"id": "int64", "name": "text"}


def rows(*numbers):
    return [{"id": number, "name": f"row {number}"} for number in numbers]


def append(path, *numbers):
    data = pyarrow.table({"id": pyarrow.array(numbers, pyarrow.int64()), "name": [f"row {n}" for n in numbers]})
    deltalake.write_deltalake(str(path), data, mode="append")


def ids(warehouse, reference):
    return sorted(found["id"] for found in warehouse.rows(reference, ["id"]))


def test_commits_of_delta_rs_in_between_are_seen_and_kept(warehouse, tmp_path):
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", rows(1, 2), TYPES), "--into", "shared", "--key", "id")
    append(warehouse.table("shared"), 3)
    warehouse.ingest(ndjson(tmp_path / "2.ndjson", rows(4), TYPES), "--into", "shared")
    append(warehouse.table("shared"), 5)
    update = [{"id": 3, "name": "merged"}, {"id": 6, "name": "row 6"}]
    report = warehouse.ingest(ndjson(tmp_path / "3.ndjson", update, TYPES), "--into", "shared", "--mode", "merge")
    assert (report["version"], report["rows"]["updated"], report["rows"]["inserted"]) == (5, 1, 1)
    expected = {1: [1, 2], 2: [1, 2, 3], 3: [1, 2, 3, 4], 4: [1, 2, 3, 4, 5], 5: [1, 2, 3, 4, 5, 6]}
    for version, numbers in expected.items():
        assert ids(warehouse, f"shared@{version}") == numbers
        found = peers.deltalake_rows(warehouse.table("shared"), version)
        assert sorted(row["id"] for row in found) == numbers
    merged = {row["id"]: row["name"] for row in warehouse.rows("shared", ["id"])}
    assert merged[3] == "merged"


def test_a_deletion_by_delta_rs_is_a_version_like_any_other(warehouse, tmp_path):
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", rows(1, 2, 3), TYPES), "--into", "shared")
    deltalake.DeltaTable(str(warehouse.table("shared"))).delete("id = 2")
    assert ids(warehouse, "shared") == [1, 3]
    assert ids(warehouse, "shared@1") == [1, 2, 3]
    warehouse.ingest(ndjson(tmp_path / "2.ndjson", rows(4), TYPES), "--into", "shared")
    assert ids(warehouse, "shared") == [1, 3, 4]


def test_an_append_of_delta_rs_that_reaches_its_checkpoint_erases_none_of_our_history(warehouse, tmp_path):
    warehouse.ingest(ndjson(tmp_path / "0.ndjson", rows(0), TYPES), "--into", "long")
    table = warehouse.table("long")
    log = table / "_delta_log"
    number = 1
    while not any(int(file.name[:20]) > 90 for file in log.glob("*.checkpoint.parquet")) and number < 120:
        append(table, number)
        number += 1
    assert list(log.glob("*.checkpoint.parquet")), "delta-rs made no checkpoint; the test shows nothing"
    head = warehouse.head("long")
    assert [int(file.stem) for file in sorted(log.glob("*.json"))] == list(range(head + 1))
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", rows(1000), TYPES), "--into", "long")
    for version in (1, 2, 50, head, head + 1):
        count = warehouse.run("query", "--format", "json", f'SELECT count(*) AS n FROM "long@{version}"').json
        assert count == [{"n": version}]
    assert peers.deltalake_rows(table, 1) == rows(0)


def test_a_table_whose_protocol_asks_for_more_is_refused_with_the_feature(warehouse, tmp_path):
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", rows(1), TYPES), "--into", "guarded")
    entry = warehouse.table("guarded") / "_delta_log" / f"{2:020d}.json"
    entry.write_text(
        '{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["variantType"],'
        '"writerFeatures":["variantType"]}}\n'
    )
    outcome = warehouse.run("query", "SELECT * FROM guarded", code=3)
    assert "variantType" in outcome.err
    outcome = warehouse.run("ingest", tmp_path / "1.ndjson", "--into", "guarded", "--reingest", code=3)
    assert "variantType" in outcome.err
