"""Finds the plates in a photograph with TensorFlow Serving.

python ask_serving.py http://HOST:8501/v1/models/plates PHOTO
"""

import base64
import json
import sys
import urllib.request
from pathlib import Path

photograph = base64.b64encode(Path(sys.argv[2]).read_bytes()).decode()
asked = json.dumps({"signature_name": "serving_default", "inputs": {"images": [{"b64": photograph}]}}).encode()
headers = {"Content-Type": "application/json"}
with urllib.request.urlopen(urllib.request.Request(f"{sys.argv[1]}:predict", asked, headers), timeout=30) as answer:
    found = {name: value[0] for name, value in json.load(answer)["outputs"].items()}
for number in range(int(found["valid_len"])):
    ymin, xmin, ymax, xmax = found["boxes"][number]
    print(int(found["classes"][number]), round(found["scores"][number], 3), xmin, ymin, xmax, ymax)
