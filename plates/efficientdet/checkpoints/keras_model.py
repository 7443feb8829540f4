"""`model.keras`: a trained network in one file, which `keras.models.load_model` opens where `plates` is installed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import keras

from plates.efficientdet.model import network as networks
from plates.efficientdet.model.family import Spec
from plates.files import atomic

FILE, METADATA, SAVED_AT = "model.keras", "metadata.json", "date_saved"


@keras.saving.register_keras_serializable("plates")
class EfficientDet(keras.Model):
    """A network as Keras's own files hold it: images [B, H, W, 3], RGB in 0 to 255, to the raw logits of `network`.

    Args:
        spec: `Spec.to_json` of the network.
        network: of that spec; None: built with fresh weights.
    """

    def __init__(self, spec: dict[str, Any], network: keras.Model | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.spec = spec
        self.network = network or networks.build(Spec.from_json(spec))
        self.built = True

    def call(self, images: Any, training: bool | None = None) -> Any:
        """The network's logits."""
        return self.network(images, training=training)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` builds it from."""
        return {"spec": json.loads(json.dumps(self.spec)), "name": self.name}


def write(network: keras.Model, spec: Spec, path: Path) -> None:
    """Writes a network of `spec` as a `.keras` file; equal networks give equal bytes."""
    with atomic(path) as temporary:
        written = temporary.with_name(f"dated.{FILE}")
        EfficientDet(spec.to_json(), network, name=spec.name).save(written)
        with zipfile.ZipFile(written) as dated, zipfile.ZipFile(temporary, "w") as undated:
            for name in sorted(dated.namelist()):
                content = dated.read(name)
                if name == METADATA:
                    content = json.dumps({**json.loads(content), SAVED_AT: None}, sort_keys=True).encode()
                undated.writestr(zipfile.ZipInfo(name), content)
