"""What the network computes on."""

import keras


def on_tensorflow_cpu() -> bool:
    """Whether TensorFlow computes, without an accelerator."""
    if keras.backend.backend() != "tensorflow":
        return False
    from plates.efficientdet.model.tensorflow_kernels import accelerators

    return not accelerators()
