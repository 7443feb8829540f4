"""What changed since a stage's last result, as far as is known without a scan of the photographs."""

from collections.abc import Iterator, Mapping

from plates.errors import UserError
from plates.lineage.record import flat
from plates.settings.project import Project
from stages import dvc_lock, snapshot
from stages.dvc_lock import Entry
from stages.stage import Stage

SHOWN = 5


def changes(project: Project, stage: Stage, entries: Mapping[str, Entry], maker: Mapping[str, Stage]) -> list[str]:
    """In words, which code, settings and inputs differ from the stage's entry in `dvc.lock`; empty if none does.

    Args:
        project: as it is now.
        stage: to look at.
        entries: of `dvc.lock`.
        maker: the stage that writes each path.
    """
    if (entry := entries.get(stage.name)) is None:
        return ["not made yet"]
    before, now = entry.began(stage), snapshot.take(project, stage)
    was, new = flat(before.params), flat(now.params)
    edited = [path for path in {*before.code, *now.code} if before.code.get(path) != now.code.get(path)]
    made = {path: entries[name].outs.get(path) for path in stage.reads if (name := maker[path].name) in entries}
    return [
        *([f"{len(edited)} code {'file' if len(edited) == 1 else 'files'}"] if edited else []),
        *(f"{key} {was.get(key)} -> {new.get(key)}" for key in sorted({*was, *new}) if was.get(key) != new.get(key)),
        *(path for path, found in made.items() if entry.deps.get(path) != found),
    ]


def gone(project: Project, stage: Stage) -> list[str]:
    """In words, which outputs of the stage are not there."""
    tracked = [out.path for out in stage.writes if out.tracked]
    return [f"{path} is gone" for path in tracked if not (project.root / path).exists()]


def require_current(project: Project, stage: Stage, maker: Mapping[str, Stage]) -> None:
    """Raises `UserError` if something that `stage` builds on, however early, was made with other code or settings."""
    entries = dvc_lock.read(project.root)
    found = {one.name: why for one in _before(stage, maker) if (why := changes(project, one, entries, maker))}
    if found:
        said = "; ".join(f"{name} ({', '.join(why)})" for name, why in list(found.items())[:SHOWN])
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise UserError(
            "a record says with which code and settings everything before it was made: those of now, but "
            f"{said}{more} {'is' if len(found) == 1 else 'are'} out of date. Make it: plates run"
        )


def _before(stage: Stage, maker: Mapping[str, Stage]) -> Iterator[Stage]:
    """The stages that `stage` builds on, each once, the earlier first."""
    known: dict[str, Stage] = {}

    def add(one: Stage) -> None:
        for path in one.reads:
            if (earlier := maker[path]).name not in known:
                add(earlier)
                known[earlier.name] = earlier

    add(stage)
    return iter(known.values())
