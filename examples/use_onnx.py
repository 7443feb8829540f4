"""Finds the plates in a photograph with ONNX and NMS inside (`export.nms_inside: true`).

pip install onnxruntime pillow; python use_onnx.py model.onnx PHOTO
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1])
about = {name: json.loads(text) for name, text in session.get_modelmeta().custom_metadata_map.items()}
height, width = about["image_size"]
photograph = ImageOps.exif_transpose(Image.open(sys.argv[2])).convert("RGB")
scale = min(height / photograph.height, width / photograph.width)
small = photograph.resize((int(photograph.width * scale), int(photograph.height * scale)), Image.Resampling.BILINEAR)
canvas = Image.new("RGB", (width, height), tuple(round(value) for value in about["mean_rgb"]))
canvas.paste(small)
found = session.run(["boxes", "classes", "scores"], {"images": np.asarray(canvas, np.float32)[None]})
for (ymin, xmin, ymax, xmax), label, score in zip(*(part[0] for part in found), strict=True):
    if label:
        print(
            about["label_map"][str(label)],
            round(float(score), 3),
            *np.round(np.array([xmin, ymin, xmax, ymax]) / scale, 1),
        )
