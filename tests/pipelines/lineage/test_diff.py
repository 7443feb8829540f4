"""Two records compared, from what is kept of them: photographs, plates, figures on what is common."""

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clones import ROOT
from PIL import Image
from recorded import cached, make

from pipelines.lineage import timeline
from pipelines.lineage.diff import difference, write_changes
from pipelines.lineage.page import HEIGHT, write
from plates.ccpd.table import REJECTED_SCHEMA
from plates.columns import BOX, CORNERS
from plates.lineage.record import Record
from plates.pages.pictures import placeholder
from plates.scoring.detections import SCHEMA
from plates.settings.project import Project

PLACE = dict(zip(BOX, (10.0, 20.0, 90.0, 50.0), strict=True))
ELSEWHERE = dict(zip(BOX, (100.0, 100.0, 150.0, 120.0), strict=True))


def parquet(rows: pd.DataFrame, schema: pa.Schema | None = None) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(rows, schema=schema, preserve_index=False), buffer)
    return buffer.getvalue()


def jpeg(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (160, 120), (number, 0, 0)).save(buffer, "JPEG")
    return buffer.getvalue()


def evaluation(project: Path, content: str, came: int, missed: set[int], offset: int = 0) -> Record:
    """A record of 20 test photographs from number `offset` on, and `came` more of train.

    The plates of `missed` are not found.
    """
    numbers = pd.Series(range(20 + came))
    paths = (numbers + offset).map("{:03d}.jpg".format)
    boxes = pd.DataFrame(
        {"path": paths, "subset": "base", "class": "plate", "plate": paths, **PLACE, **dict.fromkeys(CORNERS)}
    )
    wrong = numbers.isin(missed)
    became = boxes[["path", "class", *BOX]].assign(
        sha256=numbers.map(lambda number: hashlib.sha256(jpeg(number + offset)).digest()),
        split=["test"] * 20 + ["train"] * came,
        rejected=None,
        iou=0.8,
        score=0.9,
    )
    became["found"] = (~wrong).astype(object).where(numbers < 20, None)
    found = boxes.assign(image_id=numbers + 1, score=0.9)[:20]
    found["class"] = 1
    found.loc[wrong[:20], BOX] = list(ELSEWHERE.values())
    outcomes = parquet(became)
    record = make(
        project,
        content,
        "a: 1\n",
        {
            "data/outcomes.parquet": outcomes,
            "data/boxes.parquet": parquet(boxes),
            "data/rejected.parquet": parquet(pd.DataFrame(columns=REJECTED_SCHEMA.names), REJECTED_SCHEMA),
            "data/detections.parquet": parquet(found.reindex(columns=SCHEMA.names), SCHEMA),
            "models/checkpoint": {"model.json": json.dumps({"label_map": {"1": "plate"}})},
        },
        outcomes=hashlib.md5(outcomes).hexdigest(),
    )
    params = {**record.params, "evaluation": {"max_detections": 100}}
    return record.model_copy(update={"params": params})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Git repository with the stages of a project."""
    shutil.copy2(ROOT / "dvc.yaml", tmp_path / "dvc.yaml")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def test_all_that_differs_is_said_in_its_order(project: Path, tmp_path: Path) -> None:
    first, second = evaluation(project, "one", 0, set()), evaluation(project, "three", 2, {0, 1, 2, 3, 4})
    found = difference(project, first, second)
    said = {section.title: list(section.lines) for section in found.sections}
    results = "On the 20 photographs that both scored with the same labels"
    assert list(said) == ["Photographs", "Parameters", "Code", "Packages", "Machine and seeds", results]
    assert said["Photographs"] == ["20 before, 22 now", "2 came (9.1%): 2 train; e.g. 020.jpg, 021.jpg"]
    assert said["Parameters"] == said["Code"] == said["Packages"] == []
    assert said[results][-1] == "5 plates turned wrong; e.g. 000.jpg, 001.jpg, 002.jpg"
    figures = {line.split()[0]: line for line in said[results][:-1]}
    assert figures["ccpd_score"].startswith("ccpd_score 1.000 -> 0.750, -0.250 (95%: -0.")
    assert found.notes == []
    for name in ("list.json", "list.csv"):
        write_changes(tmp_path / name, found.comparison)
    rows = json.loads((tmp_path / "list.json").read_text())
    assert [(row["kind"], row["path"]) for row in rows[:3]] == [
        ("came", "020.jpg"),
        ("came", "021.jpg"),
        ("turned", "000.jpg"),
    ]
    assert pd.read_csv(tmp_path / "list.csv")["after"].tolist() == ["train", "train", *["wrong"] * 5]


def test_that_nothing_was_scored_in_both_is_said(project: Path) -> None:
    first, second = evaluation(project, "one", 0, set()), evaluation(project, "three", 0, set(), offset=20)
    found = difference(project, first, second)
    assert found.notes == [
        "no photograph was scored in both, so that no figure compares them. To run both models on the same ones: "
        f"plates compare {first.short} {second.short}"
    ]
    assert not any(section.title.startswith("On the") for section in found.sections)


def test_what_is_not_kept_is_said_and_the_rest_compared(project: Path) -> None:
    first, second = evaluation(project, "one", 0, set()), evaluation(project, "three", 0, {0})
    cached(project, first.outputs["data/detections.parquet"]).unlink()
    found = difference(project, first, second)
    assert found.sections[-1].lines == ["1 plates turned wrong; e.g. 000.jpg"]
    assert "data/detections.parquet of record" in found.notes[0]
    cached(project, first.outcomes).unlink()
    found = difference(project, first, second)
    assert found.comparison is None
    assert found.sections[0].title == "Data"
    assert any(line.startswith("data/outcomes.parquet: ") for line in found.sections[0].lines)
    assert "dvc fetch" in found.notes[0]


def test_the_page_shows_the_photographs_and_what_is_gone_as_grey(project: Path, tmp_path: Path) -> None:
    first, second = evaluation(project, "one", 0, set()), evaluation(project, "three", 2, {0, 1})
    folder = project / "data/sample"
    folder.mkdir(parents=True)
    for number in (0, 1, 20):
        (folder / f"{number:03d}.jpg").write_bytes(jpeg(number))
    (folder / "021.jpg").write_bytes(jpeg(99))
    write(tmp_path / "page.html", Project(project), first, second, difference(project, first, second))
    page = (tmp_path / "page.html").read_text()
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert captions == [
        *("000.jpg, IoU 0.80 -&gt; 0.80", "001.jpg, IoU 0.80 -&gt; 0.80", "020.jpg: train", "021.jpg: train")
    ]
    images = [Image.open(io.BytesIO(base64.b64decode(uri))) for uri in re.findall(r"base64,([^\"]+)", page)]
    assert [image.size == placeholder("", HEIGHT).size for image in images] == [False, False, False, True]
    assert "The same: parameters, code" in page


def test_the_timeline_says_what_changed_and_each_point_leads_there(project: Path, tmp_path: Path) -> None:
    first, second = evaluation(project, "one", 0, set()), evaluation(project, "three", 2, {0})
    assert timeline.write(tmp_path / "page.html", project, lambda done, total: None) == 2
    page = (tmp_path / "page.html").read_text()
    assert re.findall(r'xlink:href="#([0-9a-f]+)"', page) == [first.short, second.short]
    assert re.findall(r'<h2 id="([0-9a-f]+)">', page) == [second.short, first.short]
    assert f"Since {first.short}: labels." in page
    assert "2 came (9.1%): 2 train; e.g. 020.jpg, 021.jpg" in page
