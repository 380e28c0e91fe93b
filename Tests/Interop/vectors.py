"""Deletion vectors made by the letter of the Delta protocol, apart from Varve's own writer."""

import hashlib
import json
import struct
import uuid
import zlib

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
MAGIC = 1681511377


def z85(data):
    data += b"\0" * (-len(data) % 4)
    text = ""
    for start in range(0, len(data), 4):
        number = int.from_bytes(data[start : start + 4], "big")
        text += "".join(ALPHABET[number // 85**power % 85] for power in (4, 3, 2, 1, 0))
    return text


def unz85(text):
    data = b""
    for start in range(0, len(text), 5):
        number = 0
        for character in text[start : start + 5]:
            number = number * 85 + ALPHABET.index(character)
        data += number.to_bytes(4, "big")
    return data


def containers(rows):
    found = {}
    for row in sorted(rows):
        found.setdefault(row >> 16, []).append(row & 0xFFFF)
    return sorted(found.items())


def body(rows):
    """A container: 16-bit numbers, or bits where there are more than 4,096 of them."""
    if len(rows) <= 4096:
        return b"".join(struct.pack("<H", row) for row in rows)
    bits = bytearray(8192)
    for row in rows:
        bits[row >> 3] |= 1 << (row & 7)
    return bytes(bits)


def runs(rows):
    found = []
    for row in rows:
        if found and sum(found[-1]) + 1 == row:
            found[-1][1] += 1
        else:
            found.append([row, 0])
    return struct.pack("<H", len(found)) + b"".join(struct.pack("<HH", *run) for run in found)


def bitmap(rows, with_runs=False):
    parts = containers(rows)
    bodies = [runs(part) if with_runs else body(part) for _, part in parts]
    if with_runs:
        head = struct.pack("<I", 12347 | (len(parts) - 1) << 16)
        head += bytes(((1 << len(parts)) - 1 >> 8 * place) & 255 for place in range((len(parts) + 7) // 8))
    else:
        head = struct.pack("<II", 12346, len(parts))
    head += b"".join(struct.pack("<HH", key, len(part) - 1) for key, part in parts)
    if not with_runs or len(parts) >= 4:
        offset = len(head) + 4 * len(parts)
        for part in bodies:
            head += struct.pack("<I", offset)
            offset += len(part)
    return struct.pack("<I", MAGIC) + struct.pack("<QI", 1, 0) + head + b"".join(bodies)


def inline(rows, with_runs=False):
    data = bitmap(rows, with_runs)
    return {"storageType": "i", "pathOrInlineDv": z85(data), "sizeInBytes": len(data), "cardinality": len(rows)}


def in_file(table, rows, prefix="", kind="u", with_runs=False):
    """Writes a file of one vector below the table, with another before it, and gives its descriptor."""
    data, other = bitmap(rows, with_runs), bitmap([0])
    held = b"\x01" + b"".join(struct.pack(">I", len(d)) + d + struct.pack(">I", zlib.crc32(d)) for d in (other, data))
    name = uuid.UUID(bytes=hashlib.sha256(held).digest()[:16])
    path = table / prefix / f"deletion_vector_{name}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(held)
    text = prefix + z85(name.bytes) if kind == "u" else f"file://{path}"
    offset = 1 + len(other) + 8
    return {"storageType": kind, "pathOrInlineDv": text, "offset": offset, "sizeInBytes": len(data), "cardinality": len(rows)}


def entry(table, version, actions):
    path = table / "_delta_log" / f"{version:020}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(action) + "\n" for action in actions))


def strangers_table(table, count, vectors):
    """A table of another writer: version 1 has the ids 0 to count - 1, each later one the file under another vector."""
    import pyarrow
    import pyarrow.parquet

    table.mkdir(parents=True)
    pyarrow.parquet.write_table(pyarrow.table({"id": pyarrow.array(range(count), pyarrow.int64())}), table / "data.parquet")
    field = {"name": "id", "type": "long", "nullable": True, "metadata": {}}
    schema = json.dumps({"type": "struct", "fields": [field]})
    entry(
        table,
        0,
        [
            {"commitInfo": {"timestamp": 1, "operation": "CREATE TABLE"}},
            {
                "protocol": {
                    "minReaderVersion": 3,
                    "minWriterVersion": 7,
                    "readerFeatures": ["deletionVectors"],
                    "writerFeatures": ["appendOnly", "deletionVectors", "invariants"],
                }
            },
            {
                "metaData": {
                    "id": "a66f2817-3559-4fb2-a5db-599d888e2562",
                    "format": {"provider": "parquet", "options": {}},
                    "schemaString": schema,
                    "partitionColumns": [],
                    "configuration": {"delta.enableDeletionVectors": "true"},
                    "createdTime": 1,
                }
            },
        ],
    )
    statistics = {"numRecords": count, "minValues": {"id": 0}, "maxValues": {"id": count - 1}, "nullCount": {"id": 0}}
    size = (table / "data.parquet").stat().st_size
    add = {"path": "data.parquet", "partitionValues": {}, "size": size, "modificationTime": 1, "dataChange": True}
    entry(table, 1, [{"commitInfo": {"operation": "WRITE"}}, {"add": add | {"stats": json.dumps(statistics)}}])
    last = {}
    for number, vector in enumerate(vectors, start=2):
        remove = {"path": "data.parquet", "deletionTimestamp": number, "dataChange": True} | last
        last = {"deletionVector": vector}
        added = add | {"stats": json.dumps(statistics | {"tightBounds": False})} | last
        entry(table, number, [{"commitInfo": {"operation": "DELETE"}}, {"remove": remove}, {"add": added}])
