"""Plates in a photograph, by OpenVINO with NMS inside (`export.nms_inside: true`).

pip install openvino pillow; python use_openvino.py model.xml PHOTO
"""

import json
import sys

import numpy as np
import openvino
from PIL import Image, ImageOps

model = openvino.Core().read_model(sys.argv[1])
about = json.loads(model.get_rt_info(["plates", "description"]).value)
height, width = about["image_size"]
photograph = ImageOps.exif_transpose(Image.open(sys.argv[2])).convert("RGB")
scale = min(height / photograph.height, width / photograph.width)
small = photograph.resize((int(photograph.width * scale), int(photograph.height * scale)), Image.Resampling.BILINEAR)
canvas = Image.new("RGB", (width, height), tuple(round(value) for value in about["mean_rgb"]))
canvas.paste(small)
found = openvino.compile_model(model, "CPU")(np.asarray(canvas, np.float32)[None])
for box, label, score in zip(*(found[name][0] for name in ("boxes", "classes", "scores")), strict=True):
    if label:
        print(about["label_map"][str(label)], round(float(score), 3), *np.round(box[[1, 0, 3, 2]] / scale, 1))
