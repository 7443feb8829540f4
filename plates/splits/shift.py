"""Whether two tables look alike, column by column: two splits, or this delivery and the last one.

The population stability index sums (q - p) ln(q / p) over bins of the baseline; 0.1 is usually called a
small shift and 0.25 a large one. On n and m rows it is about (1/n + 1/m) times a chi-squared of bins - 1
degrees of freedom if nothing shifted (Yurdakul, Statistical Properties of the Population Stability Index,
2018), so small tables are given that noise. Numbers are also compared by the two-sample Kolmogorov-Smirnov
test.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa

from plates.columns import SPLITS
from plates.files import parquet_writer

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("class", "province", "subset", "plate_type")),
        *((name, pa.float32()) for name in ("width_px", "height_px", "aspect")),
        *((name, pa.float64()) for name in ("share_of_image", "centre_x", "centre_y")),
        *((name, pa.int16()) for name in ("tilt_horizontal", "tilt_vertical")),
        *((name, pa.int32()) for name in ("brightness", "blurriness")),
    ]
)
"""Of a file of `features`."""
COLUMNS = tuple(SCHEMA.names)
BINS = 10
CHANCE = 0.001
"""How often a column that did not shift may be called shifted."""


def features(boxes: pd.DataFrame) -> pd.DataFrame:
    """What is compared of each labelled row: the label's columns, and box sizes (px) and centres (0..1)."""
    boxes = boxes[boxes["class"].notna()].reset_index(drop=True)
    width, height = (boxes[f"{axis}max"] - boxes[f"{axis}min"] for axis in "xy")
    image_width, image_height = (boxes[edge].astype("float64") for edge in ("width", "height"))
    derived = {
        "width_px": width,
        "height_px": height,
        "aspect": width / height,
        "share_of_image": width * height / (image_width * image_height),
        "centre_x": (boxes["xmin"] + boxes["xmax"]) / 2 / image_width,
        "centre_y": (boxes["ymin"] + boxes["ymax"]) / 2 / image_height,
    }
    return boxes.assign(**derived)[list(COLUMNS)]


@dataclass(frozen=True)
class Looks:
    """A Parquet file of `features`, a column of which is in memory at a time."""

    file: Path

    def __getitem__(self, column: str) -> pd.Series:
        return pd.read_parquet(self.file, columns=[column])[column]


def population_stability_index(baseline: pd.Series, current: pd.Series) -> tuple[float, int]:
    """PSI of `current` against `baseline`, and the number of bins.

    Numbers are binned at the baseline's deciles, anything else by value. Nulls are left out. Half a row is added to
    every bin, so that the index is finite.
    """
    if pd.api.types.is_numeric_dtype(baseline):
        old, new = (series.to_numpy(np.float64) for series in (baseline.dropna(), current.dropna()))
        edges = np.unique(np.quantile(old, np.linspace(0, 1, BINS + 1)[1:-1]))
        bins = len(edges) + 1
        counts = np.stack([np.bincount(np.searchsorted(edges, values), minlength=bins) for values in (old, new)])
    else:
        both = [series.dropna().value_counts() for series in (baseline, current)]
        counts = pd.concat(both, axis=1).fillna(0).to_numpy(np.float64).T
        bins = counts.shape[1]
    share = (counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True)
    return float(((share[1] - share[0]) * np.log(share[1] / share[0])).sum()), bins


def compare(
    baseline: pd.DataFrame | Looks,
    current: pd.DataFrame | Looks,
    max_psi: float = 0.25,
    max_ks: float = 0.2,
    columns: Sequence[str] = COLUMNS,
) -> pd.DataFrame:
    """Compares two tables of `features`; one row per column that has values in both.

    Columns: `column, psi, psi_limit, ks` (statistic, 0..1; null for text), `ks_p`, `baseline, current`
    (median, or the most frequent value with its share), `shifted`. Shifted is a PSI over both `max_psi` and what
    chance explains, or a KS statistic over `max_ks` that chance does not.
    """
    from scipy import stats

    rows = []
    for column in columns:
        old, new = baseline[column].dropna(), current[column].dropna()
        if old.empty or new.empty:
            continue
        psi, bins = population_stability_index(old, new)
        noise = stats.chi2.ppf(1 - CHANCE, max(bins - 1, 1)) * (1 / len(old) + 1 / len(new))
        ks = p = None
        if pd.api.types.is_numeric_dtype(old):
            test = stats.ks_2samp(old.to_numpy(np.float64), new.to_numpy(np.float64), method="asymp")
            ks, p = float(test.statistic), float(test.pvalue)
        limit = max(max_psi, float(noise))
        rows.append(
            {
                "column": column,
                "psi": psi,
                "psi_limit": limit,
                "ks": ks,
                "ks_p": p,
                "baseline": _typical(old),
                "current": _typical(new),
                "shifted": psi > limit or (ks is not None and p is not None and ks > max_ks and p < CHANCE),
            }
        )
    columns_out = ["column", "psi", "psi_limit", "ks", "ks_p", "baseline", "current", "shifted"]
    return pd.DataFrame(rows, columns=columns_out).astype({"ks": "float64", "ks_p": "float64", "shifted": "bool"})


def between_splits(
    pairs: Iterable[tuple[pd.DataFrame, pd.DataFrame]], max_psi: float = 0.25, max_ks: float = 0.2
) -> pd.DataFrame:
    """`compare` of val and test against train, with a column `split`.

    Args:
        pairs: parts of the boxes table, each with its part of the splits table, which gives each `path` its `split`.
        max_psi: as in `compare`.
        max_ks: as in `compare`.
    """
    with TemporaryDirectory() as folder, ExitStack() as files:
        of = {name: Looks(Path(folder) / name) for name in SPLITS}
        write = {name: files.enter_context(parquet_writer(looks.file, SCHEMA)) for name, looks in of.items()}
        for boxes, splits in pairs:
            split = boxes["path"].map(splits.set_index("path")["split"])
            for name in SPLITS:
                write[name](pa.Table.from_pandas(features(boxes[split == name]), SCHEMA, preserve_index=False))
        files.close()
        tables = [compare(of["train"], of[name], max_psi, max_ks).assign(split=name) for name in ("val", "test")]
    return pd.concat(tables, ignore_index=True)


def sentences(table: pd.DataFrame, what: str = "") -> list[str]:
    """A sentence on every shifted column of a table from `compare` or `between_splits`; none of an empty table.

    Args:
        table: what was compared.
        what: the subject of the sentences, if the table has no column `split`.
    """
    if table.empty:
        return []
    return [
        f"{row.get('split', what)} differs in {row['column']}: {row['current']}, was "
        f"{row['baseline']} (PSI {row['psi']:.2f}, limit {row['psi_limit']:.2f}"
        + (f", KS {row['ks']:.2f})" if pd.notna(row["ks"]) else ")")
        for row in table[table["shifted"]].to_dict("records")
    ]


def _typical(values: pd.Series) -> str:
    if pd.api.types.is_numeric_dtype(values):
        return f"median {float(values.median()):.3g}"
    counts = values.value_counts(normalize=True)
    return f"{counts.iloc[0]:.0%} {counts.index[0]}"
