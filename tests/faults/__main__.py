"""`make faults`: injects every fault into small projects, asks `plates why`, and writes the table of what it said.

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
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import project as projects  # noqa: E402
from gallery import BASES, FAULTS, HEALTHY, STRENGTHS, Fault  # noqa: E402

from plates.errors import UserError  # noqa: E402
from plates.files import atomic, write_json  # noqa: E402
from plates.settings.project import Project  # noqa: E402
from plates.why.evidence import of_now  # noqa: E402
from plates.why.verdict import verdict  # noqa: E402

WORK = ROOT / ".plates" / "faults"
PAGE = ROOT / "docs" / "fault-gallery.md"


def main() -> None:
    """Runs the cases that are not done, within the time, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strength", choices=STRENGTHS, action="append")
    parser.add_argument("--minutes", type=float, default=60)
    arguments = parser.parse_args()
    logging.getLogger("dagster").setLevel(logging.ERROR)
    end = time.monotonic() + 60 * arguments.minutes
    cases = [("healthy", name) for name in HEALTHY]
    cases += [(strength, fault.name) for strength in arguments.strength or ["medium"] for fault in FAULTS]
    for strength, name in cases:
        target = WORK / "results" / strength / f"{name}.json"
        if target.exists():
            continue
        if time.monotonic() > end:
            print("out of time: run it again to go on")
            break
        began = time.monotonic()
        found = healthy(name) if strength == "healthy" else injected(name, STRENGTHS.index(strength))
        write_json(target, found)
        print(f"{strength:8} {name}: {found['said'][:2]} ({time.monotonic() - began:.0f} s)", flush=True)
    page(arguments.strength or ["medium"])


def base(name: str) -> Project:
    """The healthy project up to its data, made once."""
    folder = WORK / "base" / name
    if not folder.exists():
        with atomic(folder) as temporary:
            projects.make(temporary, BASES[name])
    return Project(folder)


def healthy(name: str) -> dict[str, Any]:
    """What is said of a project without a fault."""
    project = fresh("one class")
    projects.change(project.root, HEALTHY[name])
    again = ("splits", "tfrecords", "anchors") if any(key.startswith("split.") for key in HEALTHY[name]) else ()
    return asked(project, (*again, "checkpoint", "evaluation"))


def injected(name: str, strength: int) -> dict[str, Any]:
    """What is said of a project with a fault."""
    fault = next(fault for fault in FAULTS if fault.name == name)
    project = fresh(fault.base)
    projects.change(project.root, fault.settings[strength])
    if fault.edit is not None:
        fault.edit(project, fault.amounts[strength])
    return asked(project, (*fault.again, "checkpoint", "evaluation"), fault, fault.amounts[strength])


def asked(project: Project, assets: tuple[str, ...], fault: Fault | None = None, amount: float = 0.0) -> dict[str, Any]:
    """Runs the assets and asks for the verdict; a run that stops says its error in place of it."""
    around = {"checkpoint": fault.training, "evaluation": fault.evaluation} if fault else {}
    try:
        for name in assets:
            if name in around:
                with around[name](amount):
                    projects.run(Project(project.root), name)
            else:
                projects.run(Project(project.root), name)
    except UserError as error:
        return {"stopped": str(error), "said": [], "answer": "", "metrics": {}}
    evidence = of_now(Project(project.root))
    found = verdict(evidence)
    return {
        "said": [finding.cause for finding in found.findings],
        "answer": found.answer,
        "findings": [vars(finding) for finding in found.findings],
        "metrics": {key: evidence.metrics[key] for key in ("mAP", "mAP50", "mAP75")},
    }


def fresh(name: str) -> Project:
    """A copy of a healthy project to break."""
    folder = WORK / "project"
    shutil.rmtree(folder, ignore_errors=True)
    return projects.copy(base(name), folder)


def right(fault: Fault, found: dict[str, Any], among: int) -> bool:
    """Whether the verdict names the fault among its first causes, or the run stopped as it should."""
    if fault.stops is not None:
        return fault.stops in found.get("stopped", "")
    return bool(set(found["said"][:among]) & set(fault.causes))


def page(strengths: list[str]) -> None:
    """Writes the table of all that is done."""
    small = ", ".join(f"`{key}: {value}`" for key, value in projects.SMALL.items())
    lines = [
        *("# The fault gallery", ""),
        f"Made by `make faults`: each fault is injected into a small project ({small}), and `plates why` is asked.",
        "What each cause means and how it is fixed: [why is my mAP low](why-is-my-map-low.md).",
    ]
    for strength in strengths:
        rows = []
        for fault in FAULTS:
            file = WORK / "results" / strength / f"{fault.name}.json"
            if file.exists():
                rows.append((fault, json.loads(file.read_text(encoding="utf-8"))))
        first, third = (sum(right(fault, found, among) for fault, found in rows) for among in (1, 3))
        lines += ["", f"## {strength.capitalize()} faults", ""]
        lines += [f"First in {first} of {len(rows)}, among the first three in {third}.", ""]
        lines += ["| fault | mAP | mAP50 | what plates why says first | named |", "| --- | --- | --- | --- | --- |"]
        for fault, found in rows:
            said = found["said"][0] if found["said"] else f"stopped: {found.get('stopped', 'nothing')[:80]}"
            place = "first" if right(fault, found, 1) else "among three" if right(fault, found, 3) else "no"
            figures = " | ".join(f"{found['metrics'][key]:.3f}" if found["metrics"] else "" for key in ("mAP", "mAP50"))
            lines.append(f"| {fault.name} | {figures} | {said} | {place} |")
    lines += ["", "## Healthy runs", "", "| run | mAP | mAP50 | what plates why says |", "| --- | --- | --- | --- |"]
    for name in HEALTHY:
        file = WORK / "results" / "healthy" / f"{name}.json"
        if file.exists():
            found = json.loads(file.read_text(encoding="utf-8"))
            lines.append(
                f"| {name} | {found['metrics']['mAP']:.3f} | {found['metrics']['mAP50']:.3f} | {found['answer']} |"
            )
    with atomic(PAGE) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
