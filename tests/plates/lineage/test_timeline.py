"""The timeline has a point for every record with the figure, its interval, and a star for what was in service."""

from pathlib import Path

from recorded import make

from plates.lineage import record as records
from plates.lineage.timeline import figure, markdown


def test_every_record_with_a_figure_is_a_point(project: Path) -> None:
    found = [make(project, content, "a: 1\n") for content in ("one", "three", "seventh")]
    unscored = records.sealed(found[1].model_copy(update={"metrics": {}}))
    with_interval = found[2].model_copy(update={"metrics": {"mAP": 0.7, "intervals": {"mAP": [0.6, 0.8]}}})
    (axis,) = figure([found[0], unscored, with_interval], {found[0].id}).axes
    plain, stars = axis.collections[1:3]
    assert axis.lines[0].get_ydata().tolist() == [0.3, 0.7]
    assert (plain.get_offsets().tolist(), plain.get_urls()) == ([[1.0, 0.7]], [f"#{found[2].short}"])
    assert stars.get_urls() == [f"#{found[0].short}"]
    assert axis.collections[0].get_segments()[0].tolist() == [[1.0, 0.6], [1.0, 0.8]]


def test_without_a_figure_there_is_no_picture(project: Path) -> None:
    record = make(project, "one", "a: 1\n").model_copy(update={"metrics": {}})
    assert figure([record], ()) is None
    assert markdown([record], ()) == "no record has an mAP"
    assert markdown([make(project, "one", "a: 1\n")], ()).startswith("![mAP over the records](data:image/png")
