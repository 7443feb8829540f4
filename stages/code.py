"""The files that make up an asset's code: its module, its imports, and their imports in turn.

Both DVC and Dagster version an asset by these files: `dvc.yaml` lists them, Dagster's code version hashes them. Three
kinds of modules are left out by name: plumbing, which moves bytes and decides nothing; settings, whose values are
versioned as parameters; and pictures, except for assets that write pages.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from plates.errors import UserError
from plates.hashes import content_hash
from stages.stage import Stage

ROOT = Path(__file__).resolve().parents[1]
"""The folder that the running code was imported from."""

FOLLOWED = ("assets", "checks", "plates")
PLUMBING = (
    "plates.errors",
    "plates.files",
    "plates.hashes",
    "plates.quiet",
    "plates.remote",
    "plates.workers",
    "plates.settings",
)
PICTURES = ("plates.card", "plates.pages", "plates.efficientdet.evaluation.report", "plates.lineage.timeline")
PUBLIC_API = ROOT / "plates" / "__init__.py"
TEMPLATE = ".j2"


def code_of(stage: Stage) -> list[str]:
    """The stage's source files, as sorted paths from the project's root."""
    left_out = PLUMBING if stage.writes_pages else PLUMBING + PICTURES
    found: set[Path] = set()
    waiting = [_file(stage.body.__module__)]
    while waiting:
        file = waiting.pop()
        if file is None or file in found:
            continue
        found.add(file)
        waiting += [_file(name) for name in _imports(file) if not _is_in(name, left_out)]
    found |= {file.parent / name for file in found for name in _templates(file)}
    return sorted(file.relative_to(ROOT).as_posix() for file in found if _has_code(file))


def hashes(stage: Stage) -> dict[str, str]:
    """Path to MD5 of each of the stage's source files, as `dvc.lock` has them."""
    return {path: content_hash(ROOT / path) for path in code_of(stage)}


def _is_in(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@cache
def _file(module: str) -> Path | None:
    """The file of a module in one of the packages that are followed; None if there is none of that name."""
    if module.split(".")[0] not in FOLLOWED:
        return None
    path = ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file() and file != PUBLIC_API:
            return file
    return None


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes())


@cache
def _imports(file: Path) -> tuple[str, ...]:
    """The modules that a file imports anywhere, with the packages they are in."""
    names: set[str] = set()
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return tuple({part for name in names for part in _parents(name)})


def _parents(name: str) -> Iterator[str]:
    """`a`, `a.b` and `a.b.c` of `a.b.c`: importing the last runs them all."""
    parts = name.split(".")
    return (".".join(parts[: length + 1]) for length in range(len(parts)))


@cache
def _templates(file: Path) -> tuple[str, ...]:
    """The templates in a file's folder that the file names."""
    if file.suffix != ".py":
        return ()
    texts = {node.value for node in ast.walk(_tree(file)) if isinstance(node, ast.Constant)}
    names = [text for text in texts if isinstance(text, str) and text.endswith(TEMPLATE)]
    return tuple(name for name in names if (file.parent / name).is_file())


@cache
def _has_code(file: Path) -> bool:
    """False for a package's `__init__.py` that holds only a docstring."""
    if file.name != "__init__.py":
        return True
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in _tree(file).body)


def require_own_code(root: Path) -> None:
    """Raises `UserError` if the running code is not that of the project in `root`, whose hash would be recorded."""
    if root.resolve() != ROOT:
        raise UserError(
            f"this is the code of {ROOT}, but the project is {root}: the code that runs would not be the code that is "
            "recorded. Give the project its own environment: make setup; then . .venv/bin/activate. Or run its code "
            "with this environment: python -m pipelines.cli"
        )
