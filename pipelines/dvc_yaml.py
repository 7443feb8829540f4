"""Writes the stages of `dvc.yaml` from what the assets declare and import: `python -m pipelines.dvc_yaml`."""

import re
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

import assets
from plates.files import atomic
from stages.code import ROOT, code_of
from stages.stage import Output, Stage

FILE = ROOT / "dvc.yaml"
PLOTS = "\nplots:\n"


def render(plots: str) -> str:
    """The complete `dvc.yaml`, with `plots` as its last part."""
    writer = YAML()
    writer.width = 200
    writer.indent(mapping=2, sequence=4, offset=2)
    text = StringIO()
    writer.dump({"stages": {name: entry(stage) for name, stage in assets.graph().items()}}, text)
    spaced = re.sub(r"\n(  \w+:\n)", r"\n\n\1", text.getvalue()).replace("stages:\n\n", "stages:\n")
    return (
        "# The asset graph as DVC sees it: a stage has its asset's name and runs that asset. Written by `make docs`:\n"
        "# an asset's file declares what it reads and writes, and its code is what that file imports.\n"
        f"{spaced}{plots}"
    )


def entry(stage: Stage) -> dict[str, Any]:
    """The entry of one stage. It runs the code in its own folder, which may not be the installed one."""
    listed: dict[str, Any] = {
        "desc": " ".join(stage.description.split()).split(". ")[0].removesuffix("."),
        "cmd": f"python -m pipelines.cli materialize {stage.name}",
    }
    if stage.always:
        listed["always_changed"] = True
    listed["deps"] = [*code_of(stage), *stage.sources, *stage.reads]
    if stage.params:
        listed["params"] = list(stage.params)
    for key, metric in (("outs", False), ("metrics", True)):
        if outputs := [_output(out) for out in stage.writes if out.tracked and out.metric is metric]:
            listed[key] = outputs
    return listed


def _output(out: Output) -> str | dict[str, dict[str, bool]]:
    options = ({} if out.cache else {"cache": False}) | ({"persist": True} if out.persist else {})
    return {out.path: options} if options else out.path


def main() -> None:
    """Writes the file; its plots stay unchanged."""
    text = FILE.read_text(encoding="utf-8")
    with atomic(FILE) as temporary:
        temporary.write_text(render(text[text.index(PLOTS) :]), encoding="utf-8")


if __name__ == "__main__":
    main()
