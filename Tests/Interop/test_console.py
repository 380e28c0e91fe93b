"""The console and the documentation page of `varve serve`, driven in headless Chromium.

With VARVE_SCREENSHOTS set to a directory, what was seen is left there.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import threading
import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from receivers import Receiver, serving
from test_service import Service

PAGES = ["#/", "#/tables/products", "#/tables/products/rows", "#/tables/stock/executions", "#/tables/stock/deliveries",
         "#/tables/products/columns", "#/tables/prices/quarantine", "#/work", "#/query"]
LOOKS = {"light": ("light", 1320, 900), "dark": ("dark", 1320, 900), "phone": ("light", 390, 844), "phone-dark": ("dark", 390, 844)}


def shop(url):
    """A target that is asked once."""
    return {"kind": "callback", "url": url, "chunk_records": 3, "retry": {"attempts": 1}}


class Gate(Receiver):
    """Takes three chunks, and the rest when it is opened."""

    def __init__(self):
        super().__init__()
        self.opened = threading.Event()

    def trouble(self, value):
        if value.get("chunk_number", 0) >= 3:
            self.opened.wait(60)
        return None


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A warehouse with a history worth drawing, and the service on it."""
    from conftest import Warehouse

    directory = tmp_path_factory.mktemp("console")
    inbox = directory / "inbox"
    inbox.mkdir()
    warehouse = Warehouse(directory / "warehouse")

    def feed(name, records):
        (inbox / name).write_text("\n".join(json.dumps(record) for record in records))
        return inbox / name

    def product(number, price):
        return {"sku": f"A-{number:04}", "name": f"Schraube <b>{number}</b>", "price": price, "note": None if number % 3 else "ä" * 60}

    warehouse.ingest(feed("base.ndjson", [product(n, n / 4) for n in range(900)]), "--into", "products", "--key", "sku")
    for number, (start, end) in enumerate([(850, 1200), (100, 130), (1100, 1500), (0, 400)]):
        changed = [product(n, n / 4 + number + 1) for n in range(start, end)]
        warehouse.ingest(feed(f"delta-{number}.ndjson", changed), "--into", "products", "--mode", "merge")
    for day in range(1, 6):
        records = [{"sku": f"S{n}", "pieces": n * day} for n in range(4 + day)]
        warehouse.ingest(feed(f"day-{day}.ndjson", records), "--into", "stock", "--mode", "stateful-merge", "--key", "sku",
                         "--execution", f"2024-10-0{day}")
    warehouse.ingest(feed("day-3.ndjson", [{"sku": "S1", "pieces": 7}]), "--into", "stock", "--execution", "2024-10-03", "--no-cascade")
    schema = directory / "prices.schema"
    schema.write_text(json.dumps({"columns": [{"name": "sku", "type": "text"}, {"name": "price", "type": "double"}],
                                  "expectations": [{"column": "price", "min": 0}]}))
    warehouse.ingest(feed("prices-1.ndjson", [{"sku": f"P{n}", "price": n} for n in range(40)]), "--into", "prices", "--schema", schema)
    warehouse.ingest(feed("prices-2.ndjson", [{"sku": "Q1", "price": 3}, {"sku": "Q2", "price": -7}, {"sku": "Q3", "price": "n/a"}]),
                     "--into", "prices", "--on-bad-row", "quarantine")
    # A shop that is not there.
    (warehouse.path / "varve.json").write_text(json.dumps({"targets": {"shop": shop("http://127.0.0.1:1/")}}))
    warehouse.run("push", "stock", "--to", "shop", code=1)
    (inbox / "broken.json").write_text('[{"n": 1}, {"n":')
    (inbox / "first.json").write_text(json.dumps([{"n": n} for n in range(200)]))
    (inbox / "fresh.json").write_text(json.dumps([{"n": n} for n in range(600)]))
    gate = Gate()
    with serving(gate) as callback:
        service = Service(warehouse, inbox)
        try:
            service.end(service.ingest("broken.json", callback))
            service.end(service.ingest("first.json", callback, chunk_size_by_records=100))
            yield service, warehouse, gate, callback
        finally:
            gate.opened.set()
            service.stop(signal.SIGTERM)


@pytest.fixture(scope="module")
def chromium():
    program = shutil.which("chromium")
    assert program, "there is no chromium; make setup installs it"
    with sync_playwright() as playwright:
        # Without a sandbox of its own: the tests may run as root, and the pages are ours.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


class Seen:
    """A page, with everything that it complained about and asked for."""

    def __init__(self, page, origin):
        self.page, self.trouble = page, []
        page.on("console", lambda message: self.trouble.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith((origin, "data:")) else self.trouble.append(request.url))

    def picture(self, name):
        directory = os.environ.get("VARVE_SCREENSHOTS")
        if directory:
            self.page.screenshot(path=pathlib.Path(directory) / f"{name}.png", full_page=True)


@contextlib.contextmanager
def opened(chromium, service, look="light", token=True):
    scheme, width, height = LOOKS[look]
    context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
    page = context.new_page()
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    seen = Seen(page, service.url)
    page.goto(service.url)
    if token:
        page.fill("#token", service.token)
        page.click("#ask-form button")
        page.wait_for_selector(".rack a")
    try:
        yield seen
    finally:
        context.close()


def go(seen, service, place):
    seen.page.goto(service.url + place)
    seen.page.wait_for_function("place => document.getElementById('main').dataset.shown === place", arg=place)


def test_the_token_is_asked_for_once_and_kept_in_the_tab(place, chromium):
    service, *_ = place
    with opened(chromium, service, token=False) as seen:
        page = seen.page
        seen.picture("token")
        page.fill("#token", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#token-wrong")).to_have_text("That is not the token.")
        seen.trouble.clear()  # Chromium tells of the 401.
        page.fill("#token", service.token)
        page.keyboard.press("Enter")
        expect(page.locator(".rack a")).to_have_count(4)
        page.reload()
        expect(page.locator(".rack a")).to_have_count(4)
        assert page.evaluate("Object.keys(localStorage).length") == 0
        assert service.token not in page.content() and service.token not in page.url
        assert seen.trouble == []


def test_layers_and_differences(place, chromium):
    service, warehouse, *_ = place
    with opened(chromium, service) as seen:
        page = seen.page
        page.click(".rack a:has-text('products')")
        expect(page.locator("h1")).to_have_text("products")
        expect(page.locator("svg .layer")).to_have_count(5)
        # To scale: a layer of twice the rows is twice as thick.
        high = page.evaluate("[...document.querySelectorAll('svg .layer')].map(layer => layer.getBBox().height)")
        assert 2 < high[0] / high[4] < 2.5 and high[2] / high[4] < 0.2
        # Chosen by the list, by the drawing and by the keyboard.
        page.click("button[aria-label='Version 2']")
        expect(page.locator(".versions tr.chosen td").first).to_contain_text("2")
        expect(page.locator("section")).to_contain_text("among the first 300 changes")
        page.click("svg [data-version='3']")
        expect(page.locator(".changes tbody tr")).to_have_count(30)
        row = page.locator(".changes tbody tr").first
        expect(row).to_contain_text("changed")
        expect(row.locator("td.differs del")).to_have_text("25")
        expect(row.locator("td.differs ins")).to_have_text("27")
        # What stands in the data is text.
        expect(row).to_contain_text("<b>100</b>")
        page.focus("button[aria-label='Version 3']")
        page.keyboard.press("ArrowUp")
        expect(page.locator("button[aria-label='Version 4']")).to_be_focused()
        expect(page.locator("section")).to_contain_text("among the first 300")
        page.select_option("select[aria-label='older version']", "3")
        page.select_option("select[aria-label='newer version']", "3")
        expect(page.locator("section")).to_contain_text("same version twice")
        page.select_option("select[aria-label='older version']", "2")
        expect(page.locator(".changes tbody tr")).to_have_count(30)
        page.click(".tabs a:has-text('Rows')")
        expect(page.locator("section")).to_contain_text("The first 200 rows.")
        page.select_option("#rows-version", "1")
        expect(page.locator(".rows tbody tr")).to_have_count(200)
        assert seen.trouble == []


def test_executions_show_what_is_stale(place, chromium):
    service, *_ = place
    with opened(chromium, service) as seen:
        go(seen, service, "#/tables/stock/executions")
        expect(seen.page.locator("section .note.warn")).to_contain_text("Stale: 2024-10-04, 2024-10-05.")
        expect(seen.page.locator("svg .run.stale")).to_have_count(2)
        seen.page.click("text=superseded runs too")
        expect(seen.page.locator("svg .run.superseded")).to_have_count(1)
        assert seen.trouble == []


def test_verify_and_publish(place, chromium):
    service, warehouse, *_ = place
    with opened(chromium, service) as seen:
        page = seen.page
        go(seen, service, "#/tables/products")
        page.click("button:has-text('Verify')")
        expect(page.locator(".note.good")).to_contain_text("Whole: ")
        page.click("button[aria-label='Version 3']")
        page.click("button:has-text('Publish')")
        expect(page.locator("dialog[open]")).to_contain_text("Readers go back to version 3 and are pinned there.")
        seen.picture("publish")
        page.click("dialog[open] button:has-text('Publish')")
        expect(page.locator(".facts")).to_contain_text("version 3, pinned")
        expect(page.locator(".facts .chip")).to_have_text("2 newer")
        assert warehouse.run("--json", "describe", "products").json["version"] == 3
        seen.picture("pinned")
        page.click("button:has-text('Publish')")
        page.select_option("#publish-version", "5")
        page.click("dialog[open] button:has-text('Publish')")
        expect(page.locator(".facts")).not_to_contain_text("pinned")
        assert warehouse.run("--json", "describe", "products").json["version"] == 5
        assert seen.trouble == []


def test_rows_laid_aside_are_replayed_once_they_fit(place, chromium):
    service, warehouse, *_ = place
    with opened(chromium, service) as seen:
        page = seen.page
        go(seen, service, "#/tables/prices/quarantine")
        expect(page.locator("section")).to_contain_text("2 rows are laid aside")
        page.click("button:has-text('Replay')")
        expect(page.locator("#said")).to_contain_text("None fits yet; 2 stay.")
        milder = warehouse.path.parent / "milder.schema"
        milder.write_text(json.dumps({"columns": [], "expectations": [{"column": "price", "min": -100}]}))
        warehouse.run("alter", "prices", "--schema", milder)
        page.click("button:has-text('Replay')")
        expect(page.locator("#said")).to_contain_text("1 row fit now; 1 stay.")
        expect(page.locator("section")).to_contain_text("1 row is laid aside")
        assert {"sku": "Q2", "price": -7.0} in warehouse.rows("prices", ["sku"])
        assert seen.trouble == []


def test_queries(place, chromium):
    service, *_ = place
    with opened(chromium, service) as seen:
        page = seen.page
        go(seen, service, "#/query")
        page.fill("#sql", 'SELECT count(*) AS n FROM "products@1"')
        page.keyboard.press("Control+Enter")
        expect(page.locator(".rows tbody td")).to_have_text("900")
        assert seen.trouble == []
        page.fill("#sql", "DROP TABLE products")
        page.click("button:has-text('Run')")
        expect(page.locator(".note.bad")).not_to_be_empty()


def test_work_moves_while_it_is_watched(place, chromium):
    service, warehouse, gate, callback = place
    with opened(chromium, service) as seen:
        page = seen.page
        go(seen, service, "#/work")
        expect(page.locator(".link")).to_have_text("live")
        # What was given up is tried again, and is given up again: the file is as it was.
        expect(page.locator("article:has-text('broken.json')")).to_contain_text("broken.json, byte 16: the text ends")
        page.click("article:has-text('broken.json') button")
        expect(page.locator("#said")).to_contain_text("broken.json is tried again.")
        id = service.ingest("fresh.json", callback, chunk_size_by_records=100)
        running = page.locator(f"article[data-id='{id}']")
        expect(running).to_contain_text("300 of 600 records acknowledged")
        expect(page.locator("#busy")).to_have_text("1")
        assert running.locator("progress").evaluate("bar => bar.value / bar.max") == 0.5
        seen.picture("running")
        gate.opened.set()
        expect(running).to_have_count(0)
        expect(page.locator("#busy")).to_be_hidden()
        delivery = page.locator("details:has-text('fresh@1')")
        delivery.locator("summary").click()
        expect(delivery.locator("svg .chunk.acknowledged")).to_have_count(6)
        expect(page.locator(".ingestions")).to_contain_text("fresh.json")
        # A version that comes by other means is seen without being asked for.
        go(seen, service, "#/tables/fresh")
        (warehouse.path.parent / "inbox" / "more.json").write_text('[{"n": 1000}]')
        warehouse.ingest(warehouse.path.parent / "inbox" / "more.json", "--into", "fresh")
        expect(page.locator("button[aria-label='Version 2']")).to_be_visible()
        assert seen.trouble == []


@pytest.mark.parametrize("look", LOOKS)
def test_everybody_can_read_it(place, chromium, look):
    """axe finds nothing serious on any page, in either colours and either width; no page is wider than its window."""
    service, *_ = place
    with opened(chromium, service, look) as seen:
        found = {}
        for address in PAGES:
            go(seen, service, address)
            name = address[2:].replace("/", "-") or "rack"
            if address == "#/query":
                seen.page.click("button:has-text('Run')")
                seen.page.wait_for_selector(".rows tbody tr")
            seen.picture(f"{name}-{look}")
            assert seen.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), f"{address} is too wide"
            if look not in ("light", "phone-dark"):
                continue
            violations = Axe().run(seen.page).response["violations"]
            serious = [(v["id"], [node["html"][:160] for node in v["nodes"]]) for v in violations if v["impact"] in ("serious", "critical")]
            if serious:
                found[address] = serious
        assert found == {}
        assert seen.trouble == []


def test_a_delivery_that_stopped_is_resumed(place, chromium):
    service, warehouse, *_ = place
    receiver = Receiver()
    with opened(chromium, service) as seen, serving(receiver) as url:
        page = seen.page
        go(seen, service, "#/tables/stock/deliveries")
        stopped = page.locator("article:has-text('to shop')")
        expect(stopped.locator(".chip")).to_have_text("stopped")
        before = stopped.locator("p").last.text_content()
        assert "127.0.0.1" in before
        # By the keyboard; the shop is still closed, which is seen again.
        attempts = service.client.get("api/v1/deliveries").json()["deliveries"]
        stopped.get_by_role("button", name="Resume stock@").press("Enter")
        expect(page.locator("#said")).to_contain_text("to shop goes on.")
        expect(stopped.get_by_role("button", name="Resume stock@")).to_be_enabled()
        again = service.client.get("api/v1/deliveries").json()["deliveries"]
        assert [d["attempts"] for d in again if d["target"] == "shop"] == [d["attempts"] + 1 for d in attempts if d["target"] == "shop"]
        # On the page of all work; now the shop has opened.
        (warehouse.path / "varve.json").write_text(json.dumps({"targets": {"shop": shop(url)}}))
        go(seen, service, "#/work")
        # Not the one among what is under way.
        stopped = page.locator("h2:text-is('Deliveries') + div article:has-text('to shop')")
        stopped.get_by_role("button", name="Resume stock@").click()
        expect(stopped.locator(".chip")).to_have_text("complete")
        expect(stopped.get_by_role("button")).to_have_count(0)
        stopped.locator("summary").click()
        expect(stopped.locator("svg .chunk.acknowledged")).to_have_count(len(next(iter(receiver.chunks.values()))))
        assert receiver.wrong == [] and len(receiver.complete) == 1
        assert seen.trouble == []


@pytest.mark.parametrize("look", ["light", "phone"])
def test_the_documentation_page_is_read_and_tried(place, chromium, look):
    service, *_ = place
    scheme, width, height = LOOKS[look]
    context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
    page = context.new_page()
    seen = Seen(page, service.url)
    page.goto(service.url + "docs")
    expect(page.locator("details")).to_have_count(len(service.client.get("openapi.json").json()["paths"]))
    page.fill("#token", service.token)
    route = page.locator("details:has(code:text-is('/api/v1/query'))")
    route.locator("summary").click()
    route.locator("textarea").fill('{"sql": "SELECT 41 + 1 AS n"}')
    route.locator("button").click()
    expect(route.locator("pre")).to_contain_text("[[42]]")
    seen.picture(f"docs-{look}")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert [v["id"] for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")] == []
    assert seen.trouble == []
    context.close()
