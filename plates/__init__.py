"""License plates in pictures: load a model, predict, score it, hide what was found.

    import plates

    model = plates.load("models/champion")
    for result in model.predict("street/"):
        print(result.source, result.xyxy, result.scores)

The public API: `load`, `evaluate`, the classes `Model`, `Result` and `Scores`, and `UserError`, raised for every error
a user can fix. The packages below are its parts: `settings`, `photographs`, `ccpd`, `coco`, `splits`,
`efficientdet` (network, losses, training), `scoring`, `lineage`, `card`, `predict`, `pages`. They work from a notebook
and know neither Dagster nor DVC nor Great Expectations. Not here: what is run when (`assets`, `stages`, `pipelines`),
and what must be true of the results (`checks`).
"""

from typing import TYPE_CHECKING, Any

from plates.errors import UserError

if TYPE_CHECKING:
    from plates.predict.evaluate import Scores, evaluate
    from plates.predict.load import load
    from plates.predict.model import Model
    from plates.predict.result import Result

__all__ = ["Model", "Result", "Scores", "UserError", "evaluate", "load"]

HOMES = {
    "Model": "plates.predict.model",
    "Result": "plates.predict.result",
    "Scores": "plates.predict.evaluate",
    "evaluate": "plates.predict.evaluate",
    "load": "plates.predict.load",
}


def __getattr__(name: str) -> Any:
    """Imports names on first use: the pipeline needs only the errors and files of `plates`."""
    if name not in HOMES:
        raise AttributeError(f"module 'plates' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
