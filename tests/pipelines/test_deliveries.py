"""Deliveries of other shapes through the assets: official lists, COCO annotations, and provinces as classes."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from clones import Command, clone, commands

from plates.ccpd.scenes import generate
from plates.ccpd.table import label_map, parse_labels
from plates.coco.convert import to_coco
from plates.columns import BOX
from plates.efficientdet.data import tfrecords
from plates.photographs.scan import scan
from plates.settings import edit

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty photographs as a delivery has them: ccpd_base, ccpd_db and the other subsets."""
    return generate(tmp_path_factory.mktemp("scenes") / "CCPD2019", count=60, seed=1).folder


def labels_of(folder: Path, scratch: Path) -> pd.DataFrame:
    return parse_labels(scan(folder, scratch / "scan.parquet").table)[0].to_pandas()


def test_official_lists_that_miss_files_and_leave_some_out(fresh, scenes: Path, tmp_path: Path) -> None:
    root, call = fresh
    delivery = tmp_path / "photographs/CCPD2019"
    shutil.copytree(scenes, delivery)
    labels = labels_of(delivery, tmp_path)
    base = labels[labels["subset"] == "base"]["path"].tolist()
    negatives = labels[labels["subset"] == "np"]["path"].tolist()
    (delivery / "split").mkdir()
    train, val, unlisted = base[:-6], base[-6:-2], base[-2:]
    assert len(unlisted) == 2
    (delivery / "split/train.txt").write_text("\n".join([*train, "ccpd_base/gone.jpg", "ccpd_base/gone-too.jpg"]))
    (delivery / "split/val.txt").write_text("\n".join(val))
    edit.write(root / "params.yaml", {"data.root": str(tmp_path / "photographs")})

    said = call("plates", "materialize", "raw_images", "labels", "boxes", "splits", "tfrecords").stdout

    assert "method official lists" in said
    assert "listed but missing: CCPD2019/split/train.txt 2" in said
    assert "listed but missing: CCPD2019/split/val.txt 0" in said
    assert "on no official list 2" in said
    assert f"of np, which no list covers, divided by plate {len(negatives)}" in said
    splits = pd.read_parquet(root / "data/splits.parquet")
    split = dict(zip(splits["path"].str.removeprefix("CCPD2019/"), splits["split"], strict=True))
    assert not set(unlisted) & set(split)
    assert {split[path] for path in train if path in split} == {"train"}
    assert {split[path] for path in val if path in split} == {"val"}
    assert {split[path] for path in negatives} <= {"train", "val"}
    assert set(splits[splits["subset"].isin(["db", "blur", "fn", "rotate", "tilt", "challenge"])]["split"]) == {"test"}

    manifest = tfrecords.read_manifest(root / "data/tfrecords")
    assert {name: part.images for name, part in manifest.splits.items()} == splits["split"].value_counts().to_dict()

    before = (root / "data/raw_images.parquet").read_bytes()
    (delivery / "split/val.txt").write_text("\n".join([*val, unlisted[0]]))
    call("plates", "materialize", "raw_images")
    assert (root / "data/raw_images.parquet").read_bytes() != before


def test_another_data_set_with_coco_annotations(fresh, scenes: Path, tmp_path: Path) -> None:
    root, call = fresh
    labels = labels_of(scenes, tmp_path)
    folder = tmp_path / "photographs/street"
    folder.mkdir(parents=True)
    names = {path: f"street/{number}.jpg" for number, path in enumerate(labels["path"])}
    for path, new in names.items():
        shutil.copy(scenes / path, folder.parent / new)
    (folder / "999.jpg").write_bytes((folder / "0.jpg").read_bytes())
    content = to_coco(labels.assign(path=labels["path"].map(names), subset=None), label_map={1: "license_plate"})
    plain = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")
    content["annotations"] = [{key: item[key] for key in plain} for item in content["annotations"]]
    content["categories"] = [{"id": 7, "name": "plate"}, {"id": 3, "name": "tram, which none is"}]
    for item in content["annotations"]:
        item["category_id"] = 7
    (folder / "crowd.jpg").write_bytes((folder / "0.jpg").read_bytes())
    content["images"].append(content["images"][0] | {"id": 9998, "file_name": "street/crowd.jpg"})
    content["annotations"].append({"id": 9999, "image_id": 9998, "category_id": 7, "bbox": [0, 0, 9, 9], "iscrowd": 1})
    (tmp_path / "boxes.json").write_text(json.dumps(content), encoding="utf-8")
    edit.write(
        root / "params.yaml",
        {"data.root": str(folder.parent), "data.annotations": str(tmp_path / "boxes.json")},
    )

    made = "raw_images", "labels", "boxes", "splits", "tfrecords", "dataset_card"
    said = call("plates", "materialize", *made).stdout

    assert "photographs with crowds left out 1" in said
    assert "images not listed 1" in said
    assert "subset_known" not in said
    boxes = pd.read_parquet(root / "data/boxes.parquet").set_index("path").loc[list(names.values())]
    assert len(boxes) == len(labels)
    expected = labels[BOX].to_numpy(float)
    assert ((boxes[BOX].to_numpy(float) - expected).__abs__() < 1e-3)[labels["class"].notna()].all()
    manifest = tfrecords.read_manifest(root / "data/tfrecords")
    assert manifest.label_map == {1: "tram, which none is", 2: "plate"}
    assert sum(counts["plate"] for counts in manifest.class_counts.values()) == labels["class"].notna().sum()

    before = (root / "data/raw_images.parquet").read_bytes()
    content["annotations"][0]["bbox"][2] += 1
    (tmp_path / "boxes.json").write_text(json.dumps(content), encoding="utf-8")
    call("plates", "materialize", "raw_images")
    assert (root / "data/raw_images.parquet").read_bytes() != before


@pytest.fixture(scope="module")
def scanned(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Command]:
    """A project that has seen the photographs."""
    root = clone(tmp_path_factory.mktemp("scanned") / "project")
    call = commands(root)
    edit.write(root / "params.yaml", {"data.root": str(scenes)})
    call("plates", "materialize", "raw_images")
    return root, call


@pytest.mark.parametrize("class_by", ["province", "plate_type"])
def test_classes_by_province_and_by_type_reach_the_tfrecords(scanned, class_by: str) -> None:
    root, call = scanned
    edit.write(root / "params.yaml", {"data.class_by": class_by})

    said = call("plates", "materialize", "labels", "boxes", "splits", "tfrecords").stdout

    manifest = tfrecords.read_manifest(root / "data/tfrecords")
    assert manifest.label_map == label_map(class_by)
    assert manifest.label_map[1] == {"province": "皖", "plate_type": "blue"}[class_by]
    boxes = pd.read_parquet(root / "data/boxes.parquet").dropna(subset="class").set_index("path")
    assert (boxes["class"] == boxes[class_by]).all()
    seen = 0
    for split, part in manifest.splits.items():
        for shard in part.shards:
            for record in tfrecords.read(root / "data/tfrecords" / shard.file):
                for label, name in zip(record.labels.tolist(), record.names, strict=True):
                    assert (split, manifest.label_map[label]) == (split, name)
                    assert name == boxes.loc[record.path, class_by]
                    seen += 1
    assert seen == len(boxes)
    assert "TFRecords 60" in said
