"""`plates inspect PATH`: what an image, a folder of them, a table of labels, a shard or a folder of shards holds.

Each kind is a module that says what it found and how to draw it; nothing is drawn until asked for.
"""

from pathlib import Path

from plates.card.look import photographs, shards, tables
from plates.card.look.inspection import Inspection
from plates.errors import UserError
from plates.remote import Place


def look(path: Path, root: Place | None = None, count: int = 24) -> Inspection:
    """Looks at a file or a folder.

    Args:
        path: what to look at.
        root: the folder of a table's photographs, if known.
        count: the most photographs to draw.

    Raises:
        UserError: the path does not exist or is of an unknown kind.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist. Name an image, a .tfrecord, a table of data/*.parquet, or a folder.")
    if path.is_dir():
        files = sorted(path.glob("*.tfrecord"))
        return shards.folder(path, files, count) if files else photographs.folder(path, count)
    if path.suffix.lower() == ".tfrecord":
        return shards.shard(path, count)
    return tables.table(path, root, count) if path.suffix.lower() == ".parquet" else photographs.photograph(path)
