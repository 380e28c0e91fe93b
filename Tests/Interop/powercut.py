"""What a power cut leaves of a command's storage calls: a model of a POSIX file system that owes only what was synced.

A file keeps what was written before its last fsync, a directory the names that came or went before its own; syncfs
keeps all. Of the rest a cut may leave anything:

- of a file's changes since: none, all, any of them, the first ones with the last one torn, or the length without bytes;
- of changes of names since: any of them (`harsh`), or those that came first anywhere in the tree, and all that were made
  before the last sync of whatever (`ordered`: a journal, as ext4 has it).

A rename is one change, and owed when the directory that gets the name was synced. What lay there before is owed. Calls
that failed are told by what stood in their way; `Disk.check` proves that this is right.
"""

import os
import pathlib
import random
import tempfile
from typing import NamedTuple

import faults

HOW = ("kept", "names", "ordered", "harsh")


class Detail(NamedTuple):
    """What one call does: `bytes` at an offset, sets `size`, `mode` or `time`, or renames `exclusive`."""

    what: str
    number: int
    bytes: bytes


class Trace(NamedTuple):
    calls: list
    """Each call, and its detail or none."""
    told: int | None
    """How many of them came before the first word on standard output."""
    run: faults.FaultRun


def traced(warehouse, *words, **options):
    """Runs `varve`, and returns all that it did below the directory that holds the warehouse. It may be killed."""
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / "bytes"
        run = faults.run(warehouse, *words, bytes=file, under=warehouse.path.parent, **options)
        kept, details, told = file.read_bytes() if file.exists() else b"", {}, None
    start = 0
    while start < len(kept):
        end = kept.index(b"\n", start)
        call, what, number, size = kept[start:end].decode().split(" ")
        start = end + 1 + int(size)
        if what == "told":
            told = int(call) if told is None else told
        else:
            details[int(call)] = Detail(what, int(number), kept[end + 1 : start])
    return Trace([(call, details.get(number)) for number, call in enumerate(run.calls, start=1)], told, run)


class Content(NamedTuple):
    bytes: bytes
    mode: int
    time: int | None

    def after(self, details):
        data, mode, time = bytearray(self.bytes), self.mode, self.time
        for what, number, piece in details:
            if what == "bytes":
                data.extend(bytes(max(0, number - len(data))))
                data[number : number + len(piece)] = piece
            elif what == "size":
                data = data[:number].ljust(number, b"\0")
            elif what == "mode":
                mode = number
            elif what == "time":
                time = number
        return Content(bytes(data), mode, time)


class Node:
    """A file, or a directory, whose names lead to others."""

    def __init__(self, content, names=None):
        self.kept = content
        self.since = []
        self.first = names
        self.names = None if names is None else dict(names)

    def sync(self):
        self.kept, self.since = self.kept.after(self.since), []

    def left(self, how, chance):
        whole = self.kept.after(self.since)
        if how == "all" or not self.since:
            return whole
        if how == "any":
            return self.kept.after([detail for detail in self.since if chance.random() < 0.5])
        if how == "length":
            return whole._replace(bytes=self.kept.bytes[: len(whole.bytes)].ljust(len(whole.bytes), b"\0"))
        if how == "torn":
            *before, last = self.since[: chance.randrange(len(self.since)) + 1]
            return self.kept.after([*before, last._replace(bytes=last.bytes[: chance.randrange(len(last.bytes) + 1)])])
        return self.kept


class Change:
    """Names that change at once: (directory, name, what it leads to from then on). The last is the one to be synced."""

    def __init__(self, *names):
        self.names = names
        self.is_kept = False


def loaded(path):
    """What lies in a directory that nobody works on."""
    status = path.stat()
    time, mode = status.st_mtime_ns, status.st_mode & 0o7777
    if path.is_dir():
        return Node(Content(b"", mode, None), {child.name: loaded(child) for child in path.iterdir()})
    return Node(Content(path.read_bytes(), mode, time))


class Disk:
    """A directory while a command works on it, call by call, and what a cut in that moment may leave of it."""

    def __init__(self, path):
        self.path = os.path.realpath(path)
        self.root = loaded(pathlib.Path(path))
        self.changes = []
        self.journaled = 0
        """How many of the changes came before a sync."""
        self.written = []

    def take(self, call, detail):
        parent, name, node = self.find(call.path)
        if call.name in ("create", "mkdir"):
            if parent and node is None:
                is_file = call.name == "create"
                self.change((parent, name, Node(Content(b"", 0o600 if is_file else 0o700, None), None if is_file else {})))
        elif call.name == "unlink":
            if node and not node.names:
                self.change((parent, name, None))
        elif call.name in ("link", "rename"):
            new_parent, new_name, taken = self.find(call.new_path)
            is_free = taken is None or call.name == "rename" and detail is None and taken is not node and not taken.names
            if node and new_parent and is_free:
                gone = [(parent, name, None)] if call.name == "rename" else []
                self.change(*gone, (new_parent, new_name, node))
        elif call.name == "fsync":
            self.sync([node] if node else [], [change for change in self.changes if change.names[-1][0] is node])
        elif call.name == "syncfs":
            self.sync(self.written, self.changes)
        elif node:
            node.since.append(detail)
            self.written.append(node)

    def change(self, *names):
        self.changes.append(Change(*names))
        for directory, name, node in names:
            directory.names[name] = node
            if node is None:
                del directory.names[name]

    def sync(self, nodes, changes):
        self.journaled = len(self.changes)
        for node in nodes:
            node.sync()
        for change in changes:
            change.is_kept = True

    def check(self):
        """Nothing was missed: what the calls did is what lies there."""

        def plain(left):
            return {path: content.bytes if node.names is None else None for path, (node, content) in left.items()}

        assert plain(self.cut("all")) == plain(Disk(self.path).cut("all"))

    def find(self, path):
        """The directory that holds a path, the name in it, and what that leads to; None where there is nothing."""
        if path == self.path:
            return None, "", self.root
        assert path.startswith(self.path + "/"), path
        *parents, name = path[len(self.path) + 1 :].split("/")
        parent = self.root
        for step in parents:
            parent = (parent.names or {}).get(step) if parent else None
        return (parent, name, parent.names.get(name)) if parent and parent.names is not None else (None, name, None)

    def cut(self, how, seed=0):
        """What may be there after a cut: by path, the node and its content.

        `kept`: what is owed, and no more. `names`: all names, of the files what is owed. `ordered` and `harsh`: by
        chance. `all`: as if the power had stayed."""
        chance = random.Random(seed)
        contents = ["all"] if how == "all" else ["none"]
        happened = [how in ("all", "names") or change.is_kept for change in self.changes]
        if how == "ordered":
            count = chance.randint(self.journaled, len(self.changes))
            happened = [number < count for number in range(len(self.changes))]
        elif how == "harsh":
            share = chance.choice([0.1, 0.5, 0.9])
            happened = [is_kept or chance.random() < share for is_kept in happened]
        if how in ("ordered", "harsh"):
            contents = ["none", "all", "any", "length", "torn"]
        names = {}
        for change in (change for change, has_happened in zip(self.changes, happened) if has_happened):
            for directory, name, node in change.names:
                names.setdefault(directory, {})[name] = node
        left, contents_of = {}, {}

        def walk(directory, path):
            found = directory.first | names.get(directory, {})
            for name, node in sorted(found.items()):
                # A directory of which a later rename is owed, and an earlier one is not, has one place all the same.
                if node is None or node.names is not None and node in contents_of:
                    continue
                if node not in contents_of:
                    contents_of[node] = node.left(chance.choice(contents), chance)
                left[path + name] = (node, contents_of[node])
                if node.names is not None:
                    walk(node, f"{path}{name}/")

        walk(self.root, "")
        return left


def spread(left, directory):
    """Puts what a cut left into a new directory."""
    directory.mkdir()
    places = {}
    for path, (node, content) in left.items():
        place = directory / path
        if node.names is not None:
            place.mkdir()
        elif node in places:
            os.link(places[node], place)
        else:
            places[node] = place
            place.write_bytes(content.bytes)
            if content.time is not None:
                os.utime(place, ns=(content.time, content.time))
            place.chmod(content.mode)
    for path, (node, content) in reversed(left.items()):
        if node.names is not None:
            (directory / path).chmod(content.mode)


def summary(left):
    """Equal for states that nobody can tell apart."""
    return hash(tuple((path, content.bytes, content.mode) for path, (_, content) in left.items()))
