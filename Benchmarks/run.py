"""`make bench`: Varve and its peers on the same work, in turn, as ratios.

    python Benchmarks/run.py [--rounds 3] [--cores 0,1] [NAME …]

Each round runs every engine once, in turn, so that a slow moment of the machine falls on all. Reported per engine: the
best wall time of the work (peers: without interpreter start and imports; Varve: the whole process), the largest peak
memory, and the ratio of Varve's time to it. Files in `Benchmarks/data` are made on the first run and kept.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import feeds

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
VARVE = os.environ.get("VARVE_BINARY", str(HERE.parent / ".build/release/varve"))


@dataclass
class Measured:
    seconds: list = field(default_factory=list)
    memory_mb: list = field(default_factory=list)


@dataclass
class Task:
    """One feed into a fresh table. `ratio_max` and `memory_mb_max` are what Varve promises; None where it promises none."""
    name: str
    kind: str
    count: int
    peers: list
    ratio_max: float | None = None
    memory_mb_max: int | None = None


TASKS = [
    Task("xlsx", "xlsx", 500_000, ["fastexcel_delta", "duckdb_xlsx"], 0.7, 96),
    Task("json", "json", 2_000_000, ["duckdb_json"], 0.7, 256),
    Task("ndjson", "ndjson", 500_000, ["duckdb_json", "polars_ndjson"]),
    Task("csv", "csv", 500_000, ["duckdb_csv", "polars_csv"]),
    # The same feeds at a quarter of the size: memory must not grow with the file.
    Task("xlsx-quarter", "xlsx", 125_000, [], None, 96),
    Task("json-quarter", "json", 500_000, [], None, 256),
]


def timed(command: list, cores: set) -> tuple[float, float, str]:
    """Wall seconds, peak megabytes of the largest process, and what it printed."""
    output = HERE / "data" / "output.txt"
    began = time.perf_counter()
    with output.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=sys.stderr,
                                   preexec_fn=lambda: os.sched_setaffinity(0, cores))
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"failed with {process.returncode}: {' '.join(command)}")
    return seconds, usage.ru_maxrss / 1024, output.read_text()


def run(task: Task, rounds: int, cores: set) -> bool:
    path = feeds.feed(DATA, task.kind, task.count)
    results = {engine: Measured() for engine in ["varve", *task.peers]}
    for round_number in range(rounds):
        for engine, measured in results.items():
            place = DATA / "table"
            shutil.rmtree(place, ignore_errors=True)
            if engine == "varve":
                command = [VARVE, "--warehouse", str(place), "--quiet", "ingest", str(path), "--into", "products"]
                seconds, memory, _ = timed(command, cores)
            else:
                command = [sys.executable, str(HERE / "peers.py"), engine, str(path), str(place), str(len(cores))]
                _, memory, printed = timed(command, cores)
                seconds = json.loads(printed)["work_seconds"]
            measured.seconds.append(seconds)
            measured.memory_mb.append(memory)
    shutil.rmtree(DATA / "table", ignore_errors=True)

    ours = min(results["varve"].seconds)
    print(f"\n{task.name}: {task.count:,} records, {path.stat().st_size / 1e6:,.0f} MB on disk")
    print(f"  {'engine':<18}{'seconds':>10}{'memory MB':>12}{'varve / it':>12}")
    for engine, measured in results.items():
        best = min(measured.seconds)
        print(f"  {engine:<18}{best:>10.2f}{max(measured.memory_mb):>12.0f}{ours / best:>12.2f}")
    kept = True
    if task.ratio_max is not None:
        ratio = ours / min(min(results[peer].seconds) for peer in task.peers)
        kept &= ratio <= task.ratio_max
        print(f"  against the best peer: {ratio:.2f} (promised: at most {task.ratio_max})")
    if task.memory_mb_max is not None:
        memory = max(results["varve"].memory_mb)
        kept &= memory <= task.memory_mb_max
        print(f"  peak memory: {memory:.0f} MB (promised: at most {task.memory_mb_max})")
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", default="0,1", help="the processors all engines share")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(task.name for task in TASKS))
    arguments = parser.parse_args()
    cores = {int(core) for core in arguments.cores.split(",")}
    DATA.mkdir(parents=True, exist_ok=True)
    print(f"load {os.getloadavg()[0]:.2f}, processors {sorted(cores)}, {arguments.rounds} rounds, best time and "
          f"largest memory of each")
    kept = [run(task, arguments.rounds, cores) for task in TASKS
            if not arguments.names or task.name in arguments.names]
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
