"""Which records vouch for a model: those of the evaluations that scored this very content."""

from pathlib import Path

from plates.hashes import content_hash
from plates.lineage.record import Record, read_all

EXPORTED = "models/export/model"


def records_of(root: Path, model: Path) -> list[Record]:
    """The records of the project in `root` whose exported model has the content of the folder `model`, oldest first."""
    version = content_hash(model)
    return [record for record in read_all(root) if record.outputs.get(EXPORTED) == version]
