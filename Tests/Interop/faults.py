"""Runs `varve` under Tests/Faults/fault.c: watched, killed, disturbed or paused at one of its storage calls."""

import contextlib
import functools
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
from typing import NamedTuple

from conftest import ROOT, Outcome, binary

PROOF = "VARVE_PROOF" in os.environ
"""Whether sweeps run whole."""


@functools.cache
def shim():
    library = pathlib.Path(tempfile.mkdtemp(prefix="varve-fault-")) / "fault.so"
    source = ROOT / "Tests" / "Faults" / "fault.c"
    compiler = shutil.which("clang") or "cc"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def seeded(name):
    """Random choices; the seed is printed, and VARVE_TEST_SEED gives them again."""
    seed = os.environ.get("VARVE_TEST_SEED") or str(random.SystemRandom().randrange(2**32))
    print(f"{name}: VARVE_TEST_SEED={seed}")
    return random.Random(f"{seed} {name}")


class Call(NamedTuple):
    """One storage call, as fault.c logs it."""

    name: str
    path: str
    new_path: str


class FaultRun(Outcome):
    """One run that has ended: exit code (negative: the signal), output, and its storage calls below the warehouse."""

    def __init__(self, process, calls):
        super().__init__(process)
        self.calls = calls


def environment(warehouse, log, **faults):
    if "under" not in faults:
        warehouse.path.mkdir(exist_ok=True)
    named = {f"VARVE_FAULT_{name.upper()}": str(value) for name, value in faults.items()}
    watched = {"VARVE_FAULT_UNDER": str(warehouse.path), "VARVE_FAULT_LOG": str(log)}
    return warehouse.environment | {"LD_PRELOAD": str(shim())} | watched | named


def calls_of(log):
    lines = log.read_text().splitlines() if log.exists() else []
    # Of two threads, the one that came first may log last.
    fields = sorted((line.split("\t") + ["", ""] for line in lines), key=lambda fields: int(fields[0]))
    return [Call(*found[1:4]) for found in fields]


def run(warehouse, *words, timeout=120, **faults):
    """Runs `varve` with these words to whatever end. Faults by fault.c's names: `kill_at=7`, `error_at=3, error="EIO"`."""
    with tempfile.TemporaryDirectory() as directory:
        log = pathlib.Path(directory) / "log"
        process = subprocess.run(
            [str(binary()), *map(str, words)],
            env=environment(warehouse, log, **faults),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return FaultRun(process, calls_of(log))


@contextlib.contextmanager
def paused(warehouse, *words, before, **faults):
    """Runs `varve` up to the first call `before` (`link:_delta_log`), and to its end with `finish()`."""
    with tempfile.TemporaryDirectory() as directory:
        log = pathlib.Path(directory) / "log"
        process = subprocess.Popen(
            [str(binary()), *map(str, words)],
            env=environment(warehouse, log, pause_before=before, **faults),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"varve {words} ended before {before}:\n{process.communicate()}"

        def finish():
            """The run with the calls that it made after the pause."""
            calls = len(calls_of(log))
            os.kill(process.pid, signal.SIGCONT)
            out, error = process.communicate(timeout=120)
            ended = subprocess.CompletedProcess(process.args, process.returncode, out, error)
            return FaultRun(ended, calls_of(log)[calls:])

        try:
            yield finish
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
