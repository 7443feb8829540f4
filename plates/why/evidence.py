"""The evidence that a run left: its figures, curves, warnings and tables, read from its files in seconds."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import yaml
from pydantic import ValidationError

from plates.ccpd.geometry import hull
from plates.columns import BOX, CORNERS
from plates.efficientdet.training.history import Row
from plates.errors import UserError
from plates.files import damage, damaged, read_json, read_table
from plates.hashes import content_hash
from plates.lineage.cache import Cache
from plates.lineage.checkpoint import label_map
from plates.lineage.record import Record, flat, read_all
from plates.scoring.truth import truth
from plates.settings.params import Params
from plates.settings.project import Project
from plates.splits.shift import between_splits
from plates.why.content import typical_detail
from plates.why.placement import Placement, place


@dataclass(frozen=True)
class AsRecorded(Project):
    """A project as a record describes it: outputs are read from the cache."""

    record: Record
    outputs: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path, record: Record) -> "AsRecorded":
        """The project in `root` as it was in `record`."""
        stages = yaml.safe_load(record.dvc_lock)["stages"].values()
        return cls(root, record, {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])})

    def path(self, relative: str) -> Path:
        """Where the content of an output is kept; a path without a file if it is not kept."""
        output = next((name for name in self.outputs if relative == name or relative.startswith(f"{name}/")), None)
        if output is None:
            return self.root / ".plates" / "not-recorded" / relative
        cache, md5 = Cache.of(self.root), self.outputs[output]
        inner = relative.removeprefix(output).lstrip("/")
        try:
            name = dict(cache.files(md5)).get(inner, "")
        except KeyError:
            name = ""
        return cache.find(name) or self.root / ".plates" / "not-kept" / relative


FEWEST = 50
"""Boxes with corners needed for a meaningful median."""
SPARE = 10
"""Detections of a photograph that are looked at, beyond one for each of its plates."""


class Beside(NamedTuple):
    """How far the centres of boxes are from those of their corners' hulls, by the median, in box widths and heights.

    `off` is the larger of the two without its sign; `x` and `y` keep theirs.
    """

    off: float
    x: float
    y: float


@dataclass(frozen=True)
class Evidence:
    """What is known about one evaluation. Missing parts are None or empty, and causes that need them find nothing.

    Attributes:
        project: its files.
        params: every parameter by its name, such as `train.steps`.
        metrics: of `metrics/evaluation.json`.
        record: of this evaluation.
        before: the best earlier record that scored the same kind of figure.
        exported: whether the current exported model is from this checkpoint.
    """

    project: Project
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    record: Record | None = None
    before: Record | None = None
    exported: bool = True

    @property
    def missing(self) -> list[str]:
        """What is missing for a full answer."""
        wanted = ("models/checkpoint/history.csv", "models/checkpoint/model.json", "data/detections.parquet")
        return [path for path in (*wanted, "data/boxes.parquet") if not self.project.path(path).is_file()]

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row per training step, with the columns of `Row`; without rows if it is not kept."""
        path, columns = self.project.path("models/checkpoint/history.csv"), [field.name for field in fields(Row)]
        return pd.read_csv(path).reindex(columns=columns) if path.is_file() else pd.DataFrame(columns=columns)

    @cached_property
    def run(self) -> dict[str, Any]:
        """Training's own record of its run."""
        return self._json("models/checkpoint/model.json").get("run", {})

    @cached_property
    def label_map(self) -> dict[int, str]:
        """Class id to name, of the detector."""
        return label_map(self._json("models/checkpoint/model.json"))

    @cached_property
    def warnings(self) -> dict[str, str]:
        """Training's warnings by their names, such as `batch norm`."""
        said = [line.removeprefix("Warning: ") for line in self.run.get("warnings", [])]
        return {line.split(":", 1)[0]: line for line in said}

    @cached_property
    def loaded(self) -> dict[str, Any]:
        """The load report of the pretrained weights."""
        return self._json("models/checkpoint/load_report.json")

    @cached_property
    def anchors(self) -> dict[str, Any]:
        """The fit, and what the model's own anchors reach in `used`."""
        return self._json("data/anchors.json")

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What the TFRecords hold."""
        return self._json("data/tfrecords/manifest.json")

    @property
    def manifest_images(self) -> int:
        """Training photographs; 0 if not known."""
        return self.manifest.get("splits", {}).get("train", {}).get("images", 0)

    @cached_property
    def manifest_hash(self) -> str | None:
        """What identifies the TFRecords: their manifest has the SHA-256 of each shard."""
        path = self.project.path("data/tfrecords/manifest.json")
        return content_hash(path) if path.is_file() else None

    @property
    def detects(self) -> bool:
        """Whether the model finds boxes, not only masks."""
        return "object_detection" in self.params.get("model.heads", ["object_detection"])

    @cached_property
    def trained_on(self) -> str | None:
        """The `manifest_hash` that the checkpoint was trained on."""
        return self.run.get("fingerprint", {}).get("data", {}).get("manifest")

    @cached_property
    def agreement(self) -> dict[str, Any]:
        """How the export compares with the checkpoint."""
        return self._json("models/export/model/agreement.json") if self.exported else {}

    @cached_property
    def placed(self) -> Placement | None:
        """Where the detections on the scored split are."""
        path = self.project.path("data/detections.parquet")
        if self.labels.empty or not path.is_file() or not self.label_map:
            return None
        if why := damage(path):
            raise damaged(path, why)
        labels = self.labels[self.labels["split"] == self.metrics.get("split", "test")]
        most = int(labels["image_id"].value_counts().max()) + SPARE if len(labels) else SPARE
        return place(best_of(path, most), labels, self.label_map)

    @cached_property
    def labels(self) -> pd.DataFrame:
        """The accepted boxes with their splits; empty if they are not kept."""
        needed = ("data/boxes.parquet", "data/splits.parquet")
        if not all(self.project.path(path).is_file() for path in needed):
            return pd.DataFrame()
        return truth(self.project)

    @cached_property
    def shifts(self) -> pd.DataFrame:
        """Columns in which a split differs from train."""
        if self.labels.empty:
            return pd.DataFrame(columns=["shifted"])
        boxes = read_table(self.project.path("data/boxes.parquet"))
        splits = read_table(self.project.path("data/splits.parquet"))
        table = between_splits([(boxes, splits)], self.params["split.max_psi"], self.params["split.max_ks"])
        return table[table["shifted"].astype(bool)]

    @cached_property
    def copies(self) -> tuple[int, int]:
        """How many training photographs have the content of another one, and how many there are."""
        if self.labels.empty:
            return 0, 0
        train = self.labels[self.labels["split"] == "train"].drop_duplicates("path")
        return len(train) - train["sha256"].nunique(), len(train)

    @cached_property
    def beside_corners(self) -> Beside | None:
        """How far training boxes are from their corners; None: fewer than `FEWEST` of them have corners."""
        if self.labels.empty:
            return None
        rows = self.labels[(self.labels["split"] == "train") & self.labels["class"].notna()].dropna(subset=CORNERS)
        if len(rows) < FEWEST:
            return None
        boxes = rows[BOX].to_numpy(float)
        around = hull(rows[CORNERS].to_numpy(float).reshape(-1, 4, 2))
        centres = [(edges[:, :2] + edges[:, 2:]) / 2 for edges in (boxes, around)]
        gaps = (centres[0] - centres[1]) / np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
        x, y = np.median(gaps, axis=0)
        return Beside(float(np.median(np.abs(gaps), axis=0).max()), float(x), float(y))

    @cached_property
    def detail(self) -> float | None:
        """`content.typical_detail` of the training boxes."""
        return None if self.labels.empty else typical_detail(self.project, self.labels)

    def _json(self, path: str) -> dict[str, Any]:
        file = self.project.path(path)
        return dict(read_json(file)) if file.is_file() else {}


def best_of(path: Path, most: int) -> pd.DataFrame:
    """The `most` detections of highest scores of each photograph, read a part at a time: the rest takes no memory."""
    file, columns = pq.ParquetFile(path), ["image_id", "class", "score", *BOX]
    parts = (file.read_row_group(number, columns).to_pandas() for number in range(file.num_row_groups))
    best = [part.sort_values("score", ascending=False, kind="stable").groupby("image_id").head(most) for part in parts]
    return pd.concat(best) if best else file.schema_arrow.empty_table().to_pandas()[columns]


def of_record(root: Path, record: Record) -> Evidence:
    """The evidence of an evaluation of the past."""
    params = flat(Params().model_dump(mode="json")) | flat(record.params)
    return Evidence(AsRecorded.of(root, record), params, record.metrics, record, _before(read_all(root), record))


def of_scores(project: Project, params: Mapping[str, Any], metrics: Mapping[str, Any]) -> Evidence:
    """The evidence of an evaluation that is just ending: nothing is exported yet, and there is no record.

    Args:
        params: those that are known, by name; the others count as not changed.
    """
    return Evidence(project, flat(Params().model_dump(mode="json")) | dict(params), metrics, exported=False)


def of_now(project: Project) -> Evidence:
    """The evidence of the project's current evaluation.

    Raises:
        UserError: there is none.
    """
    path = project.path("metrics/evaluation.json")
    if not path.is_file():
        raise UserError(
            f"{path} does not exist: nothing has been scored yet. `plates run` scores; if it stops before, it says why"
        )
    metrics = read_json(path)
    if not isinstance(metrics, dict):
        raise UserError(f"{path} is not an evaluation. Score again: plates materialize evaluation")
    records = read_all(project.root)
    there = project.path("models/checkpoint/model.json").is_file()  # else it is about a training that failed
    record = next((one for one in reversed(records) if dict(one.metrics) == metrics), None) if there else None
    params = flat(project.params.model_dump(mode="json"))
    trained = {name: before for name, (before, _) in changed(project).items()}
    return Evidence(project, params | trained, metrics, record, _before(records, record))


def changed(project: Project) -> dict[str, tuple[Any, Any]]:
    """Parameters of training that params.yaml has had others of since the checkpoint was made: (then, now) by name.

    Nothing if the checkpoint is gone: a training that has failed is looked at with the parameters that it had.
    """
    lock = project.root / "dvc.lock"
    if not lock.is_file() or not project.path("models/checkpoint/model.json").is_file():
        return {}
    try:
        entry = (yaml.safe_load(lock.read_text(encoding="utf-8")) or {}).get("stages", {}).get("checkpoint", {})
        given = dict(entry.get("params", {}).get("params.yaml", {}))
    except (yaml.YAMLError, UnicodeError, TypeError, AttributeError, RecursionError):
        raise UserError("dvc.lock is damaged. Restore it: git checkout HEAD -- dvc.lock") from None
    was, now = _known(flat(given)), flat(project.params.model_dump(mode="json"))
    return {name: (was[name], now[name]) for name in sorted(was.keys() & now.keys()) if was[name] != now[name]}


def _known(given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by name as the schema reads them; without those that only other code knows or allows."""
    known: dict[str, Any] = {}
    for name, content in given.items():
        for part in reversed(name.split(".")):
            content = {part: content}
        with suppress(ValidationError):
            read = flat(Params.model_validate(content).model_dump(mode="json", exclude_unset=True))
            known |= {name: read[name]} if name in read else {}
    return known


def _before(records: list[Record], record: Record | None) -> Record | None:
    """The best of the earlier records by mAP."""
    earlier = records[: records.index(record)] if record in records else records
    scored = [one for one in earlier if one.metrics.get("mAP") is not None]
    return max(scored, key=lambda one: one.metrics["mAP"], default=None)
