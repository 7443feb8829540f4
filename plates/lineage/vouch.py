"""Which records vouch for a model: those of evaluations that scored exactly this content."""

from pathlib import Path

from plates.efficientdet.inference.runtimes import HASHES
from plates.hashes import content_hash
from plates.lineage.record import Record, read_all

MODELS = ("models/export/model", "models/checkpoint")


def records_of(root: Path, model: Path) -> list[Record]:
    """The records of the project in `root` whose model has the content of `model`, oldest first.

    It is the folder of an exported model or of a checkpoint, or a file in the former. A file without its folder has
    none.
    """
    folder = model if model.is_dir() else model.parent
    if not model.is_dir() and not (folder / HASHES).is_file():
        return []
    version = content_hash(folder)
    return [record for record in read_all(root) if version in map(record.outputs.get, MODELS)]
