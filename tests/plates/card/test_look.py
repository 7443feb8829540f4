import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from plates.card.look import look, shards
from plates.card.look.inspection import captions
from plates.card.pictures import from_rows
from plates.ccpd.table import LABELS_SCHEMA
from plates.efficientdet.data.tfrecords.example import to_bytes
from plates.efficientdet.data.tfrecords.framing import frame
from plates.errors import UserError
from plates.files import write_parquet

LABELLED = "0359-5_21-151&285_417&398-417&398_179&377_151&285_389&306-0_0_4_33_32_25_12-59-4.jpg"
BLUE = (59, 130, 246)  # of the plots' outlines


@pytest.fixture
def shard(boxes, tmp_path) -> Path:
    """A TFRecord for each photograph, and one without a box."""
    encoded = io.BytesIO()
    Image.new("RGB", (720, 1160)).save(encoded, "JPEG")
    records = []
    for number, image in enumerate(boxes.to_dict("records")):
        record = {"image_id": number, "path": image["path"], "sha256": image["sha256"], "width": 720, "height": 1160}
        record |= {"class": ["license_plate"], "crowd": [False]} | {
            column: [image[column]] for column in LABELS_SCHEMA.names[8:20]
        }
        records.append(record)
    negative = {key: [] if isinstance(value, list) else value for key, value in records[0].items()}
    records.append(negative | {"path": "ccpd_np/1.jpg"})
    path = tmp_path / "train.tfrecord"
    path.write_bytes(b"".join(frame(to_bytes(record, encoded.getvalue(), {"license_plate": 1})) for record in records))
    return path


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8))


def damaged_png() -> bytes:
    """One whose second chunk of pixels has no name: Pillow raises `SyntaxError` for it."""
    buffer = io.BytesIO()
    noise().save(buffer, "PNG")
    content = bytearray(buffer.getvalue())
    second = content.index(b"IDAT", content.index(b"IDAT") + 4)
    content[second : second + 4] = bytes(4)
    return bytes(content)


def truncated_jpeg() -> bytes:
    buffer = io.BytesIO()
    noise().save(buffer, "JPEG")
    return buffer.getvalue()[: len(buffer.getvalue()) // 2]


def has(picture: Image.Image, colour: tuple[int, int, int]) -> bool:
    return bool((np.asarray(picture) == colour).all(axis=2).any())


def test_it_tells_a_photograph_a_folder_a_table_and_a_shard(boxes, root, shard, tmp_path):
    write_parquet(tmp_path / "rejected.parquet", boxes.assign(broken=[["a"]] * 3))

    photograph = look(root / boxes["path"][1])
    folder = look(root)
    table = look(tmp_path / "rejected.parquet", root=root)
    records = look(shard)

    assert photograph.lines[1] == "plate 皖AE981N (blue), box 151, 285, 417, 398 px"
    assert photograph.draw().size == (720, 1160)
    assert folder.lines[0].startswith("3 images under")
    assert "3 images, 3 boxes, 0 images without a plate, 3 different plates" in folder.lines
    assert "province: 皖 3" in folder.lines
    assert "        3  a" in table.lines
    assert records.lines[0].startswith("4 TFRecords in train.tfrecord")
    assert records.lines[1] == "3 boxes, 1 images without one"
    assert look(tmp_path).lines[-3:] == records.lines


def test_plots_stand_over_the_pictures_of_a_folder_a_table_and_a_shard(boxes, root, shard, tmp_path):
    write_parquet(tmp_path / "labels.parquet", boxes)

    for path in (root, tmp_path / "labels.parquet", shard):
        seen = look(path, root=root).draw()

        assert has(seen.crop((0, 0, seen.width, 600)), BLUE), path
        assert seen.width >= 4 * 350
        assert seen.height > 2 * 290 + 320


def test_a_shard_has_the_plots_of_what_its_names_tell(shard, monkeypatch):
    kept = []
    monkeypatch.setattr(shards, "sheet", lambda labels, _: kept.append(labels) or Image.new("RGB", (1, 1)))
    look(shard).draw()

    (labels,) = kept
    assert labels["brightness"].tolist()[:3] == [114, 59, 63]
    assert labels["province"].tolist()[:3] == ["皖"] * 3
    assert labels["rb_x"].tolist()[:3] == pytest.approx([448, 417, 368])
    assert labels["class"].isna().tolist() == [False, False, False, True]
    assert labels["subset"].tolist() == ["base", "base", "base", "np"]


@pytest.mark.parametrize("name", ["shot.png", LABELLED])
def test_an_image_that_is_no_jpeg_is_shown_and_called_so(tmp_path, name):
    Image.new("RGB", (720, 1160), (1, 2, 3)).save(tmp_path / name, "PNG")

    seen = look(tmp_path / name)

    assert seen.lines[1] == "not a JPEG: a PNG; the pipeline would set it aside"
    assert seen.draw().size == (720, 1160)
    assert has(seen.draw(), (46, 204, 113)) == (name == LABELLED)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (damaged_png(), "broken PNG file.*not a JPEG: a PNG"),
        (truncated_jpeg(), "truncated: no end marker"),
        (b"", "zero bytes"),
        (b"<html>", "a web page"),
    ],
)
def test_what_does_not_decode_is_an_error_in_words(tmp_path, content, said):
    path = tmp_path / "damaged.jpg"
    path.write_bytes(content)

    with pytest.raises(UserError, match=rf"damaged\.jpg does not decode as an image: .*{said}.*Copy it again"):
        look(path)


def test_a_folder_counts_what_would_be_set_aside(names, root):
    folder = root / "ccpd_base"
    (folder / "holiday.jpg").write_bytes((folder / names[0]).read_bytes())
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "other.png").write_bytes(damaged_png())
    (folder / names[2]).write_bytes(truncated_jpeg())

    lines = look(root).lines

    assert any(line.startswith("2 names hold no label, such as holiday.jpg") for line in lines)
    assert any(line.startswith(f"3 would be set aside, such as {names[2]} (truncated: ") for line in lines)


def test_damaged_pictures_stand_on_the_sheet_as_such(names, boxes, root):
    for path, content in zip(boxes["path"], (damaged_png(), truncated_jpeg(), b""), strict=True):
        (root / path).write_bytes(content)

    assert {picture.image.getpixel((2, 2)) for picture in from_rows(boxes, root, names)} == {(24, 24, 27)}


def test_it_says_what_it_cannot_look_at(tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "notes.txt").write_text("no image")

    for name in ("absent", "none", "notes.txt"):
        with pytest.raises(UserError, match=rf"{name}.*([Nn]ame another|Name an image)"):
            look(tmp_path / name)


def test_a_table_of_photographs_without_boxes(tmp_path: Path) -> None:
    pictures = tmp_path / "root"
    pictures.mkdir()
    Image.new("RGB", (720, 1160), "navy").save(pictures / "a.jpg")
    table = pd.DataFrame({"path": ["a.jpg", "gone.jpg"], "split": ["train", "val"], "subset": ["base", "base"]})
    table.to_parquet(tmp_path / "splits.parquet")
    found = look(tmp_path / "splits.parquet", pictures)
    assert found.lines[0].startswith("2 rows in ")
    assert found.lines[1:] == ["subset: base 2", "split: train 1, val 1"]
    assert found.draw().size > (200, 200)
    table[["split"]].to_parquet(tmp_path / "other.parquet")
    with pytest.raises(UserError, match="no column path"):
        look(tmp_path / "other.parquet")


def test_a_caption_is_the_plate_or_else_the_end_of_the_path(boxes):
    labels = pd.concat([boxes, boxes.iloc[:1].assign(plate=None, path="ccpd_np/1.jpg")])
    assert captions(labels) == ["base 皖AG898R", "base 皖AE981N", "base 皖AS7F14", "ccpd_np/1.jpg"]
