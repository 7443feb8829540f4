"""TFRecords without TensorFlow: writes shards of photographs and boxes, reads and verifies them.

The examples carry the feature names of the TF Object Detection API, which google/automl reads too.
"""

from plates.efficientdet.data.tfrecords.example import Example
from plates.efficientdet.data.tfrecords.manifest import Manifest, read_manifest
from plates.efficientdet.data.tfrecords.plan import BOX_COLUMNS, SPLIT_COLUMNS, images_from
from plates.efficientdet.data.tfrecords.verify import Verification, read, verify, verify_images
from plates.efficientdet.data.tfrecords.write import write, write_images

__all__ = [
    "BOX_COLUMNS",
    "SPLIT_COLUMNS",
    "Example",
    "Manifest",
    "Verification",
    "images_from",
    "read",
    "read_manifest",
    "verify",
    "verify_images",
    "write",
    "write_images",
]
