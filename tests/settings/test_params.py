from pathlib import Path

import pytest
import yaml

from lineage.errors import UserError
from settings import edit, hparams
from settings.params import Params, knobs, load

ROOT = Path(__file__).resolve().parents[2]


def test_params_yaml_holds_every_knob_at_its_default() -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert load(ROOT / "params.yaml") == Params()
    for key, _ in knobs():
        place = content
        for part in key.split("."):
            assert part in place, f"{key} is not in params.yaml"
            place = place[part]


def test_every_knob_is_explained() -> None:
    assert [key for key, field in knobs() if not field.description] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "train: {learning_rat: 0.1}",
            r"train\.learning_rat: no such setting; did you mean train\.learning_rate\?",
        ),
        ("traim: {steps: 1}", r"traim: no such setting"),
        ("train: {batch_size: -1}", r"train\.batch_size: .*found -1"),
        ("data: [1, 2]", r"data: "),
        ("model: {heads: [segmentation]}", r"set gate\.metric: mask_iou"),
        ("gate: {metric: mask_iou}", r"needs segmentation in model\.heads"),
        ("- a", "must hold sections"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_wrong_file_is_explained(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        load(path)


def test_set_keeps_comments_and_refuses_the_unknown(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    before = path.read_text(encoding="utf-8").splitlines()
    edit.write(path, edit.parse(["train.steps=7", "data.root=/photos/CCPD 2019", "model.aspect_ratios=[1.8, 2.5]"]))
    params = load(path)
    assert (params.train.steps, params.data.root) == (7, "/photos/CCPD 2019")
    after = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in after if line.lstrip().startswith("#")] == [
        line for line in before if line.lstrip().startswith("#")
    ]
    with pytest.raises(UserError, match=r"did you mean train\.steps"):
        edit.parse(["train.step=7"])
    with pytest.raises(UserError, match=r"train\.steps"):
        edit.write(path, {"train.steps": "many"})
    assert load(path).train.steps == 7


def test_the_references_yaml_works_as_it_is(tmp_path: Path) -> None:
    """The overrides of a plate detector as google/automl's users write them."""
    path = tmp_path / "plate.yaml"
    path.write_text(
        "image_size: 1024x1024\nnum_classes: 1\nlabel_map: {1: license_plate}\ninput_rand_hflip: true\n"
        "jitter_min: 0.8\njitter_max: 1.2\nnms_configs: {method: hard, iou_thresh: 0.5}\n"
    )
    project = tmp_path / "params.yaml"
    project.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    edit.write(project, hparams.read(path))
    params = load(project)
    assert params.model.image_size == "1024x1024"
    assert params.model.label_map == {1: "license_plate"}
    assert (params.augment.jitter_min, params.augment.jitter_max) == (0.8, 1.2)
    assert (params.nms.method, params.nms.iou_thresh) == ("hard", 0.5)


def test_the_reference_s_own_ways_of_writing(tmp_path: Path) -> None:
    """num_epochs takes the place of steps; its Python NMS is off; no policy is an empty string there."""
    path, project = tmp_path / "plate.yaml", tmp_path / "params.yaml"
    path.write_text("num_epochs: 50\nautoaugment_policy: ''\nnms_configs: {method: gaussian, pyfunc: false}\n")
    project.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"))
    edit.write(project, hparams.read(path))
    params = load(project)
    assert (params.train.num_epochs, params.train.steps) == (50, None)
    assert params.augment.autoaugment_policy is None
    path.write_text("nms_configs: {pyfunc: true}\n")
    with pytest.raises(UserError, match=r"nms\.pyfunc"):
        hparams.read(path)


def test_an_unknown_override_names_the_nearest(tmp_path: Path) -> None:
    """The reference's README itself writes `autoaugmentation_policy`, which does not exist there."""
    path = tmp_path / "plate.yaml"
    path.write_text("autoaugmentation_policy: v0\n")
    with pytest.raises(UserError, match="did you mean autoaugment_policy"):
        hparams.read(path)


def test_the_page_of_hyperparameters_is_up_to_date() -> None:
    from settings.reference import PAGE, render

    assert PAGE.read_text(encoding="utf-8") == render(), "run `make docs`"
