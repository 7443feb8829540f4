"""What happened to each variable when weights were loaded."""

from dataclasses import asdict, dataclass, field
from typing import Any

from plates.errors import UserError

SHOWN = 3


@dataclass
class LoadReport:
    """Which variables of the network got their values from `source`, and why the others did not.

    Names are google/automl's. `skipped` keep their fresh values because the file has nothing for them, or in another
    shape; `reinitialised` are prediction layers that start fresh (another number of classes or anchors).
    `unused` counts arrays of the file that no variable of the network uses.
    """

    source: str
    kind: str
    sha256: str | None = None
    matched: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    reinitialised: dict[str, str] = field(default_factory=dict)
    unused: int = 0

    def share(self, prefix: str) -> float:
        """The share of variables whose name starts with `prefix` that matched; 1 if there are none."""
        total = [name for name in (*self.matched, *self.skipped, *self.reinitialised) if name.startswith(prefix)]
        return sum(name.startswith(prefix) for name in self.matched) / len(total) if total else 1.0

    def require_backbone(self, prefix: str, *, allow_partial: bool) -> None:
        """Raises `UserError` if the file does not fill the whole backbone, unless that is allowed."""
        share = self.share(prefix)
        if share == 1 or allow_partial:
            return
        missing = {name: why for name, why in self.skipped.items() if name.startswith(prefix)}
        raise UserError(
            f"{self.source} fills {share:.0%} of the backbone {prefix.rstrip('/')}: {len(missing)} variables stay "
            f"empty, {_first(missing)}. It is for another variant or damaged (`plates weights inspect` shows "
            "what is in it); set model.allow_partial_backbone: true to train on it anyway"
        )

    def say(self) -> str:
        """The report in a few sentences."""
        parts = [f"{self.source} ({self.kind}): {len(self.matched)} variables loaded"]
        if self.reinitialised:
            parts.append(f"{len(self.reinitialised)} start fresh, {_first(self.reinitialised)}")
        if self.skipped:
            parts.append(f"{len(self.skipped)} not in the file, or in another shape, {_first(self.skipped)}")
        if self.unused:
            parts.append(f"{self.unused} arrays of the file are not used by this network")
        return "; ".join(parts) + (f". SHA-256 {self.sha256}" if self.sha256 else "")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def _first(reasons: dict[str, str]) -> str:
    shown = [f"{name} ({why})" for name, why in list(reasons.items())[:SHOWN]]
    return ", ".join(shown) + (", ..." if len(reasons) > SHOWN else "")
