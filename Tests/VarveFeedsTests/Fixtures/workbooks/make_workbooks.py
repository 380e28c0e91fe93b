"""Makes the workbooks beside this file, once: by XlsxWriter, openpyxl and LibreOffice (soffice must be installed).

They are committed, so that tests need none of the three. Run it again only to add one; the others change in their
compressed bytes from release to release, not in their cells. Made with XlsxWriter 3.2, openpyxl 3.1, LibreOffice 7.4.
"""

import datetime
import pathlib
import subprocess
import tempfile

import openpyxl
import xlsxwriter
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.styles import Font

HERE = pathlib.Path(__file__).parent
CREATED = datetime.datetime(2024, 10, 6, 12, 0, 0)

TEXTS = [
    "Stift", "Käse & Brot <3", "größer", "日本語の商品名", "한국어", "🖍️ Emoji 👩‍👩‍👧", " blanks around ", "tab\tand\nline",
    "carriage\r\nreturn", "\x01control\x1f", "_x0041_ looks escaped", "_x000D_", "=SUM(A1:A9) as text", "007", "+49 30 1",
    "4006381333931", "1e5", "TRUE", "#N/A as text", "'quoted'", '"double"', "a" * 32767,
]  # fmt: skip
NUMBERS = [
    0, 1, -1, 42, 3.5, -0.001, 19.99, 0.1 + 0.2, 1 / 3, 1e-7, 1.5e-300, 1e15, 1e16, 123456789012345, 1e20, 1e21, 1e300,
    2**53, 1234.5678, 100.0, 0.30000000000000004, 5e-324, 1.79e308, 99999999999999.9,
]  # fmt: skip
# Format code, values: what Excel shows for them differs, what they are does not.
FORMATS = [
    ("General", [1, 1.5]), ("0.00", [1, 45000]), ("0.00E+00", [12345.678]), ("@", [5]), ("# ?/?", [0.5]),
    ('0" days"', [3]), ('"y"0', [7]), ("0\\d", [8]), ("[Red]0.0", [1.5]), ("[>100]0;0.0", [200]), ("0%", [0.25]),
    ("yyyy-mm-dd", [45322, 1, 59, 60, 61, 0.25, 2957003]), ("dd.mm.yyyy", [45322, 45322.5]), ("mmm yy", [45322]),
    ("[$-407]dddd, d. mmmm yyyy", [45322]), ("[$-F800]dddd, mmmm dd, yyyy", [45322]), ("m/d/yy h:mm", [45322.75]),
    ("yyyy-mm-dd hh:mm:ss.000", [45322.123456789, 45322.999999999]), ("h:mm AM/PM", [0.75, 1.25]), ("hh:mm:ss", [0, 0.999988426]),
    ("mm:ss", [0.01]), ("mm:ss.0", [0.010005]), ("[h]:mm", [1.5, 0.25, 0]), ("[hh]:mm:ss", [100]), ("[mm]:ss", [0.5]),
    ("[ss]", [0.001]), ("[h]:mm:ss;@", [2.000011574]), ("yyyy", [45322]), ("d", [45322]), ("m", [45322]), ("h", [0.5]),
    ("[$-411]ge.m.d", [45322]), ('yyyy"年"m"月"d"日"', [45322]), ("_-* #,##0.00 €_-;-* #,##0.00 €_-", [12.5]),
]  # fmt: skip


def with_xlsxwriter(name, options):
    book = xlsxwriter.Workbook(HERE / name, options)
    book.set_properties({"created": CREATED})
    texts = book.add_worksheet("Texte & Zeichen")
    for row, text in enumerate(TEXTS):
        texts.write_string(row, 0, text)
        texts.write_string(row, 2, text[:10] + str(row % 3))
    if not options.get("constant_memory"):
        bold = book.add_format({"bold": True})
        texts.write_rich_string(len(TEXTS), 0, "rich ", bold, " bold ", "plain")
    numbers = book.add_worksheet("Numbers")
    for row, number in enumerate(NUMBERS):
        numbers.write_number(row, 0, number)
        numbers.write_boolean(row, 1, row % 2 == 0)
        numbers.write_formula(row, 2, "=1/3", None, 1 / 3)
        numbers.write_formula(row, 3, '="a"&"b"', None, "a < b")
        numbers.write_formula(row, 4, "=1=1", None, True)
        numbers.write_formula(row, 5, "=NA()", None, ["#N/A", "#DIV/0!", "#REF!", "#NAME?", "#VALUE!", "#NUM!"][row % 6])
        numbers.write_blank(row, 6, None, book.add_format({"bg_color": "red"}))
    formats = book.add_worksheet("Formats")
    for row, (code, values) in enumerate(FORMATS):
        formats.write_string(row, 0, code)
        for column, value in enumerate(values):
            formats.write_number(row, column + 1, value, book.add_format({"num_format": code}))
    if options.get("default_date_format"):
        # Within the first two months of 1900 the readers count differently in the 1904 system.
        for row in range(4):
            formats.write_datetime(row, 12, CREATED + datetime.timedelta(days=row, seconds=row * 1.5))
    built_in = book.add_worksheet("Built-in formats")
    for number in range(1, 50):
        built_in.write_number(number, 0, 45322.75, book.add_format({"num_format": number}))
    empty = book.add_worksheet("Empty")
    empty.set_column(0, 5, 20)
    if not options.get("constant_memory"):
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "=Numbers!$A$1:$A$5"})
        book.add_chartsheet("Chart").set_chart(chart)
    hidden = book.add_worksheet("Hidden")
    hidden.hide()
    hidden.write_row(0, 0, ["id", "name"])
    hidden.write_row(1, 0, [1, "one"])
    hidden.set_row(1, None, None, {"hidden": True})
    book.close()


def far_cells(name):
    """The corners of a sheet: a reader that makes a grid of it needs 17 thousand million cells."""
    book = xlsxwriter.Workbook(HERE / name)
    book.set_properties({"created": CREATED})
    far = book.add_worksheet("Far")
    far.write_number(0, 16383, 1)
    far.write_number(1048575, 0, 2)
    book.close()


def a_shop(book_path):
    """A feed as a person makes it: title, blank row, header, merged and hidden cells, a note at the side of nothing."""
    book = xlsxwriter.Workbook(book_path)
    book.set_properties({"created": CREATED})
    sheet = book.add_worksheet("Preise")
    title = book.add_format({"bold": True})
    date = book.add_format({"num_format": "dd.mm.yyyy"})
    sheet.merge_range(0, 0, 0, 4, "Preisliste Herbst", title)
    sheet.write(1, 0, "Stand:")
    sheet.write_datetime(1, 1, CREATED, date)
    sheet.write_row(3, 0, ["sku", "gruppe", "preis", "ab", "aktiv"], title)
    for row in range(4, 10):
        sheet.write_string(row, 0, f"000{row}")
        sheet.write_number(row, 2, row * 1.1)
        sheet.write_datetime(row, 3, CREATED + datetime.timedelta(days=row), date)
        sheet.write_boolean(row, 4, row % 2 == 0)
    sheet.merge_range(4, 1, 6, 1, "Stifte")
    sheet.merge_range(7, 1, 8, 1, "Hefte")
    sheet.set_row(8, None, None, {"hidden": True})
    second = book.add_worksheet("Lager")
    second.write_row(0, 0, ["sku", "sheet", "menge"])
    second.write_row(1, 0, ["0004", "A1", 5])
    second.write_row(3, 0, ["0005", "", 0])
    second.hide()
    book.add_worksheet("Leer")
    book.close()


def with_openpyxl(name, iso_dates=False):
    book = openpyxl.Workbook(iso_dates=iso_dates)
    book.properties.created = book.properties.modified = CREATED
    sheet = book.active
    sheet.title = "Texte & Zeichen"
    for row, text in enumerate(TEXTS, 1):
        if not any(ord(character) < 32 and character not in "\t\n\r" for character in text):
            sheet.cell(row, 1).value = text
            sheet.cell(row, 1).data_type = "s"
    sheet["C1"] = CellRichText("rich ", TextBlock(InlineFont(b=True), "bold"), " plain")
    numbers = book.create_sheet("Numbers")
    for row, number in enumerate(NUMBERS, 1):
        numbers.cell(row, 1, number)
        numbers.cell(row, 2, row % 2 == 0)
        numbers.cell(row, 3, "#DIV/0!")
    numbers["D1"] = 12345678901234567890
    dates = book.create_sheet("Dates")
    for row in range(1, 6):
        moment = CREATED + datetime.timedelta(days=row, seconds=row * 0.25)
        dates.cell(row, 1, moment)
        dates.cell(row, 2, moment.date())
        dates.cell(row, 3, moment.time())
        dates.cell(row, 4, datetime.timedelta(hours=30 * row, seconds=row * 0.5))
    merged = book.create_sheet("Merged")
    merged["A1"] = "id"
    merged["B1"] = "name"
    merged["A2"] = 1
    merged["B2"] = "both"
    merged["A3"] = 2
    merged.merge_cells("B2:B3")
    merged["A1"].font = Font(bold=True)
    book.create_sheet("Empty")
    very = book.create_sheet("Very hidden")
    very.sheet_state = "veryHidden"
    very["A1"] = "secret"
    book.save(HERE / name)


def with_libreoffice(name, source):
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder) / "profile"
        soffice = ["soffice", f"-env:UserInstallation=file://{home}", "--headless", "--convert-to"]
        flat = pathlib.Path(folder) / (name.removesuffix(".xlsx") + ".ods")
        subprocess.run([*soffice, "ods", "--outdir", folder, str(HERE / source)], check=True, capture_output=True)
        made = pathlib.Path(folder) / (pathlib.Path(source).stem + ".ods")
        made.rename(flat)
        # By way of its own format, so that every part of the workbook is LibreOffice's.
        subprocess.run([*soffice, "xlsx", "--outdir", str(HERE), str(flat)], check=True, capture_output=True)


with_xlsxwriter("xlsxwriter.xlsx", {})
with_xlsxwriter("xlsxwriter-1904.xlsx", {"date_1904": True})
with_xlsxwriter("xlsxwriter-inline.xlsx", {"constant_memory": True})
far_cells("far.xlsx")
a_shop(HERE / "shop.xlsx")
with_openpyxl("openpyxl.xlsx")
with_openpyxl("openpyxl-iso.xlsx", iso_dates=True)
with_libreoffice("libreoffice-shop.xlsx", "shop.xlsx")
with_libreoffice("libreoffice.xlsx", "openpyxl.xlsx")
