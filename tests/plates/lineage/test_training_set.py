"""A photograph that a model learned from is known again, also if it was converted at another quality since."""

from pathlib import Path

import pandas as pd

from plates.lineage.training_set import learnt


def test_a_converted_photograph_is_known_by_what_it_was_converted_from(tmp_path: Path) -> None:
    file = tmp_path / "raw_images.parquet"
    images = pd.DataFrame(
        {"path": ["a.png", "b.jpg", "c.png"], "sha256": ["a95", "b", "c95"], "source_sha256": ["a", None, "c"]}
    )
    images.to_parquet(file)
    expected = images[["path", "sha256"]]
    seen = {"a90", "a", "b"}
    assert learnt(expected, seen, file).tolist() == [True, True, False]
    assert learnt(expected, seen, None).tolist() == [False, True, False]
