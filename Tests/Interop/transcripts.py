"""Runs the transcripts in README.md and Documentation: ```console blocks with `$ command` lines and their output.

The blocks of one file run in order in one directory of their own, which holds a copy of Warehouse/inbox, so that the
default warehouse `Warehouse` is used. Time and randomness are injected, and output and error output come together. A
port after `--port` is printed as it stands, and a free one takes its place while the document runs, so that runs beside
each other have their own. In the expected output
  …          stands for anything within a line; alone on a line, for any lines
  digests (16 to 64 hexadecimal digits) and numbers of bytes are not compared, since they change with the encoder
  [exit 3]   follows what a command printed that ended with another code than 0
A ```python block runs in the same place, with the interpreter of the tests, and must succeed.

`python transcripts.py --update [FILE…]` writes what the commands print now into blocks that differ.
"""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def documents():
    return [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "Documentation").glob("*.md"))]


def blocks(text):
    """(kind, first line's index, lines) of each block that is run."""
    kind, start, lines = None, 0, []
    for index, line in enumerate(text.split("\n")):
        if kind is None and line in ("```console", "```python"):
            kind, start, lines = line[3:], index + 1, []
        elif kind is not None and line == "```":
            yield kind, start, lines
            kind = None
        elif kind is not None:
            lines.append(line)


def steps(lines):
    """(command, expected output lines) of a console block; a command goes on in lines that begin with `> `."""
    found = []
    for line in lines:
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1] = (found[-1][0] + "\n" + line[2:], [])
        elif found:
            found[-1][1].append(line)
    return found


def steady(line):
    """The line without what every change of the Parquet encoder changes."""
    line = re.sub(r"(?<![0-9a-f])[0-9a-f]{16,64}(?![0-9a-f])", "DIGEST", line)
    return re.sub(r"[0-9][0-9,]* bytes", "N bytes", line)


def matches(expected, actual):
    expected = [steady(line) for line in expected]
    actual = [steady(line) for line in actual]
    pattern = ""
    for line in expected:
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += "[^\n]*".join(re.escape(part) for part in line.split("…")) + "\n"
    return re.fullmatch(pattern, "".join(line + "\n" for line in actual)) is not None


def free_ports(count):
    """Ports that nobody has at the moment, all different."""
    sockets = [socket.socket() for _ in range(count)]
    for taken in sockets:
        taken.bind(("127.0.0.1", 0))
    ports = [str(taken.getsockname()[1]) for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


def replaced(text, ports):
    """The text with each port where an address or an option has one."""
    return re.sub(r"(?:(?<=--port )|(?<=127\.0\.0\.1:))[0-9]+", lambda found: ports.get(found[0], found[0]), text)


class Place:
    """Where the transcript of one document runs."""

    def __init__(self, directory, binary, document):
        printed = re.findall(r"--port ([0-9]+)", document.read_text(encoding="utf-8"))
        self.ports = dict(zip(printed, free_ports(len(printed)), strict=True))
        self.directory = pathlib.Path(directory)
        shutil.copytree(ROOT / "Warehouse" / "inbox", self.directory / "Warehouse" / "inbox")
        self.environment = {
            "PATH": f"{pathlib.Path(binary).parent}:{os.environ['PATH']}",
            "HOME": str(self.directory),
            "VARVE_CLOCK": "2024-10-06T12:00:00Z",
            "VARVE_SEED": "1",
            "SWIFT_BACKTRACE": "enable=no",
            "LC_ALL": "C.UTF-8",
        }

    def run(self, command):
        done = subprocess.run(
            ["bash", "-c", replaced(command, self.ports)],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
        )
        printed = {own: port for port, own in self.ports.items()}
        lines = replaced(done.stdout.decode("utf-8"), printed).split("\n")
        if lines and lines[-1] == "":
            lines.pop()
        return lines + ([f"[exit {done.returncode}]"] if done.returncode else [])

    def run_python(self, lines):
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(lines)],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stderr


    def stop(self):
        """Ends what the transcript started and did not end: every process that stands in its directory."""
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if pathlib.Path(os.readlink(process / "cwd")).is_relative_to(self.directory.resolve()):
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:
                continue


def differences(document, place):
    """(line number, command, expected, actual) of every step that prints something else than the document says."""
    try:
        yield from differing_steps(document, place)
    finally:
        place.stop()


def differing_steps(document, place):
    for kind, start, lines in blocks(document.read_text(encoding="utf-8")):
        if kind == "python":
            code, error = place.run_python(lines)
            if code:
                yield start, "python", [], error.split("\n")
            continue
        for command, expected in steps(lines):
            actual = place.run(command)
            if not matches(expected, actual):
                yield start, command, expected, actual


def update(document, place):
    """The document with the output of its commands as it is now, where that differs."""
    lines = document.read_text(encoding="utf-8").split("\n")
    shift = 0
    for kind, start, block in list(blocks("\n".join(lines))):
        if kind == "python":
            place.run_python(block)
            continue
        fresh = []
        for command, expected in steps(block):
            actual = place.run(command)
            first, *more = command.split("\n")
            fresh += [f"$ {first}", *(f"> {line}" for line in more)]
            fresh += expected if matches(expected, actual) else actual
        lines[start + shift : start + shift + len(block)] = fresh
        shift += len(fresh) - len(block)
    document.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] != ["--update"]:
        sys.exit(__doc__)
    command = os.environ.get("VARVE_BINARY", str(ROOT / ".build" / "release" / "varve"))
    for path in [pathlib.Path(name).resolve() for name in sys.argv[2:]] or documents():
        with tempfile.TemporaryDirectory() as place_directory:
            place = Place(place_directory, command, path)
            try:
                update(path, place)
            finally:
                place.stop()
