"""The house: which way imports run, lazy ones included (down, never back, in no circle), and a sign at every door."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

HOUSE = ({"pipelines"}, {"assets"}, {"checks"}, {"stages"}, {"plates"})
PLATES = (
    {"card", "hide", "predict", "serve", "suspects", "why"},
    {"coco", "photographs", "splits", "scoring", "settings"},
    {"ccpd", "efficientdet", "lineage"},
    {"columns", "errors", "files", "hashes", "metrics", "pages", "parts", "quiet", "remote", "workers"},
)
EFFICIENTDET = (
    {"training"},
    {"inference"},
    {"checkpoints"},
    {"data", "evaluation"},
    {"model"},
    {"config"},
    {"keras_private"},
)

MODULES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for package in set().union(*HOUSE)
    for file in sorted((ROOT / package).rglob("*.py"))
}


def imports(module: str) -> Iterator[str]:
    """The modules of this repository that a module imports anywhere in its file, but for type checkers only."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    unrun = {inner for guard in guards for node in guard.body for inner in ast.walk(node)}
    for node in set(ast.walk(tree)) - unrun:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


GRAPH = {module: set(imports(module)) - {module} for module in MODULES}


def room(module: str) -> tuple[str, ...]:
    """The packages that have a floor of their own: `plates.card`, `plates.efficientdet.data`, `checks`."""
    names = module.split(".")
    depth = 1 if names[0] != "plates" else 3 if names[1:2] == ["efficientdet"] else 2
    return tuple(names[:depth])


def floor(module: str) -> tuple[int, ...]:
    """How far down the house a module is. A package's own file (`plates/__init__.py`) is above all that is in it."""
    found = []
    for plan, name in zip((HOUSE, PLATES, EFFICIENTDET), room(module), strict=False):
        levels = [number for number, names in enumerate(plan) if name in names]
        assert levels, f"{module} is on no floor: add it to this test, and to CONTRIBUTING.md"
        found += levels
    return tuple(found)


def assert_no_circle(graph: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" is imported by ".join(error.args[1])) from None


def test_no_import_runs_up() -> None:
    up = [f"{module} imports {of}" for module, found in GRAPH.items() for of in found if floor(of) < floor(module)]
    assert sorted(up) == []


def test_no_module_is_in_a_circle() -> None:
    assert_no_circle(GRAPH)


def test_no_room_is_in_a_circle() -> None:
    rooms: dict[str, set[str]] = {}
    for module, found in GRAPH.items():
        here = room(module)
        rooms.setdefault(".".join(here), set()).update(".".join(room(of)) for of in found if room(of) != here)
    assert_no_circle(rooms)


def test_every_package_says_what_belongs_there() -> None:
    signs = {
        module: ast.get_docstring(ast.parse(file.read_text()))
        for module, file in MODULES.items()
        if file.name == "__init__.py"
    }
    assert [module for module, sign in signs.items() if not sign] == []
