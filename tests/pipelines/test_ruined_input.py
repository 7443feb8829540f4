"""What is wrong with the input is said in words, with an exit code, and nothing is half-written."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from PIL import Image

from plates.ccpd.table import LABELS_SCHEMA
from plates.settings import edit

NAME = "0133812260536-79_96-297&458_439&560-437&531_307&558_293&485_423&458-0_0_33_33_33_8_27-85-29.jpg"


def photograph(path: Path, colour: tuple[int, int, int] = (90, 110, 130)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (720, 1160), colour).save(path, "JPEG")
    return path


def written(root: Path) -> set[str]:
    return {path.name for path in (root / "data").glob("*")} if (root / "data").exists() else set()


def set_root(call, root: Path, photographs: Path) -> None:
    edit.write(root / "params.yaml", {"data.root": str(photographs)})


def test_a_root_that_is_not_there(fresh, tmp_path: Path) -> None:
    root, call = fresh
    photographs = tmp_path / "photographs"
    set_root(call, root, photographs)
    done = call("plates", "materialize", "raw_images", check=False)
    assert done.returncode == 1
    assert str(photographs) in done.stderr
    assert "Traceback" not in done.stderr
    assert written(root) == set()


def test_names_that_are_no_labels(fresh, tmp_path: Path) -> None:
    root, call = fresh
    photograph(tmp_path / "photographs/ccpd_base/holiday.jpg")
    photograph(tmp_path / "photographs/ccpd_base" / NAME)
    set_root(call, root, tmp_path / "photographs")
    done = call("plates", "materialize", "raw_images", "labels", check=False)
    assert done.returncode == 1
    assert "1 of 2 names" in done.stderr
    assert "holiday.jpg" in done.stderr
    assert written(root) == {"raw_images.parquet", "unparsed.parquet", ".gitignore"}


def test_bad_files_are_set_aside_with_the_reason_and_too_many_stop_the_run(fresh, tmp_path: Path) -> None:
    root, call = fresh
    folder = tmp_path / "photographs/ccpd_base"
    whole = photograph(folder / NAME)
    truncated = folder / NAME.replace("0133812260536", "013")
    truncated.write_bytes(whole.read_bytes()[:-2000])
    foreign = folder / NAME.replace("0133812260536", "0133")
    foreign.write_text("<html>404</html>")
    swapped = photograph(folder / NAME.replace("297&458_439&560", "439&560_297&458"), colour=(200, 0, 0))
    set_root(call, root, tmp_path / "photographs")

    done = call("plates", "materialize", "raw_images", "labels", "boxes", check=False)

    assert done.returncode == 1
    assert "validation.max_rejected_fraction" in done.stderr
    assert "boxes.parquet" not in written(root)
    rejected = pd.read_parquet(root / "data/rejected.parquet").set_index("path")
    for path, reason in ((truncated, "image_decodes"), (foreign, "image_is_jpeg"), (swapped, "box_sides_positive")):
        assert reason in list(rejected.loc[f"ccpd_base/{path.name}", "broken"])
    assert f"ccpd_base/{whole.name}" not in rejected.index

    edit.write(root / "params.yaml", {"validation.max_rejected_fraction": 1})
    call("plates", "materialize", "boxes")
    schema = pq.read_schema(root / "data/boxes.parquet")
    assert schema.equals(LABELS_SCHEMA), "no size of an unreadable file makes floats"


def test_an_unknown_setting_stops_everything(fresh) -> None:
    root, call = fresh
    params = root / "params.yaml"
    params.write_text(
        params.read_text(encoding="utf-8").replace("  learning_rate:", "  learning_rat:"), encoding="utf-8"
    )
    for command in (["plates", "materialize", "raw_images"], ["plates", "run"]):
        done = call(*command, check=False)
        assert done.returncode == 1
        assert "did you mean train.learning_rate?" in done.stderr
    assert written(root) == set()


def test_an_asset_before_its_inputs_says_what_is_missing(fresh) -> None:
    _, call = fresh
    done = call("plates", "materialize", "splits", check=False)
    assert done.returncode == 1
    assert "splits: needs data/raw_images.parquet, data/boxes.parquet, which are not there yet" in done.stderr


def test_outside_a_project(fresh, tmp_path: Path) -> None:
    _, call = fresh
    done = call("plates", "run", check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "not inside a plates project" in done.stderr
