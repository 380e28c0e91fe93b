"""Makes the sample feeds of Warehouse/inbox. The same bytes each time: `python make_inbox.py [DIRECTORY]`."""

import datetime
import json
import pathlib
import sys

import xlsxwriter

# sku, ean, name, brand, category, price, grams, available from, active, supplier number, note
PRODUCTS = [
    ("T-1001", "0400638133393", "Ostfriesen-Broken Blatt", "Grünwald", "Tee", 6.90, 250, "2023-03-01", True, "4711", None),
    ("T-1002", "0400638133394", "Sencha 煎茶", "Morita 森田", "Tee", 12.50, 100, "2023-03-01", True, "4712", None),
    ("T-1003", "0400638133395", "Genmaicha 玄米茶", "Morita 森田", "Tee", 9.80, 100, "2023-03-15", True, "4712", None),
    ("T-1004", "0400638133396", "Rooibos Vanille", "Kapsüd", "Tee", 5.40, 200, "2023-04-01", True, "4713", None),
    ("T-1005", "0400638133397", "Pfefferminze, grob", "Grünwald", "Tee", 4.20, 75, "2023-04-01", True, "4711", "bio"),
    ("T-1006", "0400638133398", "Earl Grey „Königin“", "Grünwald", "Tee", 7.90, 250, "2023-05-02", False, "4711", "läuft aus"),
    ("K-2001", "0400638233390", "Café crème 🌱", "Süß & Söhne", "Kaffee", 14.90, 1000, "2023-06-01", True, "4720", None),
    ("K-2002", "0400638233391", "Espresso Forte", "Süß & Söhne", "Kaffee", 15.90, 1000, "2023-06-01", True, "4720", None),
    ("K-2003", "0400638233392", "Entkoffeiniert", "Süß & Söhne", "Kaffee", 16.40, 500, "2023-06-01", True, "4720", None),
    ("K-2004", "0400638233393", "Äthiopien Yirgacheffe", "Kapsüd", "Kaffee", 18.50, 500, "2023-07-15", True, "4713", None),
    ("G-3001", "0400638333397", "Teekanne 0,8 l", "Ton+Werk", "Geschirr", 39.00, 780, "2023-01-10", True, "0815", "zerbrechlich"),
    ("G-3002", "0400638333398", "Teeschale 茶碗", "Morita 森田", "Geschirr", 24.00, 310, "2023-01-10", True, "4712", "zerbrechlich"),
    ("G-3003", "0400638333399", "Becher „Frühling“ 🌸", "Ton+Werk", "Geschirr", 12.00, 290, "2024-02-29", True, "0815", "zerbrechlich"),
    ("G-3004", "0400638333400", "Untertasse", "Ton+Werk", "Geschirr", 4.50, 150, "2023-01-10", True, "0815", None),
    ("Z-4001", "0400638433394", "Teesieb Edelstahl", "Ton+Werk", "Zubehör", 8.90, 60, "2023-01-10", True, "0815", None),
    ("Z-4002", "0400638433395", "Chasen 茶筅", "Morita 森田", "Zubehör", 19.90, 25, "2023-09-01", True, "4712", None),
    ("Z-4003", "0400638433396", "Filter Größe 4", "Grünwald", "Zubehör", 2.10, 90, "2023-01-10", True, "4711", None),
    ("Z-4004", "0400638433397", "Geschenkkarte", "Grünwald", "Zubehör", 25.00, None, "2023-11-01", True, "4711", None),
    ("S-5001", "0400638533391", "Kandis weiß", "Süß & Söhne", "Süßes", 3.20, 500, "2023-01-10", True, "4720", None),
    ("S-5002", "0400638533392", "Kandis braun", "Süß & Söhne", "Süßes", 3.40, 500, "2023-01-10", True, "4720", None),
    ("S-5003", "0400638533393", "Matcha-Kekse 抹茶", "Morita 森田", "Süßes", 5.60, 180, "2024-03-01", True, "4712", None),
    ("S-5004", "0400638533394", "Honig vom Deich 🐝", "Grünwald", "Süßes", 7.80, 500, "2024-03-01", True, "4711", "bio"),
]

SUPPLIERS = [
    ("4711", "Grünwald Teehandel GmbH", "Bremen", "DE"),
    ("4720", "Süß & Söhne KG", "Köln", None),
    ("0815", "Ton+Werk", "Höhr-Grenzhausen", None),
    ("4712", "森田製茶", "宇治", "JP"),
    ("4713", "Kapsüd (Pty) Ltd", "Stellenbosch", "ZA"),
]


def make_workbook(path):
    """Several sheets: a title above the header, dates, numbers as text, merged, empty, hidden, formulas, an error."""
    book = xlsxwriter.Workbook(path)
    book.set_properties({"title": "Produktstamm", "created": datetime.datetime(2024, 10, 1, 8, 0, 0)})
    bold = book.add_format({"bold": True})
    day = book.add_format({"num_format": "dd.mm.yyyy"})
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
    money = book.add_format({"num_format": "#,##0.00"})
    centred = book.add_format({"align": "center", "valign": "vcenter"})

    sheet = book.add_worksheet("Produkte")
    sheet.merge_range("A1:L1", "Produktstamm Herbst 2024 – Stand 01.10.2024", bold)
    header = ["sku", "ean", "name", "brand", "category", "price", "weight (g)", "verfügbar ab", "updated_at", "active"]
    sheet.write_row("A3", header + ["supplier_no", "note"], bold)
    for index, product in enumerate(PRODUCTS):
        sku, ean, name, brand, category, price, grams, since, active, supplier, note = product
        row = 3 + index
        for column, text in enumerate([sku, ean, name, brand, category]):
            sheet.write_string(row, column, text)
        sheet.write_number(row, 5, price, money)
        if grams is not None:
            sheet.write_number(row, 6, grams)
        sheet.write_datetime(row, 7, datetime.date.fromisoformat(since), day)
        updated = datetime.datetime(2024, 9, 30, 6, 0) + datetime.timedelta(minutes=37 * index)
        sheet.write_datetime(row, 8, updated, moment)
        sheet.write_boolean(row, 9, active)
        sheet.write_string(row, 10, supplier)
        if note is not None:
            sheet.write_string(row, 11, note)
    sheet.set_column("C:C", 28)

    sheet = book.add_worksheet("Lieferanten")
    sheet.write_row("A1", ["supplier_no", "name", "city", "country"], bold)
    for index, (number, name, city, country) in enumerate(SUPPLIERS):
        for column, text in enumerate([number, name, city, country]):
            if text is not None:
                sheet.write_string(1 + index, column, text)
    sheet.merge_range("D2:D4", "DE", centred)

    sheet = book.add_worksheet("Kalkulation")
    sheet.write_row("A1", ["sku", "price", "cost", "margin"], bold)
    for index, product in enumerate(PRODUCTS):
        row = 1 + index
        cost = None if product[0] == "Z-4004" else round(product[5] * 0.6, 2)
        sheet.write_string(row, 0, product[0])
        sheet.write_number(row, 1, product[5], money)
        if cost is None:
            sheet.write_formula(row, 2, "NA()", money, "#N/A")
            sheet.write_formula(row, 3, f"B{row + 1}-C{row + 1}", money, "#N/A")
        else:
            sheet.write_number(row, 2, cost, money)
            sheet.write_formula(row, 3, f"B{row + 1}-C{row + 1}", money, round(product[5] - cost, 2))

    sheet = book.add_worksheet("Archiv")
    sheet.write_row("A1", ["sku", "eingestellt am"], bold)
    sheet.write_string("A2", "T-0900")
    sheet.write_datetime("B2", datetime.date(2022, 12, 31), day)
    sheet.hide()
    book.close()


def make_corrections(path):
    """A nested array of partial records: what a record does not name stays as it is."""
    records = [
        {"sku": "T-1002", "price": 13.20, "attributes": {"origin": {"country": "JP", "region": "宇治"}, "organic": True}},
        {"sku": "T-1006", "active": False, "note": None},
        {"sku": "K-2003", "name": "Entkoffeiniert mild", "attributes": {"organic": False, "process": "CO₂"}},
        {"sku": "G-3003", "price": 10.80, "tags": ["Frühling", "Angebot 🌸"]},
        {"sku": "T-1001", "price": 6.90},
        {
            "sku": "T-1007",
            "ean": "0400638133399",
            "name": "Hōjicha ほうじ茶",
            "brand": "Morita 森田",
            "category": "Tee",
            "price": 8.40,
            "active": True,
            "supplier_no": "4712",
            "tags": ["neu"],
            "attributes": {"origin": {"country": "JP"}, "roast": 3},
        },
    ]
    path.write_text(json.dumps(records, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def make_prices(path):
    """CSV as spreadsheets with German settings write it: semicolons, decimal comma, quotes where they are needed."""
    lines = ["sku;market;price;currency;valid_from;remark"]
    for sku, _, name, _, _, price, *_ in PRODUCTS:
        for market, currency, factor in [("DE", "EUR", 1.0), ("AT", "EUR", 1.05), ("CH", "CHF", 1.2)]:
            amount = f"{price * factor:.2f}".replace(".", ",")
            remark = ""
            if "„" in name or "," in name:
                quoted = name.replace("„", '"').replace("“", '"').replace('"', '""')
                remark = f'"{quoted}; siehe Etikett"'
            if sku == "Z-4004":
                remark = '"gilt in\nallen Filialen"'
            lines.append(f"{sku};{market};{amount};{currency};2024-10-01;{remark}")
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode("utf-8"))


def make_stock(path):
    """One JSON object a line; times with their offset."""
    lines = []
    for index, product in enumerate(PRODUCTS):
        for place, share in [("Bremen", 7), ("Zürich", 3)]:
            record = {
                "sku": product[0],
                "location": place,
                "quantity": (index * 37 + 11) * share % 200,
                "counted_at": f"2024-10-06T{6 + index % 12:02d}:30:00+02:00",
            }
            if product[4] in ("Tee", "Kaffee", "Süßes"):
                record["batch"] = {"no": f"{index:04d}", "best_before": "2025-12-31"}
            lines.append(json.dumps(record, ensure_ascii=False))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def make(directory):
    directory.mkdir(parents=True, exist_ok=True)
    make_workbook(str(directory / "products.xlsx"))
    make_corrections(directory / "corrections.json")
    make_prices(directory / "prices.csv")
    make_stock(directory / "stock.ndjson")


if __name__ == "__main__":
    default = pathlib.Path(__file__).resolve().parents[2] / "Warehouse" / "inbox"
    make(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default)
