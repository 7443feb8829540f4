"""An answer or one line of error for every file; TensorFlow starts when the first photograph is at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plates.efficientdet.inference.photograph import Photograph, read_batches
from plates.errors import UserError

if TYPE_CHECKING:
    from plates.efficientdet.inference.exported import ExportedModel

BATCH = 8
Prediction = dict[str, Any]


def predict(
    files: Iterable[str | Path], model: Callable[[], ExportedModel], min_score: float = 0.0, batch_size: int = BATCH
) -> Iterator[Prediction]:
    """Answers for each file, in their order, in JSON's types.

    Yields {"image", "width", "height", "detections": [{"class", "name", "score", "xmin", "ymin", "xmax", "ymax"}]}, the
    best first, in pixels of the picture as a viewer shows it; scores under the exported threshold or `min_score` are
    left out. "exif_orientation" says that the stored picture was turned. A model with masks adds "masks": [{"class",
    "name", "size", "counts"}], one for each class found, as COCO's run lengths (`pycocotools.mask.decode`). A head that
    the model does not have gives no entry. A file without an answer gives {"image", "error"}; the others go on.

    Args:
        files: paths; each batch is read whole before it is computed.
        model: gives the model; called once, when the first photograph is at hand.
        min_score: lowest score that is shown.
        batch_size: photographs computed at once.
    """
    loaded = None
    for batch in read_batches(files, batch_size):
        photographs = [read for read in batch if isinstance(read, Photograph)]
        if photographs and loaded is None:
            loaded = model()
        answers = iter(_answers(loaded, photographs, min_score) if loaded and photographs else ())
        for read in batch:
            yield next(answers) if isinstance(read, Photograph) else {"image": read.path, "error": read.error}


def _answers(model: ExportedModel, photographs: list[Photograph], min_score: float) -> list[Prediction]:
    """The answers of a batch; where it cannot be computed, of each photograph alone, so that the others have theirs."""
    try:
        return model.answer(photographs, min_score)
    except UserError as error:
        if len(photographs) > 1:
            return [answer for one in photographs for answer in _answers(model, [one], min_score)]
        return [{"image": photographs[0].path, "error": str(error)}]
