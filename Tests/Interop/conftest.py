"""What every interop test stands on: the `varve` binary, a warehouse of its own, and the peers as readers."""

import json
import os
import pathlib
import subprocess

import pytest

import peers

ROOT = pathlib.Path(__file__).resolve().parents[2]
INBOX = ROOT / "Warehouse" / "inbox"


def binary():
    """The `varve` to test: VARVE_BINARY, else the release build."""
    path = pathlib.Path(os.environ.get("VARVE_BINARY", ROOT / ".build" / "release" / "varve"))
    if not path.is_file():
        pytest.exit(f"there is no {path}; build it with `swift build -c release` or name one in VARVE_BINARY", 2)
    return path


class Outcome:
    """How one run of the command ended."""

    def __init__(self, process):
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr

    @property
    def json(self):
        return json.loads(self.out)


class Warehouse:
    """A warehouse directory and the command that works on it. Time and randomness are injected, so runs repeat."""

    def __init__(self, directory, clock="2024-10-06T12:00:00Z", seed=1):
        self.path = pathlib.Path(directory)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path.parent),
            "VARVE_WAREHOUSE": str(self.path),
            "VARVE_CLOCK": clock,
            "VARVE_SEED": str(seed),
            "SWIFT_BACKTRACE": "enable=no",
        }

    def run(self, *words, code=0, timeout=120, **environment):
        """Runs `varve` with these words and expects this exit code; any where it is None."""
        outcome = Outcome(
            subprocess.run(
                [str(binary()), *map(str, words)],
                env=self.environment | environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        )
        assert code is None or outcome.code == code, f"varve {words} ended with {outcome.code}:\n{outcome.out}\n{outcome.err}"
        return outcome

    def ingest(self, *words, **options):
        return self.run("--json", "ingest", *words, **options).json

    def rows(self, reference, order_by):
        """Rows of a table at a version, as a list of objects: what Varve itself says is there."""
        keys = ", ".join(f'"{key}"' for key in order_by)
        sql = f'SELECT * FROM "{reference}" ORDER BY {keys}'
        return self.run("query", "--format", "json", sql).json

    def table(self, name):
        return self.path / name

    def head(self, name):
        """The newest version in the log."""
        return max(int(entry.stem) for entry in (self.table(name) / "_delta_log").glob("*.json"))

    def files(self):
        """Every file below the warehouse, with its size: what a refused command must not have changed.

        The ledger is left out: it may remember that an attempt failed."""
        if not self.path.exists():
            return {}
        return {
            str(file.relative_to(self.path)): file.stat().st_size
            for file in sorted(self.path.rglob("*"))
            if file.is_file() and not file.name.startswith("varve.")
        }


@pytest.fixture
def warehouse(tmp_path):
    return Warehouse(tmp_path / "warehouse")


@pytest.fixture
def another(tmp_path):
    return Warehouse(tmp_path / "another")


@pytest.fixture(scope="session")
def spark():
    """PySpark on Sail with two workers (it stands in for Spark with the Delta jar)."""
    with peers.spark_session() as session:
        yield session
