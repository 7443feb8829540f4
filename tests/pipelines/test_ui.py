"""Dagster's UI on a finished project, in a real browser."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from served import served

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def address(finished) -> Iterator[str]:
    """`plates ui` on a free port."""
    root, _ = finished
    with served(root, "plates", "ui", "--port=") as address:
        yield f"http://{address}"


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1500, "height": 900})
    page.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    yield page
    page.close()


def test_an_asset_shows_its_figures_and_checks(page: Page, address: str) -> None:
    page.goto(f"{address}/assets/evaluation")
    expect(page.get_by_text("ccpd_score").first).to_be_visible()
    page.goto(f"{address}/assets/boxes?view=checks")
    expect(page.get_by_text("classes_are_balanced").first).to_be_visible()


def test_what_starts_a_run_waits_to_be_switched_on(page: Page, address: str) -> None:
    page.goto(f"{address}/automation")
    starting = ("weekly_retrain", "new_photographs", "new_deliveries", "default_automation_condition_sensor")
    for name in (*starting, "results_of_dvc", "failed_runs"):
        expect(page.get_by_text(name).first).to_be_visible()
    boxes = page.get_by_role("checkbox")  # one to select all; in each row one to select it, and its switch
    expect(boxes).to_have_count(13)
    assert sum(box.is_checked() for box in boxes.all()) == 2, "results_of_dvc and failed_runs, which start nothing"


def test_materializing_in_the_browser_runs_the_asset(page: Page, address: str, finished) -> None:
    root, call = finished
    before = (root / "data/splits.parquet").stat().st_mtime_ns
    page.goto(f"{address}/assets/splits")
    page.get_by_role("button", name="Materialize").first.click()
    deadline = time.monotonic() + 180
    while (root / "data/splits.parquet").stat().st_mtime_ns == before:
        assert time.monotonic() < deadline, "the run that the button started wrote nothing within three minutes"
        time.sleep(1)
    page.goto(f"{address}/runs")
    expect(page.get_by_text("Success").first).to_be_visible(timeout=180_000)
    assert "changed" not in call("dvc", "status", "splits").stdout
