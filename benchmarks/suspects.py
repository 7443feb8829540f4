"""Plants label faults in the sample, and counts how many of them the search finds.

    python benchmarks/suspects.py [FOLDS [COUNT [SEED]]]

2% of the plates get a fault: the box shifted by 15% of its width, dropped, or swapped with another photograph's.
Prints how many are among the suspects, by kind, how many of the suspects are faults, and the seconds, and writes
`benchmarks/results/suspects.json`.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from measure import save

from plates.ccpd.scenes import generate
from plates.ccpd.table import label_map, parse_labels
from plates.columns import BOX
from plates.photographs.content import Photographs
from plates.photographs.scan import scan
from plates.settings.params import Params
from plates.suspects.ranking import suspects

SHARE = 0.02
SHIFT = 0.15
KINDS = ("shifted", "dropped", "swapped")


def main(folds: int = 5, count: int = 720, seed: int = 0) -> None:
    """Draws the sample, plants, trains and counts."""
    from plates.efficientdet.model.family import resolve
    from plates.suspects.folds import Trainer, out_of_fold

    params = Params()
    spec = resolve(params.model, num_classes=1, aspect_ratios=[1.0, 2.0, 3.0])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "sample"
        truth, kinds = planted(sample(folder, count), seed)
        began = time.monotonic()
        trainer = Trainer(spec, params.train, params.augment)
        found = out_of_fold(truth, label_map("plate"), Photographs(folder), trainer, folds, Path(scratch) / "work")
        listed = set(suspects(truth, found)["image_id"])
        seconds = time.monotonic() - began
    hits = listed & set(kinds)
    for kind in KINDS:
        images = {image for image, planted_kind in kinds.items() if planted_kind == kind}
        print(f"{kind:10} {len(images & listed)} of {len(images)} found")
    print(
        f"{len(hits)} of {len(kinds)} faults found; {len(hits)} of {len(listed)} suspects are faults; {seconds:.0f} s"
    )
    figures = {"faults": len(kinds), "found": len(hits), "suspects": len(listed), "seconds": round(seconds, 1)}
    save("suspects", {f"{folds} trainings, seed {seed}": {"count": count, **figures}})


def sample(folder: Path, count: int, seed: int = 0) -> pd.DataFrame:
    """A truth table of a new sample in `folder`."""
    generate(folder, count=count, seed=seed)
    labels = parse_labels(scan(folder, folder.with_suffix(".scan")).table)[0].to_pandas()
    labels = labels.sort_values("path", ignore_index=True)
    return labels.assign(image_id=labels.index + 1)


def planted(truth: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, dict[int, str]]:
    """The table with `SHARE` of its plates' labels spoiled, and the kind of fault by image id."""
    random = np.random.default_rng(seed)
    plates = np.flatnonzero(truth["class"].notna())
    third = round(SHARE * len(plates) / len(KINDS))
    chosen = random.permutation(plates)[: 3 * third + third % 2]
    shifted, dropped, swapped = chosen[:third], chosen[third : 2 * third], chosen[2 * third :]
    table = truth.astype(dict.fromkeys(BOX, float))
    boxes = truth[BOX].to_numpy(float)
    width = boxes[shifted, 2] - boxes[shifted, 0]
    way = random.choice([-1, 1], third)
    room = np.where(way < 0, boxes[shifted, 0], truth["width"].to_numpy(float)[shifted] - boxes[shifted, 2])
    way = np.where(room >= SHIFT * width, way, -way)
    table.loc[shifted, ["xmin", "xmax"]] = boxes[shifted][:, [0, 2]] + (way * SHIFT * width)[:, None]
    table.loc[swapped, BOX] = boxes[swapped.reshape(-1, 2)[:, ::-1].ravel()]
    table.loc[dropped, ["class", *BOX]] = None
    kinds = [*["shifted"] * third, *["dropped"] * third, *["swapped"] * len(swapped)]
    return table.astype(dict.fromkeys(BOX, "float32")), dict(
        zip(truth["image_id"].to_numpy()[chosen], kinds, strict=True)
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
