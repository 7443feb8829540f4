"""Class-balanced sampling: how many times an image is seen in an epoch, by the classes in it."""

import numpy as np

from plates.efficientdet.data.tfrecords.manifest import Manifest

# More repeats of one photograph teach that photograph, not its class.
MAX_REPEATS = 20.0


def repeats(class_counts: dict[str, int], max_repeats: float = MAX_REPEATS) -> dict[str, float]:
    """Expected copies per epoch of an image of each class, so that all classes are seen equally often.

    A class with a share p of the boxes gets 1 / (K p) copies, at most `max_repeats`, then all are scaled so
    that an epoch keeps its length. Classes without boxes get 0. (Repeat-factor sampling: Gupta et al. 2019,
    LVIS, section 4, without its square root.)
    """
    counts = {name: count for name, count in class_counts.items() if count}
    total = sum(counts.values())
    wanted = {name: min(max_repeats, total / (len(counts) * count)) for name, count in counts.items()}
    seen = sum(wanted[name] * count for name, count in counts.items())
    return {name: wanted.get(name, 0.0) * (total / seen if seen else 0.0) for name in class_counts}


def copies_by_label(manifest: Manifest, split: str) -> np.ndarray:
    """Expected copies [1 + largest label id] float32; entry 0 is that of an image without boxes, 1."""
    by_name = repeats(manifest.class_counts[split])
    copies = np.ones(1 + max(manifest.label_map, default=0), np.float32)
    for label, name in manifest.label_map.items():
        copies[label] = by_name[name]
    return copies
