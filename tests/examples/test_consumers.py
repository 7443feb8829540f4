"""The examples that use an exported model do so without TensorFlow and without this project."""

import base64
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from clones import ROOT

import plates
from plates.efficientdet.inference.runtimes import FILES

Boxes = dict[Path, tuple[float, float, float, float]]
EXAMPLES = {"use_onnx.py": "onnx", "use_litert.py": "litert"}
NEEDS = ["onnxruntime", "ai-edge-litert", "pillow", "numpy"]
WITHOUT = """
import runpy, sys
for name in ("tensorflow", "keras", "plates"):
    sys.modules[name] = None  # an import of it fails
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def check(printed: str, model: Path, photograph: Path) -> None:
    """Its lines are what `plates` finds, but for the way the photograph is scaled."""
    (expected,) = plates.load(model).predict(photograph)
    name, score, *box = printed.splitlines()[0].split()
    assert name in ("plate", "1")
    assert float(score) == pytest.approx(expected.scores[0], abs=0.1)
    found, box_here = np.array(box, float), expected.xyxy[0]
    both = np.minimum(found[2:], box_here[2:]) - np.maximum(found[:2], box_here[:2])
    around = np.maximum(found[2:], box_here[2:]) - np.minimum(found[:2], box_here[:2])
    assert (both > 0.7 * around).all()  # in each direction


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_finds_the_plate(example: str, suppressing: Path, toy_photographs: Boxes) -> None:
    file, photograph = suppressing / FILES[EXAMPLES[example]], next(iter(toy_photographs))
    command = [sys.executable, "-c", WITHOUT, str(ROOT / "examples" / example), str(file), str(photograph)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    check(done.stdout, suppressing, photograph)


@pytest.mark.long
def test_the_examples_work_in_an_environment_of_their_own(
    suppressing: Path, toy_photographs: Boxes, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *NEEDS], check=True)
    photograph = next(iter(toy_photographs))
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    assert subprocess.run([python, "-c", "import plates"], cwd=tmp_path, env=bare, capture_output=True).returncode
    for example, form in EXAMPLES.items():
        command = [python, str(ROOT / "examples" / example), str(suppressing / FILES[form]), str(photograph)]
        done = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True, check=True)
        check(done.stdout, suppressing, photograph)


def test_tensorflow_servings_rest_interface_is_asked_as_it_answers(exported: Path, toy_photographs: Boxes) -> None:
    """A server that takes and gives what https://www.tensorflow.org/tfx/serving/api_rest says, in column format."""
    import tensorflow as tf

    serve = tf.saved_model.load(str(exported / FILES["saved_model"])).signatures["serving_default"]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/models/plates:predict"
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            images = [base64.b64decode(image["b64"]) for image in asked["inputs"]["images"]]
            found = {name: value.numpy().tolist() for name, value in serve(images=tf.constant(images)).items()}
            body = json.dumps({"outputs": found}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        photograph = next(iter(toy_photographs))
        address = f"http://127.0.0.1:{server.server_port}/v1/models/plates"
        command = [sys.executable, str(ROOT / "examples/ask_serving.py"), address, str(photograph)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        thread.join()
    check(done.stdout, exported, photograph)
