"""The main job on the sample feeds, twice into two warehouses: the same bytes."""

import hashlib

from conftest import INBOX


def run_demo(warehouse):
    warehouse.ingest(INBOX / "products.xlsx", "--sheet", "Produkte", "--into", "products", "--key", "sku")
    again = warehouse.ingest(INBOX / "products.xlsx", "--sheet", "Produkte", "--into", "products")
    assert again["outcome"] == "unchanged"
    warehouse.ingest(INBOX / "corrections.json", "--into", "products", "--mode", "merge")
    prices = ["--into", "prices", "--decimal", ",", "--partition-by", "market", "--key", "sku,market"]
    warehouse.ingest(INBOX / "prices.csv", *prices)
    warehouse.ingest(INBOX / "stock.ndjson", "--into", "stock")


def digests(warehouse, *patterns):
    found = {}
    for pattern in patterns:
        for file in sorted(warehouse.path.rglob(pattern)):
            found[str(file.relative_to(warehouse.path))] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def test_the_demo_twice_gives_the_same_bytes(warehouse, another):
    run_demo(warehouse)
    run_demo(another)
    one = digests(warehouse, "*.parquet", "_manifest.json", "_proxy.json", "*.json")
    two = digests(another, "*.parquet", "_manifest.json", "_proxy.json", "*.json")
    assert len([name for name in one if name.endswith(".parquet")]) >= 6
    assert one == two


def test_clock_and_randomness_reach_no_data_file(warehouse, another):
    another.environment |= {"VARVE_CLOCK": "2025-01-01T00:00:00Z", "VARVE_SEED": "2"}
    run_demo(warehouse)
    run_demo(another)
    assert digests(warehouse, "*.parquet") == digests(another, "*.parquet")


def test_the_workbook_becomes_the_rows_it_holds(warehouse):
    import make_inbox

    run_demo(warehouse)
    rows = warehouse.rows("products@1", ["sku"])
    assert len(rows) == len(make_inbox.PRODUCTS)
    by_sku = {row["sku"]: row for row in rows}
    for sku, ean, name, brand, category, price, grams, since, active, supplier, note in make_inbox.PRODUCTS:
        row = by_sku[sku]
        assert (row["ean"], row["name"], row["brand"], row["category"]) == (ean, name, brand, category)
        assert (row["price"], row["weight__g_"], row["verfügbar_ab"]) == (price, grams, since)
        assert (bool(row["active"]), row["supplier_no"], row["note"]) == (active, supplier, note)


def test_the_merge_changes_what_the_corrections_name_and_nothing_else(warehouse):
    run_demo(warehouse)
    before = {row["sku"]: row for row in warehouse.rows("products@1", ["sku"])}
    after = {row["sku"]: row for row in warehouse.rows("products@2", ["sku"])}
    assert set(after) - set(before) == {"T-1007"}
    changed = {sku for sku in before if any(after[sku][name] != before[sku][name] for name in before[sku])}
    assert changed == {"T-1002", "T-1006", "K-2003", "G-3003"}
    assert (before["T-1006"]["note"], after["T-1006"]["note"]) == ("läuft aus", None)
    assert after["G-3003"]["name"] == before["G-3003"]["name"]
