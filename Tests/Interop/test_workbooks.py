"""`varve cells` against two independent readers of workbooks, cell by cell: openpyxl and calamine."""

import datetime
import json
import math
import re
import subprocess
import warnings

import openpyxl
import pytest
import python_calamine

from conftest import INBOX, ROOT, binary

FIXTURES = ROOT / "Tests" / "VarveFeedsTests" / "Fixtures" / "workbooks"
WORKBOOKS = sorted([*FIXTURES.glob("*.xlsx"), *INBOX.glob("*.xlsx")])
EACH = pytest.mark.parametrize("path", WORKBOOKS, ids=lambda path: path.name)
MILLISECOND = datetime.timedelta(milliseconds=1)


def varve_cells(path):
    """Sheet → (row, column) → (t, value as Python has it)."""
    process = subprocess.run([str(binary()), "cells", str(path)], capture_output=True, timeout=120)
    assert process.returncode == 0, process.stderr.decode()
    sheets, cells = {}, None
    for line in process.stdout.decode().split("\n")[:-1]:
        entry = json.loads(line)
        if "sheet" in entry:
            cells = sheets[entry["sheet"]] = {}
        else:
            assert list(entry) == ["row", "col", "t", "v"]
            cells[entry["row"], entry["col"]] = (entry["t"], python_value(entry["t"], entry["v"]))
    return sheets


def python_value(kind, value):
    match kind:
        case "d":
            return datetime.datetime.fromisoformat(value) if "T" in value else datetime.time.fromisoformat(value)
        case "u":
            return datetime.timedelta(seconds=value)
        case "e":
            return f"error {value}"
    assert type(value) in {"n": (int, float), "s": (str,), "b": (bool,)}[kind]
    return value


def normal(value):
    """What differs between the readers in type, not in meaning."""
    if type(value) is datetime.date:
        value = datetime.datetime(value.year, value.month, value.day)
    if isinstance(value, datetime.datetime):
        # Serial numbers carry about a millisecond.
        return datetime.datetime.min + round((value - datetime.datetime.min) / MILLISECOND) * MILLISECOND
    if type(value) is datetime.time:
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value


def same(one, other):
    one, other = normal(one), normal(other)
    if type(one) is bool or type(other) is bool:
        return one is other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return float(one) == float(other)
    if isinstance(one, str) and isinstance(other, str):
        return one == other or one == unescaped(other)
    if isinstance(one, datetime.timedelta) and isinstance(other, datetime.timedelta):
        return abs(one - other) <= MILLISECOND
    return type(one) is type(other) and one == other


def unescaped(text):
    """openpyxl leaves all `_xHHHH_` but `_x005F_` as they stand in the file."""
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), text)


def compare(ours, theirs, place):
    for at in sorted(ours.keys() | theirs.keys()):
        assert at in ours, f"{place} {at}: Varve has no cell, the other {theirs[at]!r}"
        assert at in theirs, f"{place} {at}: Varve has {ours[at]!r}, the other no cell"
        assert same(ours[at][1], theirs[at]), f"{place} {at}: Varve has {ours[at]!r}, the other {theirs[at]!r}"


@EACH
def test_cells_are_those_of_openpyxl(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        book = openpyxl.load_workbook(path, data_only=True, rich_text=False)
    ours = varve_cells(path)
    assert list(ours) == [sheet.title for sheet in book.worksheets]
    for sheet in book.worksheets:
        theirs = {}
        for cell in sheet._cells.values():
            if cell.value is None or cell.value == "":
                continue
            value = cell.value
            if cell.data_type == "e":
                value = f"error {value}"
            elif sheet.title == "Built-in formats" and 28 <= cell.row <= 37:
                # Dates of the East Asian editions, which openpyxl takes for numbers.
                value = datetime.datetime(2024, 1, 31, 18) + datetime.timedelta(days=1462 if "1904" in path.name else 0)
            theirs[cell.row, cell.column] = value
        compare(ours[sheet.title], theirs, f"{path.name} {sheet.title}")


@pytest.mark.parametrize("path", [path for path in WORKBOOKS if path.name != "far.xlsx"], ids=lambda path: path.name)
def test_cells_are_those_of_calamine(path):
    book = python_calamine.CalamineWorkbook.from_path(path)
    ours = varve_cells(path)
    for name in book.sheet_names:
        if name not in ours:
            assert "Chart" in name
            continue
        sheet = book.get_sheet_by_name(name)
        theirs = {}
        for row, values in enumerate(sheet.to_python(skip_empty_area=False), 1):
            for column, value in enumerate(values, 1):
                if isinstance(value, str) and value == "":
                    continue
                theirs[row, column] = value
        mine = {at: cell for at, cell in ours[name].items() if cell[0] != "e"}
        compare(mine, {at: value for at, value in theirs.items() if ours[name].get(at, "?")[0] != "e"}, f"{path.name} {name}")


def test_far_cells_cost_nothing():
    """calamine makes a grid of them and runs out of memory."""
    sheets = varve_cells(FIXTURES / "far.xlsx")
    assert sheets["Far"] == {(1, 16384): ("n", 1), (1048576, 1): ("n", 2)}


def test_whole_numbers_have_no_point():
    lines = subprocess.run([str(binary()), "cells", str(FIXTURES / "openpyxl.xlsx")], capture_output=True).stdout
    assert b'"v":42}' in lines and b'"v":100}' in lines
    assert b".0}" not in lines


def test_numbers_are_the_nearest_doubles():
    for _, value in varve_cells(FIXTURES / "xlsxwriter.xlsx")["Numbers"].values():
        assert not isinstance(value, float) or math.isfinite(value)
