"""Makes the feeds that the benchmarks read: product records with 15 columns, the same in every format.

A record is a function of its number alone, so a file of n records is the same bytes wherever it is made.
"""

import json
import sys
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

COLORS = ["red", "blue", "green", "black", "white", "silver", "amber", "teal"]
MATERIALS = ["steel", "brass", "nylon", "oak", "glass", "aluminium"]
MARKETS = ["DE", "AT", "CH", "FR", "IT", "NL", "PL", "ES"]
BRANDS = [f"Brand {n:03d}" for n in range(200)]
WORDS = ("solid compact durable light precise quiet modern classic robust slim wide narrow deep flat round square "
         "hardened polished brushed coated sealed vented insulated Größe für Gerät Stück").split()
COLUMNS = ["sku", "ean", "name", "description", "brand", "market", "price", "vat", "stock", "weight_kg", "active",
           "updated_on", "rating", "attributes", "tags"]


def mixed(n: int, salt: int) -> int:
    """A fixed 64-bit mix (the finaliser of SplitMix64): spread without a random generator's state."""
    x = (n * 0x9E3779B97F4A7C15 + salt * 0xD1B54A32D192ED03) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return x ^ (x >> 31)


def record(n: int) -> dict:
    x = mixed(n, 1)
    y = mixed(n, 2)
    words = [WORDS[(y >> (5 * i)) % len(WORDS)] for i in range(11)]
    return {
        "sku": f"SKU-{n:08d}",
        "ean": f"{4000000000000 + x % 999999999999:013d}",
        "name": f"{words[0].capitalize()} {words[1]} {MATERIALS[x % 6]} part {n % 5000}",
        "description": " ".join(words) + f", {words[3]} {MATERIALS[y % 6]}, {words[5]} in use and {words[7]} in shape",
        "brand": BRANDS[x % 200],
        "market": MARKETS[x % 8],
        "price": (x % 1_000_000) / 100,
        "vat": 19 if x % 5 else 7,
        "stock": int(y % 4000),
        "weight_kg": (y % 100_000) / 1000,
        "active": x % 7 != 0,
        "updated_on": f"2024-{1 + x % 12:02d}-{1 + y % 28:02d}",
        "rating": None if x % 11 == 0 else (y % 50) / 10,
        "attributes": {
            "color": COLORS[x % 8], "material": MATERIALS[y % 6],
            "size": {"height": int(x % 300), "length": int(y % 500), "unit": "mm"}, "warranty": f"{1 + x % 5} years",
        },
        "tags": [COLORS[y % 8], WORDS[x % len(WORDS)], f"range-{x % 40}"],
    }


def make_json(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8", buffering=1 << 20) as out:
        for n in range(count):
            out.write("[" if n == 0 else ",\n")
            out.write(json.dumps(record(n), ensure_ascii=False))
        out.write("]\n")


def make_ndjson(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8", buffering=1 << 20) as out:
        for n in range(count):
            out.write(json.dumps(record(n), ensure_ascii=False) + "\n")


def flat(n: int) -> list:
    row = record(n)
    row["attributes"] = row["attributes"]["color"]
    row["tags"] = row["tags"][2]
    return [row[column] for column in COLUMNS]


def make_csv(path: Path, count: int) -> None:
    import csv
    with path.open("w", encoding="utf-8", newline="", buffering=1 << 20) as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for n in range(count):
            writer.writerow(["" if value is None else str(value).lower() if isinstance(value, bool) else value
                             for value in flat(n)])


CONTENT_TYPES = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" \
ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" \
ContentType="application/xml"/><Override PartName="/xl/workbook.xml" \
ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override \
PartName="/xl/worksheets/sheet1.xml" \
ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override \
PartName="/xl/sharedStrings.xml" \
ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/><Override \
PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>"""
RELATIONSHIPS = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" \
Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" \
Target="xl/workbook.xml"/></Relationships>"""
WORKBOOK = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" \
xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Products" \
sheetId="1" r:id="rId1"/></sheets></workbook>"""
WORKBOOK_RELATIONSHIPS = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" \
Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" \
Target="worksheets/sheet1.xml"/><Relationship Id="rId2" \
Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" \
Target="styles.xml"/><Relationship Id="rId3" \
Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" \
Target="sharedStrings.xml"/></Relationships>"""
STYLES = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><fonts count="1"><font><sz val="11"/>\
<name val="Calibri"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill \
patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border>\
</borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs \
count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/><xf numFmtId="14" fontId="0" fillId="0" \
borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" \
builtinId="0"/></cellStyles></styleSheet>"""
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def make_xlsx(path: Path, count: int) -> None:
    """Shared strings, one date style, as Excel writes it; streamed, since no library writes this size quickly."""
    import datetime
    letters = [chr(ord("A") + n) for n in range(15)]
    shared: dict[str, int] = {}
    uses = 0

    def cell(reference: str, value) -> str:
        nonlocal uses
        if value is None:
            return ""
        if isinstance(value, bool):
            return f'<c r="{reference}" t="b"><v>{int(value)}</v></c>'
        if isinstance(value, (int, float)):
            return f'<c r="{reference}"><v>{value}</v></c>'
        if len(value) == 10 and value[4] == "-" and value[7] == "-":
            serial = (datetime.date.fromisoformat(value) - datetime.date(1899, 12, 30)).days
            return f'<c r="{reference}" s="1"><v>{serial}</v></c>'
        uses += 1
        return f'<c r="{reference}" t="s"><v>{shared.setdefault(value, len(shared))}</v></c>'

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as book:
        def part(name: str, text: str) -> None:
            book.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
        part("[Content_Types].xml", CONTENT_TYPES)
        part("_rels/.rels", RELATIONSHIPS)
        part("xl/workbook.xml", WORKBOOK)
        part("xl/_rels/workbook.xml.rels", WORKBOOK_RELATIONSHIPS)
        part("xl/styles.xml", STYLES)
        info = zipfile.ZipInfo("xl/worksheets/sheet1.xml", (2024, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        with book.open(info, "w", force_zip64=True) as out:
            out.write(f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<worksheet xmlns="{MAIN}"><dimension '
                      f'ref="A1:O{count + 1}"/><sheetData>'.encode())
            buffer = []
            for n in range(count + 1):
                values = COLUMNS if n == 0 else flat(n - 1)
                cells = "".join(cell(f"{letters[i]}{n + 1}", value) for i, value in enumerate(values))
                buffer.append(f'<row r="{n + 1}" spans="1:15">{cells}</row>')
                if len(buffer) == 5000:
                    out.write("".join(buffer).encode())
                    buffer.clear()
            out.write(("".join(buffer) + "</sheetData></worksheet>").encode())
        info = zipfile.ZipInfo("xl/sharedStrings.xml", (2024, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        with book.open(info, "w", force_zip64=True) as out:
            out.write(f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<sst xmlns="{MAIN}" count="{uses}" '
                      f'uniqueCount="{len(shared)}">'.encode())
            out.write("".join(f"<si><t>{escape(text)}</t></si>" for text in shared).encode())
            out.write(b"</sst>")


MAKERS = {"json": make_json, "ndjson": make_ndjson, "csv": make_csv, "xlsx": make_xlsx}


def feed(folder: Path, kind: str, count: int) -> Path:
    """The feed of that kind and size, made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"products-{count}.{kind}"
    if not path.exists():
        print(f"making {path.name}", file=sys.stderr)
        partial = path.with_suffix(".partial")
        MAKERS[kind](partial, count)
        partial.rename(path)
    return path
