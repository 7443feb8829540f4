"""Writes docs/data.md from the schemas and the suites themselves: `python -m checks.page`.

The text on columns comes from `plates.ccpd.table`, `plates.photographs.convert` and `plates.splits.split`; the text on
expectations from their own names, meanings and severities. A test checks that the page is what this module writes.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from checks.suites.delivery import Delivery, delivery
from checks.suites.geometry import geometry
from checks.suites.plates import plates
from checks.suites.splits import questions
from plates.ccpd.subsets import NEGATIVE, SUBSETS
from plates.ccpd.table import CLASS_NAMES, LABELS_SCHEMA, REJECTED_SCHEMA, UNPARSED_SCHEMA
from plates.files import atomic
from plates.photographs.convert import TAKEN_SCHEMA
from plates.photographs.decode import MOST_MEGAPIXELS
from plates.splits.split import MOST_OFF, SPLITS_SCHEMA

PAGE = Path(__file__).resolve().parents[1] / "docs" / "data.md"

MEANINGS = {
    "bytes": "size of the file",
    "dhash": "perceptual hash, 64 bits: near-duplicates differ in few of them; null: it does not decode",
    "image_id": "integer from 1, in path order; the id in TFRecords and COCO JSON",
    "split": "train, val or test",
    "field": "the field of the name that cannot be read",
    "found": "what is there",
    "reason": "what was expected",
}
"""Meanings of the columns that are not in the labels table."""

PAGE_TEXT = """# The data

Made by `python -m checks.page` from the schemas and the suites.

`data.root` is a folder of photographs, nested in any way; it is read and never written. A photograph's subset is the
name of its nearest `ccpd_...` folder, without the prefix. CCPD has:
{subsets}.
Photographs in `{negative}` show no plate: they are negatives and need no label in their name. Symbolic links are
counted but not followed.

## Tables

All are Parquet in `data/`; look at one with `plates inspect data/NAME.parquet`. Boxes and corners are in pixels of the
original photograph.

### raw_images: every image under data.root

Every photograph is read once for its hash and header, and decoded once in full, so `boxes` sets aside a truncated or
damaged one with everything else that cannot be used. Images over {megapixels} megapixels are not decoded. With
`data.convert: when_needed`, PNG, WebP, BMP, TIFF, GIF and photographs turned by EXIF are converted to upright JPEGs,
encoded once and kept in `.plates/converted`; boxes of turned photographs are turned with them, unless the width and
height in the annotations are already those of the picture as displayed.

{raw_images}

### labels, boxes: the label in each name; the accepted ones

One row per annotation; a photograph without a plate is one row without a class. `data.class_by` says what `class`
is: {classes}.

{labels}

### rejected: what is set aside

The columns of `labels`, and:

{rejected}

### unparsed: names without a label

If more than `data.max_unparsed` of all names are here, the run stops.

{unparsed}

### splits: one row per photograph

{splits}

## What must hold

Great Expectations checks every annotation against every expectation below. An annotation that breaks a `critical` one
is set aside in `rejected`, with the value found, and the rest continues; a `warning` is shown in the UI and sets
nothing aside. A photograph with one box accepted and another rejected would teach that there is nothing where the
rejected box is: depending on `validation.rejected_box`, the whole photograph is set aside (`picture_whole`), or it
stays and the rejected box becomes a region that is neither trained on nor scored. A copy of another box is set aside
alone. If more than `validation.max_rejected_fraction` of all annotations are set aside, nothing goes downstream. The
pages of the last run are in `reports/data_docs/index.html`, those on balance in `balance/index.html` there; they are
Great Expectations' own and load styles and scripts from the Internet.

### The image

{delivery}

### The box and the corners

{geometry}

### The plate

{plates}

### The splits

Nothing goes downstream if one of these does not hold. The checks also warn if the share of a subset or a size in a
split differs from that of all photographs by over {most_off:.0%} (and by more than chance explains) or is 0, if
photographs of two splits look alike (perceptual hash), and if a column of val or test does not look like train's
(`split.max_psi`, `split.max_ks`). A delivery is compared with the last accepted one in the same way
(`validation.max_psi`, `validation.max_ks`), and by its rows and subsets.

{crossings}

### Balance

The accepted boxes are checked by class, province, subset, size and brightness, with warnings only: no value has more
than `validation.max_class_share` of the boxes, the most frequent value has at most `validation.max_imbalance_ratio`
times as many as the rarest, and every class has a box. To balance classes, use `train.class_weights` and
`train.balanced_sampling`; the checkpoint's metadata give the class shares that training then sees. Both weigh classes
and nothing else: for provinces, train with `data.class_by: province`.

## Reading rejected.parquet

```
plates inspect data/rejected.parquet --picture rejected.png    # counts by expectation, and pictures
```

```python
import pandas as pd

rejected = pd.read_parquet("data/rejected.parquet")
rejected.explode("broken")["broken"].value_counts()  # how often each expectation is broken
rejected[rejected["broken"].map(lambda names: "box_inside_image" in names)]["path"]
```

A row lists every critical expectation that it breaks, by the names above. To keep such rows, fix the file names or
change the expectation in `checks/`; to run despite many rejects, raise `validation.max_rejected_fraction`.

## COCO JSON

Out: `plates coco FILE` writes the accepted boxes. Boxes are `[x, y, width, height]`; categories and image ids are those
of the TFRecords; what COCO has no field for (subset, split, plate, corners) is added as extra fields.

In: for a data set without CCPD's names,

```
plates run --set data.root=FOLDER --set data.annotations=FILE.json
```

File names in the JSON are relative to `data.root`. From `labels` on, the pipeline is the same; expectations on corners,
plates and tilts pass where there are none. Classes are the categories, numbered from 1 in the order of their ids.
An outline of four points gives the corners. Crowds, other outlines and images that the JSON does not list are left out
and counted; a listed file that is missing, duplicate ids, two categories of one name and anything else that violates
the COCO format stop the run. PNGs and turned JPEGs are set aside, or converted to upright JPEGs (`data.convert`). A
change to the file makes `labels` stale.
"""


def render() -> str:
    """The page."""
    nothing = Delivery(rows=0, subsets={})
    own = [field for field in REJECTED_SCHEMA if field.name not in LABELS_SCHEMA.names]
    return PAGE_TEXT.format(
        subsets=", ".join(f"`{name}`" for name in SUBSETS),
        negative=NEGATIVE,
        classes="; ".join(
            f"`{by}`: {', '.join(names) if len(names) < 5 else f'{len(names)} of them'}"
            for by, names in CLASS_NAMES.items()
        ),
        raw_images=_columns(TAKEN_SCHEMA),
        labels=_columns(LABELS_SCHEMA),
        rejected=_columns(own),
        unparsed=_columns(UNPARSED_SCHEMA),
        splits=_columns(SPLITS_SCHEMA),
        delivery=_expectations(delivery(SUBSETS, nothing)).replace("the 0 rows", "as many rows as"),
        geometry=_expectations(geometry()),
        plates=_expectations(plates()),
        crossings=_expectations(questions()),
        most_off=MOST_OFF,
        megapixels=MOST_MEGAPIXELS,
    )


def _columns(fields: Iterable[pa.Field]) -> str:
    lines = ["| column | type | meaning |", "| --- | --- | --- |"]
    for field in fields:
        known = (field.metadata or {}).get(b"description", b"").decode()
        if not known and field.name in LABELS_SCHEMA.names:
            known = (LABELS_SCHEMA.field(field.name).metadata or {}).get(b"description", b"").decode()
        lines.append(f"| `{field.name}` | {field.type} | {MEANINGS.get(field.name, known) or 'as above'} |")
    return "\n".join(lines)


def _expectations(asked: list[Any]) -> str:
    lines = ["| name | must hold | severity |", "| --- | --- | --- |"]
    for one in asked:
        severity = getattr(one.severity, "value", one.severity)
        lines.append(f"| `{one.meta['name']}` | {one.notes} | {severity} |")
    return "\n".join(lines)


if __name__ == "__main__":
    with atomic(PAGE) as temporary:
        temporary.write_text(render(), encoding="utf-8")
