"""Two models on the same photographs, through the command: what one finds and the other misses, and what cannot be."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from foreign_networks import adapter, network
from PIL import Image

from pipelines.cli.compare import compare
from plates import load
from plates.errors import UserError
from plates.predict.compare import compare as compare_models
from plates.predict.evaluate import cautions, labels

SIDE, COUNT, SEEN_BY_FIRST = 128, 48, 40
BOXES = {"first": [16, 32, 80, 64], "second": [60, 80, 110, 100]}


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Photographs with one plate each: the first forty where the first model finds it, the others elsewhere."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    images, annotations = [], []
    for number in range(1, COUNT + 1):
        pixels = np.full((SIDE, SIDE, 3), number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.jpg")
        left, top, right, bottom = BOXES["first" if number <= SEEN_BY_FIRST else "second"]
        images.append({"id": number, "file_name": f"{number:02}.jpg", "width": SIDE, "height": SIDE})
        box = [left, top, right - left, bottom - top]
        annotations.append({"id": number, "image_id": number, "category_id": 1, "bbox": box, "iscrowd": 0})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "plate"}]}
    (tmp_path / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def model(folder: Path, name: str, *words: str, score: float = 0.9) -> str:
    """An ONNX file of another tool that finds its box in every picture, of the first of its classes (`words`)."""
    words = words or ("plate",)
    scores = np.zeros((1, len(words)), np.float32)
    scores[0, 0] = score
    file = network(folder / f"{name}.onnx", {"b": np.array([BOXES[name]], np.float32) / 2, "s": scores})
    return str(adapter(file, boxes="b", scores="s", label_map={str(n): word for n, word in enumerate(words, 1)}))


def test_what_one_finds_and_the_other_misses(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model(tmp_path, "first"), model(tmp_path, "second")
    compare("first.onnx", "second.onnx", on=labelled, annotations=tmp_path / "labels.json", page=tmp_path / "page.html")
    said = " ".join(capsys.readouterr().out.split())
    # One detection a photograph, all of one score, counted in the order of the photographs: the first model is right
    # up to a recall of 40/48 and never after; the second in the last 8 of 48, so at a precision of 8/48 at best.
    assert "mAP 0.028 for second.onnx against 0.832 for first.onnx: -0.804" in said
    assert "on the same 48 photographs. That is beyond chance." in said
    assert "Of 48 plates, only first.onnx finds 40, only second.onnx finds 8" in said
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<img") == 12 + 8


@pytest.mark.parametrize(
    ("word", "cut", "words"),
    [
        ("number plate", "", "first.onnx finds plate, but .*second.onnx finds number plate: no figure compares them"),
        ("plate", "annotations", "labels.json has no box for any of its 48 images"),
        ("plate", "photographs", "48 cannot be used, such as 01.jpg"),
    ],
)
def test_what_cannot_be_compared_is_said(word: str, cut: str, words: str, labelled: Path, tmp_path: Path) -> None:
    first, second = model(tmp_path, "first"), model(tmp_path, "second", word)
    if cut == "annotations":
        content = json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))
        (tmp_path / "labels.json").write_text(json.dumps(content | {"annotations": []}), encoding="utf-8")
    if cut == "photographs":
        for file in labelled.iterdir():
            file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(UserError, match=words):
        compare(first, second, on=labelled, annotations=tmp_path / "labels.json")


def test_a_model_is_not_compared_with_itself() -> None:
    with pytest.raises(UserError, match="a is named twice"):
        compare("a", "a")


def test_annotations_alone_are_not_enough(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--on FOLDER --annotations FILE"):
        compare("a", "b", annotations=tmp_path / "labels.json")


def test_a_photograph_that_cannot_be_read_is_left_out_and_named(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = labelled / "03.jpg"
    file.write_bytes(file.read_bytes()[:-200])
    compare(model(tmp_path, "first"), model(tmp_path, "second"), on=labelled, annotations=tmp_path / "labels.json")
    said = capsys.readouterr()
    assert "03.jpg" in said.err
    assert "1 of 48 photographs are left out" in said.err
    assert "on the same 47 photographs" in said.out


def test_where_all_photographs_are_gone_nothing_is_compared(labelled: Path, tmp_path: Path) -> None:
    first, second = (load(model(tmp_path, name)) for name in ("first", "second"))
    truth, _ = labels(labelled, tmp_path / "labels.json", first.label_map)
    truth["image_id"] = truth.groupby("path").ngroup() + 1
    files = {row.image_id: labelled / row.path for row in truth.itertuples()}
    for file in files.values():
        file.unlink()
    with pytest.raises(UserError, match=r"none of the 48 photographs can be read, such as .*01\.jpg.*plates run"):
        compare_models(first, second, truth, files)


def test_a_model_that_finds_nothing_and_a_class_without_labels_are_named(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = model(tmp_path, "first", "plate", "lorry"), model(tmp_path, "second", "plate", "lorry", score=0.0)
    compare(first, second, on=labelled, annotations=tmp_path / "labels.json")
    said = capsys.readouterr().err
    assert f"{second} finds nothing at any score (photographs: 48)" in said
    assert f"{first} finds nothing" not in said
    assert said.count("no photograph has a labelled lorry") == 1


@pytest.mark.parametrize(("lowest", "said"), [(0.0, []), (0.3, ["it leaves out scores under 0.3"])])
def test_scores_that_a_network_leaves_out_are_said(lowest: float, said: list[str]) -> None:
    found, truth = pd.DataFrame({"score": [0.9]}), pd.DataFrame({"image_id": [1], "class": ["plate"]})
    lines = list(cautions("it", SimpleNamespace(names=["plate"], lowest=lowest), found, truth))
    assert [line.split(" (")[0] for line in lines] == said


def test_one_photograph_has_figures_and_no_interval(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))
    content |= {"images": content["images"][:1], "annotations": content["annotations"][:1]}
    (tmp_path / "labels.json").write_text(json.dumps(content), encoding="utf-8")
    compare(model(tmp_path, "first"), model(tmp_path, "second"), on=labelled, annotations=tmp_path / "labels.json")
    said = capsys.readouterr().out
    assert "(too few plates) on the same 1 photograph. " in said
    assert "Of 1 plate, " in said


@pytest.mark.parametrize(
    ("first", "second", "called"),
    [
        ("/a/b/best/checkpoint", "/a/b/checkpoint", ("best/checkpoint", "checkpoint")),
        ("dfc4", "cc82", ("dfc4", "cc82")),
        ("a.onnx", "a.onnx", ("a.onnx", "a.onnx")),
        ("/a/model", "/a/model/best", ("model", "model/best")),
    ],
)
def test_models_are_called_by_what_tells_them_apart(first: str, second: str, called: tuple[str, str]) -> None:
    from pipelines.cli.compare import without_what_they_share

    assert without_what_they_share(first, second) == called
