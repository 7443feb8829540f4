"""What is read of large tables."""

import pandas as pd

from plates.columns import BOX
from plates.why.evidence import best_of


def test_the_best_detections_of_each_photograph_are_read_whatever_the_parts_of_the_file(tmp_path) -> None:
    rows = [(image, 1, score / 10, 0.0, 0.0, 1.0, 1.0) for image in (1, 2, 3) for score in (3, 9, 1, 5)]
    table = pd.DataFrame(rows, columns=["image_id", "class", "score", *BOX])
    table.to_parquet(tmp_path / "found.parquet", row_group_size=4)
    found = best_of(tmp_path / "found.parquet", 2)
    assert found.groupby("image_id")["score"].apply(list).to_dict() == {key: [0.9, 0.5] for key in (1, 2, 3)}


def test_a_table_without_detections_stays_a_table(tmp_path) -> None:
    columns = ["image_id", "class", "score", *BOX]
    pd.DataFrame({name: pd.Series(dtype=float) for name in columns}).to_parquet(tmp_path / "found.parquet")
    found = best_of(tmp_path / "found.parquet", 2)
    assert list(found) == columns
    assert found.empty
