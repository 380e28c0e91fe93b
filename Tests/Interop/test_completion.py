"""Completion as people meet it: a real shell on a pseudo-terminal, keys that are typed, and the command that results.

A stand-in for `varve` answers the scripts' questions as the program does, and writes down every other command line. Shells
take keys one after the other, so Enter behind Tab means: run what Tab made of the line.
"""

import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import termios
import time

import pytest

from conftest import binary
from test_readers import ndjson

PROMPT = "ready>"
SECONDS_MAX = 60

STARTS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "PS1='{prompt}'; source <(varve completion bash)"),
    "zsh": (
        ["zsh", "-f", "-i"],
        "PROMPT='{prompt}'; unsetopt prompt_sp; autoload -U compinit; compinit -u -D; source <(varve completion zsh)",
    ),
    "fish": (
        ["fish", "--no-config", "-i"],
        "function fish_prompt; echo -n '{prompt}'; end; varve completion fish | source",
    ),
}

# What is typed, and the words that the command is run with.
CASES = [
    ("hist\t products", ["history", "products"]),
    ("help ver\t", ["help", "verify"]),
    ("ingest a.csv --in\t t", ["ingest", "a.csv", "--into", "t"]),
    ("ingest a.csv --mode st\t", ["ingest", "a.csv", "--mode", "stateful-merge"]),
    ("ingest a.csv --mode=st\t", ["ingest", "a.csv", "--mode=stateful-merge"]),
    ("receive --misbehave die,st\t", ["receive", "--misbehave", "die,stall"]),
    ("dead-l\t req\t", ["dead-letters", "requeue"]),
    ("describe prod\t", ["describe", "products"]),
    ("ingest a.csv --into=prod\t", ["ingest", "a.csv", "--into=products"]),
    ("describe products@ta\t", ["describe", "products@tag:season"]),
    ("diff products@1 products@tag:s\t", ["diff", "products@1", "products@tag:season"]),
    ("ingest a.csv --into products --key sk\t", ["ingest", "a.csv", "--into", "products", "--key", "sku"]),
    ("ingest my\t --into new --partition-by ma\t", ["ingest", "my feed.csv", "--into", "new", "--partition-by", "market"]),
    ("alter products --order name,sk\t", ["alter", "products", "--order", "name,sku"]),
    ("push products --to sh\t", ["push", "products", "--to", "shop"]),
    ("push --check=sh\t", ["push", "--check=shop"]),
    ("--warehouse oth\t history else\t", ["--warehouse", "other", "history", "elsewhere"]),
    ("preview my\t", ["preview", "my feed.csv"]),
    ("ingest a.csv --schema=sch\t", ["ingest", "a.csv", "--schema=schema.json"]),
    ("preview nothing-like-it\t", ["preview", "nothing-like-it"]),
    ("quarrel \t", ["quarrel"]),
]


class Shell:
    """A shell on a pseudo-terminal."""

    def __init__(self, name, directory, warehouse):
        self.record = directory / "record.json"
        tools = directory / "tools"
        tools.mkdir()
        (tools / "varve").write_text(
            f"""#!{sys.executable}
import json, os, sys
if sys.argv[1:2] in (["__complete"], ["completion"]):
    os.execv({str(binary())!r}, ["varve", *sys.argv[1:]])
with open({str(self.record) + ".new"!r}, "w") as file:
    json.dump(sys.argv[1:], file)
os.rename({str(self.record) + ".new"!r}, {str(self.record)!r})
"""
        )
        (tools / "varve").chmod(0o755)
        command, preparation = STARTS[name]
        own, theirs = pty.openpty()
        environment = warehouse.environment | {
            "PATH": f"{tools}:{os.environ['PATH']}", "TERM": "xterm", "HOME": str(directory), "LC_ALL": "C.UTF-8",
            "VARVE_WAREHOUSE": str(warehouse.path), "INPUTRC": "/dev/null", "COLUMNS": "100",
        }  # fmt: skip
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=directory, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(theirs)
        self.terminal = own
        self.seen = b""
        # The prompt is spelled in two pieces, so that the echo of this line is not taken for it.
        self.type(preparation.replace("{prompt}", PROMPT[:3] + "''" + PROMPT[3:]) + "\r")
        self.wait_for(PROMPT)

    def type(self, keys):
        os.write(self.terminal, keys.encode())

    def wait_for(self, text, present=None):
        """Reads until the text was printed, or until that is the case."""
        deadline = time.monotonic() + SECONDS_MAX
        while not (present() if present else text.encode() in self.seen):
            ready, _, _ = select.select([self.terminal], [], [], 0.05)
            if ready:
                try:
                    self.seen += os.read(self.terminal, 65536)
                except OSError:
                    pass
            assert time.monotonic() < deadline, f"{text!r} did not come:\n{self.seen.decode(errors='replace')}"

    def run(self, keys):
        """The words with which `varve` was called when that was typed, and Enter."""
        self.seen = b""
        self.record.unlink(missing_ok=True)
        self.type("varve " + keys + "\r")
        self.wait_for(keys, self.record.exists)
        words = json.loads(self.record.read_text())
        self.wait_for(PROMPT)
        return words

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


@pytest.fixture
def place(tmp_path, warehouse, another):
    rows = [{"sku": "a"}]
    named = [{"sku": "a", "name": "b"}]
    columns = {"sku": "text", "name": "text"}
    warehouse.ingest(ndjson(tmp_path / "1.ndjson", named, columns), "--into", "products", "--key", "sku")
    warehouse.ingest(ndjson(tmp_path / "2.ndjson", rows, {"sku": "text"}), "--into", "prices")
    warehouse.run("tag", "products@1", "season")
    directory = tmp_path / "place"
    directory.mkdir()
    (directory / "other").mkdir()
    another.path = directory / "other"
    another.environment["VARVE_WAREHOUSE"] = str(another.path)
    another.ingest(ndjson(tmp_path / "3.ndjson", rows, {"sku": "text"}), "--into", "elsewhere")
    (directory / "my feed.csv").write_text("market,price\nDE,1\n")
    (warehouse.path / "varve.json").write_text('{"targets": {"shop": {"kind": "folder", "path": "shop"}}}')
    (directory / "schema.json").write_text("{}")
    return directory


@pytest.mark.parametrize("name", STARTS)
def test_a_shell_completes_what_can_be_typed(name, place, warehouse):
    shell = Shell(name, place, warehouse)
    try:
        for keys, words in CASES:
            run = [word.rstrip("/") for word in shell.run(keys)]
            assert run == words, f"{keys!r}:\n{shell.seen.decode(errors='replace')}"
        # What cannot be decided is listed.
        shell.seen = b""
        shell.type("varve describe p\t\t\t")
        shell.wait_for("prices")
        shell.wait_for("products")
    finally:
        shell.close()


def test_the_manual_page_is_rendered_without_a_complaint(warehouse, tmp_path):
    page = tmp_path / "varve.1"
    page.write_text(warehouse.run("man").out)
    for command in (
        ["mandoc", "-T", "lint", "-W", "style", str(page)],
        ["groff", "-man", "-Tutf8", "-ww", "-z", str(page)],
        ["man", "--warnings", "-l", str(page)],
    ):
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            env=os.environ | {"LC_ALL": "C.UTF-8", "MANPAGER": "cat", "MANROFFOPT": "", "MANWIDTH": "80"},
        )  # fmt: skip
        assert done.returncode == 0 and not done.stderr, done.stderr
        if command[0] == "mandoc":
            assert not done.stdout, done.stdout
    assert "varve ingest FILE... --into TABLE" in done.stdout and "--warehouse DIR" in done.stdout
