"""Every knob of the pipeline, typed: the schema of `params.yaml`.

The detector's own knobs (`model`, `train`, `augment`, `nms`, `export`) are `plates.efficientdet.config`'s; this module
adds those of the data, the gates and the reports, loads the file, and says in words what is wrong with it.
"""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from plates.efficientdet.config import AugmentConfig, ExportConfig, ModelConfig, NmsConfig, TrainConfig
from plates.efficientdet.config.base import Section
from plates.efficientdet.model.backbone_tables import backbone_table
from plates.efficientdet.model.family import variant
from plates.errors import UserError
from plates.remote import is_url
from plates.settings.yaml_text import read_yaml


class SampleParams(Section):
    """The photographs that are generated if `data.root` is not set."""

    count: int = Field(
        720, ge=20, description="Number of scenes. 720 are enough to train the small default to an mAP50 of 0.99."
    )
    seed: int = Field(0, ge=0, description="The same seed gives the same bytes.")
    bad: float = Field(
        0.0,
        ge=0,
        le=0.2,
        description="Share of bad annotations of each kind, to see the checks find them. They stop the run; 0.01 "
        "passes with data.max_unparsed 0.1 and validation.max_rejected_fraction 0.3.",
    )
    imbalance: float = Field(
        0.3, ge=0, le=1, description="Share of plates from the most frequent province; in CCPD it is 0.88."
    )


class DataParams(Section):
    """Where the photographs are and what counts as a class."""

    root: str | None = Field(
        None,
        description="Folder of CCPD photographs: CCPD2019, CCPD2020, both, or a subset. Never written to; null: a "
        "generated sample. s3://BUCKET/FOLDER: in an object store (docs/many-machines.md).",
    )
    cache_gib: float = Field(
        20,
        ge=0,
        description="GiB of what was read from an object store that stay on this disk, in .plates/remote. A run reads "
        "each photograph three times; with room for all of them, once from the store.",
    )
    annotations: str | None = Field(
        None,
        description="COCO JSON with the boxes of the images under data.root, for a data set without CCPD names.",
    )
    class_by: Literal["plate", "plate_type", "province"] = Field(
        "plate",
        description="What a class is: one class, blue and green plates, or the province on the plate.",
    )
    box_from: Literal["label", "corners"] = Field(
        "label",
        description="Which box is trained and scored: the labelled one, or the tight one around the labelled "
        "corners. Use corners if boxes and corners disagree (the dataset card says by how much) and you "
        "want tight boxes.",
    )
    convert: Literal["never", "when_needed"] = Field(
        "never",
        description="when_needed imports PNG, WebP, BMP, TIFF, GIF and EXIF-rotated photographs as upright JPEGs, "
        "with their boxes, and keeps them in .plates/converted. never: such photographs are set aside.",
    )
    convert_quality: int = Field(
        95,
        ge=1,
        le=100,
        description="JPEG quality of converted photographs. Each photograph is encoded once per quality.",
    )
    max_unparsed: float = Field(
        0.01, ge=0, le=1, description="Share of names that may fail to parse before the run stops."
    )
    sample: SampleParams = Field(default_factory=SampleParams)

    @field_validator("root")
    @classmethod
    def _a_store_that_is_known(cls, root: str | None) -> str | None:
        try:
            is_url(root or "")
        except UserError as error:
            raise ValueError(str(error)) from None
        return root


class ValidationParams(Section):
    """When the annotations are too bad to continue."""

    max_rejected_fraction: float = Field(
        0.02, ge=0, le=1, description="Share of annotations that may be set aside before the run stops."
    )
    edge_tolerance_px: float = Field(
        1.0,
        ge=0,
        description="Pixels by which a box may extend past the edge of its photograph, as rounding and counting "
        "from 1 can cause. It is clipped there, and counted. A box further out is set aside.",
    )
    rejected_box: Literal["set_aside", "ignore"] = Field(
        "set_aside",
        description="What happens to a photograph with some boxes set aside. set_aside: the whole photograph is set "
        "aside. ignore: it stays, and those boxes become regions that are ignored in training and "
        "scoring. Use ignore for photographs with many objects.",
    )
    max_class_share: float = Field(
        0.8, gt=0, le=1, description="Warn when one class, province or subset has more than this share."
    )
    max_imbalance_ratio: float = Field(
        50.0, ge=1, description="Warn when the most frequent value is this many times the rarest."
    )
    max_psi: float = Field(
        0.25,
        gt=0,
        description="Warn when a column's population stability index against the last delivery exceeds this.",
    )
    max_ks: float = Field(
        0.2, gt=0, le=1, description="The same for its two-sample Kolmogorov-Smirnov statistic, 0..1, if significant."
    )


class SplitParams(Section):
    """Which photographs train, validate and test."""

    method: Literal["auto", "official", "plate"] = Field(
        "auto",
        description="official: CCPD's own lists; plate: a seeded hash of the plate; auto: the lists if there are "
        "any, else the hash.",
    )
    seed: int = Field(0, ge=0, description="Another seed assigns plates to other splits.")
    val_fraction: float = Field(0.1, gt=0, lt=0.5, description="Share of plates for validation.")
    test_fraction: float = Field(0.2, gt=0, lt=0.5, description="Share of plates for test.")
    max_psi: float = Field(
        0.25,
        gt=0,
        description="Warn when a column's population stability index between two splits exceeds this; 0.25 is usual.",
    )
    max_ks: float = Field(
        0.2, gt=0, le=1, description="The same for its two-sample Kolmogorov-Smirnov statistic, 0..1, if significant."
    )


class TFRecordParams(Section):
    """How the TFRecords are written."""

    shard_mib: int = Field(128, ge=1, description="Shard size in MiB; 100-200 reads well.")
    seed: int = Field(0, ge=0, description="Seed for shuffling all examples before they are split into shards.")
    workers: int | None = Field(
        None,
        ge=1,
        description="Writer processes; null: one per core. The output is byte-identical for any number.",
    )


class AnchorParams(Section):
    """How anchors are fitted to the training boxes."""

    max_ratios: int = Field(5, ge=1, le=9, description="Maximum number of aspect ratios in the fit.")
    max_scales: int = Field(3, ge=1, le=5, description="Maximum number of octave scales in the fit.")
    min_recall: float = Field(
        0.95,
        ge=0,
        le=1,
        description="The check fails if a smaller share of training boxes than this reaches IoU 0.5 with an anchor.",
    )
    seed: int = Field(0, ge=0, description="Seed of the k-means initialisation.")


class PromiseParams(Section):
    """The recall that the threshold `promise` keeps on photographs like those of val."""

    recall: float = Field(0.99, gt=0, lt=1, description="Share of the plates that must be found at IoU 0.5.")
    confidence: float = Field(
        0.95,
        gt=0,
        lt=1,
        description="Confidence in that recall. 0.99 at 0.95 takes 299 plates in val, if none of them is missed.",
    )


class SuspectsParams(Section):
    """The search for wrong labels: `plates suspects`, never part of `plates run`."""

    folds: int = Field(
        0,
        ge=0,
        description="Number of training runs, at most 500 steps each, and of parts the photographs are split into. "
        "Each run leaves out two parts, so two models judge each label. 0: off. 5 finds what stands "
        "out; more folds train on more data, and take longer.",
    )

    @field_validator("folds")
    @classmethod
    def _two_are_left_out(cls, folds: int) -> int:
        if folds in (1, 2):
            raise ValueError("each training leaves out two folds: 0 (off), or 3 and more")
        return folds


class EvaluationParams(Section):
    """What is scored."""

    split: Literal["val", "test"] = Field("test", description="The split that the reported mAP comes from.")
    batch_size: int = Field(16, ge=1, description="Images per batch.")
    max_detections: int = Field(
        100,
        ge=1,
        description="Number of highest-scoring detections per photograph and class that count; at most "
        "nms.max_output_size. Raise both if photographs show more objects.",
    )
    promise: PromiseParams = Field(default_factory=PromiseParams)
    pictures: int = Field(12, ge=0, description="Number of worst detections drawn in the report.")


class GateParams(Section):
    """When a challenger may replace the champion."""

    metric: Literal["mAP", "mAP50", "mAP75", "ccpd_score", "mask_iou", "corner_iou"] = Field(
        "mAP",
        description="The score that decides. mask_iou (of the plates' masks) needs model.heads: segmentation; "
        "corner_iou (of the quadrilaterals between the corners) needs corners.",
    )
    min_value: float = Field(0.05, ge=0, le=1, description="No model below this goes into service.")
    margin: float = Field(
        0.01,
        ge=0,
        le=1,
        description="How much worse than the best model ever in service a challenger may be, beyond chance. Smaller "
        "values refuse more.",
    )


class RetrainParams(Section):
    """When the sensor new_photographs starts a run, once it is switched on in Dagster's UI."""

    min_new: int = Field(
        1, ge=1, description="Minimum number of photographs added, changed or removed since the last scan."
    )
    settle_minutes: float = Field(
        5,
        ge=0,
        description="Minutes without a change in the folders before a run starts. Raise it if copying pauses for "
        "longer.",
    )
    attempts: int = Field(2, ge=1, description="Maximum number of runs on the same photographs if they fail.")
    on_failure: str | None = Field(
        None,
        description="Shell command that is run after a failed Dagster run, with the reason on its standard input. "
        "For example, to be notified: mail -s plates NAME.",
    )


class Params(Section):
    """`params.yaml`, whole."""

    data: DataParams = Field(default_factory=DataParams)
    validation: ValidationParams = Field(default_factory=ValidationParams)
    split: SplitParams = Field(default_factory=SplitParams)
    tfrecords: TFRecordParams = Field(default_factory=TFRecordParams)
    anchors: AnchorParams = Field(default_factory=AnchorParams)
    model: ModelConfig = Field(default_factory=ModelConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    augment: AugmentConfig = Field(default_factory=AugmentConfig)
    nms: NmsConfig = Field(default_factory=NmsConfig)
    evaluation: EvaluationParams = Field(default_factory=EvaluationParams)
    export: ExportConfig = Field(default_factory=ExportConfig)
    gate: GateParams = Field(default_factory=GateParams)
    retrain: RetrainParams = Field(default_factory=RetrainParams)
    suspects: SuspectsParams = Field(default_factory=SuspectsParams)

    @model_validator(mode="after")
    def _the_model_exists(self) -> "Params":
        try:
            variant(self.model.name)
            if self.model.backbone:
                backbone_table(self.model.backbone)
        except UserError as error:
            raise ValueError(str(error)) from None
        return self

    @model_validator(mode="after")
    def _what_is_scored_is_detected(self) -> "Params":
        if self.evaluation.max_detections > self.nms.max_output_size:
            raise ValueError(
                f"evaluation.max_detections {self.evaluation.max_detections} is more than nms.max_output_size "
                f"{self.nms.max_output_size}, the boxes an image gets at most; raise that, or lower this"
            )
        return self

    @model_validator(mode="after")
    def _the_gate_has_its_figure(self) -> "Params":
        by_masks = self.gate.metric == "mask_iou"
        if self.gate.metric == "corner_iou" and "corners" not in self.model.heads:
            raise ValueError("gate.metric corner_iou needs corners in model.heads; set gate.metric: mAP")
        if by_masks and "segmentation" not in self.model.heads:
            raise ValueError("gate.metric mask_iou needs segmentation in model.heads; set gate.metric: mAP")
        if not by_masks and "object_detection" not in self.model.heads:
            raise ValueError(
                f"gate.metric {self.gate.metric} needs object_detection in model.heads; set gate.metric: mask_iou"
            )
        return self


def load(path: Path) -> Params:
    """Reads `params.yaml`; `UserError` names every wrong key with the nearest known one, and every wrong value."""
    return parse(read_yaml(read_text(path), str(path)) or {}, str(path))


def read_text(path: Path) -> str:
    """The text of `params.yaml`; `UserError` where it is not there, no file or not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(
            f"{path}: {error.strerror}. Run this inside the project, or bring it back: git checkout params.yaml"
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not YAML: {error}. Save it as UTF-8") from None


def parse(content: Any, source: str) -> Params:
    """Checks `content` against the schema; `source` is what the error calls it."""
    if not isinstance(content, Mapping):
        found = "a list" if isinstance(content, list) else "a single value"
        raise UserError(f"{source} must hold sections of keys and values; found {found}.")
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        lines = [f"  {_explain(item)}" for item in error.errors()]
        raise UserError(
            f"{source}: {len(lines)} wrong setting{'s' * (len(lines) > 1)}\n"
            + "\n".join(lines)
            + "\nEvery setting with its meaning: plates params"
        ) from None


def knobs(model: type[BaseModel] = Params, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields every knob as (dotted key, pydantic `FieldInfo`), in the order of the file."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from knobs(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def nearest(key: str) -> str | None:
    """The section or known knob that is most like `key`."""
    return next(iter(alike(key)), None)


def alike(key: str) -> list[str]:
    """The section, then the known knobs (by dotted key or last part), that are like `key`: the most alike first."""
    known = {dotted: dotted for dotted, _ in knobs()} | {dotted.rsplit(".", 1)[-1]: dotted for dotted, _ in knobs()}
    sections = difflib.get_close_matches(key, Params.model_fields, n=1, cutoff=0.7)
    for candidate in (key, key.rsplit(".", 1)[-1]):
        if matches := difflib.get_close_matches(candidate, known, n=3, cutoff=0.6):
            return list(dict.fromkeys([*sections, *(known[match] for match in matches)]))
    return sections


def _explain(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"])
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        hint = nearest(key)
        return f"{key}: no such setting" + (f"; did you mean {hint}?" if hint else "")
    if item["type"] == "model_type":
        return f"{key}: a section, with its settings below it (plates params {key}); found {item['input']!r}"
    if not key:
        return message
    if item["type"] == "value_error" and isinstance(item["input"], Mapping):  # the message names those that disagree
        return f"{key}: {message}"
    return f"{key}: {message}; found {item['input']!r}"
