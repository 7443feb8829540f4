from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ccpd.columns import BOX, CORNERS


@pytest.fixture
def labels() -> pd.DataFrame:
    """Six good rows: four blue plates and a green one of the two releases, and a photograph without a
    plate.
    """
    return good_labels()


def good_labels() -> pd.DataFrame:
    """Labels of real CCPD rows, written out (the first is the example in the data set's own description)."""
    boxes = [(154, 383, 386, 473), (151, 285, 417, 398), (232, 442, 586, 522), (167, 514, 430, 588)]
    corners = [
        (386, 473, 177, 454, 154, 383, 363, 402),
        (417, 398, 179, 377, 151, 285, 389, 306),
        (586, 522, 586 - 345, 522 - 19, 232, 442, 577, 461),
        (448, 583, 175, 601, 176, 522, 449, 504),
    ]
    boxes.append((150, 400, 400, 480))
    corners.append((400, 480, 150, 478, 152, 400, 398, 402))
    areas = [0.025, 0.0359, 0.0339, 0.0166008141762, 0.0220]
    tilts = [(5, 21), (5, 21), (3, 7), (90, 86), (93, 265)]
    plates = ["皖AY339S", "皖AE8970", "苏E12345", "皖A12345", "皖AD12345"]
    rows = len(plates)
    subsets = ["base", "blur", "blur", "base", "green"]
    table = pd.DataFrame(
        {
            "subset": subsets,
            "name": [f"{index}.jpg" for index in range(rows)],
            "path": [f"ccpd_{subset}/{index}.jpg" for index, subset in enumerate(subsets)],
            "sha256": [f"{index:064x}" for index in range(rows)],
            "width": 720,
            "height": 1160,
            "problem": None,
            "class": "license_plate",
            "area_ratio": np.float32(areas),
            "tilt_horizontal": [tilt[0] for tilt in tilts],
            "tilt_vertical": [tilt[1] for tilt in tilts],
            "province": [plate[0] for plate in plates],
            "plate": plates,
            "plate_type": ["blue"] * 4 + ["green"],
            "brightness": 120,
            "blurriness": 30,
        }
    )
    table[BOX] = np.float32(boxes)
    table[CORNERS] = np.float32(corners)
    negative = {"subset": "np", "name": "n.jpg", "path": "ccpd_np/n.jpg", "sha256": "f" * 64}
    table = pd.concat([table, pd.DataFrame([{**negative, "width": 720, "height": 1160}])], ignore_index=True)
    return as_contract(table)


def as_contract(table: pd.DataFrame) -> pd.DataFrame:
    """Gives the table the dtypes that the labels table has when it is read from Parquet."""
    text = ["subset", "name", "path", "sha256", "problem", "class", "province", "plate", "plate_type"]
    types: dict[str, str] = dict.fromkeys(text, "str")
    types |= dict.fromkeys([*BOX, *CORNERS, "area_ratio"], "float32")
    types |= dict.fromkeys(["width", "height", "tilt_horizontal", "tilt_vertical"], "Int32")
    return table.astype(types | {"brightness": "Int32", "blurriness": "Int32"})


def real_labels(shared: Path) -> pd.DataFrame:
    """Every label of the real lists and photographs, parsed here by splitting; sizes as the format
    implies.
    """
    provinces = "皖沪津渝冀晋蒙辽吉黑苏浙京闽赣鲁豫鄂湘粤桂琼川贵云藏陕甘青宁新警学O"
    letters, characters = "ABCDEFGHJKLMNPQRSTUVWXYZO", "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789O"
    lists = sorted((shared / "ccpd" / "labels").glob("*.txt"))
    paths = [line.strip() for file in lists for line in file.read_text(encoding="utf-8").splitlines()]
    photographs = sorted((shared / "ccpd").rglob("*.jpg"))
    paths += [f"{file.parent.name}/{file.name}" for file in photographs if file.parent.name != "ccpd_np"]
    rows = []
    for path in paths:
        area, tilt, box, corners, plate, brightness, blurriness = path.rsplit("/", 1)[1][:-4].split("-")
        index = [int(value) for value in plate.split("_")]
        text = provinces[index[0]] + letters[index[1]] + "".join(characters[value] for value in index[2:])
        numbers = [int(v) for field in (box, corners) for point in field.split("_") for v in point.split("&")]
        rows.append((path, float(f"0.{area}"), *map(int, tilt.split("_")), *numbers, text, brightness, blurriness))
    columns = ["path", "area_ratio", "tilt_horizontal", "tilt_vertical", *BOX, *CORNERS, "plate"]
    table = pd.DataFrame(rows, columns=[*columns, "brightness", "blurriness"])
    table[["subset", "name"]] = table["path"].str.split("/", expand=True)
    table["subset"] = table["subset"].str.removeprefix("ccpd_")
    table["plate_type"] = np.where(table["plate"].str.len() == 8, "green", "blue")
    table["province"] = table["plate"].str[0]
    table = table.assign(sha256=None, width=720, height=1160, problem=None)
    table["class"] = "license_plate"
    table[["brightness", "blurriness"]] = table[["brightness", "blurriness"]].astype("int32")
    return as_contract(table)
