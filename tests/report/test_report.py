"""The report of a simulated world, in a real browser: one that failed and one that passed."""

import pathlib
import shutil
import subprocess

import pytest
from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).parents[2]
SIZE = {"width": 1440, "height": 820}


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        # Debian's browser: the one that playwright would download is not needed.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


def report(tmp_path_factory, *arguments):
    file = tmp_path_factory.mktemp("report") / "report.html"
    subprocess.run(["cargo", "sim", "report", *arguments, "-o", str(file)], cwd=ROOT, check=True)
    return file


@pytest.fixture(scope="session")
def failing(tmp_path_factory):
    return report(tmp_path_factory, "sim/scenarios/lost-set.scenario")


@pytest.fixture(scope="session")
def passing(tmp_path_factory):
    return report(tmp_path_factory, "--seed", "3")


@pytest.fixture
def open_page(browser):
    pages = []

    def open_page(file):
        page = browser.new_page(viewport=SIZE)
        pages.append(page)
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
        # It must need nothing from outside.
        page.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
        page.on("request", lambda request: page.complaints.append(request.url) if "file:" not in request.url else None)
        page.goto(file.as_uri())
        return page

    yield open_page
    for page in pages:
        assert page.complaints == []
        page.close()


def view(page):
    return page.evaluate("[report.view.from, report.view.to]")


def drawn(page):
    return page.locator("#drawing g.op").count()


def test_a_failure_is_what_one_sees_first(open_page, failing):
    page = open_page(failing)
    assert page.locator("#verdict").inner_text() == "it answered wrongly"
    assert "failed" in page.locator("#verdict").get_attribute("class")
    assert page.locator("#replay").inner_text() == "cargo sim replay sim/scenarios/lost-set.scenario"
    offending = page.locator("#drawing g.op.offending")
    assert offending.count() == 1
    assert offending.locator("rect").bounding_box()["x"] > 100
    assert "DECR" in page.locator("#offending li").inner_text()
    # Filtered by the keys of the failure, and their history explained.
    assert page.locator("#keys").input_value() in page.locator("#details").inner_text()
    assert "no order of these operations" in page.locator("#explanation pre").text_content()


def test_a_world_that_passed_shows_all_its_lanes(open_page, passing):
    page = open_page(passing)
    assert page.locator("#verdict").inner_text() == "passed"
    assert page.locator("#failure").is_disabled()
    names = page.locator("#drawing text.name").all_text_contents()
    for name in ["faults", "client 0", "publisher 0", "subscriber 0", "server"]:
        assert name in names
    assert page.locator("#drawing .mark.fault").count() > 0
    assert page.locator("#drawing .mark.peace").count() == 1
    assert page.locator("#drawing g.op.offending").count() == 0
    whole, end = view(page), page.evaluate("report.film.end")
    assert whole[0] <= 0 and whole[1] >= end


def test_filters_leave_what_they_name(open_page, passing):
    page = open_page(passing)
    all_of_them = drawn(page)
    key = page.evaluate("report.film.ops.find((op) => op.lane === 'client 0' && op.keys.length).keys[0]")
    page.fill("#keys", key)
    some = drawn(page)
    assert 0 < some < all_of_them
    ops = page.locator("#drawing g.op").evaluate_all("all => all.map((op) => report.film.ops[op.dataset.op].keys)")
    assert all(key in keys for keys in ops)
    page.fill("#keys", "")
    page.fill("#text", "publish ")
    assert page.locator("#drawing g.op").evaluate_all(
        "all => all.every((op) => report.film.ops[op.dataset.op].text.startsWith('PUBLISH'))"
    )
    page.fill("#text", "no client wrote this")
    assert drawn(page) == 0
    page.fill("#text", "")
    assert drawn(page) == all_of_them


def test_wheel_keys_buttons_and_dragging_move_the_view(open_page, passing):
    page = open_page(passing)
    start, end = view(page)
    page.mouse.move(700, 300)
    page.mouse.wheel(0, -400)
    page.wait_for_function(f"report.view.to - report.view.from < {(end - start) / 2}")
    zoomed = view(page)
    assert start < zoomed[0] < zoomed[1] < end
    page.mouse.down()
    page.mouse.move(400, 300, steps=4)
    page.mouse.up()
    dragged = view(page)
    assert dragged[0] > zoomed[0]
    assert dragged[1] - dragged[0] == pytest.approx(zoomed[1] - zoomed[0])
    page.click("#in")
    assert view(page)[1] - view(page)[0] < dragged[1] - dragged[0]
    page.keyboard.press("0")
    assert view(page) == pytest.approx([start, end])
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    assert view(page) != pytest.approx([start, end])


def test_an_operation_tells_all_about_itself_when_clicked(open_page, passing):
    page = open_page(passing)
    page.evaluate("(() => { const op = report.film.ops.find((op) => op.end !== null && op.lane === 'client 0');"
                  " report.show(op.begin - 0.001, op.until + 0.001); })()")
    op = page.locator("#drawing g.op").first
    index = op.get_attribute("data-op")
    box = op.locator("rect").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    chosen = page.evaluate(f"report.film.ops[{index}]")
    details = page.locator("#details").inner_text()
    assert chosen["text"] in details and chosen["reply"] in details and "received" in details
    assert page.locator("#drawing g.chosen").count() == 1


def test_events_of_the_server_lead_to_their_place(open_page, passing):
    page = open_page(passing)
    event = page.locator("#events li", has_text="server:").first
    text = event.inner_text()
    event.click()
    assert page.locator("#details pre").inner_text() in text
    assert page.locator("#drawing .mark.chosen").count() == 1


def test_a_world_of_crashes_shows_its_disk_and_what_was_lost(open_page, tmp_path_factory):
    page = open_page(report(tmp_path_factory, "sim/scenarios/unheld-reads.scenario"))
    assert page.locator("#verdict").inner_text() == "it answered wrongly"
    names = page.locator("#drawing text.name").all_text_contents()
    for name in ["faults", "client 0", "server", "disk"]:
        assert name in names
    marks = "report.film.marks.filter((mark) => mark.lane === '{}' && mark.kind === '{}').length"
    assert page.evaluate(marks.format("disk", "disk")) > 0
    assert page.evaluate(marks.format("faults", "fault")) > 0
    assert page.evaluate(marks.format("server", "down")) > 0
    assert page.locator("#drawing g.op.offending").count() > 0
    assert "were promised" in page.locator("#explanation pre").text_content()
