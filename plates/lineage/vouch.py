"""Which records vouch for a model: those of evaluations that scored exactly this content."""

from pathlib import Path

from plates.hashes import content_hash
from plates.lineage.record import Record, read_all

MODELS = ("models/export/model", "models/checkpoint")


def records_of(root: Path, model: Path) -> list[Record]:
    """The records of the project in `root` whose model has the content of the folder `model`, oldest first.

    The folder is an exported model's or a checkpoint's.
    """
    version = content_hash(model)
    return [record for record in read_all(root) if version in map(record.outputs.get, MODELS)]
