"""Finds the plates in a photograph with LiteRT and NMS inside (`export.nms_inside: true`).

pip install ai-edge-litert pillow; python use_litert.py model.tflite PHOTO
"""

import json
import sys
import zipfile

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

about = json.loads(zipfile.ZipFile(sys.argv[1]).read("export.json"))
height, width = about["image_size"]
photograph = ImageOps.exif_transpose(Image.open(sys.argv[2])).convert("RGB")
scale = min(height / photograph.height, width / photograph.width)
small = photograph.resize((int(photograph.width * scale), int(photograph.height * scale)), Image.Resampling.BILINEAR)
canvas = Image.new("RGB", (width, height), tuple(round(value) for value in about["mean_rgb"]))
canvas.paste(small)
signature = Interpreter(sys.argv[1]).get_signature_runner()
(images,) = signature.get_input_details()
found = signature(**{images: np.asarray(canvas, np.float32)[None]})
for box, label, score in zip(*(found[name][0] for name in ("boxes", "classes", "scores")), strict=True):
    if label:
        print(about["label_map"][str(label)], round(float(score), 3), *np.round(box[[1, 0, 3, 2]] / scale, 1))
