"""What is taken of what was named, and what is left alone, is said; one odd file is not the end of the others."""

import io
import json
import os
from pathlib import Path

import pytest

import plates
from plates.errors import UserError
from plates.hide.plan import plan
from plates.predict import formats
from plates.predict.load import locate
from plates.predict.picture import Picture
from plates.predict.sources import expand, files, others, passing, paths


def test_what_a_folder_holds_beside_pictures_is_counted(tmp_path: Path) -> None:
    street, elsewhere = tmp_path / "street", tmp_path / "elsewhere"
    for name in ("street/deep/a.jpg", "street/b.heic", "street/.hidden.jpg", "elsewhere/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (street / "folder").symlink_to(elsewhere)
    (street / "dangling.jpg").symlink_to(tmp_path / "nothing")
    (street / "linked.jpg").symlink_to(elsewhere / "c.jpg")
    assert files(street) == [street / "deep/a.jpg", street / "linked.jpg"]
    assert others([str(street), str(elsewhere)]) == {str(street): 4}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0)
    with pytest.raises(UserError, match="locked cannot be read: Permission denied"):
        files(tmp_path)


def test_an_empty_name_is_not_the_folder_one_is_in() -> None:
    for use in (paths, locate, lambda name: plan([name], None)):
        with pytest.raises(UserError, match="name is empty"):
            use("")


def test_bytes_of_any_kind_are_a_picture_and_an_open_file_is_not(toy_photographs: dict) -> None:
    file = next(iter(toy_photographs))
    content = file.read_bytes()
    for given in (bytearray(content), memoryview(content)):
        assert [picture.width for picture in expand(given)] == [Picture(content, "it").width]
    with file.open("rb") as opened, pytest.raises(UserError, match=r"give its path, or its bytes: file.read\(\)"):
        list(expand(opened))


def test_whatever_is_wrong_with_a_file_concerns_that_file() -> None:
    said = []
    for error in (OSError(36, "File name too long"), ValueError("unknown file extension: .dat"), UserError("damaged")):
        with passing("a.jpg", lambda source, why: said.append(str(why))):
            raise error
    assert said == ["a.jpg: [Errno 36] File name too long", "a.jpg: unknown file extension: .dat", "damaged"]
    with pytest.raises(OSError, match="full"), passing("a.jpg", None):
        raise OSError("full")


def test_outputs_have_the_suffix_of_a_picture(tmp_path: Path) -> None:
    names = formats.Names(tmp_path)
    given = [names.path(name).name for name in ("a.PNG", "photo.dat", "photo.jpg")]
    assert given == ["a.PNG", "photo.jpg", "photo 2.jpg"]


def test_a_name_that_is_not_utf_8_is_written_as_text(exported: Path, toy_photographs: dict, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"\xc9\xcf.jpg")
    odd.write_bytes(next(iter(toy_photographs)).read_bytes())
    model = plates.load(exported)
    text = io.StringIO()
    list(formats.jsonl(model.predict(odd), text))
    assert json.loads(text.getvalue().encode("utf-8"))["image"] == str(tmp_path / r"\xc9\xcf.jpg")
    list(formats.coco(model.predict(odd), tmp_path / "found.json", model.label_map, text))
    assert json.loads((tmp_path / "found.json").read_bytes())["images"][0]["file_name"].endswith(r"\xc9\xcf.jpg")
