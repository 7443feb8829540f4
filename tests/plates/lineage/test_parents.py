"""What a checkpoint was trained from."""

import json

import pytest

from plates.lineage.parents import parents
from plates.lineage.record import Record


@pytest.fixture
def checkpoint(tmp_path):
    def made(**fingerprint):
        (tmp_path / "model.json").write_text(json.dumps({"run": {"fingerprint": fingerprint}}))
        return tmp_path

    return made


def test_random_weights_without_a_teacher_have_none(checkpoint):
    assert parents(checkpoint(pretrained=["none"], teacher=None), []) == {}
    assert parents(checkpoint(pretrained=["none"]), []) == {}, "a checkpoint from before there were teachers"


def test_weights_and_teacher_are_named_with_their_content_and_record(checkpoint):
    record = Record.model_construct(id="r1", outputs={"models/checkpoint": "abc"})
    made = checkpoint(pretrained=["coco"], teacher=["models/large", "abc"])
    (made / "load_report.json").write_text(json.dumps({"sha256": "5" * 64}))
    found = parents(made, [record])
    assert found == {
        "pretrained": "coco",
        "sha256": "5" * 64,
        "teacher": "models/large",
        "teacher_content": "abc",
        "teacher_record": "r1",
    }
    assert parents(checkpoint(pretrained=["models/champion", "abc"]), [record])["record"] == "r1"
