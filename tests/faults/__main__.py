"""`make faults`: injects every fault into small projects and keeps the evidence that `plates why` asks.

Resumes where it stopped: what is done lies in `.plates/faults`. python tests/faults [--strength medium] [--minutes 60]
"""

import argparse
import json
import logging
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]

from faults import project as projects  # noqa: E402
from faults import stored  # noqa: E402
from faults.gallery import BASES, FAULTS, FROM_SPLITS, HEALTHY, STRENGTHS, Fault  # noqa: E402
from faults.page import PAGE, asked, page  # noqa: E402

from plates.errors import UserError  # noqa: E402
from plates.files import atomic, write_json  # noqa: E402
from plates.settings.project import Project  # noqa: E402
from plates.why.evidence import of_now  # noqa: E402

WORK = ROOT / ".plates" / "faults"
FIRST = ("medium", "healthy")
"""What is run before the other strengths."""
MADE_OF = {"data": projects.DATA, "split": FROM_SPLITS, "model": ("anchors",)}
"""The assets to run again after a change of a section."""


def main() -> None:
    """Runs the cases that are not done, within the time; then writes the evidence of all, and the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strength", choices=(*STRENGTHS, "healthy"), action="append")
    parser.add_argument("--minutes", type=float, default=60)
    arguments = parser.parse_args()
    logging.getLogger("dagster").setLevel(logging.ERROR)
    end = time.monotonic() + 60 * arguments.minutes
    wanted = arguments.strength or list(dict.fromkeys((*FIRST, *STRENGTHS)))
    for strength in wanted:
        for name in HEALTHY if strength == "healthy" else [fault.name for fault in FAULTS]:
            if _result(strength, name).exists():
                continue
            if time.monotonic() > end:
                print("out of time: run it again to continue")
                return write(wanted)
            began = time.monotonic()
            content = healthy(name) if strength == "healthy" else injected(name, STRENGTHS.index(strength))
            write_json(_result(strength, name), content)
            found = asked(content)
            said = found.answer if found else content["stopped"]
            print(f"{strength:8} {name}: {said} ({time.monotonic() - began:.0f} s)", flush=True)
    return write(wanted)


def write(strengths: list[str]) -> None:
    """The evidence of what is done, and the page."""
    for strength in strengths:
        names = list(HEALTHY) if strength == "healthy" else [fault.name for fault in FAULTS]
        done = [(name, _result(strength, name)) for name in names if _result(strength, name).exists()]
        if done:
            stored.write(strength, [(name, json.loads(file.read_text(encoding="utf-8"))) for name, file in done])
    with atomic(PAGE) as temporary:
        temporary.write_text(page(), encoding="utf-8")


def _result(strength: str, name: str) -> Path:
    return WORK / "results" / strength / f"{name}.json"


def base(name: str) -> Project:
    """The healthy project, made once: its data, and a detector trained on them from random weights."""
    folder = WORK / "base" / name
    if not folder.exists():
        with atomic(folder) as temporary:
            projects.make(temporary, BASES[name])
            projects.run(projects.change(temporary, projects.FIRST), "checkpoint")
    return Project(folder)


def healthy(name: str) -> dict[str, Any]:
    """The evidence of a project without a fault."""
    project = fresh(base("one class"))
    projects.change(project.root, HEALTHY[name])
    sections = {key.partition(".")[0] for key in HEALTHY[name]}
    if "data" in sections:
        (project.scratch / "sample.json").unlink(missing_ok=True)  # so that the scenes are drawn anew
    again = next((made for section, made in MADE_OF.items() if section in sections), ())
    return ran(project, (*again, "checkpoint", "evaluation"))


def injected(name: str, strength: int) -> dict[str, Any]:
    """The evidence of a project with a fault."""
    fault = next(fault for fault in FAULTS if fault.name == name)
    project = fresh(base(fault.base))
    projects.change(project.root, fault.settings[strength])
    if fault.edit is not None:
        fault.edit(project, fault.amounts[strength])
    assets = ("checkpoint", "evaluation") if fault.trains else ("evaluation",)
    return ran(project, (*fault.again, *assets), fault, fault.amounts[strength])


def ran(project: Project, assets: tuple[str, ...], fault: Fault | None = None, amount: float = 0.0) -> dict[str, Any]:
    """Runs the assets and keeps the evidence; of a run that stops, its error."""
    around = {"checkpoint": fault.training, "evaluation": fault.evaluation} if fault else {}
    try:
        for name in assets:
            if name in around:
                with around[name](amount):
                    projects.run(Project(project.root), name)
            else:
                projects.run(Project(project.root), name)
    except UserError as error:
        return {"stopped": str(error)}
    return stored.kept(of_now(Project(project.root)))


def fresh(healthy: Project) -> Project:
    """A copy of a healthy project to break, which goes on from its detector."""
    folder = WORK / "project"
    shutil.rmtree(folder, ignore_errors=True)
    project = projects.copy(healthy, folder)
    return projects.change(project.root, projects.SMALL | {"model.pretrained": str(healthy.path("models/checkpoint"))})


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
