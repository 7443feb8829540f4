"""`dvc` that writes its files whole: `python -m stages.dvc_whole WORDS`, run in the project's folder.

DVC 3.67 writes `dvc.lock` in place. A kill or a full disk in that moment leaves the first half of it, or nothing, and
with it what every stage was made from.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plates.files import atomic


def write_whole() -> None:
    """From now on, DVC's YAML files in this process are the old or the new, never a half."""
    from dvc.utils.serialize import _common

    assert callable(_common._dump_data)
    _common._dump_data = _dump


def _dump(path: str, data: Any, dumper: Callable[..., Any], fs: Any = None, **options: Any) -> None:
    with atomic(Path(path)) as temporary, temporary.open("w", encoding="utf-8") as file:
        dumper(data, file, **options)


if __name__ == "__main__":
    from dvc.cli import main

    write_whole()
    sys.exit(main(sys.argv[1:]))
