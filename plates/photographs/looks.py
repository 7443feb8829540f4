"""Brightness, contrast and sharpness of photographs, measured on their pixels, for data whose labels lack them."""

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from PIL import Image

from plates.photographs.content import Photographs

LOOKS = ["brightness", "contrast", "sharpness"]


def looks(
    photographs: Photographs, images: pd.DataFrame, progress: Callable[[int, int], None] = lambda done, total: None
) -> pd.DataFrame:
    """`LOOKS` of photographs.

    Args:
        photographs: where they are.
        images: path and sha256 of each.
        progress: called with photographs done and to do.

    Returns:
        A row for each of `images`, with its index. brightness and contrast: mean and standard deviation of the grey
        values, 0 to 255. sharpness: variance of their Laplacian (of the neighbours above, below, left and right).
    """

    def measured(path: str, sha256: str) -> tuple[float, ...]:
        with Image.open(io.BytesIO(photographs.read(path, sha256))) as image:
            return measure(np.asarray(image.convert("L")))

    rows = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for row in pool.map(measured, images["path"], images["sha256"]):
            rows.append(row)
            progress(len(rows), len(images))
    return pd.DataFrame(rows, index=images.index, columns=LOOKS)


def measure(grey: np.ndarray) -> tuple[float, ...]:
    """`LOOKS` of a picture [height, width], uint8."""
    values = grey.astype(np.float32)
    around = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:]
    laplacian = around - 4 * values[1:-1, 1:-1]
    return float(values.mean()), float(values.std()), float(laplacian.var()) if laplacian.size else 0.0
