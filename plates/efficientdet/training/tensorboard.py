"""A TensorBoard event file that grows during a run: `make tensorboard` shows it.

The format is TFRecords of `tf.Event` (tensorflow/core/util/event.proto); writing it takes TensorFlow's own messages and
nothing of TensorBoard.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from tensorflow.core.util.event_pb2 import Event

from plates.efficientdet.data.tfrecords.framing import frame

VERSION = "brain.Event:2"


class EventFile:
    """Scalars by step.

    Args:
        folder: of the run; None: nothing is written.
        resumed: the run continues, and so does the file; else what an earlier run left is removed.
    """

    def __init__(self, folder: Path | None, resumed: bool = False) -> None:
        self.path: Path | None = None
        if folder is None:
            return
        if not resumed:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        started = time.time()
        self.path = folder / f"events.out.tfevents.{started:.6f}.plates"
        self._write(Event(wall_time=started, file_version=VERSION))

    def append(self, step: int, scalars: Mapping[str, float]) -> None:
        """Adds the values of one step under their tags; NaN is left out."""
        if self.path is None:
            return
        event = Event(wall_time=time.time(), step=step)
        for tag, value in scalars.items():
            if not math.isnan(value):
                event.summary.value.add(tag=tag, simple_value=value)
        self._write(event)

    def _write(self, event: Event) -> None:
        assert self.path is not None
        with self.path.open("ab") as stream:
            stream.write(frame(event.SerializeToString()))
