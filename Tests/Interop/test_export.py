"""What `varve export` writes is what the version has: read back value by value by others, and by Varve itself."""

import concurrent.futures
import csv
import datetime
import json
import os
import stat
from decimal import Decimal

import openpyxl
import python_calamine
import pytest

from faults import PROOF, paused, run, seeded

SCHEMA = {
    "columns": [
        {"name": "sku", "type": "text"}, {"name": "count", "type": "int64"}, {"name": "weight", "type": "double"},
        {"name": "price", "type": "decimal(10,2)"}, {"name": "exact", "type": "decimal(30,4)"},
        {"name": "day", "type": "date"}, {"name": "moment", "type": "timestamp"}, {"name": "active", "type": "boolean"},
        {"name": "note", "type": "text"}, {"name": "more", "type": "json"},
    ]
}  # fmt: skip
TYPES = {column["name"]: column["type"] for column in SCHEMA["columns"]}
FORMATS = ["csv", "tsv", "ndjson", "json", "xlsx"]
NOTES = [
    "plain", "0042", "1e5", "TRUE", "2024-01-01", "=1+1", "+49 40", "a,b;c\td", 'say "x"', "line\nfeed", " blanks ",
    "<&>'\"", "_x0041_", "ÄÖÜ ほうじ茶 🍵", "null", "#N/A", "1,234.5", "-", "'",
]  # fmt: skip


def rows(chance, count):
    made = []
    for number in range(count):
        row = {
            "sku": f"{number:05}",
            "count": chance.choice([0, -7, 10**14, 2**53 + 1, -(2**63), number]),
            "weight": chance.choice([0.1, 1e300, -2.5e-9, 1 / 3, 12345678.25, float(number)]),
            "price": str(Decimal(chance.randint(-(10**8), 10**8)).scaleb(-2)),
            "exact": chance.choice(["12345678901234567890.1234", "0.0000", "-1.5000"]),
            "day": chance.choice(["2024-02-29", "1900-03-01", "1899-12-31", "9999-12-31", "1970-01-01"]),
            "moment": chance.choice(
                ["2024-01-31T08:30:00Z", "2024-01-31T08:30:00.125Z", "1969-12-31T23:59:59.999Z", "2024-05-05T00:00:00Z"]
                + ["2024-01-31T08:30:00.123456Z", "1850-01-01T00:00:00Z"]
            ),
            "active": chance.choice([True, False]),
            "note": chance.choice(NOTES),
            "more": chance.choice([{"a": [1, None, "x"]}, [1.5, True]]),
        }
        # The key is always there, and so is some other value: an empty line or row is none.
        for name in list(row)[2:]:
            if chance.random() < 0.2:
                row[name] = None
        made.append(row)
    return made


@pytest.fixture
def filled(warehouse, tmp_path):
    """A table of two versions, and its schema file."""
    chance = seeded("export")
    schema = tmp_path / "given.json"
    schema.write_text(json.dumps(SCHEMA))
    first, second = rows(chance, 300), rows(chance, 40)
    for name, made in (("1", first), ("2", second)):
        feed = tmp_path / f"{name}.ndjson"
        feed.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
        warehouse.ingest(feed, "--into", "t", "--schema", schema, "--key", "sku", "--mode", "merge")
    warehouse.schema = tmp_path / "schema.json"
    warehouse.schema.write_text(warehouse.run("describe", "t", "--schema").out)
    return warehouse


def expected(warehouse, reference):
    text = warehouse.run("query", "--format", "json", f'SELECT * FROM "{reference}"').out
    return json.loads(text, parse_float=str)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("version", [1, 2])
def test_an_export_that_is_ingested_again_is_the_version(filled, another, tmp_path, format, version):
    path = tmp_path / f"out.{format}"
    report = filled.run("--json", "export", f"t@{version}", "--to", path).json
    assert report["rows"] == 300 and report["version"] == version and report["bytes"] == path.stat().st_size
    another.ingest(path, "--into", "t", "--schema", filled.schema, "--key", "sku")
    found = expected(another, "t@1")
    if format == "xlsx":
        # A cell's text is text, also where a column is declared to be JSON.
        for row in found:
            row["more"] = row["more"] and json.loads(row["more"], parse_float=str)
    assert found == expected(filled, f"t@{version}")
    assert another.run("describe", "t", "--schema").out == filled.run("describe", "t", "--schema").out
    assert [file.name for file in tmp_path.iterdir() if file.name.endswith(".part")] == []


@pytest.mark.parametrize("format", ["csv", "tsv"])
def test_separated_values_are_what_csv_readers_read(filled, tmp_path, format):
    path = tmp_path / f"out.{format}"
    filled.run("export", "t@1", "--to", path)
    with path.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file, delimiter="," if format == "csv" else "\t"))
    for found, row in zip(read, expected(filled, "t@1"), strict=True):
        for name, value in row.items():
            if TYPES[name] == "json" and value is not None:
                assert json.loads(found[name], parse_float=str) == value
            elif TYPES[name] == "double" and value is not None:
                assert float(found[name]) == float(value)
            else:
                text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
                assert found[name] == text, name


@pytest.mark.parametrize("format", ["ndjson", "json"])
def test_json_has_every_digit_and_keeps_nested_values(filled, tmp_path, format):
    path = tmp_path / f"out.{format}"
    filled.run("export", "t@2", "--to", path)
    text = path.read_text(encoding="utf-8")
    read = json.loads(text, parse_float=str) if format == "json" else [
        json.loads(line, parse_float=str) for line in text.splitlines()
    ]  # fmt: skip
    assert read == expected(filled, "t@2")


def cell(value, name):
    """What a spreadsheet should hold: the value, or its text where a cell would change it."""
    kind = TYPES[name]
    if value is None:
        return None
    if kind == "json":
        return ("json", value)
    if kind == "int64":
        return value if abs(value) < 10**15 else str(value)
    if kind == "double":
        return float(value)
    if kind.startswith("decimal"):
        return float(value) if abs(Decimal(value)).scaleb(int(kind[-2])) < 10**15 else str(value)
    if kind == "date":
        return datetime.date.fromisoformat(value) if value >= "1900-03-01" else value
    if kind == "timestamp":
        moment = datetime.datetime.fromisoformat(value.removesuffix("Z"))
        return value if value < "1900-03-01" or moment.microsecond % 1000 else moment
    return value


def same(found, wanted):
    if isinstance(wanted, tuple):
        return json.loads(found, parse_float=str) == wanted[1]
    if isinstance(wanted, datetime.datetime):
        if type(found) is datetime.date:  # what calamine makes of a midnight
            found = datetime.datetime.combine(found, datetime.time())
        return isinstance(found, datetime.datetime) and abs(found - wanted) < datetime.timedelta(milliseconds=0.5)
    if isinstance(wanted, datetime.date):
        found = found.date() if isinstance(found, datetime.datetime) else found
        return found == wanted
    if isinstance(wanted, (int, float)) and not isinstance(wanted, bool):
        return type(found) in (int, float) and found == wanted
    return type(found) is type(wanted) and found == wanted


def test_a_workbook_is_what_spreadsheet_readers_read(filled, tmp_path):
    path = tmp_path / "out.xlsx"
    outcome = filled.run("export", "t@1", "--to", path)
    assert "numbers of over 15 digits are text" in outcome.err and "finer than a millisecond are text" in outcome.err
    wanted = [[cell(value, name) for name, value in row.items()] for row in expected(filled, "t@1")]
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["t"] and book.active.freeze_panes == "A2"
    by_openpyxl = [list(row) for row in book.active.iter_rows(values_only=True)]
    by_calamine = python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_name("t").to_python()
    for reader, read in (("openpyxl", by_openpyxl), ("calamine", by_calamine)):
        assert read[0] == list(TYPES)
        for number, (found, row) in enumerate(zip(read[1:], wanted, strict=True), start=2):
            for name, value, want in zip(TYPES, found, row, strict=True):
                if value == "" and want is None:
                    continue
                if reader == "openpyxl" and want == "_x0041_":
                    # It leaves escapes of cells as they are spelled.
                    assert value == "_x005F_x0041_"
                    continue
                assert same(value, want), f"{reader}, row {number}, {name}: {value!r} is not {want!r}"
    assert book.active["B2"].data_type in ("n", "s") and book.active["A2"].data_type == "s"


def test_an_answer_is_exported_under_its_names(filled, tmp_path):
    path = tmp_path / "answer.ndjson"
    sql = "SELECT sku, sku, count(*) OVER () AS n FROM t ORDER BY sku LIMIT 2"
    filled.run("export", "--query", sql, "--to", path)
    assert path.read_text() == '{"sku":"00000","sku_2":"00000","n":300}\n{"sku":"00001","sku_2":"00001","n":300}\n'
    for words in ([], ["t", "--query", sql]):
        assert filled.run("export", *words, "--to", path, code=2).err
    assert "names no format" in filled.run("export", "t", "--to", tmp_path / "out.txt", code=2).err


def test_a_file_that_is_there_stays_unless_it_is_to_go(filled, tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("mine")
    assert "--force" in filled.run("export", "t", "--to", path, code=3).err
    assert path.read_text() == "mine"
    # A failure half-way leaves what was there, too.
    broken = "SELECT sku FROM t UNION ALL SELECT abs(-9223372036854775808)"
    filled.run("export", "--query", broken, "--to", path, "--force", code=1)
    assert path.read_text() == "mine"
    filled.run("export", "t", "--to", path, "--force")
    assert path.read_text().startswith("sku,")
    assert sorted(file.name for file in tmp_path.iterdir() if file.name.startswith(".")) == []


def test_a_text_that_no_cell_holds_is_refused_with_its_row(warehouse, tmp_path):
    feed = tmp_path / "1.ndjson"
    feed.write_text(json.dumps({"a": "x" * 32_767}) + "\n" + json.dumps({"a": "ä" * 32_766 + "🍵"}) + "\n")
    warehouse.ingest(feed, "--into", "long")
    path = tmp_path / "out.xlsx"
    error = warehouse.run("export", "long", "--to", path, code=1).err
    assert 'row 3 of sheet "long", column "a"' in error and "32768" in error and not path.exists()
    warehouse.run("export", "--query", "SELECT a FROM long LIMIT 1", "--to", path)
    assert len(openpyxl.load_workbook(path).active["A2"].value) == 32_767


def left(filled):
    return sorted(file.name for file in filled.path.glob(".*") if file.name.endswith(".part"))


@pytest.mark.parametrize("format", ["csv", "xlsx"])
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_an_export_that_is_killed_leaves_the_old_file_or_the_new_one(filled, format, force, named):
    path = filled.path / f"out.{format}"
    words = ["export", "t", "--to", path] + (["--force"] if force else [])
    old = b"what was there" if force else None
    system = {"names_all": 1} if named else {}

    def begin():
        path.write_bytes(old) if force else path.unlink(missing_ok=True)

    begin()
    whole = run(filled, *words, **system)
    assert whole.code == 0 and left(filled) == []
    new = path.read_bytes()
    calls = range(1, len(whole.calls) + 1)
    tables = filled.files().keys() - {path.name}
    for call in calls if PROOF else seeded("export").sample(calls, min(6, len(calls))):
        begin()
        assert run(filled, *words, kill_at=call, **system).code < 0
        where = f"killed at {call}: {whole.calls[call - 1]}"
        found = path.read_bytes() if path.exists() else None
        assert found in (old, new), where
        # What has a name aside goes with the next export; without one, nothing is left.
        assert left(filled) in ([[], [f".out.{format}.part"]] if force or named else [[]]), where
        begin()
        assert run(filled, *words, **system).code == 0, where
        assert path.read_bytes() == new and left(filled) == [], where
        assert filled.files().keys() - {path.name} == tables, where


@pytest.mark.parametrize("named", [False, True])
def test_an_export_has_the_mode_that_the_umask_leaves(filled, named):
    path = filled.path / "out.csv"
    system = {"names_all": 1} if named else {}
    before = os.umask(0o027)
    try:
        assert run(filled, "export", "t", "--to", path, **system).code == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        # One that is replaced leaves its own.
        path.chmod(0o604)
        assert run(filled, "export", "t", "--to", path, "--force", **system).code == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
    finally:
        os.umask(before)


@pytest.mark.parametrize("named", [False, True])
def test_two_exports_to_one_name_leave_one_of_them_whole(filled, named):
    path = filled.path / "out.csv"
    path.write_text("mine")
    words = ["export", "t", "--to", path, "--force"]
    system = {"names_all": 1} if named else {}
    with paused(filled, *words, before="rename:out.csv.part", **system) as finish:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            other = pool.submit(run, filled, *words, **system)
            if named:
                assert other.result().code == 3 and "being written by another process" in other.result().err
                assert path.read_text() == "mine"
            assert finish().code == 0
            assert named or other.result().code == 0
    assert path.read_text().startswith("sku,") and left(filled) == []


def test_a_name_without_room_for_another_beside_it_is_exported_to(filled):
    path = filled.path / ("ö" * 125 + ".csv")
    for _ in range(2):
        assert run(filled, "export", "t", "--to", path, "--force", names_all=1).code == 0
    assert path.read_text().startswith("sku,") and left(filled) == []
