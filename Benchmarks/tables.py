"""`make bench-tables`: what must not depend on how large or how old a table is, as ratios within one run.

    python Benchmarks/tables.py [--small] [NAME …]

Each figure is the median time of a whole `varve` process, the two sides in turn. `--small` uses a tenth of the sizes.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE / "data" / "tables"
VARVE = os.environ.get("VARVE_BINARY", str(HERE.parent / ".build/release/varve"))


def varve(warehouse: Path, *arguments: str) -> float:
    began = time.perf_counter()
    done = subprocess.run([VARVE, "--warehouse", str(warehouse), "--quiet", *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        sys.exit(f"failed with {done.returncode}: varve {' '.join(arguments)}\n{done.stderr}")
    return seconds


def fresh(name: str) -> Path:
    folder = DATA / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def feed(folder: Path, name: str, rows: list[str]) -> str:
    path = folder / name
    path.write_text("part,key,value\n" + "\n".join(rows) + "\n")
    return str(path)


def report(what: str, large: list, small: list, ratio_max: float) -> bool:
    ratio = statistics.median(large) / statistics.median(small)
    print(f"  {what}: {statistics.median(large) * 1000:.1f} ms against {statistics.median(small) * 1000:.1f} ms, "
          f"ratio {ratio:.2f} (promised: at most {ratio_max})")
    return ratio <= ratio_max


def partitions(scale: int) -> bool:
    """A commit into a table of many partitions against one into a table of few."""
    folder = fresh("partitions")
    sides = {}
    for name, count in (("many", 10_000 // scale), ("few", 10)):
        rows = [f"p{n % count:05d},k{n},{n}" for n in range(10_000 // scale)]
        varve(folder / name, "ingest", feed(folder, f"{name}.csv", rows), "--into", "t", "--partition-by", "part")
        sides[name] = []
    for turn in range(15):
        rows = feed(folder, f"turn-{turn}.csv", [f"p00003,t{turn}-{n},{n}" for n in range(100)])
        for name, times in sides.items():
            times.append(varve(folder / name, "ingest", rows, "--into", "t"))
    return report(f"commit into {10_000 // scale:,} partitions, into 10", sides["many"], sides["few"], 1.5)


def truncation(scale: int) -> bool:
    """Truncating a large table against a small one."""
    folder = fresh("truncation")
    times = {"large": [], "small": []}
    feeds = {"large": feed(folder, "large.csv", [f"p,k{n},{n}" for n in range(2_000_000 // scale)]),
             "small": feed(folder, "small.csv", [f"p,k{n},{n}" for n in range(2_000 // scale)])}
    for turn in range(5):
        for name, path in feeds.items():
            varve(folder / name, "ingest", path, "--into", "t", "--reingest")
            times[name].append(varve(folder / name, "truncate", "t"))
    return report(f"truncating {2_000_000 // scale:,} rows, {2_000 // scale:,} rows", times["large"], times["small"], 1.5)


def versions(scale: int) -> bool:
    """Many small commits one after the other; then the oldest version against the newest."""
    folder = fresh("versions")
    count = 10_000 // scale
    times = []
    paths = [feed(folder, f"feed-{n}.csv", [f"p,k{m},{n}" for m in range(10)]) for n in range(2)]
    for n in range(count):
        times.append(varve(folder / "w", "ingest", paths[n % 2], "--into", "t", "--mode", "overwrite"))
    tenth = count // 10
    kept = report(f"the last {tenth:,} of {count:,} small commits, the first {tenth:,}", times[-tenth:], times[:tenth], 1.5)
    old, new = [], []
    for _ in range(15):
        old.append(varve(folder / "w", "describe", "t@1"))
        new.append(varve(folder / "w", "describe", "t"))
    return report(f"opening version 1 of {count:,}, the newest", old, new, 1.5) and kept


TASKS = {"partitions": partitions, "truncation": truncation, "versions": versions}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TASKS))
    arguments = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.2f}")
    kept = [task(10 if arguments.small else 1) for name, task in TASKS.items()
            if not arguments.names or name in arguments.names]
    shutil.rmtree(DATA, ignore_errors=True)
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
