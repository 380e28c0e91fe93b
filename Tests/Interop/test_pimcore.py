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
