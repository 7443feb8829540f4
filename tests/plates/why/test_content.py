import hashlib

import numpy as np
import pandas as pd
from PIL import Image

from plates.photographs.content import Photographs
from plates.why.content import detail


def test_characters_are_more_detailed_than_what_is_around_them(tmp_path):
    random = np.random.default_rng(0)
    picture = random.normal(120, 3, (300, 400)).clip(0, 255)
    picture[100:140, 150:270] = random.choice([30, 220], (40, 120))
    Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "a.jpg", quality=95)
    sha256 = hashlib.sha256((tmp_path / "a.jpg").read_bytes()).hexdigest()
    boxes = [(150, 100, 270, 140), (20, 200, 140, 240), (10, 10, 10, 20)]
    rows = pd.DataFrame(boxes, columns=["xmin", "ymin", "xmax", "ymax"]).assign(path="a.jpg", sha256=sha256)
    plate, background, empty = detail(Photographs(tmp_path), rows)
    assert plate > 5
    assert 0.8 < background < 1.2
    assert np.isnan(empty)
