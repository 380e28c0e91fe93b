"""Workbooks and texts that are wrong in one way each, made part by part."""

import io
import zipfile

CONTENT_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>'
)
RELATIONSHIPS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="xl/workbook.xml"/></Relationships>'
)
WORKBOOK = (
    '<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
    '<sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>'
)
WORKBOOK_RELATIONSHIPS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" '
    'Target="worksheets/sheet1.xml"/>'
    '<Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" '
    'Target="sharedStrings.xml"/></Relationships>'
)
MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
HEADER = '<row r="1"><c r="A1" t="inlineStr"><is><t>id</t></is></c><c r="B1" t="inlineStr"><is><t>name</t></is></c></row>'


def sheet(rows, head="", prolog=""):
    return f'<?xml version="1.0"?>{prolog}<worksheet {MAIN}>{head}<sheetData>{rows}</sheetData></worksheet>'


def workbook(sheet_xml, strings=None, compression=zipfile.ZIP_DEFLATED, **more):
    """The bytes of a workbook with one sheet; `more` replaces or adds parts by name."""
    parts = {
        "[Content_Types].xml": CONTENT_TYPES,
        "_rels/.rels": RELATIONSHIPS,
        "xl/workbook.xml": WORKBOOK,
        "xl/_rels/workbook.xml.rels": WORKBOOK_RELATIONSHIPS,
        "xl/worksheets/sheet1.xml": sheet_xml,
        "xl/sharedStrings.xml": strings or f'<?xml version="1.0"?><sst {MAIN}></sst>',
    } | more
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, compression)
    return buffer.getvalue()


def plain():
    return workbook(sheet(HEADER + '<row r="2"><c r="A2"><v>1</v></c></row>'))


def bomb():
    """A gigabyte that deflates to a megabyte, as text of one cell after the other."""
    cell = b'<row><c t="inlineStr"><is><t>' + b"0" * 30_000 + b"</t></is></c></row>"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", CONTENT_TYPES)
        archive.writestr("_rels/.rels", RELATIONSHIPS)
        archive.writestr("xl/workbook.xml", WORKBOOK)
        archive.writestr("xl/_rels/workbook.xml.rels", WORKBOOK_RELATIONSHIPS)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part:
            part.write(f'<?xml version="1.0"?><worksheet {MAIN}><sheetData>'.encode())
            for _ in range(100):
                part.write(cell * 100)
            part.write(b"</sheetData></worksheet>")
    return buffer.getvalue()


def ole_container():
    """What an encrypted workbook is on the outside (MS-CFB header)."""
    return bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + bytes.fromhex("3e000300feff0900") + bytes(2000)


# name of the case, name of the file, its bytes, options, words that the sentence must have
INPUTS = [
    ("an empty CSV", "a.csv", b"", [], ["a.csv", "empty"]),
    ("an empty JSON", "a.json", b"", [], ["a.json", "empty"]),
    ("an empty workbook file", "a.xlsx", b"", [], ["a.xlsx", "empty"]),
    ("a picture called a workbook", "a.xlsx", b"\x89PNG\r\n\x1a\n" + bytes(100), [], ["a.xlsx"]),
    ("a format that is none", "a.pdf", b"%PDF-1.7\n\x00\x01\x02", [], ["a.pdf"]),
    ("JSON called a workbook by option", "a.json", b'[{"id":1}]', ["--format", "xlsx"], ["a.json"]),
    ("an encrypted workbook", "a.xlsx", ole_container(), [], ["a.xlsx", "encrypted"]),
    ("a truncated workbook", "a.xlsx", plain()[:-40], [], ["a.xlsx"]),
    ("half a workbook", "a.xlsx", plain()[: len(plain()) // 2], [], ["a.xlsx"]),
    ("a DOCTYPE in a sheet", "a.xlsx",
     workbook(sheet(HEADER, prolog='<!DOCTYPE x [<!ENTITY e "boom">]>')), [], ["a.xlsx", "DOCTYPE"]),
    ("an entity from a file", "a.xlsx",
     workbook(sheet('<row r="1"><c r="A1" t="inlineStr"><is><t>&e;</t></is></c></row>',
                    prolog='<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>')), [], ["a.xlsx", "DOCTYPE"]),
    ("a column past the last", "a.xlsx",
     workbook(sheet(HEADER + '<row r="2"><c r="XFE2"><v>1</v></c></row>')), [], ["a.xlsx", "Sheet1", "XFE2"]),
    ("a row past the last", "a.xlsx",
     workbook(sheet(HEADER + '<row r="1048577"><c r="A1048577"><v>1</v></c></row>')), [], ["a.xlsx", "Sheet1", "1048577"]),
    ("a shared string that is not there", "a.xlsx",
     workbook(sheet(HEADER + '<row r="2"><c r="A2" t="s"><v>7</v></c></row>')), [], ["a.xlsx", "Sheet1", "A2", "7"]),
    ("broken XML", "a.xlsx", workbook(sheet(HEADER)[:-20]), [], ["a.xlsx", "Sheet1"]),
    ("an error cell", "a.xlsx",
     workbook(sheet(HEADER + '<row r="2"><c r="A2" t="e"><v>#N/A</v></c></row>')), [], ["a.xlsx", "Sheet1", "row 2", "#N/A"]),
    ("a sheet that is not there", "a.xlsx", plain(), ["--sheet", "Nothing"], ["a.xlsx", "Nothing", "Sheet1"]),
    ("duplicate headers in CSV", "a.csv", b"id,name,id\n1,a,2\n", [], ["a.csv", '"id"']),
    ("headers equal but for case", "a.csv", b"id,Name,name\n1,a,2\n", [], ["a.csv", "name"]),
    ("a header without a name", "a.csv", b"id,,name\n1,a,2\n", [], ["a.csv", "2"]),
    ("duplicate headers in a workbook", "a.xlsx",
     workbook(sheet(HEADER.replace(">name<", ">id<") + '<row r="2"><c r="A2"><v>1</v></c><c r="B2"><v>1</v></c></row>')),
     [], ["a.xlsx", "Sheet1", '"id"']),
    ("20,000 columns", "a.csv", (",".join(f"c{n}" for n in range(20_000)) + "\n").encode(), [], ["a.csv", "16"]),
    ("broken JSON", "a.json", b'[{"a":1},{"a":}]', [], ["a.json", "14"]),
    ("JSON that ends early", "a.json", b'[{"a":1},', [], ["a.json", "9"]),
    ("JSON with a comma too many", "a.json", b'[{"a":1},]', [], ["a.json", "9"]),
    ("a duplicate key in JSON", "a.json", b'[{"a":1,"\\u0061":2}]', [], ["a.json", '"a"']),
    ("a path that is not in the JSON", "a.json", b'{"b":[]}', ["--records-at", "a.c"], ["a.json", "a"]),
    ("a broken line of NDJSON", "a.ndjson", b'{"a":1}\n{"a":\n{"a":3}\n', [], ["a.ndjson", "line 2"]),
    ("an unclosed quote", "a.csv", b'id,name\n1,a\n2,"never closed\n3,c\n', [], ["a.csv", "line 3"]),
    ("too many fields", "a.csv", b"id,name\n1,a\n2,b,c\n", [], ["a.csv", "line 3"]),
    ("too few fields", "a.csv", b"id,name\n1,a\n2\n", [], ["a.csv", "line 3"]),
    ("a wrong encoding", "a.csv", "id,name\n1,Käse\n".encode("latin-1"), [], ["a.csv", "UTF-8"]),
    ("an encoding that is none", "a.csv", b"id\n1\n", ["--encoding", "klingon"], ["klingon"]),
    ("a NUL in CSV", "a.csv", b"id,name\n1,a\x00b\n", [], ["a.csv"]),
    ("a value that does not fit", "a.csv", b"id,name\n1,a\nx,b\n", ["--schema", "SCHEMA"], ["a.csv", "line 3", '"id"', '"x"']),
    ("a null key", "a.csv", b"id,name\n1,a\n,b\n", ["--key", "id"], ["a.csv", "line 3", "id"]),
    ("a duplicate key", "a.csv", b"id,name\n1,a\n1,b\n", ["--key", "id"], ["a.csv", "line 3", "id"]),
    ("an unknown key column", "a.csv", b"id,name\n1,a\n", ["--key", "sku"], ["sku"]),
    ("an unknown partition column", "a.csv", b"id,name\n1,a\n", ["--partition-by", "market"], ["market"]),
    ("a broken gzip", "a.csv.gz", b"\x1f\x8b\x08\x00garbage", [], ["a.csv.gz"]),
    ("a truncated Parquet file", "a.parquet", b"PAR1" + bytes(50), [], ["a.parquet"]),
]  # fmt: skip
