"""Large trees of CCPD-named files for the benchmarks: real JPEG bytes, repeated under unique names.

    python benchmarks/trees.py FOLDER COUNT [PHOTOGRAPHS]

PHOTOGRAPHS is a folder of CCPD files; default: the project's development photographs. A copy keeps its original's name
except for the last field, the blurriness, which counts up: every name parses, and its box fits its picture.
"""

import hashlib
import sys
from pathlib import Path

import pandas as pd

from plates.columns import BOX

PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "shared" / "ccpd" / "CCPD2019" / "ccpd_base"
_PER_FOLDER = 10_000


def make_tree(folder: Path, count: int, photographs: Path = PHOTOGRAPHS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Writes `count` files under `folder` unless they exist; returns (boxes, splits) as the pipeline has them."""
    originals = sorted(photographs.glob("*.jpg"))
    if not originals:
        raise SystemExit(f"no photographs in {photographs}: name a folder of CCPD files")
    contents = [file.read_bytes() for file in originals]
    hashes = [hashlib.sha256(content).hexdigest() for content in contents]
    rows = []
    for number in range(count):
        which = number % len(originals)
        name = f"{originals[which].stem.rsplit('-', 1)[0]}-{number}.jpg"
        path = f"{number // _PER_FOLDER:02d}/ccpd_base/{name}"
        file = folder / path
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(contents[which])
        rows.append(_row(path, name, hashes[which]))
    boxes = pd.DataFrame(rows)
    splits = pd.DataFrame({"image_id": range(1, count + 1), "path": boxes["path"].sort_values().to_numpy()})
    return boxes, splits.assign(split=["val" if image_id % 10 == 0 else "train" for image_id in splits["image_id"]])


def _row(path: str, name: str, sha256: str) -> dict[str, object]:
    fields = name.split("-")
    row: dict[str, object] = {"path": path, "name": name, "sha256": sha256, "width": 720, "height": 1160}
    box = [float(number) for point in fields[2].split("_") for number in point.split("&")]
    row |= {"class": "license_plate"} | dict(zip(BOX, box, strict=True))
    for corner, point in zip(("rb", "lb", "lt", "rt"), fields[3].split("_"), strict=True):
        row |= {f"{corner}_{axis}": float(number) for axis, number in zip("xy", point.split("&"), strict=True)}
    return row


if __name__ == "__main__":
    make_tree(Path(sys.argv[1]), int(sys.argv[2]), *(Path(argument) for argument in sys.argv[3:]))
