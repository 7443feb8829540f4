import re
from pathlib import Path

import pytest
import yaml

from plates.errors import UserError
from plates.settings import edit
from plates.settings.params import Params, knobs, load
from plates.settings.project import Project

ROOT = Path(__file__).resolve().parents[3]


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
        ("traim: {steps: 1}", r"traim: no such setting; did you mean train\?"),
        ("train: {batch_size: -1}", r"train\.batch_size: .*found -1"),
        ("data: [1, 2]", r"data: a section, with its settings below it \(plates params data\); found \[1, 2\]"),
        ("model: {heads: [segmentation]}", r"set gate\.metric: mask_iou"),
        ("gate: {metric: mask_iou}", r"needs segmentation in model\.heads"),
        ("gate: {metric: corner_iou}", r"needs corners in model\.heads"),
        ("nms: {max_output_size: 50}", r"evaluation\.max_detections 100 is more than nms\.max_output_size 50"),
        ("- a", "must hold sections of keys and values; found a list"),
        ("a", "must hold sections of keys and values; found a single value"),
        ("data: {root: a}\ndata: {root: b}", "data occurs twice, in lines 1 and 2"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_wrong_file_is_explained(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        load(path)


def test_a_file_that_is_no_text_is_explained_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    for read in (load, lambda path: edit.write(path, {"split.seed": 1})):
        path.write_bytes("train: {steps: 7}".encode("utf-16"))
        with pytest.raises(UserError, match=r"is not YAML: .*Save it as UTF-8"):
            read(path)
        assert path.read_bytes() == "train: {steps: 7}".encode("utf-16")
        path.unlink()
        with pytest.raises(UserError, match=r"No such file or directory.*git checkout params\.yaml"):
            read(path)
        path.mkdir()
        with pytest.raises(UserError, match=r"Is a directory.*git checkout params\.yaml"):
            read(path)
        path.rmdir()


def test_the_home_of_a_user_that_is_not_there_is_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("data: {root: ~nobody-of-this-name/photos, annotations: ~/boxes.json}")
    project = Project(tmp_path)
    assert project.photographs == tmp_path / "~nobody-of-this-name/photos"
    assert project.annotations == Path.home() / "boxes.json"


def test_a_clone_without_its_settings_says_how_to_bring_them_back(tmp_path: Path) -> None:
    for name in ("dvc.yaml", "dagster.yaml"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"has no file params\.yaml\. Restore it: git checkout params\.yaml"):
        Project.find(tmp_path)


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


@pytest.mark.parametrize(
    "text",
    [
        (ROOT / "params.yaml").read_text(encoding="utf-8"),
        "# by hand\ntrain:\n    steps: 500   # short\n    batch_size: 0x8\n"
        "model:\n    heads:\n      - object_detection\n"
        f"    name: 'efficientdet-d0'\n    aspect_ratios: null\ndata:\n    root: \"/{'long name ' * 30}\"\n",
    ],
    ids=["ours", "by hand"],
)
def test_set_changes_only_the_lines_of_the_settings_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    edit.write(path, edit.parse(["train.steps=7", "model.aspect_ratios=[[1.4, 0.7], [1, 1]]"]))
    before, after = text.splitlines(), path.read_text(encoding="utf-8").splitlines()
    assert len(before) == len(after)
    changed = [new.split("#")[0].strip() for old, new in zip(before, after, strict=True) if old != new]
    assert sorted(changed) == ["aspect_ratios: [[1.4, 0.7], [1, 1]]", "steps: 7"]


def test_words_are_written_with_commas_between(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    for given in ("[segmentation, object_detection]", "segmentation, object_detection"):
        edit.write(path, edit.parse([f"model.heads={given}", "data.root=null"]))
        assert load(path).model.heads == ["segmentation", "object_detection"]
        assert path.read_text() == text.replace("heads: object_detection", "heads: segmentation, object_detection")


@pytest.mark.parametrize("overrides", [[], ["train.steps=7", "train.learning_rate=1e-5", "data.root=/photos of mine"]])
def test_an_experiment_of_dvc_changes_only_the_lines_that_it_sets(tmp_path: Path, overrides: list[str]) -> None:
    from dvc.utils.hydra import apply_overrides

    path = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    edit.write(path, {"model.heads": ["object_detection", "segmentation"], "data.root": "/photos"})
    before = path.read_text(encoding="utf-8").splitlines()
    for _ in range(2):  # what the first time leaves, the second must not lose
        apply_overrides(str(path), overrides)
    after = path.read_text(encoding="utf-8").splitlines()
    changed = [new.strip().split(":")[0] for old, new in zip(before, after, strict=True) if old != new]
    assert changed == ["root", "steps", "learning_rate"] * bool(overrides)
    assert load(path).train.steps == (7 if overrides else Params().train.steps)


def test_set_takes_back_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    edit.write(path, edit.parse(["train.iou_loss_type=ciou", "train.weight_decay=0", 'data.root="no"']))
    assert load(path).data.root == "no"
    edit.write(path, edit.parse(["train.iou_loss_type=null", "train.weight_decay=4.0e-05", "data.root="]))
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("train.steps", "write KEY=VALUE"),
        ("train.steps=abc", r"should be a valid integer.* Allowed values: plates params train\.steps"),
        ("data=3", r"data is a section\. Set one of its settings, such as data\.root=VALUE; .*plates params data"),
        ("data.sample=3", r"as data\.sample\.count=VALUE"),
        ("traim.steps=3", r"did you mean train\.steps"),
        ("zzz=3", r"no such setting\. All settings: plates params"),
        ("model.aspect_ratios=1.8,2.5", r"Write --set 'model\.aspect_ratios=\[1\.8,2\.5\]'"),
        ("gate.metric=speed", r"should be 'mAP', "),
        ("train.steps=[1", "is not YAML"),
    ],
)
def test_a_wrong_argument_is_named_and_put_right(word: str, said: str) -> None:
    with pytest.raises(UserError, match=f"--set {re.escape(word)}: .*{said}"):
        edit.parse([word])


def test_settings_that_disagree_leave_the_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("train: {steps: 5}\n")
    with pytest.raises(UserError, match=r"\(not changed\), with the settings asked for: .*\n.*steps, or num_epochs"):
        edit.write(path, edit.parse(["train.num_epochs=3"]))
    assert path.read_text() == "train: {steps: 5}\n"
    path.write_text("train: 5\n")
    with pytest.raises(UserError, match=r"train: a section, with its settings below it"):
        edit.write(path, edit.parse(["train.steps=3"]))


def test_a_relative_path_starts_where_the_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path.resolve() / "project"
    (root / "photos/2019").mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        (root / name).touch()
    monkeypatch.delenv("PLATES_ROOT", raising=False)
    monkeypatch.chdir(root)
    assert edit.parse(["data.root=../elsewhere"]) == {"data.root": "../elsewhere"}
    monkeypatch.chdir(root / "photos")
    for given, written in (
        ("2019x", "photos/2019x"),
        ("..", "."),
        ("../../elsewhere", str(root.parent / "elsewhere")),
        ("/photos", "/photos"),
        ("/my #1 photos: $new & 'old'", "/my #1 photos: $new & 'old'"),
        ("~/photos", "~/photos"),
        ("null", None),
    ):
        assert edit.parse([f"data.root={given}"]) == {"data.root": written}
    assert edit.parse(["data.annotations=a.json", "train.steps=3"]) == {
        "data.annotations": "photos/a.json",
        "train.steps": 3,
    }


def test_the_page_of_hyperparameters_is_up_to_date() -> None:
    from plates.settings.page import PAGE, render

    assert PAGE.read_text(encoding="utf-8") == render(), "run `make docs`"


def comments(text: str) -> dict[str, str]:
    """The comment over each key of a YAML file, by dotted key, on one line."""
    found: dict[str, str] = {}
    keys: list[tuple[int, str]] = []
    lines: list[str] = []
    for line in text.splitlines():
        content = line.strip()
        indent = len(line) - len(content)
        if content.startswith("#"):
            lines.append(content.removeprefix("#").strip())
        elif key := re.match(r"(\w+):", content):
            keys = [(depth, name) for depth, name in keys if depth < indent] + [(indent, key[1])]
            found[".".join(name for _, name in keys)] = " ".join(lines)
            lines = []
        else:
            lines = []
    return found


def test_the_comments_of_params_yaml_are_the_descriptions() -> None:
    said = comments((ROOT / "params.yaml").read_text(encoding="utf-8"))
    described = {key: field.description for key, field in knobs()}
    assert {key: text for key, text in said.items() if key in described} == described
    sections = {key: (field.annotation.__doc__ or "") for key, field in Params.model_fields.items()}
    assert {key: said[key] for key in sections} == {key: " ".join(text.split()) for key, text in sections.items()}
