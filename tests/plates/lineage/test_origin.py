"""A file anywhere on the disk leads to the record that has its content, and from there to what made it."""

import shutil
from pathlib import Path

import yaml
from recorded import make

from plates.lineage import record as records
from plates.lineage.origin import Steps, places
from plates.lineage.record import Record

LOCK = {
    "stages": {
        "raw_images": {"deps": [{"path": "assets/raw.py", "md5": "1"}], "outs": [{"path": "data/raw", "md5": "a"}]},
        "boxes": {
            "deps": [{"path": "assets/boxes.py", "md5": "2"}, {"path": "data/raw", "md5": "a"}],
            "outs": [{"path": "data/boxes", "md5": "b"}],
        },
        "checkpoint": {
            "deps": [{"path": "data/boxes", "md5": "b"}],
            "outs": [{"path": "models/checkpoint", "md5": "c"}],
        },
    }
}


def of_lock(project: Path) -> Record:
    outputs = {"data/raw": "a", "data/boxes": "b", "models/checkpoint": "c"}
    lock = yaml.safe_dump(LOCK, sort_keys=False)
    return make(project, "one", "a: 1\n").model_copy(update={"dvc_lock": lock, "outputs": outputs})


def test_a_copy_of_a_model_is_found_by_its_content(project: Path, tmp_path: Path) -> None:
    first = make(project, "one", "a: 1\n", {"models/export/model": {"a.pb": "weights", "deep/b": "more"}})
    second = make(project, "three", "a: 1\n", {"models/export/model": {"a.pb": "others", "deep/b": "more"}})
    copy = tmp_path / "elsewhere"
    shutil.copytree(project / "models/export/model", copy)
    found = records.read_all(project)
    assert [(place.record, place.output, place.inside) for place in places(project, found, copy)] == [
        (second, "models/export/model", "")
    ]
    assert [(place.record, place.inside) for place in places(project, found, copy / "deep/b")] == [
        (first, "deep/b"),
        (second, "deep/b"),
    ]
    (copy / "a.pb").write_text("edited")
    assert places(project, found, copy) == []


def test_of_equal_outputs_the_one_of_that_name_is_meant(project: Path, tmp_path: Path) -> None:
    make(project, "one", "a: 1\n", {"data/boxes.parquet": b"equal", "data/labels.parquet": b"equal"})
    found = records.read_all(project)
    assert [place.output for place in places(project, found, project / "data/labels.parquet")] == [
        "data/labels.parquet"
    ]
    copy = tmp_path / "copy"
    shutil.copy(project / "data/labels.parquet", copy)
    assert [place.output for place in places(project, found, copy)] == ["data/boxes.parquet", "data/labels.parquet"]


def test_steps_lead_up_and_down(project: Path) -> None:
    steps = Steps(of_lock(project))
    assert steps.maker("data/boxes") == "boxes"
    assert steps.maker("nowhere") is None
    assert steps.inputs("boxes") == {"data/raw": "a"}
    assert steps.upstream("models/checkpoint") == ["raw_images", "boxes", "checkpoint"]
    assert steps.upstream("data/boxes") == ["raw_images", "boxes"]
    assert steps.made_from("data/raw") == ["data/boxes", "models/checkpoint"]
    assert steps.made_from("models/checkpoint") == []


def test_what_ran_after_another_record_is_no_step(project: Path) -> None:
    """`dvc.lock` keeps the champion of the run before until the gate has judged this one."""
    record = of_lock(project)
    later = {"deps": [{"path": "models/checkpoint", "md5": "of another"}], "outs": [{"path": "models/champion"}]}
    lock = yaml.safe_dump({"stages": LOCK["stages"] | {"champion": later}}, sort_keys=False)
    steps = Steps(record.model_copy(update={"dvc_lock": lock}))
    assert list(steps.stages) == ["raw_images", "boxes", "checkpoint"]
    assert steps.made_from("models/checkpoint") == []
