"""`plates predict`, `plates evaluate` and `plates hide` on a toy, outside of any project."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plates.columns import BOX, CORNERS

Plates = Callable[..., tuple[int, str, str]]
Boxes = dict[Path, tuple[float, float, float, float]]


@pytest.fixture
def street(toy_photographs: Boxes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two photographs, a PNG in another folder inside, and a text; the commands run beside it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "street"
    (folder / "inside").mkdir(parents=True)
    first, second, third = list(toy_photographs)[:3]
    shutil.copy2(first, folder / "a.jpg")
    shutil.copy2(second, folder / "b.jpg")
    Image.open(third).save(folder / "inside/c.png")
    (folder / "notes.txt").write_text("not a picture")
    return folder


def test_a_folder_is_answered_in_every_form(street: Path, exported: Path, plates: Plates) -> None:
    sources = [str(street / name) for name in ("a.jpg", "b.jpg", "inside/c.png")]
    code, out, err = plates("predict", str(street), "--model", str(exported))
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [line["image"] for line in lines] == sources
    assert "1 other file or link skipped" in err
    best = lines[0]["detections"][0]
    assert all(round(best[edge], 1) == best[edge] for edge in BOX)

    _, out, _ = plates("predict", str(street), "--model", str(exported), "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["image"] for row in rows} == set(sources)
    assert float(rows[0]["xmin"]) == best["xmin"]
    assert [float(rows[0][column]) for column in CORNERS] == best["corners"]

    plates("predict", f"{street}/*.jpg", "--model", str(exported), "--format", "coco", "--to", "coco.json")
    coco = json.loads(Path("coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == sources[:2]
    assert coco["annotations"][0]["bbox"][0] == best["xmin"]
    assert coco["categories"] == [{"id": 1, "name": "plate"}]

    plates("predict", str(street), "--model", str(exported), "--format", "yolo", "--to", "labels")
    number, x, y, width, height, _ = map(float, Path("labels/a.txt").read_text().splitlines()[0].split())
    assert number == 0
    assert 192 * (x - width / 2) == pytest.approx(best["xmin"], abs=0.1)
    assert 192 * (y + height / 2) == pytest.approx(best["ymax"], abs=0.1)

    plates("predict", str(street), "--model", str(exported), "--format", "yolo-obb", "--to", "outlines")
    number, *outline, _ = map(float, Path("outlines/a.txt").read_text().splitlines()[0].split())
    assert number == 0
    assert [192 * share for share in outline] == pytest.approx(np.clip(best["corners"], 0, 192), abs=0.1)


def test_names_come_from_standard_input_and_pictures_are_drawn_and_cut(
    street: Path, exported: Path, plates: Plates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{street}/a.jpg\n{street}/inside/c.png\n"))
    code, out, _ = plates("predict", "-", "--model", str(exported), "--draw", "drawn", "--crops", "cut")
    assert code == 0
    assert len(out.splitlines()) == 2
    assert sorted(file.name for file in Path("drawn").iterdir()) == ["a.jpg", "c.png"]
    found = sum(len(json.loads(line)["detections"]) for line in out.splitlines())
    assert len(list(Path("cut").iterdir())) == found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere cannot be read: No such file"),
        (["street/none*"], "no file matches street/none*"),
        (["https://example.com/a.jpg"], "is fetched only if you allow it"),
        (["street/notes.txt"], "notes.txt is not a picture that can be opened"),
        (["street", "--score", "best"], "the model has no threshold 'best'; it has default, promise"),
        (["street", "--format", "yolo"], "yolo is a folder of files"),
        (["street", "--draw", "street"], "would overwrite it"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    street: Path, exported: Path, plates: Plates, words: list[str], said: str
) -> None:
    before = {file: file.read_bytes() for file in street.rglob("*") if file.is_file()}
    code, _, err = plates("predict", *words, "--model", str(exported))
    assert code == 1
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert said in errors[0]
    assert {file: file.read_bytes() for file in street.rglob("*") if file.is_file()} == before


def test_a_folder_is_not_written_over_by_a_file(street: Path, exported: Path, plates: Plates, tmp_path: Path) -> None:
    code, _, err = plates("predict", str(street), "--format", "csv", "--to", str(tmp_path), "--model", str(exported))
    assert code == 1
    assert f"{tmp_path} is a folder, and csv is a file: --to {tmp_path / 'found.csv'}" in " ".join(err.split())
    code, _, err = plates("evaluate", str(exported), str(street), "--report", str(tmp_path))
    assert code == 2
    assert "--report" in err


def test_evaluate_prints_the_figures_and_writes_the_report(
    street: Path, toy_photographs: Boxes, exported: Path, plates: Plates
) -> None:
    (xmin, ymin, xmax, ymax) = next(iter(toy_photographs.values()))
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 192, "height": 192}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [xmin, ymin, xmax - xmin, ymax - ymin]}],
        "categories": [{"id": 1, "name": "plate"}],
    }
    Path("coco.json").write_text(json.dumps(content))
    words = ("--annotations", "coco.json", "--report", "report.html")
    code, out, err = plates("evaluate", str(exported), str(street), *words)
    assert code == 0
    assert json.loads(out)["images"] == 1
    assert Path("report.html").stat().st_size > 10_000
    assert "report report.html" in err


def test_hide_writes_beside_the_originals_and_says_what_it_hid(street: Path, exported: Path, plates: Plates) -> None:
    before = {file: file.read_bytes() for file in street.rglob("*") if file.is_file()}
    shutil.copy2(street / "notes.txt", street / "broken.jpg")
    words = ("--to", "hidden", "--doubts", "look.html", "--model", str(exported))
    code, out, err = plates("hide", str(street), *words)
    assert code == 1
    assert "broken.jpg is not a picture" in err
    assert "1 of 4 files failed" in err
    said = [json.loads(line) for line in out.splitlines()]
    assert [one["target"] for one in said] == ["hidden/a.jpg", "hidden/b.jpg", "hidden/inside/c.png"]
    assert all(one["plates"] >= 1 for one in said)
    assert Path("look.html").exists()
    assert all(file.read_bytes() == content for file, content in before.items())
    for words, problem in (
        (["street"], "--to FOLDER, or --in-place"),
        (["street", "--to", "hidden"], "already exist"),
        (["nowhere.jpg", "--to", "new"], "nowhere.jpg cannot be read"),
    ):
        code, _, err = plates("hide", *words, "--model", str(exported))
        assert code == 1
        assert problem in err
    (street / "broken.jpg").unlink()
    code, _, _ = plates("hide", "street", "--in-place", "--model", str(exported))
    assert code == 0
    assert (street / "a.jpg").read_bytes() == Path("hidden/a.jpg").read_bytes() != before[street / "a.jpg"]
