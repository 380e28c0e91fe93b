"""Deliveries into Pimcore, to two doubles of it: Varve's own, and one written in Python from the same contracts."""

import contextlib
import json
import os
import random
import shutil
import subprocess
import time

import httpx
import pytest

import faults
from conftest import binary
from pimcore import Pimcore, page, php
from receivers import serving

PROOF = os.environ.get("VARVE_PROOF") is not None

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


def target(address, **more):
    """A target that is asked again at once."""
    return {
        "kind": "data-importer", "url": address, "config": "products", "api_key": {"env": "PIMCORE_IMPORT_KEY"},
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


def test_csv_arrives_the_same(warehouse, tmp_path):
    fields = ["sku", "name", "price", "listed", "since", "extra"]
    pimcore = Pimcore(CLASS, columns=fields)
    ingest(warehouse, tmp_path, rows(50) + [{**rows(1, 60)[0], "name": ' "q", \\" ', "extra": None}])
    with stranger(pimcore) as url:
        declare(warehouse, pim=target(url, format="csv", csv={"fields": fields}))
        outcome = push(warehouse, code=1)
        assert "P-0060" in outcome.err and "backslash" in outcome.err
        assert comparable(pimcore.table()) == comparable(expected(rows(50)))


def test_settings_that_lose_or_wipe_are_refused_before_anything_is_sent(warehouse, tmp_path):
    pimcore = Pimcore(CLASS)
    ingest(warehouse, tmp_path, rows(3))
    with stranger(pimcore) as url:
        good = target(url)["importer"]
        cases = [
            ({"importer": good | {"cleanup": "delete"}}, 3, "cleanup"),
            ({"importer": {key: good[key] for key in good if key != "cleanup"}}, 3, "cleanup"),
            ({"importer": good | {"delta_check": "on"}}, 3, "delta_check"),
            ({"importer": good | {"loading": "none"}}, 3, "loading strategy"),
            ({"importer": {key: good[key] for key in good if key != "loading"}}, 3, "loading strategy"),
            ({"importer": good | {"ignore_not_empty_queue": "on"}}, 3, "overtake"),
            ({"importer": good | {"clean_up": "off"}}, 2, "clean_up"),
            ({"config": "pro/ducts"}, 2, "letters"),
            ({"columns": {"name": "name"}}, 3, "known by a key"),
            ({"format": "csv"}, 2, "csv"),
            ({"graphql": None}, 2, "graphql"),
            ({"url": "http://192.0.2.1/"}, 1, "this machine only"),
        ]
        for change, code, words in cases:
            declare(warehouse, pim=target(url, **change))
            assert words in push(warehouse, code=code).err, change
        declare(warehouse, pim=target(url))
        short = push(warehouse, code=3, PIMCORE_IMPORT_KEY="too-short")
        assert "16 characters" in short.err and "too-short" not in short.err
        warehouse.ingest(feed(tmp_path / "keyless.ndjson", rows(2)), "--into", "keyless")
        assert "key" in warehouse.run("push", "keyless", "--to", "pim", code=3, **KEYS).err
    assert pimcore.headers == []


class Liar(Pimcore):
    """Answers from a script, once; then as it should."""

    def __init__(self, fields, *script, **options):
        super().__init__(fields, **options)
        self.script = list(script)

    def trouble(self, kind, body):
        if self.script and self.script[0][0] == kind:
            answer = self.script.pop(0)[1]
            return answer() if callable(answer) else answer


def said(status, body):
    return lambda: fastapi_json(body, status)


def fastapi_json(body, status):
    from fastapi.responses import JSONResponse
    return JSONResponse(body, status)


@pytest.mark.parametrize("answer, requests, words", [
    (said(500, {"success": False, "error": "Invalid token"}), 1, "does not know the key"),
    (said(500, {"success": False, "error": 'Configuration "products" does not exist.'}), 1, "does not exist"),
    (said(405, {"success": False, "message": "Endpoint not has no Push data source configured."}), 1, "Push data source"),
    (lambda: page(404, "Page Not Found"), 1, "HTTP 404"),
    (lambda: page(200, "Welcome"), 1, "not \"success\": true"),
    (said(413, {}), 3, "smaller"),
    (lambda: page(502, "Bad Gateway"), 6, "HTTP 502"),
    (said(500, {"success": False, "error": "An exception occurred in the driver"}), 6, "driver"),
])
def test_answers_are_told_apart(warehouse, tmp_path, answer, requests, words):
    pimcore = Liar(CLASS, *[("push", answer)] * 20)
    ingest(warehouse, tmp_path, rows(3))
    with stranger(pimcore) as url:
        declare(warehouse, pim=target(url))
        assert words in push(warehouse, code=1).err
        assert 20 - len(pimcore.script) == requests
        assert warehouse.run("--json", "deliveries").json[0]["state"] == "stopped"
        pimcore.script = []
        push(warehouse)
    assert comparable(pimcore.table()) == comparable(expected(rows(3)))


def test_busy_is_waited_for_and_then_told(warehouse, tmp_path):
    pimcore = Liar(CLASS)
    pimcore.active = False
    ingest(warehouse, tmp_path, rows(3))
    with stranger(pimcore) as url:
        declare(warehouse, pim=target(url, proving=target(url)["proving"] | {"drain_seconds": 0.1}))
        assert "configuration is not active" in push(warehouse, code=1).err
        pimcore.active = True
        push(warehouse)
    assert len(pimcore.table()) == 3


def test_a_row_too_long_for_the_queue_is_never_sent(warehouse, tmp_path):
    # 65,535 bytes are the limit of the row as PHP spells it: six for each of these letters, two for a slash.
    around = len(php({"extra": None, "listed": False, "name": "", "price": 1.5, "sku": "L-1", "since": None}))
    fits = "/" + "\u00f6" * ((65_535 - around - 2) // 6)
    assert len(php(fits)) - 2 + around > 65_535 - 6
    long = [{"sku": "L-1", "name": fits, "price": 1.5, "listed": False, "since": None, "extra": None},
            {"sku": "L-2", "name": fits + "\u00f6", "price": 1.5, "listed": False, "since": None, "extra": None}]
    pimcore = Pimcore(CLASS)
    ingest(warehouse, tmp_path, rows(3) + long)
    with stranger(pimcore) as url:
        declare(warehouse, pim=target(url))
        outcome = push(warehouse, code=1)
        assert "L-2" in outcome.err and "65535" in outcome.err.replace(",", "")
        assert set(pimcore.table()) == {"P-0000", "P-0001", "P-0002", "L-1"} and pimcore.failures == []
        (letter,) = warehouse.run("--json", "deliveries", "--dead").json
        assert letter["key"] == "L-2" and letter["version"] == 1
        assert warehouse.run("--json", "deliveries").json[0]["state"] == "incomplete"
        # A later version in which the row is short settles it.
        ingest(warehouse, tmp_path, [long[1] | {"name": "short"}])
        push(warehouse)
        assert warehouse.run("--json", "deliveries", "--dead").json == []
        assert {entry["state"] for entry in warehouse.run("--json", "deliveries").json} == {"complete"}
    assert pimcore.table()["L-2"]["name"] == "short"


class Lossy(Pimcore):
    """Loses rows in processing by chance, never takes some, and saves one with another value."""

    def __init__(self, *options, seed, never=(), changed=(), **more):
        super().__init__(*options, **more)
        self.random, self.never, self.changed = random.Random(seed), set(never), set(changed)

    def trouble(self, kind, body):
        chance = self.random.random()
        if chance < 0.04:
            return page(503, "Service Unavailable")
        if chance < 0.06 and kind == "push":
            return fastapi_json({"success": False, "message": "Import not prepared, see application log for details."}, 405)
        if chance < 0.08 and kind == "push":
            # Taken, and nobody hears it.
            self.answer_push("products", {"authorization": self.import_key}, body)
            return page(502, "Bad Gateway")

    def fails_behind(self, sent):
        return self.random.randrange(len(sent)) if sent and self.random.random() < 0.1 else None

    def refuses(self, row):
        if row["sku"] in self.never:
            return f"{row['sku']} is never saved"
        return "a deadlock" if self.random.random() < 0.1 else None

    def saved(self, values):
        return values | {"name": "changed by a listener"} if values["sku"] in self.changed else values


def test_a_delta_check_that_cannot_be_switched_off_sees_another_row(warehouse, tmp_path):
    ingest(warehouse, tmp_path, rows(40))
    for nonce, code in [("off", 1), ({"nonce_field": "_sending"}, 0)]:
        pimcore = Lossy(CLASS, seed=3, delta_check=True)
        pimcore.trouble = lambda kind, body: None
        with stranger(pimcore) as url:
            confirmed = target(url)["importer"] | {"delta_check": nonce}
            declare(warehouse, pim=target(url, importer=confirmed,
                                          proving=target(url)["proving"] | {"attempts": 9}))
            push(warehouse, *(["--again"] if code == 0 else []), code=code)
            assert (comparable(pimcore.table()) == comparable(expected(rows(40)))) == (code == 0)


def test_secrets_go_to_pimcore_and_nowhere_else(warehouse, tmp_path):
    pimcore = Liar(CLASS, ("push", said(500, {"success": False, "error": "Invalid token"})))
    ingest(warehouse, tmp_path, rows(3))
    with stranger(pimcore) as url:
        declare(warehouse, pim=target(url))
        outcomes = [push(warehouse, code=1), push(warehouse), warehouse.run("--json", "deliveries", **KEYS)]
    for outcome in outcomes:
        assert "key-0123456789" not in outcome.out + outcome.err
    for path in warehouse.path.rglob("*"):
        assert not path.is_file() or b"key-0123456789" not in path.read_bytes(), path
    assert {headers.get("authorization", headers.get("apikey")) for headers in pimcore.headers} == {
        f"Bearer {KEYS['PIMCORE_IMPORT_KEY']}", KEYS["PIMCORE_GRAPHQL_KEY"]}


def check(warehouse, code, *words, **options):
    outcome = warehouse.run("--json", "push", *words, "--check", "pim", code=code, **(KEYS | options))
    findings = outcome.json
    assert ("wrong" in outcome.err) == (code == 1)
    return {kind: " / ".join(entry["what"] for entry in findings if entry["finding"] == kind)
            for kind in ("good", "wrong", "open")}


@pytest.mark.parametrize("double", ["own", "stranger"])
def test_what_is_wrong_with_a_set_up_is_found_and_nothing_is_sent(warehouse, tmp_path, double):
    ingest(warehouse, tmp_path, rows(3))
    pimcore = Pimcore(CLASS)
    serving_one = stranger(pimcore) if double == "stranger" else rehearsal(tmp_path, fields=list(CLASS))
    with serving_one as url:
        declare(warehouse, pim=target(url))
        found = check(warehouse, 0, "products")
        assert found["wrong"] == "" and "every row" in found["good"] and "5 other attributes" in found["good"]
        assert "the Data Importer knows the key" in check(warehouse, 0)["good"]
        declare(warehouse, pim=target(url, columns={"sku": "sku", "price": "weight"}))
        assert 'Cannot query field' in check(warehouse, 1, "products")["wrong"]
        declare(warehouse, pim=target(url, config="elsewhere", graphql=target(url)["graphql"] | {"config": "products"}))
        assert "does not exist" in check(warehouse, 1, "products")["wrong"]
        graphql = target(url)["graphql"]
        declare(warehouse, pim=target(url, graphql=graphql | {"class": "Car"}))
        assert "does not read the class Car" in check(warehouse, 1)["wrong"]
        declare(warehouse, pim=target(url, graphql=graphql | {"config": "other"}))
        assert "HTTP 404" in check(warehouse, 1)["wrong"]
        declare(warehouse, pim=target(url))
        wrong = check(warehouse, 1, PIMCORE_IMPORT_KEY="x" * 20, PIMCORE_GRAPHQL_KEY="y" * 20)["wrong"]
        assert "the Data Importer does not know the key" in wrong and "HTTP 403" in wrong
        declare(warehouse, pim=target(url, importer=target(url)["importer"] | {"cleanup": "on"}))
        assert "cleanup" in check(warehouse, 1)["wrong"]
        listing = httpx.post(f"{url}/pimcore-graphql-webservices/products", headers={"apikey": KEYS["PIMCORE_GRAPHQL_KEY"]},
                             json={"query": "{getProductListing{totalCount}}"}).json()
        assert listing["data"]["getProductListing"]["totalCount"] == 0
    declare(warehouse, pim=target(url))
    assert "cannot be reached" in check(warehouse, 1)["wrong"]


def test_what_data_hub_does_not_tell_or_allow(warehouse, tmp_path):
    ingest(warehouse, tmp_path, [*rows(2), rows(1, 9)[0] | {"name": "ö" * 11_000}])
    with stranger(Pimcore(CLASS, may_delete=False)) as url:
        declare(warehouse, pim=target(url))
        wrong = check(warehouse, 1, "products")["wrong"]
        assert "may not delete" in wrong and "P-0009" in wrong and "65535" in wrong
    with stranger(Pimcore(CLASS, introspection=False, cleanup=True)) as url:
        declare(warehouse, pim=target(url))
        found = check(warehouse, 0)
        assert "does not tell its schema" in found["open"] and found["wrong"] == ""


@pytest.mark.parametrize("chunk_records", [20, 1])
def test_keys_that_the_database_takes_for_the_same_do_not_overwrite_each_other(warehouse, tmp_path, chunk_records):
    (row,) = rows(1)
    pimcore = Pimcore(CLASS)
    ingest(warehouse, tmp_path, [row | {"sku": "A-1"}, row | {"sku": "B-2"}, row | {"sku": "a-1"}])
    with stranger(pimcore) as url:
        declare(warehouse, pim=target(url, chunk_records=chunk_records))
        assert "takes for the same" in push(warehouse, code=1).err
        (letter,) = warehouse.run("--json", "deliveries", "--dead").json
        assert set(pimcore.table()) | {letter["key"]} == {"A-1", "B-2", "a-1"} and len(pimcore.table()) == 2
        # A key that changes nothing but its case: the old one goes, the new one comes.
        ingest(warehouse, tmp_path, [row | {"sku": "A-1", "gone": True}, row | {"sku": "b-2", "gone": False},
                                     row | {"sku": "B-2", "gone": True}], "--delete-when", "gone")
        for _ in range(3):
            if warehouse.run("push", "products", "--to", "pim", code=None, **KEYS).code == 0:
                break
    assert set(pimcore.table()) == {"a-1", "b-2"}


def test_a_cleanup_that_was_said_to_be_off_is_found_out_at_the_first_chunk(warehouse, tmp_path):
    pimcore = Pimcore(CLASS, cleanup=True)
    for number in range(1, 31):
        pimcore.objects[number] = {**{field: None for field in CLASS}, "sku": f"theirs {number}"}
    pimcore.next_id = 31
    ingest(warehouse, tmp_path, rows(60))
    with stranger(pimcore) as url:
        declare(warehouse, pim=target(url))
        outcome = push(warehouse, code=1)
        assert "30 objects are gone" in outcome.err and "cleanup" in outcome.err
        assert len(pimcore.pushes) == 1
        assert warehouse.run("--json", "deliveries").json[0]["proven"] == 0
        pimcore.cleanup = False
        push(warehouse)
    assert comparable(pimcore.table()) == comparable(expected(rows(60)))


# --- Both sides go wrong


def killed(warehouse, at, log=None):
    """Pushes until the storage call of that number; the exit code, -9 when it was killed."""
    environment = warehouse.environment | KEYS | {
        "LD_PRELOAD": str(faults.shim()), "VARVE_FAULT_UNDER": str(warehouse.path), "VARVE_FAULT_KILL_AT": str(at)}
    if log:
        environment["VARVE_FAULT_LOG"] = str(log)
    words = [str(binary()), "push", "products", "--to", "pim"]
    return subprocess.run(words, env=environment, capture_output=True, timeout=120).returncode


def seed():
    value = int(os.environ.get("VARVE_TEST_SEED", time.time_ns() % 10**6))
    print(f"VARVE_TEST_SEED={value}")
    return value


def test_a_pusher_killed_at_any_storage_call_is_resumed_by_the_next(warehouse, tmp_path):
    """Two versions, the second with deletions: whatever was done of it when the pusher died, all is proven in the end,
    and no chunk that is proven is sent again."""
    ingest(warehouse, tmp_path, rows(40))
    before = tmp_path / "before"

    def begin(url):
        shutil.rmtree(warehouse.path)
        shutil.copytree(before, warehouse.path)
        declare(warehouse, pim=target(url, chunk_records=8))

    changes = [row | {"price": 2.5, "gone": row["sku"] < "P-0004"} for row in rows(20)]
    shutil.copytree(warehouse.path, before)
    log = tmp_path / "calls"
    with stranger(Pimcore(CLASS)) as url:
        begin(url)
        push(warehouse)
        ingest(warehouse, tmp_path, changes, "--delete-when", "gone")
        after_first = tmp_path / "after"
        shutil.copytree(warehouse.path, after_first)
        assert killed(warehouse, 10**6, log) == 0
    calls = len(log.read_text().splitlines())
    assert calls > 20
    numbers = random.Random(seed())
    trials = range(1, calls + 1) if PROOF else sorted(numbers.sample(range(1, calls + 1), 8))
    gone = {row["sku"] for row in changes if row["gone"]}
    wanted = expected([row for row in changes + rows(20, start=20) if row["sku"] not in gone])
    for at in trials:
        pimcore = Lossy(CLASS, seed=at, pace=3)
        pimcore.trouble = lambda kind, body: None
        pimcore.random.random = lambda: 1
        for number, values in enumerate(expected(rows(40)).values(), start=1):
            pimcore.objects[number], pimcore.next_id = values, number + 1
        with stranger(pimcore) as url:
            shutil.rmtree(warehouse.path)
            shutil.copytree(after_first, warehouse.path)
            declare(warehouse, pim=target(url, chunk_records=8))
            assert killed(warehouse, at) == -9, at
            pimcore.work(10**6)
            push(warehouse)
        assert comparable(pimcore.table()) == comparable(wanted), at
        assert pimcore.accepted_rows == 16, at


def test_two_hundred_versions_with_a_pimcore_that_loses_and_lies(warehouse, tmp_path):
    """At the end each record is proven, or a dead letter with the right reason; nothing else is there, nothing is wiped."""
    numbers = random.Random(seed())
    never, changed = {"P-0003", "P-0011"}, {"P-0007"}
    pimcore = Lossy(CLASS, seed=numbers.random(), never=never, changed=changed, pace=9)
    stranger_row = {"sku": "of another system", **{field: None for field in CLASS if field != "sku"}}
    pimcore.objects[1], pimcore.next_id = stranger_row, 2
    table, size = {}, 1 if PROOF else 20
    with stranger(pimcore) as url:
        declare(warehouse, pim=target(url, chunk_records=4, proving=target(url)["proving"] | {"attempts": 5}))
        for version in range(1, 201):
            some = {f"P-{numbers.randrange(30):04}" for _ in range(numbers.randint(1, 6))}
            gone = {sku for sku in some if sku in table and numbers.random() < 0.2}
            records = [row | {"price": version / 4, "gone": row["sku"] in gone} for row in rows(30) if row["sku"] in some]
            batch = tmp_path / f"feeds-{(version - 1) // size}"
            batch.mkdir(exist_ok=True)
            feed(batch / f"{version:03}.ndjson", records)
            table = {sku: row for sku, row in table.items() if sku not in gone}
            table |= {row["sku"]: row for row in records if row["sku"] not in gone}
            if version % size == 0:
                # Each file is a version.
                warehouse.run("ingest", batch, "--into", "products", "--mode", "merge", "--key", "sku", "--delete-when",
                              "gone")
                assert warehouse.head("products") == version
                if numbers.random() < 0.5:
                    killed(warehouse, numbers.randint(1, 80))
                outcome = subprocess.run([str(binary()), "push", "products", "--to", "pim"], capture_output=True, text=True,
                                         env=warehouse.environment | KEYS, timeout=120)
                assert outcome.returncode in (0, 1), outcome.stderr
        for _ in range(20):
            outcome = subprocess.run([str(binary()), "push", "products", "--to", "pim"], capture_output=True, text=True,
                                     env=warehouse.environment | KEYS, timeout=120)
            letters = warehouse.run("--json", "deliveries", "--dead").json
            left = {letter["key"] for letter in letters}
            newest = warehouse.run("--json", "deliveries", "--limit", "1").json[0]
            done = newest["version"] == 200 and newest["state"] in ("complete", "incomplete")
            if done and left == set(table) & (never | changed):
                break
    assert left == set(table) & (never | changed), outcome.stderr
    for letter in letters:
        wrong = "it is missing" if letter["key"] in never else "changed by a listener"
        assert wrong in letter["reason"], letter
    held = pimcore.table()
    held.pop("of another system")
    whole = {sku: values for sku, values in expected(table.values()).items() if sku not in left}
    assert comparable({sku: held[sku] for sku in whole}) == comparable(whole)
    # What is there and not in the table is nothing but what the double changed itself.
    assert set(held) - set(table) == set() and pimcore.wiped == []
    # Mended there, everything is proven.
    pimcore.never, pimcore.changed = set(), set()
    with stranger(pimcore) as url:
        settings = json.loads((warehouse.path / "varve.json").read_text())
        settings["targets"]["pim"]["url"] = url
        (warehouse.path / "varve.json").write_text(json.dumps(settings))
        for _ in range(20):
            outcome = subprocess.run([str(binary()), "push", "products", "--to", "pim"], capture_output=True, text=True,
                                     env=warehouse.environment | KEYS, timeout=120)
            if outcome.returncode == 0:
                break
    assert outcome.returncode == 0, outcome.stderr
    held = pimcore.table()
    held.pop("of another system")
    assert comparable(held) == comparable(expected(table.values()))
    deliveries = warehouse.run("--json", "deliveries").json
    assert {entry["state"] for entry in deliveries} == {"complete"} and warehouse.run("--json", "deliveries", "--dead").json == []
    assert max(entry["version"] for entry in deliveries) == 200


@pytest.mark.parametrize("kinds", ["5xx,429,405,partial", "lost-rows,partial", "stall"])
def test_the_shipped_double_goes_wrong_and_has_everything_in_the_end(warehouse, tmp_path, kinds):
    ingest(warehouse, tmp_path, rows(60))
    with rehearsal(tmp_path, "--misbehave", kinds, "--every", "3", fields=list(CLASS), rows_per_second=4000) as url:
        declare(warehouse, pim=target(url, chunk_records=15, timeout_seconds=0.5,
                                      proving=target(url)["proving"] | {"attempts": 9}))
        for _ in range(10):
            outcome = subprocess.run([str(binary()), "push", "products", "--to", "pim"], capture_output=True, text=True,
                                     env=warehouse.environment | KEYS, timeout=120)
            if outcome.returncode == 0:
                break
        assert outcome.returncode == 0, outcome.stderr
        assert warehouse.run("--json", "deliveries").json[0]["proven"] == 60


def test_what_a_rehearsal_finds_out(warehouse, tmp_path):
    """Settings that are not as they were said to be are not seen from outside; their effects are."""
    ingest(warehouse, tmp_path, rows(40))
    for kinds, words in [("no-workers", "workers do not run"), ("wrong-value", "changed by a listener"),
                         ("delta-check,lost-rows", "it is missing")]:
        with rehearsal(tmp_path, "--misbehave", kinds, fields=list(CLASS)) as url:
            declare(warehouse, **{kinds: target(url, proving=target(url)["proving"] | {"drain_seconds": 0.1})})
            outcome = warehouse.run("push", "products", "--to", kinds, code=1, **KEYS)
            assert words in outcome.err
