"""People's decisions about labels are carried out as written; those that cannot be carried out are named."""

from pathlib import Path

import pandas as pd
import pytest

from checks.annotations import validate
from plates.ccpd.table import parse_labels
from plates.columns import BOX, CORNERS
from plates.errors import UserError
from plates.suspects import decisions

NAME = "0133812260536-79_96-297&458_439&560-437&531_307&558_293&485_423&458-0_0_33_33_33_8_{}-85-29.jpg"
PATHS = [f"ccpd_base/{NAME.format(number)}" for number in range(3)]
NEGATIVE = "ccpd_np/1.jpg"
HEADER = "path,decision,xmin,ymin,xmax,ymax"


@pytest.fixture(scope="module")
def labels() -> pd.DataFrame:
    import pyarrow as pa

    from plates.ccpd.table import LABELS_SCHEMA

    paths = [*PATHS, NEGATIVE]
    images = pd.DataFrame(
        {
            "subset": ["base"] * 3 + ["np"],
            "name": [Path(path).name for path in paths],
            "path": paths,
            "sha256": [f"{number:064x}" for number in range(4)],
            "width": 720,
            "height": 1160,
            "problem": None,
        }
    )
    schema = pa.schema(list(LABELS_SCHEMA)[:7])
    return parse_labels(pa.Table.from_pandas(images, schema=schema, preserve_index=False))[0].to_pandas()


def decide(labels: pd.DataFrame, file: Path, *lines: str, classes: tuple[str, ...] = ("license_plate",)):
    file.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return decisions.apply(labels, decisions.checked(decisions.read(file), labels, classes), classes)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / decisions.FILE


def test_a_comma_in_a_path_needs_quotes(labels: pd.DataFrame, file: Path) -> None:
    with pytest.raises(UserError, match=r"1 of 2 lines .* line 2 has 7\. A path with a comma needs quotes"):
        decide(labels, file, f"left,{PATHS[0]},drop,,,,", f"{PATHS[1]},keep,,,,")
    with pytest.raises(UserError, match=f"line 2: left,{PATHS[0]}: no photograph of this path"):
        decide(labels, file, f'"left,{PATHS[0]}",drop,,,,')


def test_lines_are_counted_as_an_editor_counts_them(labels: pd.DataFrame, file: Path) -> None:
    with pytest.raises(UserError, match="line 5: "):
        decide(labels, file, "", f"{PATHS[0]},keep,,,,", "", f"{PATHS[1]},kep,,,,")


def test_without_a_line_the_labels_are_as_delivered(labels: pd.DataFrame, file: Path) -> None:
    decided, dropped = decide(labels, file)
    pd.testing.assert_frame_equal(decided, labels)
    assert dropped.empty


def test_each_decision_is_carried_out(labels: pd.DataFrame, file: Path) -> None:
    decided, dropped = decide(
        labels, file, f"{PATHS[0]},fix,300,460,441,562", f"{PATHS[1]},drop,,,,", f"{PATHS[2]},keep,,,,"
    )
    by_path = decided.set_index("path")
    assert by_path.loc[PATHS[0], BOX].tolist() == [300, 460, 441, 562]
    assert by_path.loc[PATHS[0], CORNERS].isna().all(), "the corners were those of the wrong label"
    assert dropped["path"].tolist() == [PATHS[1]]
    pd.testing.assert_series_equal(by_path.loc[PATHS[2]], labels.set_index("path").loc[PATHS[2]])
    assert len(decided) + len(dropped) == len(labels)


def test_a_plate_that_had_no_label_gets_one(labels: pd.DataFrame, file: Path) -> None:
    decided, _ = decide(labels, file, f"{NEGATIVE},fix,100,100,240,150")
    row = decided.set_index("path").loc[NEGATIVE]
    assert (row["class"], *row[BOX]) == ("license_plate", 100, 100, 240, 150)


def test_a_fixed_label_passes_the_same_gate_as_all_others(labels: pd.DataFrame, file: Path) -> None:
    decided, _ = decide(labels, file, f"{PATHS[0]},fix,300,460,441,562", f"{NEGATIVE},fix,100,100,240,150")
    assert validate(decided).rejected.empty
    decided, _ = decide(labels, file, f"{PATHS[0]},fix,300,460,300.5,562")
    assert validate(decided).rejected["path"].tolist() == [PATHS[0]]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["ccpd_base/gone.jpg,keep,,,,"], "line 2: ccpd_base/gone.jpg: no photograph of this path"),
        ([f"{PATHS[0]},mend,,,,"], "'mend'; it can be keep, fix, drop"),
        ([f"{PATHS[0]},keep,,,,", f"{PATHS[0]},drop,,,,"], "line 3: .* is already decided in line 2"),
        ([f"{PATHS[0]},fix,300,460,721,562"], r"300, 460, 721, 562 is outside the photograph, which is 720 x 1160"),
        ([f"{PATHS[0]},fix,-1,460,441,562"], "outside the photograph"),
        ([f"{PATHS[0]},fix,441,460,300,562"], "is empty"),
        ([f"{PATHS[0]},fix,300,,441,562"], "fix needs four numbers"),
        ([f"{PATHS[0]},fix,300,nought,441,562"], "fix needs four numbers"),
        ([f"{PATHS[0]},drop,300,460,441,562"], "drop takes no box"),
        ([",,,,,"], "the decision is nan"),
    ],
)
def test_a_line_that_cannot_be_carried_out_is_named(
    labels: pd.DataFrame, file: Path, lines: list[str], said: str
) -> None:
    with pytest.raises(UserError, match=said) as caught:
        decide(labels, file, *lines)
    assert f"1 of {len(lines)} lines of label_decisions.csv" in str(caught.value)
    assert str(caught.value).endswith("then: plates run")


def test_all_that_is_wrong_is_counted_and_the_first_are_shown(labels: pd.DataFrame, file: Path) -> None:
    with pytest.raises(UserError, match="7 of 7 lines") as caught:
        decide(labels, file, *(f"gone{number}.jpg,keep,,,," for number in range(7)))
    assert str(caught.value).count("line ") == decisions.SHOWN
    assert "and 2 more" in str(caught.value)


def test_a_photograph_of_several_boxes_is_fixed_in_its_annotations(labels: pd.DataFrame, file: Path) -> None:
    several = pd.concat([labels, labels[labels["path"] == PATHS[0]]], ignore_index=True)
    with pytest.raises(UserError, match="has 2 boxes: fix those in its annotations"):
        decide(several, file, f"{PATHS[0]},fix,300,460,441,562")
    _, dropped = decide(several, file, f"{PATHS[0]},drop,,,,")
    assert len(dropped) == 2


def test_of_several_classes_none_is_guessed(labels: pd.DataFrame, file: Path) -> None:
    with pytest.raises(UserError, match="there are 2 classes"):
        decide(labels, file, f"{NEGATIVE},fix,100,100,240,150", classes=("blue", "green"))


@pytest.mark.parametrize("content", ["path,what\n", "", 'path,decision,xmin,ymin,xmax,ymax\n"', "a,b\n1,2,3\n"])
def test_a_file_of_another_form_is_refused_with_the_way_back(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="git checkout -- label_decisions"):
        decisions.read(file)


def test_a_file_of_no_text_is_refused(file: Path) -> None:
    file.write_bytes(HEADER.encode() + b"\n\xff\xfe\x00,keep,,,,\n")
    with pytest.raises(UserError, match="git checkout -- label_decisions"):
        decisions.read(file)
