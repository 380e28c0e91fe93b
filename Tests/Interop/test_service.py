"""`varve serve` as a caller of the services that it stands in for sees it, against receivers written with FastAPI."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import openpyxl
import pytest

from conftest import binary
from receivers import Receiver, serving

RECORDS = 100_000


class Service:
    """One run of `varve serve`, with its token."""

    def __init__(self, warehouse, inbox, *words):
        environment = {key: value for key, value in warehouse.environment.items() if key not in ("VARVE_CLOCK", "VARVE_SEED")}
        self.process = subprocess.Popen(
            [str(binary()), "--json", "serve", "--port", "0", "--allow-root", str(inbox), *words],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        )
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        self.url = json.loads(line)["url"]
        self.token = (warehouse.path / "varve.token").read_text().strip() if "--no-auth" not in words else None
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        self.client = httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def ingest(self, file, callback, **more):
        body = {"file_path": str(file), "file_type": "json", "callback_url": callback, "chunk_size_by_records": 1000}
        answer = self.client.post("api/ingest", json=body | more)
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "STARTED"
        return answer.json()["ingestion_id"]

    def ingestion(self, id):
        return self.client.get(f"api/v1/ingestions/{id}").json()

    def end(self, id, seconds=120):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.ingestion(id)
            if found["state"] in ("done", "failed", "dead"):
                return found
            time.sleep(0.05)
        raise AssertionError(f"the ingestion does not end: {found}")

    def stop(self, number=signal.SIGTERM):
        self.client.close()
        self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        self.process.stdout.close()
        self.process.stderr.close()
        return code


@contextlib.contextmanager
def running(warehouse, inbox, *words):
    service = Service(warehouse, inbox, *words)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.stop()


@pytest.fixture
def inbox(tmp_path):
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def test_callers_of_fastapi_services_need_no_change(warehouse, inbox):
    records = [{"sku": f"s{i}", "Preis": i / 4, "note": None if i % 3 else "ä\u2028", "n": i} for i in range(2500)]
    (inbox / "Neue Artikel.json").write_text(json.dumps(records))
    receiver = Receiver()
    with serving(receiver) as callback, running(warehouse, inbox, "--no-auth") as service:
        assert service.client.get("health").json() == {"status": 200, "message": "success check ok!"}
        id = service.ingest(inbox / "Neue Artikel.json", callback)
        assert service.end(id)["state"] == "done"
        assert service.process.poll() is None
        assert receiver.wrong == []
        assert receiver.records(id) == records
        assert receiver.complete[id].total_records == 2500
        assert [len(chunk.records) for chunk in receiver.chunks[id]] == [1000, 1000, 500]
        # The same again repeats the completion only, and re_ingestion sends all under a new id.
        requests = len(receiver.requests)
        assert service.ingest(inbox / "Neue Artikel.json", callback) == id
        deadline = time.monotonic() + 20
        while len(receiver.requests) == requests and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [json.loads(body).get("status") for body in receiver.requests[requests:]] == ["COMPLETED"]
        other = service.ingest(inbox / "Neue Artikel.json", callback, re_ingestion=True)
        assert other != id and service.end(other)["state"] == "done"
        assert receiver.records(other) == records
        assert receiver.wrong == []


def test_a_workbook_in_chunks_by_bytes(warehouse, inbox):
    workbook = openpyxl.Workbook()
    workbook.active.append(["sku", "count", "active"])
    for i in range(300):
        workbook.active.append([f"s{i:04}", i % 2, i % 5 == 0])
    workbook.save(inbox / "stock.xlsx")
    receiver = Receiver("orjson")
    with serving(receiver) as callback, running(warehouse, inbox) as service:
        id = service.ingest(
            "stock.xlsx", callback, file_type="Excel", chunk_size_by_records=0, chunk_size_by_memory=2000)
        assert service.end(id)["state"] == "done"
    assert receiver.wrong == []
    assert [record["sku"] for record in receiver.records(id)] == [f"s{i:04}" for i in range(300)]
    assert len(receiver.chunks[id]) > 5


def test_rules_choose_table_and_mode(warehouse, inbox):
    warehouse.path.mkdir()
    rule = {"file": "prices-*.json", "table": "prices", "mode": "merge", "key": ["sku"]}
    (warehouse.path / "varve.json").write_text(json.dumps({"service": {"rules": [rule]}}))
    (inbox / "prices-1.json").write_text(json.dumps([{"sku": "a", "p": 1}, {"sku": "b", "p": 2}]))
    (inbox / "prices-2.json").write_text(json.dumps([{"sku": "b", "p": 3}, {"sku": "c", "p": 4}]))
    receiver = Receiver()
    with serving(receiver) as callback, running(warehouse, inbox) as service:
        for name in ("prices-1.json", "prices-2.json"):
            id = service.ingest(name, callback)
            assert service.end(id)["state"] == "done"
    assert warehouse.rows("prices", ["sku"]) == [{"sku": "a", "p": 1}, {"sku": "b", "p": 3}, {"sku": "c", "p": 4}]
    assert {(record["sku"], record["_change_type"]) for record in receiver.records(id)} == {("b", "update"), ("c", "insert")}


class Slow(Receiver):
    """Takes its time, and counts how often each chunk's content comes anew."""

    def __init__(self):
        super().__init__()
        self.fresh = {}

    def take(self, chunk):
        known = len(self.chunks.get(chunk.ingestion_id, []))
        answer = super().take(chunk)
        if answer["ack"] and len(self.chunks[chunk.ingestion_id]) > known:
            self.fresh[chunk.chunk_id] = self.fresh.get(chunk.chunk_id, 0) + 1
        time.sleep(0.01)
        return answer


def test_a_killed_service_goes_on_where_it_was(warehouse, inbox):
    with open(inbox / "many.json", "w") as file:
        file.write("[" + ",".join(json.dumps({"n": i, "t": f"text {i}"}) for i in range(RECORDS)) + "]")
    receiver = Slow()
    kills = 0
    with serving(receiver) as callback:
        service = Service(warehouse, inbox)
        id = service.ingest("many.json", callback, chunk_size_by_records=500)
        # Killed before the commit, and then every forty chunks; the file is gone once its rows are committed.
        service.stop(signal.SIGKILL)
        for threshold in (40, 80, 120, 160):
            service = Service(warehouse, inbox)
            deadline = time.monotonic() + 120
            while len(receiver.fresh) < threshold and time.monotonic() < deadline:
                time.sleep(0.005)
            assert len(receiver.fresh) >= threshold
            (inbox / "many.json").unlink(missing_ok=True)
            service.stop(signal.SIGKILL)
            kills += 1
        service = Service(warehouse, inbox)
        end = service.end(id)
        assert end["state"] == "done", end
        assert service.stop() == 0
    assert kills == 4
    assert receiver.wrong == []
    assert receiver.fresh == {f"{id}:{n}": 1 for n in range(RECORDS // 500)}
    assert [record["n"] for record in receiver.records(id)] == list(range(RECORDS))
    # Behind a kill, no more than the one chunk comes again of which nobody knew whether it arrived.
    assert len(receiver.requests) <= RECORDS // 500 + kills + 1
    assert warehouse.head("many") == 1


def test_a_receiver_that_is_away_does_not_fail_the_service(warehouse, inbox):
    (inbox / "a.json").write_text('[{"n": 1}]')
    with running(warehouse, inbox) as service:
        id = service.ingest("a.json", "http://127.0.0.1:9/")
        deadline = time.monotonic() + 20
        while not (service.ingestion(id)["progress"] or {}).get("waiting") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert service.ingestion(id)["state"] == "in_progress"
        assert service.client.get("health").status_code == 200
        started = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - started < 10


def test_progress_comes_as_events(warehouse, inbox):
    (inbox / "a.json").write_text(json.dumps([{"n": n} for n in range(5000)]))
    receiver = Slow()
    with serving(receiver) as callback, running(warehouse, inbox) as service:
        id = service.ingest("a.json", callback, chunk_size_by_records=50)
        states = []
        with service.client.stream("GET", f"api/v1/ingestions/{id}/events") as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    states.append(json.loads(line[6:]))
    assert states[-1]["state"] == "done" and states[-1]["records_acknowledged"] == 5000
    counts = [state["records_acknowledged"] for state in states]
    assert counts == sorted(counts) and len(set(counts)) > 2


def test_everything_under_way_comes_as_events(warehouse, inbox):
    (inbox / "a.json").write_text(json.dumps([{"n": n} for n in range(3000)]))
    receiver = Slow()
    with serving(receiver) as callback, running(warehouse, inbox) as service:
        seen = {"ingestion": [], "delivery": [], "version": []}
        with service.client.stream("GET", "api/v1/events") as answer:
            id = service.ingest("a.json", callback, chunk_size_by_records=50)
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    seen[name].append(json.loads(line[6:]))
                    if all(kind and kind[-1].get("state") in ("done", "complete", None) for kind in seen.values()):
                        break
    assert {event["ingestion_id"] for event in seen["ingestion"]} == {id}
    assert {event["delivery_id"] for event in seen["delivery"]} == {id}
    assert seen["version"] == [{"table": "a", "version": 1}]
    assert len({event["records"] for event in seen["delivery"]}) > 2


def test_what_was_accepted_before_a_stop_is_there_behind_it(warehouse, inbox):
    """SIGTERM under load: the process ends soundly each time, and every ingestion that was accepted gets done."""
    rounds = 50 if os.environ.get("VARVE_PROOF") else 4
    warehouse.path.mkdir()
    rule = {"file": "load-*.json", "table": "load"}
    (warehouse.path / "varve.json").write_text(json.dumps({"service": {"rules": [rule]}}))
    receiver = Receiver()
    accepted = set()
    with serving(receiver) as callback:
        for number in range(rounds):
            service = Service(warehouse, inbox)
            stopped = threading.Event()

            def ask(part):
                count = 0
                with httpx.Client(base_url=service.url, headers=service.client.headers, trust_env=False) as client:
                    while not stopped.is_set():
                        file = inbox / f"load-{number}-{part}-{count}.json"
                        file.write_text(json.dumps([{"round": number, "part": part, "count": count}]))
                        body = {"file_path": file.name, "file_type": "json", "callback_url": callback,
                                "chunk_size_by_records": 10}
                        try:
                            answer = client.post("api/ingest", json=body)
                        except httpx.TransportError:
                            return
                        if answer.status_code != 200:
                            assert answer.status_code == 503, answer.text
                            return
                        accepted.add(answer.json()["ingestion_id"])
                        count += 1

            askers = [threading.Thread(target=ask, args=(part,)) for part in range(3)]
            for asker in askers:
                asker.start()
            before = len(accepted)
            deadline = time.monotonic() + 20
            while len(accepted) < before + 5 and time.monotonic() < deadline:
                time.sleep(0.005)
            code = service.stop()
            stopped.set()
            for asker in askers:
                asker.join(timeout=20)
            assert code == 0
        with running(warehouse, inbox) as service:
            ends = {id: service.end(id)["state"] for id in accepted}
    assert set(ends.values()) == {"done"} and len(accepted) >= rounds * 5
    assert receiver.wrong == []
    # Others may have been accepted whose answer was cut off.
    assert accepted <= set(receiver.complete)


def test_a_port_that_is_taken_is_refused(warehouse, inbox):
    with running(warehouse, inbox) as service:
        port = httpx.URL(service.url).port
        refused = warehouse.run("receive", "--port", port, code=1)
        assert f"127.0.0.1:{port}" in refused.err and "choose another port" in refused.err


def test_a_request_repeated_under_its_key_happens_once(warehouse, inbox):
    (inbox / "a.json").write_text('[{"n": 1}]')
    receiver = Receiver()
    with serving(receiver) as callback, running(warehouse, inbox) as service:
        body = json.dumps({"file_path": "a.json", "file_type": "json", "callback_url": callback,
                           "chunk_size_by_records": 1, "re_ingestion": True})
        address = service.url.removeprefix("http://").rstrip("/").split(":")
        request = (f"POST /api/ingest HTTP/1.1\r\nHost: {':'.join(address)}\r\nAuthorization: Bearer {service.token}\r\n"
                   f"Content-Type: application/json\r\nIdempotency-Key: once\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        # Callers that are gone before the answer comes, and ask again.
        for _ in range(100):
            with socket.create_connection((address[0], int(address[1]))) as connection:
                connection.sendall(request.encode())
        answers = {service.client.post("api/ingest", content=body, headers={
            "Idempotency-Key": "once", "Content-Type": "application/json"}).text for _ in range(3)}
        (answer,) = answers
        service.end(json.loads(answer)["ingestion_id"])
        assert len(service.client.get("api/v1/ingestions").json()["ingestions"]) == 1
    assert warehouse.head("a") == 1
    assert len(receiver.complete) == 1


def test_the_document_is_what_is_served(warehouse, inbox, tmp_path):
    """schemathesis makes requests from the OpenAPI document and checks each answer against it."""
    (inbox / "a.json").write_text('[{"n": 1}]')
    receiver = Receiver()
    with serving(receiver) as callback, running(warehouse, inbox) as service:
        service.end(service.ingest("a.json", callback))
        checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
        outcome = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}openapi.json",
                "--header", f"Authorization: Bearer {service.token}", "--checks", checks,
                # Its answer has no end.
                "--exclude-path", "/api/v1/events",
                "--max-examples", "15", "--seed", "1", "--phases", "examples,coverage,fuzzing", "--no-color",
                "--workers", "4",
            ],
            cwd=tmp_path, capture_output=True, text=True, timeout=300,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_PROXY": "*"},
        )
        assert outcome.returncode == 0, outcome.stdout[-6000:] + outcome.stderr[-2000:]
        assert service.client.get("health").status_code == 200
