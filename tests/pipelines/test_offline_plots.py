"""The page of `dvc plots` in a browser."""

from typing import Any


def test_the_page_of_dvc_plots_draws_without_asking_the_network(browser: Any, fresh: Any) -> None:
    folder, run = fresh
    (folder / "plots").mkdir()
    (folder / "plots/loss.csv").write_text("step,loss\n1,2.5\n2,1.5\n")
    run("python", "-m", "pipelines.offline_plots")
    run("dvc", "plots", "show", "plots/loss.csv")

    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((folder / "dvc_plots/index.html").as_uri())
    page.locator(".vega-embed canvas, .vega-embed svg").first.wait_for()

    assert [address for address in asked if not address.startswith(("file:", "data:", "blob:"))] == []
    page.close()
