"""What is worth labelling: the doubtful, then the strange, and not twice the same."""

import json
from pathlib import Path

import numpy as np

import plates
from plates.coco.file import read_coco
from plates.predict.next import ANNOTATIONS, candidates, choose, learnt, write

Boxes = dict[Path, tuple[float, float, float, float]]
NOTHING = np.zeros((0, 1))


def test_the_most_doubtful_comes_first() -> None:
    looks = [np.array([float(number)]) for number in range(4)]
    assert choose([0.1, 0.9, 0.2, 0.3], looks, NOTHING, 1) == [1]


def test_what_is_unlike_the_known_and_the_chosen_comes_before_its_like() -> None:
    looks = [np.array([value]) for value in (0.0, 0.2, 1.0, 0.98)]
    chosen = choose([0.5, 0.5, 0.5, 0.5], looks, np.array([[0.0]]), 2)
    assert chosen[0] == 2
    assert chosen[1] == 1
    assert len(set(choose([0.5] * 4, looks, NOTHING, 9))) == 4


def test_there_need_be_no_training_photographs(exported: Path, toy_photographs: Boxes) -> None:
    model = plates.load(exported)
    found = candidates(model, next(iter(toy_photographs)).parent)
    known = learnt(model, [])
    assert len(choose([one.doubt for one in found], [one.look for one in found], known, 2)) == 2


def test_the_chosen_are_a_delivery_with_annotations_to_correct(
    exported: Path, toy_photographs: Boxes, tmp_path: Path
) -> None:
    model = plates.load(exported)
    folder = next(iter(toy_photographs)).parent
    found = candidates(model, folder)
    assert [one.source for one in found] == [str(file) for file in sorted(toy_photographs)]
    assert all(0 <= one.doubt <= 1 for one in found)
    known = learnt(model, [file.read_bytes() for file in list(toy_photographs)[:2]])
    np.testing.assert_allclose(known[0], found[0].look, atol=1e-6)
    chosen = choose([one.doubt for one in found], [one.look for one in found], known, 3)
    write([found[index] for index in chosen], model.label_map, tmp_path / "label")
    coco = read_coco(tmp_path / "label" / ANNOTATIONS)
    assert {image.file_name for image in coco.images} == {
        path.name for path in (tmp_path / "label").iterdir() if path.name != ANNOTATIONS
    }
    assert len(coco.images) == 3
    assert json.loads((tmp_path / "label" / ANNOTATIONS).read_text())["annotations"][0]["score"] > 0
