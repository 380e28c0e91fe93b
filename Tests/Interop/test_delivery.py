"""Deliveries through the binary, to receivers that check what they can and to ones that misbehave."""

import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import threading
import time

import orjson
import pytest

import faults
from conftest import binary
from receivers import Receiver, plain, serving

PROOF = os.environ.get("VARVE_PROOF") is not None


def rows(count, start=0):
    return [
        {
            "sku": f"P-{number:06}",
            "name": f"Größe \u2028 \"{number}\" \\ \U0001f600 \x7f",
            "price": number * 1.1 - 7,
            "tiny": 1.5e-7 * (number + 1),
            "huge": 1e16 * (number + 1),
            "stock": (number * 2654435761) % 2**53,
            "listed": number % 3 == 0,
            "note": None if number % 5 else "a\tb\nc\x01",
            "attributes": {"z": number, "a": [1.5, {"\U0001f600": 1, "\ufffd": 2}], "n": 0.1 + number},
        }
        for number in range(start, start + count)
    ]


def feed(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def products(warehouse, tmp_path):
    """A table of 250 rows that hold all kinds of values."""
    warehouse.ingest(feed(tmp_path / "products.ndjson", rows(250)), "--into", "products", "--key", "sku")
    return warehouse


def declare(warehouse, **targets):
    warehouse.path.mkdir(exist_ok=True)
    (warehouse.path / "varve.json").write_text(json.dumps({"targets": targets}))


def quick(url, **more):
    """A target that is asked again at once."""
    return {"kind": "callback", "url": url,
            "retry": {"attempts": 8, "first_seconds": 0.01, "seconds_max": 0.05}} | more


def push(warehouse, *words, **options):
    return warehouse.run("--json", "push", *words, **options)


@pytest.mark.parametrize("parse", ["pydantic", "orjson"])
@pytest.mark.parametrize("chunking", [("--chunk-records", "7"), ("--chunk-bytes", "5000"), ()])
def test_a_strict_receiver_agrees(products, parse, chunking):
    receiver = Receiver(parse)
    with serving(receiver) as url:
        report = push(products, "products", "--to", url, *chunking).json
    assert receiver.wrong == []
    assert receiver.records() == sorted(rows(250), key=lambda row: row["sku"])
    chunks = receiver.chunks[report["delivery_id"]]
    assert [chunk.is_last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert receiver.complete[report["delivery_id"]].total_records == 250 == report["records"]
    if "--chunk-bytes" in chunking:
        sizes = [len(orjson.dumps(chunk.records)) for chunk in chunks]
        assert max(sizes) <= 5000 and len(sizes) > 5
    elif chunking:
        assert {len(chunk.records) for chunk in chunks[:-1]} == {7}


def test_the_same_push_again_finds_nothing_to_do_and_again_delivers_anew(products):
    receiver = Receiver()
    with serving(receiver) as url:
        first = push(products, "products", "--to", url).json
        second = push(products, "products", "--to", url, "--chunk-records", "9").json
        assert (first["outcome"], second["outcome"]) == ("delivered", "unchanged")
        assert first["delivery_id"] == second["delivery_id"] and len(receiver.requests) == 2
        again = [push(products, "products", "--to", url, "--again").json for _ in range(2)]
    ids = {first["delivery_id"], *(report["delivery_id"] for report in again)}
    assert len(ids) == 3 == len(receiver.complete) and receiver.wrong == []
    states = products.run("--json", "deliveries").json
    assert [delivery["state"] for delivery in states] == ["complete"] * 3


def test_only_what_differs(products, tmp_path):
    receiver = Receiver()
    changed = rows(250)[10:20] + rows(5, start=250)
    for row in changed:
        row["price"] = 1.0
    changed[0]["gone"] = True
    with serving(receiver) as url:
        nothing = push(products, "products", "--to", url, "--changes-since", "delivered").json
        products.ingest(feed(tmp_path / "more.ndjson", changed), "--into", "products", "--mode", "merge",
                        "--delete-when", "gone")
        since = push(products, "products", "--to", url, "--changes-since", "delivered").json
        none = push(products, "products", "--to", url, "--changes-since", "delivered").json
        by_number = push(products, "products", "--to", url, "--changes-since", "1", "--again").json
    assert receiver.wrong == []
    assert {record["_change_type"] for record in receiver.records(nothing["delivery_id"])} == {"insert"}
    records = receiver.records(since["delivery_id"])
    assert records == receiver.records(by_number["delivery_id"])
    kinds = {record["sku"]: record.pop("_change_type") for record in records}
    assert list(kinds.values()) == ["delete"] + ["update"] * 9 + ["insert"] * 5
    assert records[0] == rows(250)[10]
    assert records[1:] == changed[1:]
    assert none["outcome"] == "unchanged" and none["since"] == 2


def test_a_mapping_renames_leaves_out_and_spells_as_text(products, tmp_path):
    wide = [{"sku": "W", "o": {"a": [12345678901234567.5, 1], "b": 18446744073709551616}}]
    path = tmp_path / "wide.ndjson"
    path.write_text('{"sku": "W", "o": {"a": [12345678901234567.89, 1], "b": 36893488147419103233}}\n')
    products.ingest(path, "--into", "wide", "--key", "sku")
    receiver = Receiver()
    with serving(receiver) as url:
        refused = push(products, "wide", "--to", url, code=1)
        assert "$.a[0]" in refused.err and "12345678901234567.89" in refused.err and 'column "o"' in refused.err
        declare(products, shop=quick(url, columns={"o": {"field": "options", "wide_numbers": "string"}, "sku": "id"}),
                plain=quick(url, columns={"price": {"as": "string"}, "sku": "sku"}))
        push(products, "wide", "--to", "shop")
        assert receiver.records() == [{"id": "W", "options": {"a": ["12345678901234567.89", 1],
                                                              "b": "36893488147419103233"}}]
        report = push(products, "products", "--to", "plain").json
        assert receiver.records(report["delivery_id"])[3] == {"price": str(3 * 1.1 - 7), "sku": "P-000003"}
    assert receiver.wrong == [] and wide


def test_a_folder_gets_the_same_chunks(products, tmp_path):
    receiver = Receiver()
    with serving(receiver) as url:
        push(products, "products", "--to", url, "--chunk-records", "60")
    report = push(products, "products", "--to", f"dir:{tmp_path}/outbox", "--chunk-records", "60").json
    folder = tmp_path / "outbox" / report["delivery_id"]
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"0000000{number}.json" for number in range(5)] + ["complete.json"]
    chunks = [json.loads((folder / name).read_text()) for name in names[:-1]]
    assert [chunk["records"] for chunk in chunks] == [
        chunk.records for chunk in receiver.chunks[next(iter(receiver.chunks))]]
    for number, chunk in enumerate(chunks):
        digest = hashlib.sha256(orjson.dumps(chunk["records"], option=orjson.OPT_SORT_KEYS)).hexdigest()
        assert (chunk["checksum"], chunk["chunk_id"]) == (digest, f"{report['delivery_id']}:{number}")
    assert json.loads((folder / "complete.json").read_text())["total_records"] == 250


class Stopping(Receiver):
    """Answers so many requests, and then with what it is told."""

    def __init__(self, after, answer):
        super().__init__()
        self.after, self.answer = after, answer

    def trouble(self, value):
        self.after -= 1
        return self.answer(value) if self.after < 0 else None


def test_what_stopped_says_why_and_is_resumed_with_the_chunk_that_was_not_taken(products, tmp_path):
    receiver = Stopping(3, lambda value: receiver.refuse(value, "The shop is\nclosed"))
    with serving(receiver) as url:
        declare(products, shop=quick(url, chunk_records=20))
        stopped = push(products, "products", "--to", "shop", code=1)
        assert "The shop is closed" in stopped.err and "chunk 3" in stopped.err
        (delivery,) = products.run("--json", "deliveries").json
        assert (delivery["state"], delivery["chunks"], delivery["records"]) == ("stopped", 3, 60)
        chunks = products.run("--json", "deliveries", delivery["id"][:10]).json
        assert [chunk["state"] for chunk in chunks] == ["acknowledged"] * 3 + ["failed"]
        assert chunks[3]["attempts"] == 3 and "closed" in chunks[3]["error"]
        # The feed is gone, the table has moved on, and the settings say something else by now.
        (tmp_path / "products.ndjson").unlink()
        products.ingest(feed(tmp_path / "more.ndjson", rows(9, start=400)), "--into", "products", "--mode", "merge")
        declare(products, shop=quick(url, chunk_records=3, columns={"sku": "id"}))
        receiver.after = 10**9
        seen = len(receiver.requests)
        products.run("deliveries", "--resume", "all")
        numbers = [json.loads(body)["chunk_number"] for body in receiver.requests[seen:]]
        assert numbers == [*range(3, 13), 12]
    assert receiver.records() == rows(250)
    assert products.run("--json", "deliveries").json[0]["state"] == "complete"


@pytest.mark.parametrize("status, requests", [(401, 1), (403, 1), (404, 1), (307, 1), (422, 3), (413, 3), (503, 8)])
def test_statuses_are_tried_again_as_far_as_that_makes_sense(products, status, requests):
    answer = plain(status, b"no", {"Location": "http://127.0.0.1:1/"} if status == 307 else None)
    receiver = Stopping(0, lambda value: answer)
    with serving(receiver) as url:
        declare(products, shop=quick(url))
        stopped = push(products, "products", "--to", "shop", code=1)
        assert f"HTTP {status}" in stopped.err and len(receiver.requests) == requests


def test_secrets_are_sent_and_are_nowhere_else(products, tmp_path):
    receiver = Stopping(1, lambda value: plain(401))
    (tmp_path / "hmac.key").write_text("marker-key-4711\n")
    with serving(receiver) as url:
        declare(products, shop=quick(url, chunk_records=200, token={"env": "SHOP_TOKEN"},
                                     signature={"file": str(tmp_path / "hmac.key"), "header": "X-Shop-Signature"}))
        missing = push(products, "products", "--to", "shop", code=1)
        assert "SHOP_TOKEN" in missing.err and receiver.requests == []
        secret = {"SHOP_TOKEN": "marker-token-0815"}
        outcomes = [missing, push(products, "products", "--to", "shop", code=1, **secret)]
        receiver.after = 9
        outcomes.append(push(products, "products", "--to", "shop", **secret))
        outcomes.append(products.run("--json", "deliveries", **secret))
    import hmac
    for headers, body in zip(receiver.headers, receiver.requests):
        assert headers["authorization"] == "Bearer marker-token-0815"
        assert headers["x-shop-signature"] == "sha256=" + hmac.new(b"marker-key-4711", body, "sha256").hexdigest()
    for outcome in outcomes:
        assert "marker" not in outcome.out + outcome.err
    for path in products.path.rglob("*"):
        if path.is_file():
            assert b"marker-" not in path.read_bytes(), path


def test_where_a_push_may_not_lead(products):
    with_password = push(products, "products", "--to", "http://user:hidden@127.0.0.1/", code=2)
    assert "hidden" not in with_password.err
    remote = push(products, "products", "--to", "http://192.0.2.1/", code=1)
    assert "this machine only" in remote.err
    push(products, "products", "--to", "ftp://127.0.0.1/", code=2)
    push(products, "products", "--to", "nowhere", code=1)
    declare(products, shop={"kind": "callback", "url": "http://127.0.0.1:1/", "token": "literal-secret"})
    literal = push(products, "products", "--to", "shop", code=2)
    assert "literal-secret" not in literal.err
    declare(products, shop={"kind": "callback", "url": "http://127.0.0.1:1/", "chunk_recods": 3})
    assert "chunk_recods" in push(products, "products", "--to", "shop", code=2).err


def test_proxies_of_the_environment_are_not_used(products):
    receiver = Receiver()
    dead = {name: "http://127.0.0.1:1" for name in ("http_proxy", "https_proxy", "ALL_PROXY", "all_proxy")}
    with serving(receiver) as url:
        push(products, "products", "--to", url, **dead)
    assert len(receiver.complete) == 1


def certificate(folder, name, subject="127.0.0.1", days=2, issuer=None):
    """Key and certificate below `folder`; signed by `issuer`, or by itself."""
    key, request, cert = (folder / f"{name}.{ending}" for ending in ("key", "csr", "pem"))
    run = lambda *words: subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)  # noqa: E731
    run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
    extensions = folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName=IP:{subject}\n" if issuer else "basicConstraints=CA:TRUE\n")
    signing = ["-CA", folder / f"{issuer}.pem", "-CAkey", folder / f"{issuer}.key", "-CAcreateserial"] if issuer else [
        "-signkey", key]
    run("x509", "-req", "-in", request, "-out", cert, "-extfile", extensions, "-days", days, *signing)
    return {"ssl_keyfile": str(key), "ssl_certfile": str(cert)}


def test_certificates_are_checked(products, tmp_path):
    certificate(tmp_path, "authority")
    certificate(tmp_path, "stranger")
    trusted = str(tmp_path / "authority.pem")
    cases = [
        (certificate(tmp_path, "good", issuer="authority"), trusted, 0),
        (certificate(tmp_path, "other", subject="127.0.0.9", issuer="authority"), trusted, 1),
        (certificate(tmp_path, "foreign", issuer="stranger"), trusted, 1),
        (certificate(tmp_path, "old", days=-1, issuer="authority"), trusted, 1),
        (certificate(tmp_path, "unknown", issuer="authority"), None, 1),
    ]
    for keys, authority, code in cases:
        receiver = Receiver()
        with serving(receiver, **keys) as url:
            declare(products, shop=quick(url, **({"ca_file": authority} if authority else {})))
            push(products, "products", "--to", "shop", "--again", code=code)
        assert (len(receiver.complete), bool(receiver.requests)) == ((1, True) if code == 0 else (0, False))


# --- Both sides die


class Rehearsal:
    """`varve receive` as a process, started again whenever it ends. What it takes is saved."""

    def __init__(self, folder, kinds, every, grows=False):
        """With `grows` each life is twice as long as the one before, so that something is finished at last."""
        self.saved, self.kinds, self.every, self.grows, self.starts = folder / "saved", kinds, every, grows, 0
        self.process, self.port, self.stopped = None, 0, False
        self.log = open(folder / "receiver.log", "w+")
        self.start()
        self.keeper = threading.Thread(target=self.keep, daemon=True)
        self.keeper.start()

    def start(self):
        every = self.every << (self.starts if self.grows else 0)
        self.starts += 1
        self.process = subprocess.Popen(
            [str(binary()), "--json", "receive", "--port", str(self.port), "--save", str(self.saved),
             "--misbehave", self.kinds, "--every", str(every)],
            stdout=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"], "SWIFT_BACKTRACE": "enable=no"})
        listening = json.loads(self.process.stdout.readline())
        self.port = int(listening["url"].split(":")[2].strip("/"))

    def keep(self):
        while not self.stopped:
            for line in self.process.stdout:
                self.log.write(line)
            self.process.wait()
            if not self.stopped:
                self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def stop(self):
        self.stopped = True
        self.process.send_signal(signal.SIGTERM)
        self.keeper.join(timeout=20)
        self.log.flush()
        self.log.seek(0)
        return [json.loads(line) for line in self.log.read().splitlines()]

    def records(self, delivery):
        """The saved records of a delivery, whose chunks must be there without a gap."""
        files = sorted((self.saved / delivery).glob("*.json"))
        assert [file.name for file in files] == [f"{number:08}.json" for number in range(len(files))]
        return [record for file in files for record in orjson.loads(file.read_bytes())]


@pytest.mark.parametrize("kind", ["die", "stall", "5xx", "429", "no-ack", "wrong-id", "double-ack", "forget"])
def test_a_receiver_that_misbehaves_has_every_record_in_the_end(products, tmp_path, kind):
    receiver = Rehearsal(tmp_path, kind, 3, grows=kind == "die")
    declare(products, shop=quick(receiver.url, chunk_records=20, timeout_seconds=0.5))
    for _ in range(20):
        outcome = subprocess.run([str(binary()), "--json", "push", "products", "--to", "shop"],
                                 env=products.environment, capture_output=True, text=True, timeout=120)
        if outcome.returncode == 0:
            break
    assert outcome.returncode == 0, outcome.stderr
    delivery = json.loads(outcome.stdout)["delivery_id"]
    events = receiver.stop()
    assert receiver.records(delivery) == rows(250)
    assert any(event["misbehaviour"] == kind for event in events)
    assert all(event["reason"] in (None, "Out-of-order chunk") for event in events)
    if kind == "die":
        assert receiver.starts > 1


def killed(warehouse, at, *words, log=None):
    """Runs `varve` until its storage call of that number; its exit code, -9 when it was killed."""
    environment = warehouse.environment | {
        "LD_PRELOAD": str(faults.shim()), "VARVE_FAULT_UNDER": str(warehouse.path), "VARVE_FAULT_KILL_AT": str(at)}
    if log:
        environment["VARVE_FAULT_LOG"] = str(log)
    return subprocess.run([str(binary()), *words], env=environment, capture_output=True, timeout=120).returncode


def test_a_pusher_killed_at_any_storage_call_is_resumed_by_the_next(products, tmp_path):
    log = tmp_path / "calls"
    before = tmp_path / "before"
    shutil.copytree(products.path, before)
    receiver = Receiver()
    with serving(receiver) as url:
        assert killed(products, 10**6, "push", "products", "--to", url, "--chunk-records", "60", log=log) == 0
    calls = len(log.read_text().splitlines())
    assert calls > 30
    random.seed(seed := int(os.environ.get("VARVE_TEST_SEED", time.time_ns() % 10**6)))
    print(f"VARVE_TEST_SEED={seed}")
    trials = range(1, calls + 1) if PROOF else sorted(random.sample(range(1, calls + 1), 25))
    for at in trials:
        shutil.rmtree(products.path)
        shutil.copytree(before, products.path)
        receiver = Receiver()
        with serving(receiver) as url:
            assert killed(products, at, "push", "products", "--to", url, "--chunk-records", "60") == -9, at
            taken = sum(len(chunks) for chunks in receiver.chunks.values())
            sent = len(receiver.requests)
            report = push(products, "products", "--to", url, "--chunk-records", "60").json
            again = len(receiver.requests) - sent
        assert receiver.wrong == [] and receiver.records() == rows(250), at
        if report["outcome"] == "delivered":
            # Nothing that is known to be acknowledged is sent again: at most one chunk, whose answer was not noted.
            assert again <= 5 - taken + 2, at


def test_two_hundred_versions_with_a_bad_receiver_and_a_pusher_that_is_killed(warehouse, tmp_path):
    random.seed(seed := int(os.environ.get("VARVE_TEST_SEED", time.time_ns() % 10**6)))
    print(f"VARVE_TEST_SEED={seed}")
    receiver = Rehearsal(tmp_path, "5xx,no-ack,wrong-id,double-ack,die,forget,stall", 5)
    declare(warehouse, shop=quick(receiver.url, chunk_records=3, timeout_seconds=0.3))
    words = ["--json", "push", "products", "--to", "shop", "--changes-since", "delivered"]
    table = {}
    for version in range(1, 201):
        changes = [{"sku": f"P-{random.randrange(40)}", "n": version, "gone": False} for _ in range(random.randint(1, 8))]
        changes = list({row["sku"]: row for row in changes}.values())
        for row in changes:
            row["gone"] = row["sku"] in table and random.random() < 0.2
        warehouse.ingest(feed(tmp_path / "feed.ndjson", changes), "--into", "products", "--mode", "merge", "--key", "sku",
                         "--delete-when", "gone")
        for row in changes:
            table.pop(row["sku"], None) if row["gone"] else table.update({row["sku"]: row["n"]})
        if version % (1 if PROOF else 5) == 0:
            for _ in range(random.randint(0, 2)):
                killed(warehouse, random.randint(1, 60), *words)
    for _ in range(40):
        if subprocess.run([str(binary()), *words], env=warehouse.environment, capture_output=True).returncode == 0:
            break
    deliveries = [delivery for delivery in warehouse.run("--json", "deliveries").json if delivery["state"] == "complete"]
    receiver.stop()
    assert deliveries[0]["version"] == warehouse.head("products")
    applied, since = {}, None
    for delivery in reversed(deliveries):
        assert delivery["since"] == since
        since = delivery["version"]
        records = receiver.records(delivery["id"])
        assert len(records) == delivery["records"]
        for record in records:
            known = record["sku"] in applied
            assert record["_change_type"] == "insert" if not known else record["_change_type"] in ("update", "delete")
            if record["_change_type"] == "delete":
                del applied[record["sku"]]
            else:
                applied[record["sku"]] = record["n"]
    assert applied == table
    assert {row["sku"]: row["n"] for row in warehouse.rows("products", ["sku"])} == table


def test_one_delivery_at_a_time_per_target(products):
    arrived, go = threading.Event(), threading.Event()

    def hold(value):
        arrived.set()
        go.wait(60)

    receiver = Stopping(0, hold)
    with serving(receiver) as url:
        first = subprocess.Popen([str(binary()), "push", "products", "--to", url], env=products.environment,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert arrived.wait(30)
        refused = push(products, "products", "--to", url, "--again", code=3)
        assert "another process" in refused.err
        go.set()
        assert first.wait(30) == 0
    assert receiver.wrong == []


def test_an_interrupted_push_says_so_and_goes_on(products):
    arrived, go = threading.Event(), threading.Event()

    def hold(value):
        arrived.set()
        go.wait(60)

    receiver = Stopping(2, hold)
    with serving(receiver) as url:
        pusher = subprocess.Popen([str(binary()), "push", "products", "--to", url, "--chunk-records", "50"],
                                  env=products.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert arrived.wait(30)
        pusher.send_signal(signal.SIGINT)
        time_began = time.monotonic()
        assert pusher.wait(30) == 130
        assert time.monotonic() - time_began < 20
        go.set()
        receiver.after = 10**9
        (delivery,) = products.run("--json", "deliveries").json
        assert (delivery["state"], delivery["chunks"]) == ("stopped", 2)
        push(products, "products", "--to", url, "--chunk-records", "50")
    assert receiver.records() == rows(250) and receiver.wrong == []


def test_nothing_is_left_of_the_path_where_it_was_made(products, tmp_path):
    """A folder named from elsewhere is the same target."""
    report = push(products, "products", "--to", f"dir:{tmp_path}/out").json
    outcome = subprocess.run([str(binary()), "--json", "push", "products", "--to", "dir:out"], cwd=tmp_path,
                             env=products.environment, capture_output=True, text=True, timeout=60)
    assert json.loads(outcome.stdout)["outcome"] == "unchanged"
    assert pathlib.Path(tmp_path / "out" / report["delivery_id"] / "complete.json").is_file()
