"""The data set of a record in Croissant 1.1's metadata, http://mlcommons.org/croissant/1.1.

A folder with `croissant.json` and the table that it describes, one row per annotation: which photographs, by the hash
of their content, with which label in which split. The photographs themselves stay where they are.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd

from plates.columns import BOX
from plates.errors import UserError
from plates.files import atomic
from plates.lineage.cache import Cache
from plates.lineage.record import Record

TABLE = "photographs.parquet"
FIELDS = {
    "path": ("sc:Text", "The photograph, relative to the folder of the data set."),
    "sha256": ("sc:Text", "Of the photograph's content."),
    "class": ("sc:Text", "What is labelled; empty if there is no plate."),
    **{edge: ("sc:Float", "Of the labelled box, in pixels of the photograph.") for edge in BOX},
    "split": ("sc:Text", "train, val or test; empty if it is in none."),
    "rejected": ("sc:Text", "Why it was set aside; empty if it was not."),
}
OF_CROISSANT = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty", "fileSet", "format"),
    *("includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex"),
    *("repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{name: f"cr:{name}" for name in OF_CROISSANT},
}


def write(root: Path, record: Record, folder: Path) -> None:
    """Writes the folder.

    Raises:
        UserError: the record's outcomes, from which the table is made, are not kept here.
    """
    kept = Cache.of(root).find(record.outcomes) if record.outcomes else None
    if kept is None:
        raise UserError(
            f"data/outcomes.parquet of record {record.short} is not kept here. If a remote has it: dvc fetch -A"
        )
    table = pd.read_parquet(kept, columns=list(FIELDS))
    table["sha256"] = table["sha256"].map(bytes.hex)
    texts = ["class", "split", "rejected"]
    table[texts] = table[texts].astype(object).where(table[texts].notna(), "")
    with atomic(folder) as temporary:
        temporary.mkdir()
        table.to_parquet(temporary / TABLE, index=False)
        sha256 = hashlib.sha256((temporary / TABLE).read_bytes()).hexdigest()
        content = json.dumps(describe(record, sha256), indent=2)
        (temporary / "croissant.json").write_text(content, encoding="utf-8")


def describe(record: Record, sha256: str) -> dict[str, Any]:
    """The metadata, in JSON-LD. `sha256` is of the table."""
    delivery = record.outputs["data/raw_images.parquet"]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": f"plates-{delivery[:8]}",
        "description": f"The photographs and labels behind record {record.id}: version {delivery} of the delivery.",
        "version": f"1.0.0+{delivery[:8]}",
        "datePublished": record.time[:10],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": TABLE,
                "name": TABLE,
                "contentUrl": TABLE,
                "encodingFormat": "application/x-parquet",
                "sha256": sha256,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "annotations",
                "name": "annotations",
                "description": "One row per annotation; one for a photograph without any.",
                "field": [_field(name, kind, text) for name, (kind, text) in FIELDS.items()],
            }
        ],
    }


def _field(name: str, kind: str, text: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"annotations/{name}",
        "name": name,
        "description": text,
        "dataType": kind,
        "source": {"fileObject": {"@id": TABLE}, "extract": {"column": name}},
    }
