"""Batches: the reference's pixels, the same ones after a resume, every image once, and clear errors."""

import hashlib
import io
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from plates.efficientdet.config import AugmentConfig
from plates.efficientdet.data import preprocess
from plates.efficientdet.data.batches import Pictures, evaluation_batches, preview, training_batches
from plates.efficientdet.data.sampling import repeats
from plates.efficientdet.data.tfrecords import write
from plates.errors import UserError
from plates.photographs.content import Photographs

LABELS = {1: "plate"}
SMALL = Pictures((80, 64))
NO_AUGMENT = AugmentConfig(input_rand_hflip=False, jitter_min=1, jitter_max=1)


def numpy_batches(dataset: tf.data.Dataset, count: int) -> list[dict[str, np.ndarray]]:
    return list(dataset.take(count).as_numpy_iterator())


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[key], second[key]) for key in first)


def reference_folder(shared: Path, name: str, folder: Path) -> Path:
    """The reference's two examples with a manifest beside them."""
    folder.mkdir()
    shutil.copy(shared / "reference" / name / "two.tfrecord", folder)
    shard = {"file": "two.tfrecord", "examples": 2, "bytes": 0, "sha256": ""}
    val = {"images": 2, "boxes": 8, "negatives": 0, "max_boxes": 5, "shards": [shard]}
    manifest = {"label_map": {"1": "a"}, "splits": {"val": val}, "class_counts": {}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize(
    ("name", "file", "size"),
    [
        ("d0_256", "dataloader_eval.npz", (256, 256)),
        ("d0_256", "dataloader_eval_W384xH256.npz", (256, 384)),
        ("d0_512", "dataloader_eval.npz", (512, 512)),
    ],
)
def test_evaluation_has_the_pixels_of_the_reference(shared, tmp_path, name, file, size):
    folder = reference_folder(shared, name, tmp_path / "two")
    expected = np.load(shared / "reference" / name / file)
    (exact,) = evaluation_batches(folder, Pictures(size, exact=True), 2).as_numpy_iterator()
    (rounded,) = evaluation_batches(folder, Pictures(size), 2).as_numpy_iterator()
    assert rounded["images"].dtype == np.uint8
    for batch, most, on_average in ((exact, 1e-5, 1e-6), (rounded, 3.0, 0.04)):
        pixels = (batch["images"] - np.array(preprocess.MEAN_RGB)) / (58.395, 57.12, 57.375)
        difference = np.abs(pixels - expected["images"])
        assert difference.max() < most
        assert difference.mean() < on_average
        np.testing.assert_allclose(batch["image_scale"], expected["label/image_scales"], rtol=1e-6)
    assert exact["image_id"].tolist() == expected["label/source_ids"].tolist()
    truth = expected["label/groundtruth_data"][:, :5]
    boxes = exact["gt_boxes"] * exact["image_scale"][:, None, None]
    classes = exact["gt_classes"]
    crowd = truth[..., 4] == 1
    np.testing.assert_array_equal(np.abs(classes), np.maximum(truth[..., 6], 0))
    np.testing.assert_array_equal(classes < 0, crowd)
    # The reference clips to side - 1, this to the side.
    one_pixel = exact["image_scale"].max() + 1e-3
    np.testing.assert_allclose(boxes[classes != 0], truth[..., :4][classes != 0], atol=one_pixel)


def test_evaluation_shows_every_image_once_with_its_boxes(photographs, tmp_path):
    root, boxes, splits = photographs(11, ("val",))
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out", shard_mib=0.005)
    batches = list(evaluation_batches(tmp_path / "out", SMALL, 4).as_numpy_iterator())
    assert [len(batch["images"]) for batch in batches] == [4, 4, 3]
    paths = splits.set_index("image_id")["path"]
    table = boxes.set_index("path")
    found = Counter()
    for batch in batches:
        assert batch["images"].shape[1:] == (80, 64, 3)
        for image_id, scale, box, label in zip(
            batch["image_id"], batch["image_scale"], batch["gt_boxes"][:, 0], batch["gt_classes"][:, 0], strict=True
        ):
            row = table.loc[paths[image_id]]
            found[image_id] += 1
            assert scale == 2
            assert (label == 1) == isinstance(row["class"], str)
            if label:
                np.testing.assert_allclose(box * scale, row[["ymin", "xmin", "ymax", "xmax"]].astype(float), atol=1e-3)
    assert found == dict.fromkeys(range(1, 12), 1)


def test_one_preprocessing_for_evaluation_and_export(photographs, tmp_path):
    root, boxes, splits = photographs(3, ("val",))
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out")
    (batch,) = evaluation_batches(tmp_path / "out", SMALL, 3).as_numpy_iterator()
    for image_id, image in zip(batch["image_id"], batch["images"], strict=True):
        jpeg = (root / splits.set_index("image_id").loc[image_id, "path"]).read_bytes()
        np.testing.assert_array_equal(preprocess.load(tf.constant(jpeg), SMALL.size)[0], image)


@pytest.mark.parametrize(
    ("cache_mib", "balanced", "policy", "copy_paste"),
    [(0, False, "randaug", 0.5), (0, True, None, 0), (64, False, None, 0), (64, True, None, 0)],
    ids=["randaug from files", "balanced from files", "cached", "balanced cached"],
)
def test_a_resumed_run_sees_the_same_batches(photographs, tmp_path, cache_mib, balanced, policy, copy_paste):
    root, boxes, splits = photographs(23, ("train",))
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out", shard_mib=0.005)

    def batches(start: int, count: int, seed: int = 5) -> list[dict[str, np.ndarray]]:
        dataset = training_batches(
            tmp_path / "out",
            Pictures((80, 64), mask=True),
            4,
            AugmentConfig(jitter_min=0.3, jitter_max=2, autoaugment_policy=policy, copy_paste=copy_paste),
            seed=seed,
            start_step=start,
            balanced=balanced,
            cache_mib=cache_mib,
        )
        return numpy_batches(dataset, count)

    whole = batches(0, 15)
    tf.random.set_seed(0)
    for start in (7, 13):
        assert all(same(one, other) for one, other in zip(whole[start:], batches(start, 15 - start), strict=True))
    tf.random.set_seed(99)
    assert same(batches(14, 1)[0], whole[14])
    assert not same(batches(0, 1, seed=6)[0], whole[0])
    assert len({batch["images"].tobytes() for batch in whole}) == 15
    assert whole[0]["mask"].shape == (4, 20, 16)
    assert any(batch["gt_pasted"].any() for batch in whole) if copy_paste else "gt_pasted" not in whole[0]


@pytest.mark.parametrize("cache_mib", [0, 64], ids=["from files", "cached"])
def test_an_epoch_holds_every_image_once_in_an_order_of_its_own(photographs, tmp_path, cache_mib):
    root, boxes, splits = photographs(20, ("train",))
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out", shard_mib=0.01)
    dataset = training_batches(tmp_path / "out", SMALL, 5, NO_AUGMENT, cache_mib=cache_mib)
    ids = np.concatenate([batch["image_id"] for batch in numpy_batches(dataset, 12)]).reshape(3, 20)
    assert (np.sort(ids, axis=1) == np.arange(1, 21)).all()
    assert not np.array_equal(ids[0], ids[1])
    assert not np.array_equal(ids[1], ids[2])


@pytest.mark.parametrize("first", [60, 900])
def test_pictures_of_any_sizes_are_as_sharp_from_the_cache_as_from_files(photographs, tmp_path, first):
    """They are decoded at a size that suits them, which is not the same for all."""
    root, boxes, splits = photographs(4, ("train",))
    for at, side in enumerate((first, 300, 300, 900)):
        pixels = np.random.default_rng(at).integers(0, 255, (side, side, 3)).astype(np.uint8)
        file = root / boxes["path"][at]
        Image.fromarray(pixels).save(file, quality=95)
        boxes.loc[at, ["width", "height", "sha256"]] = side, side, hashlib.sha256(file.read_bytes()).hexdigest()
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out")

    def seen(cache_mib: int) -> dict[int, np.ndarray]:
        batches = training_batches(tmp_path / "out", Pictures((64, 64)), 1, NO_AUGMENT, cache_mib=cache_mib)
        return {int(one["image_id"][0]): one["images"][0] for one in numpy_batches(batches, 4)}

    cached, files = seen(64), seen(0)
    assert cached.keys() == files.keys() == {1, 2, 3, 4}
    assert all(np.array_equal(cached[key], files[key]) for key in files)


@pytest.mark.parametrize("cache_mib", [0, 64], ids=["from files", "cached"])
def test_where_nothing_is_pasted_all_is_as_without(photographs, tmp_path, cache_mib):
    root, boxes, splits = photographs(20, ("train",))
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out", shard_mib=0.01)

    def batches(share):
        config = AugmentConfig(jitter_min=0.5, jitter_max=2, copy_paste=share)
        return numpy_batches(training_batches(tmp_path / "out", SMALL, 5, config, cache_mib=cache_mib), 8)

    for plain, paired in zip(batches(0), batches(1e-12), strict=True):
        assert not paired.pop("gt_pasted").any()
        assert paired["gt_boxes"].shape == (5, 2, 4)
        for name in ("gt_boxes", "gt_classes"):
            assert not paired[name][:, 1].any()
            paired[name] = paired[name][:, :1]
        assert same(plain, paired)


@pytest.mark.parametrize("canvas", [None, (64, 64)], ids=["whole", "crops"])
def test_pasted_boxes_bound_red_rectangles_and_are_counted(photographs, tmp_path, canvas):
    root, boxes, splits = photographs(30, ("train",))
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out")
    config = AugmentConfig(jitter_min=0.5, jitter_max=1.2, copy_paste=1)
    pictures = Pictures((160, 96), mask=True, canvas=canvas)
    pasted = 0
    for batch in numpy_batches(training_batches(tmp_path / "out", pictures, 10, config), 6):
        pasted += batch["gt_pasted"].sum()
        for image, found, classes, mask in zip(
            *(batch[name] for name in ("images", "gt_boxes", "gt_classes", "mask")), strict=True
        ):
            red = (image[..., 0].astype(int) - image[..., 1]) > 85
            for box, label in zip(found, classes, strict=True):
                top, left, bottom, right = np.round(box).astype(int)
                if label:
                    assert red[top + 2 : bottom - 2, left + 2 : right - 2].all()
                    assert mask[(top + bottom) // 8, (left + right) // 8] == 1
                red[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2] = False
            assert red.sum() <= 0.3 * 46 * 40  # a sliver that is dropped
    assert pasted > 20


def test_boxes_bound_the_red_rectangle(photographs, tmp_path):
    root, boxes, splits = photographs(30, ("train",))
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out")
    config = AugmentConfig(jitter_min=0.5, jitter_max=2, min_visible_area=0.3)
    checked = dropped = 0
    for batch in numpy_batches(training_batches(tmp_path / "out", SMALL, 10, config), 12):
        dropped += int(batch["gt_dropped"].sum())
        for image, box, label in zip(batch["images"], batch["gt_boxes"][:, 0], batch["gt_classes"][:, 0], strict=True):
            red = np.argwhere((image[..., 0].astype(int) - image[..., 1]) > 85)
            if label:
                np.testing.assert_allclose([*red.min(axis=0), *(red.max(axis=0) + 1)], box, atol=1.6)
                checked += 1
    assert checked > 60
    assert dropped > 3


def test_small_boxes_are_ignored_and_slivers_counted(photographs, tmp_path):
    root, boxes, splits = photographs(10, ("train",))
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out")
    config = AugmentConfig(input_rand_hflip=False, jitter_min=1, jitter_max=1, min_box_side=1000)
    (batch,) = numpy_batches(training_batches(tmp_path / "out", SMALL, 10, config), 1)
    assert sorted(batch["gt_classes"][:, 0]) == [-1] * 9 + [0]
    assert batch["gt_dropped"].sum() == 0
    config = AugmentConfig(jitter_min=3, jitter_max=4, min_visible_area=1)
    batches = numpy_batches(training_batches(tmp_path / "out", SMALL, 10, config), 4)
    seen = sum((batch["gt_classes"] != 0).sum() for batch in batches)
    assert seen + sum(batch["gt_dropped"].sum() for batch in batches) == 36
    assert seen < 30


def test_every_box_is_in_the_crop_or_counted(photographs, tmp_path):
    root, boxes, splits = photographs(10, ("train",))
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out")
    config = AugmentConfig(jitter_min=0.8, jitter_max=1.2)
    batches = numpy_batches(training_batches(tmp_path / "out", Pictures((160, 96), canvas=(64, 64)), 10, config), 8)
    seen, dropped, outside = (
        sum((batch["gt_classes"] != 0).sum() for batch in batches),
        *(sum(batch[name].sum() for batch in batches) for name in ("gt_dropped", "gt_outside")),
    )
    assert seen + dropped + outside == 72
    assert 0 < outside < 0.25 * 72
    assert dropped < outside
    assert {batch["images"].shape for batch in batches} == {(10, 64, 64, 3)}


def test_preview_is_what_training_sees(photographs, tmp_path):
    root, boxes, splits = photographs(9, ("train",))
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out")
    shown = list(preview(tmp_path / "out", SMALL, AugmentConfig(), 5, seed=3))
    batches = numpy_batches(training_batches(tmp_path / "out", SMALL, 1, AugmentConfig(), seed=3, cache_mib=0), 5)
    for (image, found, classes), batch in zip(shown, batches, strict=True):
        np.testing.assert_array_equal(image, batch["images"][0])
        assert len(found) == len(classes) == (batch["gt_classes"] != 0).sum()


def variants(image: Image.Image) -> dict[str, bytes]:
    def saved(picture: Image.Image, **options: object) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=95, **options)
        return buffer.getvalue()

    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "grey": saved(image.convert("L")),
        "cmyk": saved(image.convert("CMYK")),
        "progressive": saved(image, progressive=True),
        "exif": saved(image, exif=turned),
    }


@pytest.mark.parametrize("kind", ["grey", "cmyk", "progressive", "exif"])
@pytest.mark.parametrize("jitter", [1.0, 0.25])
def test_unusual_jpegs_are_decoded_as_they_are_stored(kind, jitter):
    gradient = np.stack(np.meshgrid(np.linspace(20, 230, 96), np.linspace(230, 40, 160)), axis=-1)
    image = Image.fromarray(np.concatenate([gradient, gradient[..., :1]], axis=-1).astype(np.uint8))
    encoded = variants(image)[kind]
    size = (int(160 * jitter), int(96 * jitter))
    ours = preprocess.load(tf.constant(encoded), size)[0].numpy().astype(int)
    stored = Image.open(io.BytesIO(encoded)).convert("RGB").resize(size[::-1], Image.Resampling.BOX)
    assert np.abs(ours - np.asarray(stored)).max() < 12
    assert np.abs(ours - np.asarray(stored)).mean() < 2


def test_a_truncated_photograph_stops_training(photographs, tmp_path):
    root, boxes, splits = photographs(8, ("train",))
    victim = root / boxes["path"][2]
    victim.write_bytes(victim.read_bytes()[:400])
    boxes.loc[2, "sha256"] = hashlib.sha256(victim.read_bytes()).hexdigest()
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out")
    with pytest.raises(tf.errors.InvalidArgumentError):
        numpy_batches(training_batches(tmp_path / "out", SMALL, 8, AugmentConfig(), cache_mib=0), 1)


def test_too_few_images_and_missing_shards_are_said(photographs, tmp_path):
    root, boxes, splits = photographs(9, ("train",))
    write(boxes, splits, LABELS, Photographs(root), tmp_path / "out", shard_mib=0.005)
    with pytest.raises(UserError, match=r"has 9 images, fewer than a batch of 10: lower train.batch_size"):
        training_batches(tmp_path / "out", SMALL, 10, AugmentConfig())
    with pytest.raises(UserError, match=r"the val split of .* has no images"):
        evaluation_batches(tmp_path / "out", SMALL, 1)
    next((tmp_path / "out").glob("*.tfrecord")).unlink()
    with pytest.raises(UserError, match="1 shards of the train split are missing"):
        training_batches(tmp_path / "out", SMALL, 2, AugmentConfig())


def test_balanced_sampling_reaches_the_distribution_it_reports(photographs, tmp_path):
    root, boxes, splits = photographs(60, ("train",))
    names = ["blue"] * 52 + ["green"] * 5 + ["black"] * 3
    boxes["class"] = [name if known else None for name, known in zip(names, boxes["class"].notna(), strict=True)]
    label_map = {1: "blue", 2: "green", 3: "black", 4: "never seen"}
    manifest = write(boxes, splits, label_map, Photographs(root), tmp_path / "out")
    copies = repeats(manifest.class_counts["train"])
    drawn = [copies[name] * count for name, count in manifest.class_counts["train"].items()]
    np.testing.assert_allclose(np.array(drawn) / sum(drawn), [1 / 3, 1 / 3, 1 / 3, 0])
    dataset = training_batches(tmp_path / "out", SMALL, 30, NO_AUGMENT, balanced=True)
    batches = numpy_batches(dataset, 40)
    seen = Counter(int(label) for batch in batches for label in batch["gt_classes"].ravel())
    shares = np.array([seen[1], seen[2], seen[3]]) / (seen[1] + seen[2] + seen[3])
    np.testing.assert_allclose(shares, 1 / 3, atol=0.05)
    assert seen[0] > 0


def test_repeats_are_limited_and_keep_the_length_of_an_epoch():
    counts = {"common": 10_000, "rare": 1, "none": 0}
    times = repeats(counts)
    assert times["none"] == 0
    assert times["rare"] / times["common"] == pytest.approx(20 / (10_001 / 20_000))
    assert sum(times[name] * count for name, count in counts.items()) == pytest.approx(10_001)
    assert repeats({"none": 0}) == {"none": 0.0}
