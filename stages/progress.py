"""Progress of long work: a bar in a terminal; elsewhere and in Dagster's log, a line every ten seconds."""

import sys
import time
from collections.abc import Callable

import dagster as dg
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as RichProgress,
)

PERIOD_S = 10.0


class Progress:
    """Hands out callbacks `advance(done, total)` that show a named piece of work."""

    def __init__(self, log: dg.DagsterLogManager) -> None:
        self._log = log
        self._console = Console(stderr=True)
        self._bars: list[RichProgress] = []

    def __call__(self, what: str) -> Callable[[int, int], None]:
        """A callback that shows `what` at `done` of `total`; the bar is closed when the two are equal."""
        return self._bar(what) if self._console.is_terminal and sys.stderr.isatty() else self._lines(what)

    def counter(self, what: str, total: int = 0) -> Callable[[int], None]:
        """The same for work that reports how much it did since its last call; `total` is 0 if it is not known."""
        advance, done = self(what), 0

        def more(count: int) -> None:
            nonlocal done
            done += count
            advance(done, total)

        return more

    def say(self, line: str) -> None:
        """Prints a line to Dagster's log and to the terminal."""
        self._log.info(line)
        self._console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Removes the bars of work that ended in an error."""
        for bar in self._bars:
            bar.stop()

    def _bar(self, what: str) -> Callable[[int, int], None]:
        bar = RichProgress(
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._bars.append(bar)
        task = bar.add_task(what, total=None)

        def advance(done: int, total: int) -> None:
            if not bar.live.is_started and done != total:
                bar.start()
            bar.update(task, completed=done, total=total or None)
            if done == total:
                bar.stop()

        return advance

    def _lines(self, what: str) -> Callable[[int, int], None]:
        said = time.monotonic()

        def advance(done: int, total: int) -> None:
            nonlocal said
            if time.monotonic() - said >= PERIOD_S:
                said = time.monotonic()
                self.say(f"{what}: {done:,}" + (f" of {total:,}" if total else ""))

        return advance
