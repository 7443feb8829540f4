"""Dagster's UI on a finished project, in a real browser."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from playwright.sync_api import Browser, Page, expect
from served import served

from pipelines.deliveries import DELIVERIES
from plates.settings import edit
from plates.settings.project import Project

pytestmark = pytest.mark.long
UP_TO_DATE = {"raw_images": ["always changed"]}


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
    watching = ("results_of_dvc", "failed_runs", "lost_runs")
    for name in (*starting, *watching):
        expect(page.get_by_text(name).first).to_be_visible()
    boxes = page.get_by_role("checkbox")  # one to select all; in each row one to select it, and its switch
    expect(boxes).to_have_count(1 + 2 * len((*starting, *watching)))
    assert sum(box.is_checked() for box in boxes.all()) == len(watching), "those that start nothing"


def test_a_check_has_plots_of_its_numbers(page: Page, address: str) -> None:
    page.goto(f"{address}/assets/boxes?view=checks&checkDetail=annotations_hold")
    expect(page.get_by_text("Passed").first).to_be_visible()
    expect(page.get_by_text("Plots", exact=True).first).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()


def test_the_evaluation_has_pictures_and_curves(page: Page, address: str) -> None:
    page.goto(f"{address}/assets/evaluation")
    opening = page.get_by_text("[Show Markdown]")
    expect(opening.first).to_be_visible()
    kinds = set()
    for button in opening.all():
        button.click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        for picture in dialog.locator("img").all():
            assert picture.evaluate("image => image.complete && image.naturalWidth > 50")
            kinds.add(str(picture.get_attribute("src")).split(";")[0])
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
    assert kinds == {"data:image/png", "data:image/jpeg"}, "plots and photographs"


def waited_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} not within {seconds:.0f} s"
        time.sleep(1)


def test_materializing_in_the_browser_runs_the_asset(page: Page, address: str, finished) -> None:
    root, call = finished
    before = (root / "data/splits.parquet").stat().st_mtime_ns
    page.goto(f"{address}/assets/splits")
    page.get_by_role("button", name="Materialize").first.click()
    waited_for(lambda: (root / "data/splits.parquet").stat().st_mtime_ns != before, 180, "new splits")
    page.goto(f"{address}/runs")
    expect(page.get_by_text("Success").first).to_be_visible(timeout=180_000)
    assert "changed" not in call("dvc", "status", "splits").stdout


def test_a_run_is_launched_with_another_setting(page: Page, address: str, finished) -> None:
    root, _ = finished
    before = (root / "data/splits.parquet").stat().st_mtime_ns
    page.goto(f"{address}/locations/plates/jobs/refresh_data/playground")
    page.locator(".CodeMirror").first.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text("resources: {project: {config: {split: {seed: many}}}}")
    expect(page.get_by_text("Invalid scalar").first).to_be_visible()
    page.locator(".CodeMirror").first.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text("resources: {project: {config: {split: {seed: 7}}}}")
    expect(page.get_by_text("No errors").first).to_be_visible()
    page.get_by_role("button", name="Launch Run").click()
    waited_for(lambda: Project(root).params.split.seed == 7, 180, "split.seed in params.yaml")
    waited_for(lambda: (root / "data/splits.parquet").stat().st_mtime_ns != before, 300, "new splits")
    page.goto(f"{address}/runs?q[0]=job%3Arefresh_data")
    expect(page.get_by_text("Success").first).to_be_visible(timeout=300_000)


def test_a_delivery_is_a_partition_with_its_verdict(
    page: Page, address: str, finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, call = finished
    monkeypatch.chdir(root)  # dagster.yaml names its folders from there
    with dg.DagsterInstance.from_config(str(root)) as instance:
        instance.add_dynamic_partitions(DELIVERIES.name, ["2026-11-01"])  # as the sensor new_deliveries does
    photographs = sorted((root / "data/sample").rglob("ccpd_base/*.jpg"))[:8]
    (tmp_path / "2026-11-01/ccpd_base").mkdir(parents=True)
    for photograph in photographs:
        shutil.copy2(photograph, tmp_path / "2026-11-01/ccpd_base")
    params = (root / "params.yaml").read_bytes()
    edit.write(root / "params.yaml", {"data.root": str(tmp_path)})
    try:
        call("dg", "launch", "--job", "validate_deliveries", "--partition", "2026-11-01")
    finally:
        (root / "params.yaml").write_bytes(params)
    page.goto(f"{address}/assets/delivery?view=partitions&partition=2026-11-01")
    expect(page.get_by_text("Materialized (1)").first).to_be_visible()
    expect(page.get_by_text(re.compile("photographs")).first).to_be_visible()


def test_materialize_all_runs_the_whole_pipeline(page: Page, address: str, finished) -> None:
    root, call = finished
    edit.write(root / "params.yaml", {"train.steps": 3, "train.eval_every": 3})
    records = set((root / "lineage/records").glob("*.json"))
    page.goto(f"{address}/asset-groups")
    page.get_by_role("button", name=re.compile("Materialize all")).click()
    waited_for(lambda: set((root / "lineage/records").glob("*.json")) > records, 900, "a new record")
    waited_for(lambda: json.loads(call("dvc", "status", "--json").stdout) == UP_TO_DATE, 300, "every result")
    page.goto(f"{address}/runs")
    expect(page.get_by_text("Success").first).to_be_visible()
    expect(page.get_by_text(re.compile("^(Started|Starting|Queued)$"))).to_have_count(0, timeout=300_000)
    expect(page.get_by_text("Failure")).to_have_count(0)
