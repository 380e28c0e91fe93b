"""`make bench-delivery`: a feed delivered to a receiver that only acknowledges, by Varve and by what it replaces.

    python Benchmarks/delivery.py [--records 2000000] [--rounds 3] [--cores 0,1]

What is replaced is a Python service that streams the feed with ijson, writes chunks with orjson and posts them with
httpx, as many records in each as such services take at most. Varve pushes a version of a table into which the feed was
ingested, what that took is printed too, in such chunks and in its own: each chunk costs a transaction of its ledger.
Both sides share the processors, the receiver has others, and each round runs all in turn.
"""

import argparse
import asyncio
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import feeds
from run import DATA, VARVE, timed

# The most that the replaced services take.
CHUNK_RECORDS = 4000
# What Varve sends where nothing is said.
CHUNK_RECORDS_PRESET = 1000
RATIO_MIN = 3.0
MEMORY_MB_MAX = 128


class Acknowledging(asyncio.Protocol):
    """Reads requests as fast as they come, and acknowledges each by the ids at the beginning of its body."""

    ids = re.compile(rb'"ingestion_id":"([^"]*)"(?:,"status":"COMPLETED")?,"chunk_number":(\d+)')

    def connection_made(self, transport):
        self.transport, self.head, self.missing, self.answer = transport, bytearray(), 0, b""

    def data_received(self, data):
        if self.missing:
            self.missing -= len(data)
        else:
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0 or len(self.head) < end + 300 and not self.head.endswith(b"}"):
                return
            length = int(re.search(rb"content-length: (\d+)", self.head[:end].lower()).group(1))
            ids = self.ids.search(self.head, end)
            body = b'{"ack":true,"ingestion_id":"%s","chunk_number":%s}' % (ids.group(1), ids.group(2))
            self.answer = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                           % len(body) + body)
            self.missing = length - (len(self.head) - end - 4)
            self.head.clear()
        if self.missing <= 0:
            self.missing = 0
            self.transport.write(self.answer)


async def acknowledge() -> None:
    server = await asyncio.get_running_loop().create_server(Acknowledging, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def replaced(feed: str, url: str) -> None:
    """The job as the services do it that Varve replaces."""
    import httpx
    import ijson
    import orjson

    delivery = hashlib.sha256(feed.encode()).hexdigest()
    began = time.perf_counter()
    with httpx.Client() as client, open(feed, "rb") as file:
        def send(number, records, is_last):
            checksum = hashlib.sha256(orjson.dumps(records, option=orjson.OPT_SORT_KEYS)).hexdigest()
            body = orjson.dumps({"ingestion_id": delivery, "chunk_number": number, "chunk_id": f"{delivery}:{number}",
                                 "checksum": checksum, "records": records, "is_last": is_last})
            answer = client.post(url, content=body, headers={"Content-Type": "application/json"})
            assert answer.json()["ack"] is True

        number, total, records = 0, 0, []
        for record in ijson.items(file, "item", use_float=True):
            if len(records) == CHUNK_RECORDS:
                send(number, records, False)
                number, total, records = number + 1, total + len(records), []
            records.append(record)
        send(number, records, True)
        client.post(url, content=orjson.dumps({"ingestion_id": delivery, "status": "COMPLETED", "chunk_number": number,
                                               "total_records": total + len(records)}))
    print(json.dumps({"work_seconds": time.perf_counter() - began, "records": total + len(records)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", default="0,1", help="the processors that both sides share")
    arguments = parser.parse_args()
    cores = {int(core) for core in arguments.cores.split(",")}
    others = (os.sched_getaffinity(0) - cores) or cores
    DATA.mkdir(parents=True, exist_ok=True)
    feed = feeds.feed(DATA, "json", arguments.records)
    place = DATA / "delivery"
    shutil.rmtree(place, ignore_errors=True)
    ingest, _, _ = timed([VARVE, "--warehouse", str(place), "--quiet", "ingest", str(feed), "--into", "products"], cores)
    receiver = subprocess.Popen([sys.executable, __file__, "acknowledge"], stdout=subprocess.PIPE, text=True,
                                preexec_fn=lambda: os.sched_setaffinity(0, others))
    url = f"http://127.0.0.1:{receiver.stdout.readline().strip()}/"
    ours, theirs, memory = {CHUNK_RECORDS: [], CHUNK_RECORDS_PRESET: []}, [], []
    try:
        for _ in range(arguments.rounds):
            for chunk_records, measured in ours.items():
                seconds, megabytes, _ = timed(
                    [VARVE, "--warehouse", str(place), "--quiet", "push", "products", "--to", url, "--again",
                     "--chunk-records", str(chunk_records)], cores)
                measured.append(seconds)
                memory.append(megabytes)
            _, _, printed = timed([sys.executable, __file__, "replaced", str(feed), url], cores)
            theirs.append(json.loads(printed)["work_seconds"])
    finally:
        receiver.kill()
        shutil.rmtree(place, ignore_errors=True)
    best = {chunk_records: min(measured) for chunk_records, measured in ours.items()}
    ratios = {chunk_records: min(theirs) / seconds for chunk_records, seconds in best.items()}
    print(f"load {os.getloadavg()[0]:.2f}, processors {sorted(cores)}, {arguments.records:,} records, "
          f"{Path(feed).stat().st_size / 1e6:,.0f} MB, {arguments.rounds} rounds, best time of each")
    for chunk_records, seconds in best.items():
        print(f"  varve push, chunks of {chunk_records} {seconds:8.2f} s   {ratios[chunk_records]:.2f} times the throughput, with the "
              f"ingestion {min(theirs) / (seconds + ingest):.2f} times")
    print(f"  (ingested before, once     {ingest:8.2f} s)")
    print(f"  ijson + orjson + httpx     {min(theirs):8.2f} s")
    print(f"  promised: at least {RATIO_MIN} times the throughput in chunks of {CHUNK_RECORDS}, and at most {MEMORY_MB_MAX} MB; "
          f"here {ratios[CHUNK_RECORDS]:.2f} and {max(memory):.0f} MB")
    sys.exit(0 if ratios[CHUNK_RECORDS] >= RATIO_MIN and max(memory) <= MEMORY_MB_MAX else 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["acknowledge"]:
        asyncio.run(acknowledge())
    elif sys.argv[1:2] == ["replaced"]:
        replaced(*sys.argv[2:4])
    else:
        main()
