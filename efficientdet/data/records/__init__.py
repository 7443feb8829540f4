"""TFRecords without TensorFlow: writing shards of photographs and boxes, reading them, holding them against
the table.

The records carry the feature names of the TF Object Detection API, which google/automl reads too.
"""

from efficientdet.data.records.manifest import Manifest, read_manifest
from efficientdet.data.records.plan import BOX_COLUMNS, SPLIT_COLUMNS
from efficientdet.data.records.record import Record
from efficientdet.data.records.verify import Verification, read, verify
from efficientdet.data.records.write import write

__all__ = [
    "BOX_COLUMNS",
    "SPLIT_COLUMNS",
    "Manifest",
    "Record",
    "Verification",
    "read",
    "read_manifest",
    "verify",
    "write",
]
