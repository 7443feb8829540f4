"""Shards: their bytes, what is in them, and which photographs and tables are refused."""

import hashlib
import io
import os
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from plates.columns import BOX, CORNERS
from plates.efficientdet.data.tfrecords import BOX_COLUMNS, SPLIT_COLUMNS, example, framing, protobuf
from plates.efficientdet.data.tfrecords.manifest import read_manifest
from plates.efficientdet.data.tfrecords.verify import read, verify
from plates.efficientdet.data.tfrecords.write import write
from plates.errors import UserError
from plates.photographs.content import Photographs

LABELS = {1: "plate"}


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_bytes_are_those_of_tensorflow(tmp_path):
    features = {
        "a": ("bytes_list", [b"\xff\xd8", b""]),
        "b": ("float_list", [0.25, -1e30]),
        "c": ("int64_list", [0, -1, 2**62]),
        "none": ("int64_list", []),
    }
    payload = protobuf.serialize(features)
    theirs = tf.train.Example.FromString(payload).features.feature
    assert list(theirs["a"].bytes_list.value) == [b"\xff\xd8", b""]
    np.testing.assert_array_equal(theirs["b"].float_list.value, np.float32([0.25, -1e30]))
    assert list(theirs["c"].int64_list.value) == [0, -1, 2**62]
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        writer.write(payload)
        writer.write(b"")
    assert (tmp_path / "theirs").read_bytes() == framing.frame(payload) + framing.frame(b"")


def test_object_detection_api_reads_it(photographs, tmp_path):
    root, boxes, splits = photographs(3, ("train",))
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out")
    lists = {
        f"image/object/{name}": tf.io.VarLenFeature(kind)
        for name, kind in (
            ("bbox/xmin", tf.float32),
            ("bbox/ymin", tf.float32),
            ("bbox/xmax", tf.float32),
            ("bbox/ymax", tf.float32),
            ("class/label", tf.int64),
            ("class/text", tf.string),
            ("is_crowd", tf.int64),
            ("area", tf.float32),
        )
    }
    single = {
        f"image/{name}": tf.io.FixedLenFeature([], kind)
        for name, kind in (
            ("encoded", tf.string),
            ("format", tf.string),
            ("filename", tf.string),
            ("key/sha256", tf.string),
            ("source_id", tf.string),
            ("height", tf.int64),
            ("width", tf.int64),
        )
    }
    table = boxes.set_index("path")
    for payload in tf.data.TFRecordDataset([str(tmp_path / "out/train-00000-of-00001.tfrecord")]):
        parsed = tf.io.parse_single_example(payload, single | lists)
        path = parsed["image/filename"].numpy().decode()
        row = table.loc[path]
        assert parsed["image/encoded"].numpy() == (root / path).read_bytes()
        assert parsed["image/format"] == b"jpeg"
        assert parsed["image/key/sha256"].numpy().decode() == row["sha256"]
        assert int(parsed["image/source_id"].numpy()) == splits.set_index("path").loc[path, "image_id"]
        assert parsed["image/object/class/label"].values.numpy().tolist() == [1]
        assert parsed["image/object/class/text"].values.numpy().tolist() == [b"plate"]
        for side, length in (("xmin", 96), ("xmax", 96), ("ymin", 160), ("ymax", 160)):
            found = parsed[f"image/object/bbox/{side}"].values.numpy()
            np.testing.assert_allclose(found * length, [row[side]], atol=1e-4)
        area = (row["xmax"] - row["xmin"]) * (row["ymax"] - row["ymin"])
        assert parsed["image/object/area"].values.numpy().tolist() == [area]


def test_round_trip_and_manifest(photographs, tmp_path):
    root, boxes, splits = photographs(40, ("train", "train", "val", "test"))
    steps = []
    manifest = write(
        boxes,
        splits,
        LABELS,
        Photographs(root),
        tmp_path / "out",
        shard_mib=0.01,
        progress=lambda *at: steps.append(at),
    )
    assert read_manifest(tmp_path / "out") == manifest
    report = verify(tmp_path / "out", boxes, splits)
    assert report.problems == []
    assert (report.examples, report.boxes) == (40, int(boxes["class"].notna().sum()))
    assert {name: part.images for name, part in manifest.splits.items()} == {"train": 20, "val": 10, "test": 10}
    assert sum(part.negatives for part in manifest.splits.values()) == int(boxes["class"].isna().sum()) == 5
    assert sum(counts["plate"] for counts in manifest.class_counts.values()) == 35
    assert len(manifest.splits["train"].shards) > 2
    assert sum(shard.examples for shard in manifest.splits["train"].shards) == 20
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1] == (40, 40)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out", "root"]


def test_order_is_shuffled_over_all_shards_by_the_seed(photographs, tmp_path):
    root, boxes, splits = photographs(40, ("train",))

    def order(seed: int) -> list[str]:
        manifest = write(boxes, splits, LABELS, Photographs(root), tmp_path / "out", seed=seed, shard_mib=0.01)
        return [one.path for shard in manifest.split("train").shards for one in read(tmp_path / "out" / shard.file)]

    first = order(0)
    assert first == order(0)
    assert first != order(1)
    assert sorted(first) == sorted(order(1))
    positions = [int(Path(path).stem[1:]) for path in first]
    assert abs(np.corrcoef(positions, range(40))[0, 1]) < 0.5


def test_same_bytes_for_any_number_of_workers(photographs, tmp_path, monkeypatch):
    root, boxes, splits = photographs(30)
    monkeypatch.setattr(import_module("plates.efficientdet.data.tfrecords.write"), "PER_WORKER", 1)
    for workers in (1, 2):
        write(boxes, splits, LABELS, Photographs(root), tmp_path / str(workers), shard_mib=0.005, workers=workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert len(contents(tmp_path / "1")) > 6


def test_arrow_and_pandas_give_the_same_bytes(photographs, tmp_path):
    root, boxes, splits = photographs(30)
    arrow = [pa.Table.from_pandas(table, preserve_index=False) for table in (boxes, splits)]
    narrow = [table.select(names) for table, names in zip(arrow, (BOX_COLUMNS, SPLIT_COLUMNS), strict=True)]
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "pandas")
    write(*narrow, LABELS, Photographs(root), tmp_path / "arrow")
    assert contents(tmp_path / "pandas") == contents(tmp_path / "arrow")
    assert verify(tmp_path / "pandas", *narrow).problems == []
    assert verify(tmp_path / "arrow", boxes, splits.convert_dtypes()).problems == []


def test_boxes_stand_with_their_image_whatever_the_order_of_the_rows(photographs, tmp_path):
    root, boxes, splits = photographs(20, ("train",))
    second = boxes[boxes["class"].notna()].iloc[::2].assign(xmin=1.0)
    mixed = pd.concat([boxes, second]).sample(frac=1, random_state=0)
    shuffled = splits.assign(image_id=100 - splits["image_id"]).sample(frac=1, random_state=1)
    manifest = write(mixed, shuffled, LABELS, Photographs(root), tmp_path / "out")
    found = {one.path: one for one in read(tmp_path / "out" / manifest.split("train").shards[0].file)}
    ids = shuffled.set_index("path")["image_id"]
    assert {path: int(one.image_id) for path, one in found.items()} == ids.to_dict()
    for path, rows in mixed.groupby("path"):
        expected = rows.loc[rows["class"].notna(), BOX].to_numpy(float)
        np.testing.assert_allclose(found[path].boxes, expected, atol=1e-3)
    part = manifest.split("train")
    assert (part.boxes, part.negatives, part.max_boxes) == (18 + 9, 2, 2)
    assert manifest.class_counts["train"] == {"plate": 27}


def test_negatives_alone_and_no_image_at_all(photographs, tmp_path):
    root, boxes, splits = photographs(14)
    negatives = boxes[boxes["class"].isna()]
    for few in (splits[splits["path"].isin(negatives["path"])], splits[:0]):
        manifest = write(negatives, few, LABELS, Photographs(root), tmp_path / "out")
        assert sum(part.negatives for part in manifest.splits.values()) == len(few)
        report = verify(tmp_path / "out", negatives, few)
        assert (report.examples, report.boxes, report.problems) == (len(few), 0, [])


coordinate = st.floats(0, 1, width=32)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 6000),
    st.integers(1, 6000),
    st.lists(st.tuples(*[coordinate] * 4, st.lists(coordinate, min_size=8, max_size=8)), max_size=5),
    st.text(max_size=20),
)
def test_any_record_comes_back(width, height, boxes, path):
    scale = np.array([width, height] * 2)
    sides = np.array([box[:4] for box in boxes]).reshape(-1, 4) * scale
    corners = np.array([box[4] for box in boxes]).reshape(-1, 8) * np.tile([width, height], 4)
    image = {"path": path, "image_id": 7, "sha256": "00", "width": width, "height": height}
    image |= {"class": ["plate"] * len(boxes), "crowd": [index % 2 == 1 for index in range(len(boxes))]}
    image |= {side: sides[:, index].tolist() for index, side in enumerate(BOX)}
    image |= {corner: corners[:, index].tolist() for index, corner in enumerate(CORNERS)}
    found = example.from_bytes(example.to_bytes(image, b"\xff\xd8jpeg", {"plate": 3}))
    assert (found.path, found.image_id, found.encoded) == (path, "7", b"\xff\xd8jpeg")
    assert (found.width, found.height) == (width, height)
    assert found.labels.tolist() == [3] * len(boxes)
    assert found.crowd.tolist() == image["crowd"]
    np.testing.assert_allclose(found.boxes, sides, atol=1e-3)
    if boxes:
        np.testing.assert_allclose(found.corners, corners, atol=1e-3)


def test_regions_to_ignore_are_crowds_and_no_boxes(photographs, tmp_path):
    root, boxes, splits = photographs(8)
    first, last = boxes.iloc[[0]], boxes.iloc[[6]]  # the last has no plate
    region = first.assign(crowd=True, xmin=1, ymin=2, xmax=9, ymax=10)
    alone = last.assign(crowd=True, **{"class": "plate"}, xmin=1, ymin=2, xmax=9, ymax=10)
    table = pd.concat([boxes.assign(crowd=False), region, alone], ignore_index=True)

    manifest = write(table, splits, LABELS, Photographs(root), tmp_path / "out")

    plain = write(boxes, splits, LABELS, Photographs(root), tmp_path / "plain")
    assert manifest.class_counts == plain.class_counts
    for name, part in manifest.splits.items():
        of_plain = plain.splits[name]
        assert (part.boxes, part.negatives) == (of_plain.boxes, of_plain.negatives)
    assert manifest.splits["val"].max_boxes + manifest.splits["train"].max_boxes == 3
    examples = [one for shard in sorted((tmp_path / "out").glob("*.tfrecord")) for one in read(shard)]
    crowds = {example.path: example.crowd.tolist() for example in examples}
    assert crowds[first["path"].item()] == [False, True]
    assert crowds[last["path"].item()] == [True]
    assert verify(tmp_path / "out", table, splits).problems == []
    assert set(verify(tmp_path / "out", table.assign(crowd=False), splits).by_kind) == {"crowds"}


def test_reads_the_reference(shared):
    first, second = read(shared / "reference/d0_256/two.tfrecord")
    assert (first.image_id, first.height, first.width) == ("100", 636, 1024)
    assert (second.image_id, second.height, second.width) == ("101", 720, 1160)
    assert first.crowd.tolist() == [False, True, False, False, False]
    np.testing.assert_allclose(first.boxes[0], [51.2, 63.6, 358.4, 349.8], atol=1e-3)
    assert second.encoded == (shared / "reference/d0_256/image_b.jpg").read_bytes()
    assert second.corners is None


def png(path: Path) -> None:
    buffer = io.BytesIO()
    Image.open(path).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())


def changed(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def escaped(path: Path) -> None:
    outside = path.parents[2] / "outside.jpg"
    path.rename(outside)
    path.symlink_to(outside)


def looped(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("ruin", "said"),
    [
        (Path.unlink, "gone from"),
        (changed, "changed since the scan"),
        (png, "changed since the scan"),
        (escaped, "outside data.root"),
        (looped, "gone from|outside data.root"),
        (lambda path: path.chmod(0), "cannot be read"),
    ],
    ids=["vanished", "changed", "png", "link out", "link loop", "no permission"],
)
def test_a_ruined_file_is_named_and_nothing_is_lost(photographs, tmp_path, ruin, said):
    root, boxes, splits = photographs(12)
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out")
    before = contents(tmp_path / "out")
    victim = boxes["path"][5]
    ruin(root / victim)
    if said == "cannot be read" and os.access(root / victim, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(UserError, match=said) as error:
        write(boxes, splits, LABELS, Photographs(root), tmp_path / "out", seed=1)
    assert victim in str(error.value)
    assert contents(tmp_path / "out") == before


def test_a_png_named_jpg_is_refused(photographs, tmp_path):
    root, boxes, splits = photographs(3)
    png(root / boxes["path"][0])
    boxes.loc[0, "sha256"] = hashlib.sha256((root / boxes["path"][0]).read_bytes()).hexdigest()
    with pytest.raises(UserError, match="is not a JPEG"):
        write(boxes, splits, LABELS, Photographs(root), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_link_inside_the_root_is_followed(photographs, tmp_path):
    root, boxes, splits = photographs(4)
    file = root / boxes["path"][0]
    file.rename(root / "elsewhere.jpg")
    file.symlink_to(root / "elsewhere.jpg")
    assert write(boxes, splits, LABELS, Photographs(root), tmp_path / "out").split("train").images == 2


def test_a_path_above_the_root_is_refused(photographs, tmp_path):
    root, boxes, splits = photographs(4)
    victim = boxes["path"][0]
    (root / victim).rename(tmp_path / "above.jpg")
    for table in (boxes, splits):
        table["path"] = table["path"].replace(victim, "../above.jpg")
    with pytest.raises(UserError, match=r"outside data.root"):
        write(boxes, splits, LABELS, Photographs(root), tmp_path / "out")


def broken(column: str, value: object):
    def change(boxes: pd.DataFrame) -> pd.DataFrame:
        return boxes.assign(**{column: boxes[column].where(boxes.index != 1, value)})

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (broken("class", "tram"), r"classes \['tram'\] are not in the label map"),
        (broken("xmax", -5.0), "no area"),
        (broken("ymin", float("nan")), "no area"),
        (broken("width", None), "without width"),
        (lambda boxes: boxes[1:], r"1 only in splits \(such as base/皖000.jpg\)"),
    ],
)
def test_tables_that_cannot_be_right_are_refused(photographs, tmp_path, change, said):
    root, boxes, splits = photographs(4)
    with pytest.raises(UserError, match=said):
        write(change(boxes), splits, LABELS, Photographs(root), tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda splits: pd.concat([splits, splits[:2]]), "2 images occur twice"),
        (lambda splits: splits.assign(split="trian"), r"unknown splits \['trian'\]"),
    ],
)
def test_splits_that_cannot_be_right_are_refused(photographs, tmp_path, change, said):
    root, boxes, splits = photographs(4)
    with pytest.raises(UserError, match=said):
        write(boxes, change(splits), LABELS, Photographs(root), tmp_path / "out")


def test_images_that_the_splits_leave_out_are_left_out(photographs, tmp_path):
    root, boxes, splits = photographs(4)
    more = pd.concat([boxes, boxes[:1].assign(path="on-no-list.jpg")])
    write(more, splits, LABELS, Photographs(root), tmp_path / "out")
    assert verify(tmp_path / "out", more, splits).problems == []


def test_verify_names_what_is_wrong(photographs, tmp_path):
    root, boxes, splits = photographs(20, ("train",))
    out = tmp_path / "out"
    victim = boxes["path"][3]
    whole = (root / victim).read_bytes()
    (root / victim).write_bytes(whole[: len(whole) // 2])
    boxes.loc[3, "sha256"] = hashlib.sha256((root / victim).read_bytes()).hexdigest()
    write(boxes, splits, LABELS, Photographs(root), out, shard_mib=0.01)
    report = verify(out, boxes, splits)
    assert report.by_kind == {"image": 1}
    assert victim in report.problems[0].where
    assert "Premature end" in report.problems[0].found

    moved = boxes.assign(xmin=boxes["xmin"].where(boxes.index != 1, boxes["xmin"] + 1))
    assert verify(out, moved, splits).by_kind == {"image": 1, "boxes": 1}
    corner = boxes.assign(rt_x=boxes["rt_x"].where(boxes.index != 2, boxes["rt_x"] + 1))
    assert verify(out, corner, splits).by_kind == {"image": 1, "corners": 1}
    other = splits.assign(split=splits["split"].where(splits.index != 4, "val"))
    assert verify(out, boxes, other).by_kind == {"image": 1, "split": 1}
    less = verify(out, boxes[boxes.index != 0], splits[splits["path"] != boxes["path"][0]])
    assert less.by_kind == {"image": 1, "unknown": 1}

    shards = sorted(out.glob("*.tfrecord"))
    shutil.copy(shards[0], out / "train-00009-of-00009.tfrecord")
    shards[1].unlink()
    damaged = bytearray(shards[2].read_bytes())
    damaged[len(damaged) // 2] ^= 1
    shards[2].write_bytes(damaged)
    kinds = verify(out, boxes, splits).by_kind
    assert kinds["shard"] == 2
    assert kinds["example"] == 1
    assert kinds["count"] == 2
    assert kinds["unknown"] == 1
    assert kinds["missing"] >= 2


def test_verify_tells_the_same_image_twice_from_an_unknown_one(photographs, tmp_path):
    root, boxes, splits = photographs(20, ("train",))
    out = tmp_path / "out"
    (shard,) = write(boxes, splits, LABELS, Photographs(root), out).split("train").shards
    last = list(framing.payloads(out / shard.file))[-1]
    with (out / shard.file).open("ab") as stream:
        stream.write(framing.frame(last) + framing.frame(b"no example") * 2)
    report = verify(out, boxes, splits)
    assert report.by_kind == {"shard": 1, "example": 2, "count": 1, "twice": 1}
    assert report.problems[-1].found == example.from_bytes(last).path
    assert report.examples == 23
    without = boxes["path"] != example.from_bytes(last).path
    assert verify(out, boxes[without], splits[splits["path"].isin(boxes["path"][without])]).by_kind["unknown"] == 2


def test_a_folder_without_our_manifest(tmp_path):
    with pytest.raises(UserError, match="plates materialize tfrecords"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(UserError, match="is not a manifest"):
        read_manifest(tmp_path)
