"""Lets the page of `dvc plots` open without a network: `python -m pipelines.offline_plots`, which `make setup` runs.

DVC's own page loads Vega, which draws the plots, from the network. The one written here contains it.
"""

import vl_convert

from plates.files import atomic
from plates.settings.project import Project

PAGE = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
{refresh_tag}
<title>Plots</title>
<script>VEGA</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""
"""A template of DVC's, which fills in the names in braces."""


def main() -> None:
    """Writes the page to `.dvc/plots.html`, and to DVC's settings of this clone that it is used."""
    from dvc.config import Config

    folder = Project.find().root / ".dvc"
    with atomic(folder / "plots.html") as page:
        page.write_text(
            PAGE.replace("VEGA", vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")), encoding="utf-8"
        )
    with Config(str(folder)).edit("local") as settings:
        settings["plots"] = {"html_template": "plots.html"}


if __name__ == "__main__":
    main()
