"""Results as files that other tools read: JSON lines, CSV, COCO and YOLO."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from plates.columns import BOX, CORNERS
from plates.errors import UserError
from plates.files import as_text, atomic, write_json
from plates.predict.result import Result
from plates.predict.sources import PICTURES

COLUMNS = ("image", "class", "name", "score", *BOX)


def jsonl(results: Iterable[Result], stream: TextIO) -> Iterator[Result]:
    """Writes a line of JSON for each result as it passes by."""
    for result in results:
        print(json.dumps(result.to_dict(), ensure_ascii=False), file=stream, flush=True)
        yield result


def table(results: Iterable[Result], stream: TextIO) -> Iterator[Result]:
    """Writes a row of CSV for each detection as its result passes by; a picture without any has a row with its name.

    The columns are `COLUMNS` and, if the model finds corners, `CORNERS`.
    """
    results = iter(results)
    first = list(islice(results, 1))
    columns = (*COLUMNS, *CORNERS) if first and first[0].corners is not None else COLUMNS
    writer = csv.DictWriter(stream, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for result in chain(first, results):
        rows = result.to_dict().get("detections") or [{}]
        writer.writerows(
            {"image": as_text(result.source), **row, **dict(zip(CORNERS, row.get("corners", ()), strict=False))}
            for row in rows
        )
        stream.flush()
        yield result


class Coco:
    """COCO's JSON in the making: annotations with a `score`, as labelling tools take for a start."""

    def __init__(self, label_map: dict[int, str]) -> None:
        categories = [{"id": key, "name": name} for key, name in sorted(label_map.items())]
        self.content: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": [], "categories": categories}

    def add(self, name: str, size: tuple[int, int], found: Iterable[dict[str, Any]]) -> None:
        """Adds a picture of (width, height) pixels with its `Result.to_coco`."""
        images, annotations = self.content["images"], self.content["annotations"]
        number = len(images) + 1
        images.append({"id": number, "file_name": name, "width": size[0], "height": size[1]})
        for one in found:
            area = round(one["bbox"][2] * one["bbox"][3], 1)
            annotations.append({"id": len(annotations) + 1, **one, "image_id": number, "area": area, "iscrowd": 0})


def coco(results: Iterable[Result], file: Path | None, label_map: dict[int, str], stream: TextIO) -> Iterator[Result]:
    """Writes COCO's JSON once all results passed by: to `file`; to `stream` if that is None."""
    made = Coco(label_map)
    for result in results:
        made.add(as_text(result.source), (result.picture.width, result.picture.height), result.to_coco())
        yield result
    if file:
        write_json(file, made.content)
    else:
        json.dump(made.content, stream, ensure_ascii=False)
        stream.write("\n")


def yolo(results: Iterable[Result], folder: Path, label_map: dict[int, str], obb: bool = False) -> Iterator[Result]:
    """Writes a text file for each picture as it passes by: class from 0, centre and size, score.

    With `obb` the four corners take the place of centre and size, as in Ultralytics' OBB format; those outside the
    picture are moved to its edge. All are shares of the picture. `classes.txt` has the names of the classes in their
    order.

    Raises:
        UserError: corners are asked for, but the model finds none.
    """
    ids = {label: index for index, label in enumerate(sorted(label_map))}
    names = Names(folder)
    with atomic(folder / "classes.txt") as temporary:
        temporary.write_text("".join(f"{label_map[label]}\n" for label in ids), encoding="utf-8")
    for result in results:
        places = _outlines(result) if obb else _centres_and_sides(result)
        lines = [
            f"{ids[label]} {' '.join(f'{share:.6f}' for share in place)} {score:.3f}\n"
            for label, place, score in zip(result.classes.tolist(), places, result.scores, strict=True)
        ]
        with atomic(names.path(result.source, ".txt")) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")
        yield result


def _centres_and_sides(result: Result) -> np.ndarray:
    """Shares [n, 4] of the picture: x and y of the boxes' centres, width, height."""
    low, high = np.split(result.normalized, 2, axis=1)
    return np.concatenate([(low + high) / 2, high - low], axis=1)


def _outlines(result: Result) -> np.ndarray:
    """Shares [n, 8] of the picture: x and y of the corners."""
    if result.corners is None:
        raise UserError(
            "the model finds no corners: predict with --format yolo, or train one that does with "
            "--set model.heads=object_detection,corners"
        )
    size = np.array([result.picture.width, result.picture.height])
    return (result.corners / size).clip(0, 1).reshape(-1, 8)


class Names:
    """Files in a folder named after pictures: each name only once per run, and never one of the pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._given: set[str] = set()

    def path(self, source: str, suffix: str | None = None) -> Path:
        """Where the output for `source` goes, with another suffix if one is given or its own is not a picture's.

        Raises:
            UserError: it would overwrite the picture.
        """
        name = Path(source.replace("://", "/")).name or "picture"
        stem, dot, ending = name.rpartition(".")
        stem, ending = (stem, dot + ending) if stem and " " not in ending else (name, ".jpg")
        ending = suffix or (ending if ending.lower() in PICTURES else ".jpg")
        chosen, count = f"{stem}{ending}", 1
        while chosen.casefold() in self._given:
            count += 1
            chosen = f"{stem} {count}{ending}"
        self._given.add(chosen.casefold())
        target = self.folder / chosen
        if target.exists() and Path(source).exists() and target.samefile(source):
            raise UserError(f"the output for {source} would overwrite it. Name another folder")
        return target
