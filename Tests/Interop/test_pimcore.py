"""Deliveries into Pimcore, to two doubles of it: Varve's own, and one written in Python from the same contracts."""

import contextlib
import json
import os
import subprocess

import httpx
import pytest

from conftest import binary
from pimcore import Pimcore
from receivers import serving

KEYS = {"PIMCORE_IMPORT_KEY": "import-key-0123456789", "PIMCORE_GRAPHQL_KEY": "graphql-key-0123456789"}


@contextlib.contextmanager
def rehearsal(folder, *words, **setup):
    """`varve receive` as a Pimcore; gives its URL."""
    file = folder / "pimcore.json"
    file.write_text(json.dumps(setup))
    process = subprocess.Popen(
        [str(binary()), "--json", "receive", "--port", "0", "--as", "data-importer,graphql", "--setup", str(file), *words],
        stdout=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"], "SWIFT_BACKTRACE": "enable=no"} | KEYS)
    try:
        yield json.loads(process.stdout.readline())["url"].rstrip("/")
    finally:
        process.terminate()
        process.communicate(timeout=20)


@contextlib.contextmanager
def stranger(pimcore):
    """The double in Python; gives its URL."""
    with serving(pimcore) as url:
        yield url.removesuffix("/chunks")


FIELDS = {"sku": "String", "name": "String", "price": "Float"}


def conversation(url):
    """What a client hears that says these things, one after the other: (status, body)."""
    bearer = {"Authorization": f"Bearer {KEYS['PIMCORE_IMPORT_KEY']}"}
    apikey = {"apikey": KEYS["PIMCORE_GRAPHQL_KEY"]}
    push, query = "/pimcore-datahub-import/products/push", "/pimcore-graphql-webservices/products"
    first = json.dumps([{"sku": "A-1", "name": "ä/\"", "price": 1.5}, {"sku": "B-2", "name": None, "price": 2}])
    long = json.dumps([{"sku": "C-3", "name": "c", "price": 3}, {"sku": "D-4", "name": "ö" * 11_000, "price": 4}])
    read = "query($f:String,$n:Int){l:getProductListing(filter:$f,first:$n,published:false){totalCount edges{node{id sku name price}}}}"

    def ask(text, **variables):
        return query, apikey, json.dumps({"query": text, "variables": variables})

    either = json.dumps({"$or": [{"sku": "a-1"}, {"sku": "D-4"}, {"sku": "B-2 "}]})
    said = [
        ("/pimcore-datahub-import/products/push", {}, first),
        ("/pimcore-datahub-import/unknown/push", bearer, first),
        (push, {"Authorization": "Bearer wrong"}, first),
        (push, {"Authorization": f"bearer {KEYS['PIMCORE_IMPORT_KEY']}"}, first),
        (push, bearer, ""),
        (push, bearer, "{"),
        ask(read),
        (push, {"Authorization": KEYS['PIMCORE_IMPORT_KEY']}, first),
        ask(read, f=either),
        (push, bearer, long),
        ask(read),
        (push, bearer, json.dumps([{"sku": "a-1", "name": "again", "price": 7}])),
        ask(read, f=either, n=1),
        ask("{getProductListing{edges{node{nothing}}}}"),
        ask("{"),
        ask(read, f="null"),
        ask("mutation{a:deleteProduct(id:1){success message} b:deleteProduct(id:1){success message}}"),
        ask("{__schema{mutationType{fields{name}} queryType{fields{name}}}}"),
        ask("{getProduct(id:2){sku id}}"),
        (query, {"apikey": "wrong"}, "{}"),
        (query, {"x-api-key": KEYS["PIMCORE_GRAPHQL_KEY"]}, json.dumps({"query": read})),
        ("/pimcore-graphql-webservices/unknown", apikey, json.dumps({"query": read})),
    ]
    with httpx.Client(base_url=url, trust_env=False) as client:
        for path, headers, body in said:
            answer = client.post(path, headers=headers, content=body)
            yield path, body[:80], answer.status_code, heard(answer)


def heard(answer):
    """The body as a client reads it: pages and the wording of parsers are their makers' own."""
    if not answer.headers["content-type"].startswith("application/json"):
        return "a page"
    value = answer.json()
    for error in value.get("errors", []):
        error["message"] = error["message"].replace("'", '"')
        if error["message"].startswith("Syntax Error"):
            error["message"] = "Syntax Error"
    if "errors" in value:
        value.pop("data", None)
    schema = (value.get("data") or {}).get("__schema")
    if schema:
        names = {side: {field["name"] for field in schema[side]["fields"]} for side in schema}
        return {"delete": "deleteProduct" in names["mutationType"], "list": "getProductListing" in names["queryType"]}
    return value


def test_both_doubles_answer_alike(tmp_path):
    with rehearsal(tmp_path, fields=list(FIELDS)) as url:
        own = list(conversation(url))
    with stranger(Pimcore(FIELDS)) as url:
        other = list(conversation(url))
    assert own == other
    statuses = [status for _, _, status, _ in own]
    assert statuses.count(500) == 4 and statuses.count(405) == 3
    # The row before the one that was too long is there all the same.
    assert [edge["node"]["sku"] for edge in own[10][3]["data"]["l"]["edges"]] == ["A-1", "B-2", "C-3"]


def test_a_queue_that_is_not_empty_takes_nothing(tmp_path):
    bearer = {"Authorization": KEYS["PIMCORE_IMPORT_KEY"]}
    rows = [{"sku": f"S-{number}"} for number in range(50)]
    with rehearsal(tmp_path, rows_per_second=0.001) as url:
        answers = [httpx.post(f"{url}/pimcore-datahub-import/products/push", headers=bearer, json=rows) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 405]
    pimcore = Pimcore(FIELDS, pace=0)
    with stranger(pimcore) as url:
        again = [httpx.post(f"{url}/pimcore-datahub-import/products/push", headers=bearer, json=rows) for _ in range(2)]
    assert [(answer.status_code, answer.content) for answer in answers] == [
        (answer.status_code, answer.content) for answer in again]


# --- Deliveries

CLASS = {"sku": "String", "name": "String", "price": "Float", "listed": "Boolean", "since": "String", "extra": "String"}


def target(url, **more):
    """A target that is asked again at once."""
    return {
        "kind": "data-importer", "url": url, "config": "products", "api_key": {"env": "PIMCORE_IMPORT_KEY"},
        "graphql": {"class": "Product", "api_key": {"env": "PIMCORE_GRAPHQL_KEY"}},
        "importer": {"loading": "attribute", "cleanup": "off", "delta_check": "off", "ignore_not_empty_queue": "off"},
        "chunk_records": 20, "timeout_seconds": 5,
        "proving": {"poll_seconds": 0.001, "poll_seconds_max": 0.01, "settle_seconds": 0.02, "drain_seconds": 5},
        "retry": {"attempts": 6, "first_seconds": 0.001, "seconds_max": 0.01},
    } | more


def declare(warehouse, **targets):
    warehouse.path.mkdir(exist_ok=True)
    (warehouse.path / "varve.json").write_text(json.dumps({"targets": targets}))


def rows(count, start=0):
    return [
        {"sku": f"P-{number:04}", "name": f"Größe \"{number}\" / \\ \U0001f600", "price": number * 1.1 - 7,
         "listed": number % 3 == 0, "since": f"2024-01-{number % 28 + 1:02}",
         "extra": {"z": number, "a": [1.5, None]} if number % 2 else None}
        for number in range(start, start + count)
    ]


def feed(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def ingest(warehouse, folder, records, *words):
    return warehouse.ingest(feed(folder / "feed.ndjson", records), "--into", "products", "--mode", "merge", "--key", "sku",
                            *words)


def push(warehouse, *words, **options):
    return warehouse.run("--json", "push", "products", "--to", "pim", *words, **(KEYS | options))


def expected(records):
    """As the class keeps them."""
    return {row["sku"]: {field: Pimcore.converted(kind, row[field]) for field, kind in CLASS.items()} for row in records}


def comparable(table):
    """Nested values by what they say, not how they are spelled."""
    return {key: values | {"extra": values["extra"] and json.loads(values["extra"])} for key, values in table.items()}


def test_a_version_and_what_changed_arrive_and_are_proven(warehouse, tmp_path):
    pimcore = Pimcore(CLASS, pace=7)
    ingest(warehouse, tmp_path, rows(90))
    with stranger(pimcore) as url:
        declare(warehouse, pim=target(url))
        first = push(warehouse).json
        assert (first["outcome"], first["records"]) == ("delivered", 90)
        assert comparable(pimcore.table()) == comparable(expected(rows(90)))
        changed = [row | {"price": 0.5, "gone": False} for row in rows(90)[10:15]]
        gone = [row | {"gone": True} for row in rows(90)[20:23]]
        ingest(warehouse, tmp_path, changed + gone + [row | {"gone": False} for row in rows(3, start=200)],
               "--delete-when", "gone")
        pushes = len(pimcore.pushes)
        second = push(warehouse, "--changes-since", "delivered").json
        assert (second["since"], second["records"]) == (1, 11)
        assert push(warehouse).json["outcome"] == "unchanged"
        assert [len(sent) for sent in pimcore.pushes[pushes:]] == [8]
        # Everything again: all is there, so that nothing is sent.
        again = push(warehouse, "--again").json
        assert again["records"] == 90 and len(pimcore.pushes) == pushes + 1
    left = [row for row in rows(90) if row["sku"] not in {row["sku"] for row in gone + changed}]
    assert comparable(pimcore.table()) == comparable(
        expected(left + [row | {"price": 0.5} for row in changed] + rows(3, start=200)))
    deliveries = warehouse.run("--json", "deliveries").json
    assert [(entry["state"], entry["proven"], entry["dead"]) for entry in deliveries] == [
        ("complete", 90, 0), ("complete", 11, 0), ("complete", 90, 0)]
    chunks = warehouse.run("--json", "deliveries", first["delivery_id"]).json
    assert {chunk["state"] for chunk in chunks} == {"proven"}
    assert pimcore.wiped == [] and pimcore.failures == []
