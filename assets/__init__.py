"""The assets, one file each, named after it: it reads files, calls the library, writes files, reports.

An asset declares what it reads and writes; arithmetic belongs in `plates/`, what must be true of the result in
`checks/`, what all assets share in `stages/`.
"""

from importlib import import_module
from pkgutil import iter_modules

from stages.stage import Stage


def graph() -> dict[str, Stage]:
    """The assets of a run by name, each after those that write what it reads: the stages of `dvc.yaml`."""
    found = {name: stage for name, stage in _all().items() if stage.in_dvc}
    made = writers(found)
    ordered: dict[str, Stage] = {}

    def place(stage: Stage) -> None:
        for path in stage.reads:
            if made[path].name not in ordered:
                place(made[path])
        ordered.setdefault(stage.name, stage)

    for stage in found.values():
        place(stage)
    return ordered


def on_request() -> dict[str, Stage]:
    """The assets by name that are made on request only: no run includes them and nothing depends on them."""
    return {name: stage for name, stage in _all().items() if not stage.in_dvc}


def writers(stages: dict[str, Stage]) -> dict[str, Stage]:
    """Each path, and the asset that writes it."""
    return {out.path: stage for stage in stages.values() for out in stage.writes}


def _all() -> dict[str, Stage]:
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    return {value.name: value for module in modules for value in vars(module).values() if isinstance(value, Stage)}
