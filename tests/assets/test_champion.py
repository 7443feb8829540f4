"""The gate compares two detectors on the same photographs, whatever became of the numbers and the splits of these."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from assets import champion as asset
from assets.champion import judge
from models import cache
from plates.ccpd.table import LABELS_SCHEMA, REJECTED_SCHEMA
from plates.columns import BOX
from plates.errors import UserError
from plates.files import write_json, write_parquet
from plates.hashes import content_hash
from plates.lineage import champion as champions
from plates.lineage.record import FOLDER, Record, sealed
from plates.lineage.training_set import PHOTOGRAPHS, SPLITS
from plates.photographs.convert import TAKEN_SCHEMA
from plates.scoring.detections import SCHEMA
from plates.scoring.truth import identity, numbering, truth
from plates.settings.project import Project
from plates.splits.split import split_by_plate
from stages.run import Run

NAMES = [f"base/{number:03d}.jpg" for number in range(120)]


class World:
    """A project whose test photographs two detectors have seen: `offset` px to the right of every plate."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / ".dvc").mkdir(parents=True)
        (root / ".dvc/config").touch()
        (root / "params.yaml").write_text("gate: {min_value: 0.05, margin: 0.01}\n")
        self.looked = 0
        for folder in (champions.CHECKPOINT, f"{champions.FOLDER}/best/checkpoint"):
            write_json(root / folder / "model.json", {"label_map": {"1": "plate"}, "spec": {"image_size": [384, 240]}})
        write_json(root / "models/export/model/agreement.json", {"agrees": True})

    def photographs(self, contents: dict[str, str], seed: int = 0) -> None:
        """The tables of photographs, by path what is in each, which decides its plate and box."""
        rows = []
        for path, content in contents.items():
            x, y = np.random.default_rng(int(content)).integers(50, 400, 2).tolist()
            row = dict.fromkeys(LABELS_SCHEMA.names) | {"path": path, "subset": "base", "width": 720, "height": 1160}
            row |= {"sha256": hashlib.sha256(content.encode()).hexdigest(), "plate": content, "class": "plate"}
            rows.append(row | dict(zip(BOX, (x, y, x + 150, y + 50), strict=True)))
        boxes = pa.Table.from_pylist(rows, LABELS_SCHEMA)
        write_parquet(self.root / "data/boxes.parquet", boxes)
        write_parquet(self.root / "data/rejected.parquet", REJECTED_SCHEMA.empty_table())
        write_parquet(self.root / SPLITS, split_by_plate(boxes, seed).table)
        raw = [{name: row.get(name) for name in TAKEN_SCHEMA.names} for row in rows]
        write_parquet(self.root / PHOTOGRAPHS, pa.Table.from_pylist(raw, TAKEN_SCHEMA))

    def test(self) -> pd.DataFrame:
        return truth(Project(self.root), "test", with_regions=True)

    def finds(self, file: Path, offset: float) -> None:
        found = self.test().assign(score=0.9, **{"class": 1})
        found["xmin"], found["xmax"] = found["xmin"] + offset, found["xmax"] + offset
        table = pa.Table.from_pandas(found.reindex(columns=SCHEMA.names), SCHEMA, preserve_index=False)
        write_parquet(self.root / file, table)

    def record(self, name: str, **metrics: float) -> Record:
        """What is there now is what this record was made with."""
        cache(self.root, self.root / SPLITS)
        cache(self.root, self.root / PHOTOGRAPHS)
        expected = self.test()
        scored = {"mAP": 0.5, "test_set": identity(expected), "numbering": numbering(expected)}
        common = {"packages": {}, "machine": {}, "params_yaml": "", "dvc_lock": "stages: {}\n", "params": {}}
        record = sealed(
            Record(
                **{"version": 2, "id": "", "time": "2026-11-30T10:00:00+00:00", "code": {"tree": name}},
                **{
                    "metrics": scored | metrics,
                    "outputs": {name: content_hash(self.root / name) for name in (SPLITS, PHOTOGRAPHS)},
                },
                **common,
            )
        )
        write_json(self.root / FOLDER / f"{record.id}.json", record.model_dump())
        return record

    def service(self, best: Record) -> champions.InService:
        verdict = champions.verdict(self.root, "gate", best.id, None, promoted=True, reason="the first")
        of = {name: best.metrics[name] for name in ("test_set", "numbering")}
        return champions.InService(record=best.id, best=best.id, verdict=verdict, **of)

    def look(self, run: Run, file: Path) -> None:
        """The best model, asked again."""
        self.looked += 1
        self.finds(file, 0)

    def judge(self, challenger: Record, service: champions.InService) -> tuple[bool, str]:
        project, said = Project(self.root), list[str]()
        run = SimpleNamespace(project=project, params=project.params, progress=SimpleNamespace(say=said.append))
        decision, _ = judge(run, challenger, service)
        return decision.promoted, "; ".join([decision.reason, *said])


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    world.photographs({name: str(number) for number, name in enumerate(NAMES)})
    world.finds(Path(champions.FOLDER, "best/detections.parquet"), 0)
    monkeypatch.setattr(asset, "look", world.look)
    return world


def of_split(world: World, split: str) -> Sequence[str]:
    splits = pd.read_parquet(world.root / SPLITS)
    return splits.loc[splits["split"] == split, "path"].tolist()


def test_the_same_photographs_are_not_looked_at_again(world: World) -> None:
    service = world.service(world.record("one"))
    world.finds(Path(champions.DETECTIONS), 30)
    promoted, reason = world.judge(world.record("two"), service)
    assert not promoted
    assert "worse beyond chance" in reason
    assert world.looked == 0


@pytest.mark.parametrize("change", ["one left train", "test photographs renamed"])
def test_an_equal_test_set_with_other_numbers_is_looked_at_again(world: World, change: str) -> None:
    """Ids are rows of all photographs: one in another split, or a name, moves them."""
    service = world.service(world.record("one"))
    contents = {name: str(number) for number, name in enumerate(NAMES)}
    if change == "one left train":
        del contents[of_split(world, "train")[0]]
    else:
        paths = of_split(world, "test")
        contents |= dict(zip(paths, [contents[path] for path in reversed(paths)], strict=True))
    world.photographs(contents)
    assert identity(world.test()) == service.test_set
    world.finds(Path(champions.DETECTIONS), 30)
    promoted, reason = world.judge(world.record("two"), service)
    assert not promoted
    assert "mAP 0.400 against 1.000" in reason
    assert world.looked == 1


def test_photographs_that_the_best_model_learned_from_do_not_count(world: World) -> None:
    contents = {name: str(number) for number, name in enumerate(NAMES)}
    best = world.record("one")
    learned = {*of_split(world, "train"), *of_split(world, "val")}
    world.photographs(contents, seed=1)
    world.finds(Path(champions.DETECTIONS), 30)
    both = learned & set(of_split(world, "test"))
    left = len(of_split(world, "test")) - len(both)
    assert both
    assert left
    _, reason = world.judge(world.record("two"), world.service(best))
    assert f"on the same {left} photographs" in reason
    assert f"; {len(both)} photographs are left out, which record {best.short} was trained or selected on" in reason


def test_a_test_split_that_the_best_model_learned_from_has_a_way_on(world: World) -> None:
    best = world.record("one")
    learned = of_split(world, "train")[:40]
    world.photographs({path: str(NAMES.index(path)) for path in learned}, seed=1)
    world.finds(Path(champions.DETECTIONS), 0)
    with pytest.raises(UserError, match=r"no plate is left to compare on.*plates promote ID --new-bar"):
        world.judge(world.record("two"), world.service(best))


def test_splits_that_are_nowhere_are_said_to_be(world: World) -> None:
    best = world.record("one")
    (world.root / ".dvc/cache/files/md5" / best.outputs[SPLITS][:2] / best.outputs[SPLITS][2:]).unlink()
    world.photographs({name: str(number) for number, name in enumerate(NAMES)}, seed=1)
    world.finds(Path(champions.DETECTIONS), 30)
    _, reason = world.judge(world.record("two"), world.service(best))
    assert "DVC's cache lacks its splits or its photographs' hashes. All count" in reason


def test_what_the_best_model_learned_from_is_known_under_other_paths(world: World) -> None:
    """`data.root` is a folder further up now, and the photographs are split in another way."""
    best = world.record("one")
    learned = [path for split in ("train", "val") for path in of_split(world, split)]
    world.photographs({f"2019/{name}": str(number) for number, name in enumerate(NAMES)}, seed=1)
    world.finds(Path(champions.DETECTIONS), 30)
    again = {path.removeprefix("2019/") for path in of_split(world, "test")} & set(learned)
    _, reason = world.judge(world.record("two"), world.service(best))
    assert again
    assert f"{len(again)} photographs are left out" in reason
