"""Cuts the whole numbers down to what a clone carries: `python make_golden.py SHARED` writes the files beside this."""

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
LEVELS = range(3, 8)
EVERY_ANCHOR, EVERY_PIXEL = 16, 8
SETS = [f"s{i}" for i in range(8)]


def main(shared: Path) -> None:
    source = shared / "reference/d0_256"

    def arrays(name: str) -> dict[str, np.ndarray]:
        with np.load(source / f"{name}.npz") as file:
            return dict(file)

    labels, logits, loaded = arrays("labels"), arrays("logits"), arrays("dataloader_eval")
    step = json.loads((source / "train_step.json").read_text())
    kept: dict[str, np.ndarray] = {"anchors": arrays("anchors")["boxes"][::EVERY_ANCHOR]}
    for name in SETS:
        for part in ("gt_boxes", "gt_classes", "num_positives"):
            kept[f"{name}/{part}"] = labels[f"{name}/{part}"]
        kept[f"{name}/classes"] = np.concatenate([labels[f"{name}/cls_P{level}"].ravel() for level in LEVELS])
        boxes = np.concatenate([labels[f"{name}/box_P{level}"].reshape(-1, 4) for level in LEVELS])
        kept[f"{name}/boxes"] = boxes[kept[f"{name}/classes"] >= 0]
    for kind in ("cls", "box"):
        last = 1 if kind == "cls" else 4
        joined = np.concatenate([logits[f"{kind}_P{level}"].reshape(2, -1, last) for level in LEVELS], axis=1)
        kept[f"logits/{kind}"] = joined[:, ::EVERY_ANCHOR]
    kept["pixels"] = loaded["images"][:, ::EVERY_PIXEL, ::EVERY_PIXEL]
    classes = [loaded[f"train_label/cls_targets_{level}"].reshape(2, -1) for level in LEVELS]
    kept["step/classes"] = np.concatenate(classes, axis=1).astype(np.int8)
    boxes = np.concatenate([loaded[f"train_label/box_targets_{level}"].reshape(2, -1, 4) for level in LEVELS], axis=1)
    kept["step/boxes"] = boxes[kept["step/classes"] >= 0]
    kept["step/num_positives"] = loaded["train_label/mean_num_positives"][:, 0]
    kept["step/losses"] = np.array(json.dumps(step["loss"]))
    kept["step/gradients"] = np.array(json.dumps(step["grad_norm_per_variable"]))
    kept["step/gradient"] = np.array(step["global_norm_raw"])
    kept["step/changes"] = np.array(json.dumps(step["all_weights_after_delta_norm"]))
    np.savez_compressed(HERE / "d0_256.npz", **kept)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
