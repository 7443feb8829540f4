"""`dvc repro` without DVC's hints and headings: `python -m pipelines.dvc_repro`, run in the project's folder.

Each stage reports what it made. What only DVC knows is kept: which results came from its cache, and what stopped it if
no stage did. `dvc repro --quiet` would hide that too.
"""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from stages.dvc_whole import write_whole
from stages.faults import dvc_in_words

CACHED = "is cached - skipping run"


class FromCache(logging.Handler):
    """Prints which stages DVC did not run because their results are in its cache."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a line for such a message; ignores others."""
        message = record.getMessage()
        if CACHED in message:
            stage = message.split()[1].strip("'")
            print(f"  {stage}: from DVC's cache, made earlier with the same code, parameters and inputs", flush=True)


def main(root: Path) -> int:
    """Runs every stage that is out of date.

    Returns:
        0, or 1 if a stage or DVC failed.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.stage.exceptions import StageCmdFailedError

    logging.getLogger("dvc").setLevel(logging.ERROR)
    cache = logging.getLogger("dvc.stage.cache")
    cache.setLevel(logging.INFO)
    cache.addHandler(FromCache())
    cache.propagate = False
    write_whole()
    try:
        Repo(str(root)).reproduce()
    except KeyboardInterrupt:
        return 1
    except DvcException as error:
        causes = list(_chain(error))
        if not any(isinstance(cause, StageCmdFailedError) for cause in causes):
            print(f"error: {dvc_in_words(': '.join(map(str, causes)), root)}", file=sys.stderr)
        return 1
    return 0


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


if __name__ == "__main__":
    sys.exit(main(Path.cwd()))
