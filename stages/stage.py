"""What an asset declares: the files it reads and writes, the parameters it reads, and how it looks in the graph."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from stages.run import Run

Body = Callable[["Run"], Mapping[str, Any]]


@dataclass(frozen=True)
class Output:
    """A file or folder that an asset writes.

    Args:
        path: from the project's root.
        cache: DVC keeps the content in its cache; otherwise the file is small and belongs in Git.
        metric: `dvc metrics show` shows it.
        persist: DVC leaves it in place when the stage runs, because the asset builds on what is there.
        tracked: False for pages that contain the time they were made: by-products that neither door versions.
        schema: the columns of a table.
    """

    path: str
    cache: bool = True
    metric: bool = False
    persist: bool = False
    tracked: bool = True
    schema: "pa.Schema | None" = None


@dataclass(frozen=True)
class Stage:
    """An asset as both Dagster and DVC see it. `body` does the work; the rest is what the asset's file declares.

    `always` stages look at the world outside the project, so DVC runs them every time. `tensorflow` stages import
    TensorFlow before their body, without its messages about drivers.
    """

    name: str
    body: Body
    reads: tuple[str, ...]
    sources: tuple[str, ...]
    params: tuple[str, ...]
    writes: tuple[Output, ...]
    group: str
    kinds: frozenset[str]
    description: str
    pool: str | None
    always: bool
    keeps: str
    vouches: bool

    @property
    def versioned(self) -> list[str]:
        """The outputs whose content is the asset's data version: those that DVC caches, or all if it caches none."""
        tracked = [out for out in self.writes if out.tracked]
        return [out.path for out in tracked if out.cache] or [out.path for out in tracked]

    def data_version(self, hashes: Mapping[str, str]) -> str:
        """One hash for its outputs, given their hashes by path: DVC's own of a single output, else a hash of all."""
        found = [hashes[path] for path in self.versioned]
        return found[0] if len(found) == 1 else hashlib.md5("".join(found).encode()).hexdigest()

    def schema(self, path: str) -> "pa.Schema | None":
        """The columns of the output `path`; None if it is not a table."""
        return next(out.schema for out in self.writes if out.path == path)

    @property
    def in_dvc(self) -> bool:
        """Whether it is a DVC stage, part of every run; otherwise it is made on request and nothing depends on it."""
        return bool(self.versioned)

    @property
    def writes_pages(self) -> bool:
        """Whether its outputs include pages, so that the code that draws them is part of it."""
        return any(out.path.endswith(".html") for out in self.writes)

    @property
    def tensorflow(self) -> bool:
        """Whether its body runs TensorFlow."""
        return "tensorflow" in self.kinds


def asset(
    *,
    writes: Sequence[str | Output],
    group: str,
    kinds: set[str],
    description: str | None,
    reads: Sequence[str] = (),
    sources: Sequence[str] = (),
    params: Sequence[str] = (),
    pool: str | None = None,
    always: bool = False,
    keeps: str = "",
    vouches: bool = False,
) -> Callable[[Body], Stage]:
    """Declares the decorated function as the asset of the same name.

    Args:
        writes: its outputs; a plain path is cached by DVC.
        group: its group in Dagster's UI.
        kinds: its kinds in Dagster's UI.
        description: its description in the UI and `dvc.yaml`: the module's docstring.
        reads: outputs of other assets that it reads. These are the edges of the graph.
        sources: files it reads that people write and Git keeps. They are versioned with its code.
        params: the keys of `params.yaml` that it reads, such as `validation` or `data.root`.
        pool: Dagster's pool that limits how many run at once.
        always: runs every time, because it reads files outside the project.
        keeps: what an interrupted run leaves for the next to continue from; empty if the next starts over.
        vouches: says with which code and settings everything before it was made, so all of that must be up to date.
    """

    def declare(body: Body) -> Stage:
        outputs = tuple(Output(out) if isinstance(out, str) else out for out in writes)
        return Stage(
            body.__name__,
            body,
            tuple(reads),
            tuple(sources),
            tuple(params),
            outputs,
            group,
            frozenset(kinds),
            (description or "").strip(),
            pool,
            always,
            keeps,
            vouches,
        )

    return declare
