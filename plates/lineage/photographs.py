"""What happened to photographs between two evaluations: which came, left, changed, and which plates turned.

Both are tables of outcomes, one row per annotation and one for a photograph without any: `path, sha256, class, xmin,
ymin, xmax, ymax, split, rejected, found, iou, score`. A photograph is known by its path, or, if that is new, by its
content: CCPD's labels are in the names, so a relabelled photograph has another name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize

from plates.columns import BOX

KINDS = {
    "came": "came",
    "left": "left",
    "replaced": "were replaced: another picture under the same name",
    "renamed": "were renamed",
    "relabelled": "were relabelled",
    "moved": "moved to another split",
    "rejected": "were set aside",
    "taken back": "were taken back",
}
"""What can happen to a photograph, in the order it is reported, with its wording."""

COLUMNS = ["kind", "path", "path_before", "before", "after", "pixels"]
NONE = "none"


@dataclass(frozen=True)
class Comparison:
    """What two evaluations have in common, and what not.

    Attributes:
        changes: one row per change: `kind` (of `KINDS`), `path`, `path_before` (the same but for a new name), `before`
            and `after` in words, `pixels` (how far the edge of a box moved at most; NaN if no box moved).
        scored: `path_before` and `path` of the photographs that both scored, with the same content and labels.
        turned: one row per plate of these that was found in one evaluation and missed in the other: `turned` (right or
            wrong), `path`, the box, `iou_before`, `score_before`, `iou`, `score`.
        photographs: how many each evaluation had.
    """

    changes: pd.DataFrame
    scored: pd.DataFrame
    turned: pd.DataFrame
    photographs: tuple[int, int]


def compare(first: pd.DataFrame, second: pd.DataFrame) -> Comparison:
    """Compares two tables of outcomes."""
    before, after = _photographs(first), _photographs(second)
    pairs = _pairs(before, after)
    came = after[~after.index.isin(pairs["after"])]
    left = before[~before.index.isin(pairs["before"])]
    one = before.loc[pairs["before"]].reset_index(drop=True)
    two = after.loc[pairs["after"]].reset_index(drop=True)
    unread = one["sha256"].isna() & two["sha256"].isna()
    same_content = ((one["sha256"] == two["sha256"]) | unread).to_numpy()
    same_label = (one["label"] == two["label"]).to_numpy()
    accepted = (one["rejected"].isna().to_numpy(), two["rejected"].isna().to_numpy())
    relabelled = _relabelled(first, second, one, two, np.flatnonzero(same_content & ~same_label))

    def some(kind: str, chosen: np.ndarray, before: pd.Series, after: pd.Series) -> pd.DataFrame:
        content = {"kind": kind, "path": two["path"], "path_before": one["path"], "before": before, "after": after}
        return pd.DataFrame(content)[chosen]

    places = (_place(one), _place(two))
    changes = [
        pd.DataFrame({"kind": "came", "path": came["path"], "after": _place(came)}),
        pd.DataFrame({"kind": "left", "path": left["path"], "path_before": left["path"], "before": _place(left)}),
        some("replaced", ~same_content, one["sha256"].map(_hex), two["sha256"].map(_hex)),
        some("renamed", (one["path"] != two["path"]).to_numpy() & same_label, one["path"], two["path"]),
        relabelled,
        some("moved", accepted[0] & accepted[1] & (places[0] != places[1]).to_numpy(), *places),
        some("rejected", accepted[0] & ~accepted[1], *places),
        some("taken back", ~accepted[0] & accepted[1], *places),
    ]
    scored = one["scored"].to_numpy() & two["scored"].to_numpy() & same_content & same_label
    common = pd.DataFrame({"path_before": one["path"], "path": two["path"]})[scored].reset_index(drop=True)
    return Comparison(
        pd.concat([part.reindex(columns=COLUMNS) for part in changes], ignore_index=True),
        common,
        _turned(first, second, common),
        (len(before), len(after)),
    )


def _photographs(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per photograph: path, sha256, split, rejected, `label` (a hash of its boxes), `scored`."""
    labels = pd.util.hash_pandas_object(rows[["class", *BOX]].astype({"class": str}), index=False)
    whole = pd.DataFrame({"path": rows["path"], "label": labels.astype("uint64"), "scored": rows["found"].notna()})
    grouped = whole.groupby("path", sort=False)
    accepted_first = rows.iloc[np.argsort(rows["rejected"].notna(), kind="stable")]
    one_each = accepted_first.drop_duplicates("path").set_index("path")[["sha256", "split", "rejected"]]
    found = one_each.loc[rows["path"].unique()].reset_index()
    found["label"] = grouped["label"].sum().to_numpy()
    found["scored"] = grouped["scored"].any().to_numpy()
    return found


def _pairs(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """The rows of one photograph in both: of one path, and of what is left over, of one content."""
    one = before[["path", "sha256"]].rename_axis("before").reset_index()
    two = after[["path", "sha256"]].rename_axis("after").reset_index()
    by_path = one.merge(two, on="path")[["before", "after"]]
    one, two = one[~one["before"].isin(by_path["before"])], two[~two["after"].isin(by_path["after"])]
    one, two = one.dropna(subset="sha256"), two.dropna(subset="sha256")
    one = one.assign(turn=one.groupby("sha256").cumcount())
    two = two.assign(turn=two.groupby("sha256").cumcount())
    by_content = one.merge(two, on=["sha256", "turn"])[["before", "after"]]
    return pd.concat([by_path, by_content], ignore_index=True)


def _place(photographs: pd.DataFrame) -> pd.Series:
    """Where a photograph is: its split, or why it was set aside."""
    split = photographs["split"].astype(object).where(photographs["split"].notna(), NONE)
    return photographs["rejected"].astype(object).where(photographs["rejected"].notna(), split)


def _relabelled(
    first: pd.DataFrame, second: pd.DataFrame, one: pd.DataFrame, two: pd.DataFrame, chosen: np.ndarray
) -> pd.DataFrame:
    """A row for each of the chosen pairs: what its label was and is, and by how many pixels the farthest edge moved."""
    before = _of_pairs(first, one["path"].iloc[chosen])
    after = _of_pairs(second, two["path"].iloc[chosen])
    labelled = [rows.dropna(subset="class") for rows in (before, after)]
    boxes = [rows[BOX].to_numpy(float) for rows in labelled]
    places = [rows.groupby("pair").indices for rows in labelled]
    pixels = np.full(len(chosen), np.nan)
    for pair in places[0].keys() & places[1].keys():
        pixels[pair] = _moved(*(of[at[pair]] for of, at in zip(boxes, places, strict=True)))
    found = pd.DataFrame({"kind": "relabelled", "path": two["path"].iloc[chosen].to_numpy()})
    found["path_before"] = one["path"].iloc[chosen].to_numpy()
    found["before"], found["after"] = _words(before, len(chosen)), _words(after, len(chosen))
    found["pixels"] = pixels
    return found


def _moved(before: np.ndarray, after: np.ndarray) -> float:
    """How far the edge of a box of `before` [N, 4] moved at most, if it became one of `after` [M, 4]; NaN: N is not M.

    Which became which is the choice with the least sum of distances.
    """
    if len(before) != len(after):
        return np.nan
    distances = np.abs(before[:, None] - after[None]).max(axis=-1)
    return float(distances[optimize.linear_sum_assignment(distances)].max())


def _turned(first: pd.DataFrame, second: pd.DataFrame, common: pd.DataFrame) -> pd.DataFrame:
    before = _of_pairs(first, common["path_before"])[["pair", "plate", "found", "iou", "score"]]
    after = _of_pairs(second, common["path"])
    rows = after.merge(before, on=["pair", "plate"], suffixes=("", "_before")).dropna(subset=["found", "found_before"])
    turned = rows[rows["found"].astype(bool) != rows["found_before"].astype(bool)].reset_index(drop=True)
    turned.insert(0, "turned", np.where(turned["found"].astype(bool), "right", "wrong"))
    return turned[["turned", "path", *BOX, "iou_before", "score_before", "iou", "score"]]


def _of_pairs(rows: pd.DataFrame, paths: pd.Series) -> pd.DataFrame:
    """The rows of the photographs at `paths`, with the number of their pair and of the plate in the photograph."""
    pairs = pd.DataFrame({"path": paths.to_numpy(), "pair": np.arange(len(paths))})
    found = rows[rows["path"].isin(pairs["path"])].merge(pairs, on="path").sort_values(["pair", *BOX], kind="stable")
    return found.assign(plate=found.groupby("pair").cumcount())


def _words(rows: pd.DataFrame, pairs: int) -> Sequence[str]:
    """The labels of each pair: `license_plate 154 383 386 473`, plate by plate."""
    plates = rows[rows["class"].notna()]
    texts = plates["class"].astype(str).str.cat([plates[edge].map("{:g}".format) for edge in BOX], sep=" ")
    joined = texts.groupby(plates["pair"]).agg("; ".join)
    return joined.reindex(range(pairs)).fillna("no plate").tolist()


def _hex(sha256: bytes | None) -> str:
    return "not read" if sha256 is None else sha256.hex()[:12]
