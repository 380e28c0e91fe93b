"""Receivers of the acknowledged-callback protocol, written as users write them: FastAPI, uvicorn, orjson.

They check what they can: fields and their types, ids, order, checksum; and remember what was wrong.
"""

import contextlib
import hashlib
import threading
import time
from typing import Any

import fastapi
import orjson
import uvicorn
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field


class Chunk(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    ingestion_id: str = Field(min_length=1)
    chunk_number: int = Field(ge=0)
    chunk_id: str
    checksum: str = Field(pattern="^[0-9a-f]{64}$")
    records: list[dict[str, Any]] = Field(min_length=1)
    is_last: bool


class Completion(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    ingestion_id: str
    status: str = Field(pattern="^COMPLETED$")
    chunk_number: int = Field(ge=0)
    total_records: int = Field(ge=0)


class Receiver:
    """One POST route. `parse` is how the body is read: by pydantic from the standard library's parser, or by orjson."""

    def __init__(self, parse="pydantic"):
        self.parse = parse
        self.chunks = {}
        self.complete = {}
        self.wrong = []
        self.requests = []
        self.headers = []
        self.app = fastapi.FastAPI()
        self.app.post("/chunks")(self.receive)

    def records(self, ingestion_id=None):
        """All records of a delivery, in order; of the only one where none is named."""
        if ingestion_id is None:
            (ingestion_id,) = self.chunks or [None]
        return [record for chunk in self.chunks.get(ingestion_id, []) for record in chunk.records]

    async def receive(self, request: fastapi.Request):
        body = await request.body()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        value = orjson.loads(body) if self.parse == "orjson" else await request.json()
        trouble = self.trouble(value)
        if trouble is not None:
            return trouble
        try:
            return self.complete_delivery(Completion(**value)) if "status" in value else self.take(Chunk(**value))
        except ValueError as error:
            return self.refuse(value, str(error))

    def trouble(self, value):
        """An answer in place of the right one: for receivers that misbehave."""
        return None

    def refuse(self, value, error, **more):
        self.wrong.append(error)
        return {"ack": False, "ingestion_id": value.get("ingestion_id"), "chunk_number": value.get("chunk_number"),
                "error": error, **more}

    def take(self, chunk):
        known = self.chunks.setdefault(chunk.ingestion_id, [])
        answer = {"ack": True, "ingestion_id": chunk.ingestion_id, "chunk_number": chunk.chunk_number}
        if chunk.chunk_id != f"{chunk.ingestion_id}:{chunk.chunk_number}":
            return self.refuse(chunk.model_dump(), "Wrong chunk id")
        if hashlib.sha256(orjson.dumps(chunk.records, option=orjson.OPT_SORT_KEYS)).hexdigest() != chunk.checksum:
            return self.refuse(chunk.model_dump(), "Checksum mismatch")
        if chunk.chunk_number < len(known):
            if known[chunk.chunk_number] != chunk:
                return self.refuse(chunk.model_dump(), "Another chunk under a known id")
            return answer
        if chunk.chunk_number > len(known):
            return self.refuse(chunk.model_dump(), "Out-of-order chunk")
        if known and known[-1].is_last:
            return self.refuse(chunk.model_dump(), "A chunk behind the last")
        known.append(chunk)
        return answer

    def complete_delivery(self, completion):
        known = self.chunks.get(completion.ingestion_id, [])
        if completion.chunk_number != max(0, len(known) - 1) or (known and not known[-1].is_last):
            return self.refuse(completion.model_dump(), "Out-of-order chunk")
        if completion.total_records != len(self.records(completion.ingestion_id)):
            return self.refuse(completion.model_dump(), "Wrong total")
        self.complete[completion.ingestion_id] = completion
        return {"ack": True, "status": "COMPLETED", "ingestion_id": completion.ingestion_id}


@contextlib.contextmanager
def serving(receiver, **options):
    """The receiver behind uvicorn on a free port of this machine; gives its URL."""
    config = uvicorn.Config(receiver.app, host="127.0.0.1", port=0, log_level="error", lifespan="off", **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "uvicorn does not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    scheme = "https" if options.get("ssl_certfile") else "http"
    try:
        yield f"{scheme}://127.0.0.1:{port}/chunks"
    finally:
        server.should_exit = True
        thread.join(timeout=20)


def plain(status, body=b"", headers=None):
    return fastapi.Response(content=body, status_code=status, headers=headers)


__all__ = ["Chunk", "Completion", "JSONResponse", "Receiver", "plain", "serving"]
