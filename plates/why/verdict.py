"""Ranks the causes, and says what to report if there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plates.why.causes import CAUSES
from plates.why.causes.change import within_chance
from plates.why.evidence import Evidence
from plates.why.finding import LIKELY, POSSIBLE, Finding

GOOD = 0.9
"""mAP50, or the masks' IoU, from which a score is not low."""
SHOWN = 5


@dataclass(frozen=True)
class Verdict:
    """`headline` says what is asked about, `answer` the verdict in a sentence; `findings` are ranked.

    `healthy` is true if the score is not low and nothing speaks against it; `missing` names what could not be read.
    """

    headline: str
    answer: str
    findings: Sequence[Finding]
    missing: Sequence[str]
    healthy: bool

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON."""
        return vars(self) | {"findings": [vars(finding) for finding in self.findings]}


def verdict(e: Evidence) -> Verdict:
    """Evaluates every cause, and ranks the findings by how much of a low score they explain."""
    found = sorted((finding for cause in CAUSES if (finding := cause(e))), key=lambda finding: -finding.weight)
    low = (e.metrics.get("mAP50", e.metrics.get("mask_iou")) or 0.0) < GOOD
    if not low:
        found = [finding for finding in found if finding.weight >= LIKELY and finding.cause != "too few steps"]
    return Verdict(_headline(e), _answer(e, found, low), found[:SHOWN], e.missing, not low and not found)


def _headline(e: Evidence) -> str:
    names = [name for name in ("mAP", "mAP50", "mAP75", "mask_iou", "corner_iou") if e.metrics.get(name) is not None]
    figures = ", ".join(f"{name} {e.metrics[name]:.3f}" for name in names)
    between = (e.metrics.get("intervals") or {}).get("mAP")
    noise = f" (95%: mAP {between[0]:.3f} to {between[1]:.3f})" if between else ""
    which = f", record {e.record.short}" if e.record else ""
    return f"{figures}{noise} on {e.metrics.get('images', 0):,} {e.metrics.get('split', '')} photographs{which}"


def _answer(e: Evidence, found: Sequence[Finding], low: bool) -> str:
    strongest = found[0].weight if found else 0.0
    likely = [finding.cause for finding in found if finding.weight >= LIKELY]
    if likely and likely[0] != "too few steps":
        return f"Most likely: {likely[0]}."
    if found and found[0].cause == "too few steps":
        others = [cause for cause in likely if cause != "too few steps"]
        return (
            f"It needs more steps; also look at: {others[0]}." if others else "Nothing is wrong: it needs more steps."
        )
    if within_chance(e) and e.before is not None:
        return (
            f"This is noise: the best earlier mAP, {e.before.metrics['mAP']:.3f} (record {e.before.short}), is "
            "inside this one's interval."
        )
    if not low:
        return "Nothing is wrong, as far as the evidence goes."
    if strongest >= POSSIBLE:
        return f"No cause stands out; first look at: {found[0].cause}."
    return "The score is low, but no known cause is found: look at the galleries, and try `plates why --probe`."
