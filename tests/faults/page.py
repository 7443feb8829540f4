"""What `plates why` says about every case, and the table of it in `docs/fault-gallery.md`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults import project, stored
from faults.gallery import FAULTS, HEALTHY, Fault

from plates.why.verdict import Verdict, verdict

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fault-gallery.md"


@dataclass(frozen=True)
class Judged:
    """A fault at a strength, and what was said of it: a verdict, or the error that the run stopped with."""

    fault: Fault
    content: dict[str, Any]
    verdict: Verdict | None

    @property
    def rank(self) -> int:
        """Where the verdict names it, from 1; 0: it does not."""
        if self.fault.stops is not None:
            return int(self.fault.stops in self.content.get("stopped", ""))
        causes = [finding.cause for finding in self.verdict.findings] if self.verdict else []
        return next((place for place, cause in enumerate(causes, 1) if cause in self.fault.causes), 0)

    @property
    def said(self) -> str:
        """The first cause, or why there is none."""
        if self.verdict is None:
            return f"stopped: {self.content['stopped'].splitlines()[0]}"
        return self.verdict.findings[0].cause if self.verdict.findings else self.verdict.answer


def judged(strength: str) -> list[Judged]:
    """Every fault of the strength that was run."""
    cases = stored.read(strength)
    found = [(fault, cases[fault.name]) for fault in FAULTS if fault.name in cases]
    return [Judged(fault, content, asked(content)) for fault, content in found]


def healthy() -> dict[str, Verdict]:
    """What is said of each healthy run."""
    cases = stored.read("healthy")
    return {name: verdict(stored.evidence(cases[name])) for name in HEALTHY if name in cases}


def asked(content: dict[str, Any]) -> Verdict | None:
    """The verdict of a case; None where the run stopped."""
    return None if "stopped" in content else verdict(stored.evidence(content))


def blamed(found: Verdict) -> list[str]:
    """What a verdict says is wrong; that a run needs more steps is nothing wrong."""
    return [finding.cause for finding in found.findings if finding.cause != "too few steps"]


def named(rows: list[Judged], among: int) -> int:
    """How many are named among the first causes."""
    return sum(1 <= row.rank <= among for row in rows)


def page() -> str:
    """The page, of all that was run."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from ("# The fault gallery", "")
    yield "`make faults` injects each fault into a small project with a working detector, retrains it, and runs"
    yield "`plates why`. [Why is my mAP low](why-is-my-map-low.md) explains each cause and its fix. The evidence for"
    yield "every case is kept in `tests/faults/evidence`, and a test checks the verdict on all of it."
    yield ""
    yield f"The project: {', '.join(f'`{key}: {value}`' for key, value in project.SMALL.items())}."
    yield ""
    yield "The rules were corrected on the medium cases, so their table says what the rules know, not what they would"
    yield "make of a fault they never met. When first run, 31 of the first 36 were ranked first and 35 in the top"
    yield "three, and one of the 20 healthy runs was blamed. Of the ten that came later, the two that stop the run"
    yield "were named at once. None of the next five was, and the rules for them came after: mAP on val in training"
    yield "and in evaluation, boxes in training and in the TFRecords, and pixels against what the weights expect. BGR"
    yield "in training on 70% of the photographs acts like colour augmentation and was not named even then; the case"
    yield "is all photographs now. Of the last three, inverted class weights came first, a stale checkpoint second,"
    yield "and positives without weight were not named; the two rules were corrected after. Labels that are off the"
    yield "plates have four causes, by what is measured; whichever of them is named counts, so swapped coordinates"
    yield "that are called shifted boxes are a hit. No rule was corrected on a weak or a strong case, so their tables"
    yield "say what the rules make of cases they were not made for; a weak fault can cost so little that another"
    yield "answer is as true. The weakly corrupted shard first stopped training with an error of TensorFlow, and got"
    yield "its message after that."
    for strength in ("medium", "weak", "strong"):
        rows = judged(strength)
        if not rows:
            continue
        yield from ("", f"## {strength.capitalize()} faults", "")
        count = f"{len(rows)} of {len(FAULTS)} faults were run" if len(rows) < len(FAULTS) else f"{len(rows)} faults"
        yield f"{count}: {named(rows, 1)} ranked first, {named(rows, 3)} in the top three."
        yield from (
            "",
            "| fault | mAP | mAP50 | first answer of `plates why` | rank |",
            "| --- | --- | --- | --- | --- |",
        )
        for row in rows:
            metrics = row.content.get("metrics", {})
            figures = " | ".join(f"{metrics[key]:.3f}" if key in metrics else "" for key in ("mAP", "mAP50"))
            yield f"| {row.fault.name} | {figures} | {row.said} | {row.rank or 'no'} |"
    found = healthy()
    cases = stored.read("healthy")
    accused = sum(map(bool, map(blamed, found.values())))
    compared = sum("mAP_on_val" in cases[name]["metrics"] for name in found)
    yield from (
        "",
        "## Healthy runs",
        "",
        f"{len(found)} of {len(HEALTHY)} were run, {compared} of them with the mAP on val that two rules compare; "
        f"{accused} were blamed for something.",
        "",
    )
    yield from ("| run | mAP | mAP50 | answer of `plates why` |", "| --- | --- | --- | --- |")
    for name, one in found.items():
        metrics = cases[name]["metrics"]
        yield f"| {name} | {metrics['mAP']:.3f} | {metrics['mAP50']:.3f} | {one.answer} |"
