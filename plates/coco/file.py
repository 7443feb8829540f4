"""What a COCO file must contain to be read, and what is wrong with one that cannot be read.

If the meaning is clear, a file is accepted: integers written as floats, `\\` in file names, numbers as category names,
blanks around them, unknown keys, a byte order mark, UTF-16 and UTF-32. Text in place of a number is refused.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from reprlib import repr as short
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError

from plates.errors import UserError
from plates.files import read_regular

LARGEST = float(np.finfo(np.float32).max)
"""The largest coordinate that the labels table can hold."""
ANOTHER = "Name another file: data.annotations, or --annotations if the command has it."
"""What to do next about a file that cannot be used."""


def is_coordinate(value: object) -> bool:
    """Whether `value` is a number that the labels table can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _posix(name: str) -> str:
    return str(PurePosixPath(name.replace("\\", "/")))


def _name(text: str) -> str:
    name = text.strip()
    if not name or not name.isprintable():
        raise ValueError("blank, or with characters that cannot be seen")
    return name


Whole = Annotated[int, Field(strict=True), BeforeValidator(_whole)]
Int16 = Annotated[Whole, Field(ge=-(2**15), lt=2**15)]
Int32 = Annotated[Whole, Field(ge=-(2**31), lt=2**31)]
Pixels = Annotated[Whole, Field(ge=0, lt=2**31)]
Number = Annotated[float, Field(strict=True, ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]


@dataclass(slots=True)
class Category:
    """A category; `name` is the class."""

    id: Whole
    name: Annotated[str, Field(coerce_numbers_to_str=True), AfterValidator(_name)]


@dataclass(slots=True)
class Image:
    """An image; `file_name` is POSIX, relative to the folder of the images."""

    id: Whole
    file_name: Annotated[Text, AfterValidator(_posix)]
    width: Pixels | None = None
    height: Pixels | None = None
    subset: str | None = None


@dataclass(slots=True)
class Annotation:
    """A box `[x, y, width, height]` in pixels; the fields from `corners` on are what `to_coco` adds to COCO's keys."""

    image_id: Whole
    category_id: Whole
    bbox: tuple[Number, Number, Number, Number] | None = None
    id: Whole | None = None
    iscrowd: bool | None = None
    segmentation: Any = None
    corners: tuple[Number, Number, Number, Number, Number, Number, Number, Number] | None = None
    province: str | None = None
    plate: str | None = None
    plate_type: str | None = None
    tilt_horizontal: Int16 | None = None
    tilt_vertical: Int16 | None = None
    area_ratio: Number | None = None
    brightness: Int32 | None = None
    blurriness: Int32 | None = None


@dataclass(slots=True)
class Coco:
    """A COCO file whose parts fit together."""

    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category]

    @property
    def label_map(self) -> dict[int, str]:
        """Class names by id, from 1, in the order of the categories' own ids."""
        return dict(enumerate((category.name for category in sorted(self.categories, key=lambda c: c.id)), 1))


COCO = TypeAdapter(Coco)
SECTIONS = ("images", "annotations", "categories")
FIELDS = {
    "file_name": "the path of a file",
    "name": "a name",
    "bbox": "four numbers, [x, y, width, height]",
    "iscrowd": "0 or 1",
    "corners": "eight numbers, the corners in CCPD's order",
    "area_ratio": "a number",
    "width": "a whole number of pixels",
    "height": "a whole number of pixels",
    **dict.fromkeys(("subset", "province", "plate", "plate_type"), "text"),
}
"""What a field must be if it is not a whole number."""
KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
SHOWN = 5


class Fault(NamedTuple):
    """Faulty entries of a section, by index; `shown` is the field that identifies them."""

    section: str
    kind: str
    indices: Collection[int]
    shown: str = "id"


def read_coco(source: Path | Mapping[str, Any]) -> Coco:
    """Reads COCO JSON, a file or the dictionary.

    Raises a `UserError` that lists every kind of fault with its section, how many entries have it, and the indices and
    ids of the first few: missing fields and fields of another type; duplicate ids, file names and category names;
    references to images and categories that do not exist; paths outside the folder; annotations (other than crowds)
    without a box.
    """
    where = name_of(source)
    content = _load(source) if isinstance(source, Path) else source
    _demand_sections(content, where)
    try:
        coco = COCO.validate_python({section: content[section] for section in SECTIONS})
    except ValidationError as error:
        _refuse(_misshapen(error), content, where)
        raise
    _refuse(_loose_ends(coco), content, where)
    return coco


def name_of(source: Path | Mapping[str, Any]) -> str:
    """The source's name in messages."""
    return str(source) if isinstance(source, Path) else "the COCO dictionary"


def _load(file: Path) -> Any:
    try:
        content = read_regular(file)
        if not content.strip():
            raise ValueError("it is empty")
        return json.loads(content, object_pairs_hook=_once)
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{file} cannot be read as COCO JSON: {why}. {ANOTHER}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; `ValueError` if a key occurs twice: a dictionary would silently keep the last."""
    content = dict(pairs)
    if len(content) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        keys = ", ".join(short(key) for key, count in counts.items() if count > 1)
        named = f" (id {short(content['id'])})" if "id" in content else ""
        raise ValueError(f"an object{named} has more than one {keys}")
    return content


def _demand_sections(content: Any, where: str) -> None:
    if isinstance(content, Mapping):
        faults = [
            f"{section} is {_kind(content[section])}, not a list" if section in content else f"no {section}"
            for section in SECTIONS
            if not isinstance(content.get(section), list)
        ] or ["images is an empty list"] * (not content["images"])
    else:
        faults = [f"it is {_kind(content)}, not an object with images, annotations and categories"]
    if faults:
        raise UserError(f"{where} is not COCO JSON: {', '.join(faults)}. {ANOTHER}")


def _kind(value: object) -> str:
    return "null" if value is None else KINDS.get(type(value), type(value).__name__)


def _misshapen(error: ValidationError) -> list[Fault]:
    found: dict[tuple[str, str], dict[int, None]] = {}
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        section, index, *field = one["loc"]
        if not field:
            kind = "that are not objects"
        elif one["type"] == "missing" and len(field) == 1:
            kind = f"without {field[0]}"
        else:
            kind = f"whose {field[0]} is not {FIELDS.get(str(field[0]), 'a whole number')}"
        found.setdefault((str(section), kind), {})[int(index)] = None
    return [Fault(section, kind, indices) for (section, kind), indices in found.items()]


def _loose_ends(coco: Coco) -> list[Fault]:
    images, annotations = {image.id for image in coco.images}, coco.annotations
    categories = {category.id for category in coco.categories}
    files = [image.file_name for image in coco.images]
    return [
        Fault("images", "whose id occurs twice", _repeated(image.id for image in coco.images)),
        Fault("images", "whose file_name occurs twice", _repeated(files), "file_name"),
        Fault("images", "whose file_name is outside the folder", _where(map(_is_outside, files)), "file_name"),
        Fault("annotations", "whose id occurs twice", _repeated(one.id for one in annotations)),
        Fault("annotations", "of images that do not exist", _where(one.image_id not in images for one in annotations)),
        Fault(
            "annotations",
            "of categories that do not exist",
            _where(one.category_id not in categories for one in annotations),
        ),
        Fault("annotations", "without bbox", _where(one.bbox is None and not one.iscrowd for one in annotations)),
        Fault("categories", "whose id occurs twice", _repeated(category.id for category in coco.categories)),
        Fault(
            "categories",
            "whose name occurs twice (rename one, or remove those without annotations)",
            _repeated(category.name for category in coco.categories),
            "name",
        ),
    ]


def _is_outside(path: str) -> bool:
    return bool(re.match(r"/|[A-Za-z]:/", path)) or ".." in path.split("/")


def _where(faulty: Iterable[bool]) -> list[int]:
    return [index for index, is_faulty in enumerate(faulty) if is_faulty]


def _repeated(values: Iterable[Hashable]) -> list[int]:
    values = list(values)
    counts = Counter(values)
    return _where(value is not None and counts[value] > 1 for value in values)


def _refuse(faults: Iterable[Fault], content: Mapping[str, Any], where: str) -> None:
    lines = [_line(fault, content[fault.section]) for fault in faults if fault.indices]
    if lines:
        raise UserError(f"{where} is inconsistent:\n" + "\n".join(lines) + "\nFix it, then: plates run")


def _line(fault: Fault, entries: Sequence[Any]) -> str:
    places = []
    for index in islice(fault.indices, SHOWN):
        entry = entries[index]
        known = isinstance(entry, Mapping) and fault.shown in entry
        places.append(f"{index} ({fault.shown} {short(entry[fault.shown])})" if known else str(index))
    count = f"{len(fault.indices):,} of {len(entries):,}"
    more = ", ..." if len(fault.indices) > SHOWN else ""
    return f"  {fault.section} {fault.kind}: {count}, at index {', '.join(places)}{more}"
