"""Where the files of a project are."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from plates.errors import UserError
from plates.remote import Place, Remote, is_url
from plates.settings.params import Params, load
from plates.workers import SCHEDULER


@dataclass(frozen=True)
class Project:
    """A clone of the repository: its folder, its parameters, and the path of everything the assets write."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> "Project":
        """The project that holds `start` (default: the working folder), or the one that `PLATES_ROOT` names."""
        named = os.environ.get("PLATES_ROOT")
        here = Path(named) if named and start is None else (start or Path.cwd())
        for folder in (here.resolve(), *here.resolve().parents):
            if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
                return cls(folder)
            if (folder / "dvc.yaml").is_file() and (folder / "dagster.yaml").is_file():
                raise UserError(f"{folder} has no file params.yaml. Restore it: git checkout params.yaml")
        raise UserError(f"{here} is not inside a plates project: no params.yaml with a dvc.yaml. cd into your clone.")

    @cached_property
    def all_params(self) -> Params:
        """`params.yaml`, read once."""
        return load(self.root / "params.yaml")

    @property
    def params(self) -> Params:
        """The parameters that a holder of this project may read: all of them."""
        return self.all_params

    @property
    def draws_sample(self) -> bool:
        """Whether the photographs are the generated sample: no `data.root` is set."""
        return self.all_params.data.root is None

    @property
    def photographs(self) -> Place:
        """The folder of photographs: `data.root`, or the generated sample's."""
        return self.photographs_in(self.all_params.data.root)

    def photographs_in(self, root: str | None) -> Place:
        """The folder that a value of `data.root` names, on this disk or in a store."""
        if root is None:
            return self.sample
        if is_url(root):
            # Dask's workers read from the store: SQLite, which the cache is kept by, does not bear a shared disk.
            limit = 0 if os.environ.get(SCHEDULER) else round(self.all_params.data.cache_gib * 2**30)
            return Remote(root.rstrip("/"), self.scratch / "remote", limit)
        return self.resolve(root)

    @property
    def sample(self) -> Path:
        """The folder of the generated sample."""
        return self.root / "data" / "sample"

    @property
    def annotations(self) -> Path | None:
        """The COCO JSON of `data.annotations`, if set."""
        given = self.all_params.data.annotations
        return self.resolve(given) if given else None

    def resolve(self, given: str) -> Path:
        """A path as `params.yaml` gives it: from the project's root, `~` for the home folder."""
        return (self.root / Path(os.path.expanduser(given))).resolve()

    @property
    def scratch(self) -> Path:
        """Caches and unfinished work, which no asset depends on."""
        return self.root / ".plates"

    @property
    def scan_cache(self) -> Path:
        """What the last scan of the photographs found (`plates.photographs.scan`)."""
        return self.scratch / "scan.parquet"

    @property
    def converted(self) -> Path:
        """The JPEGs that `plates.photographs.convert` made of photographs of other kinds."""
        return self.scratch / "converted"

    def path(self, relative: str) -> Path:
        """An output by its path in `dvc.yaml`."""
        return self.root / relative
