"""Starts TensorFlow without the page about drivers and processor flags that its libraries log."""

import os
import sys


def import_tensorflow() -> None:
    """Imports TensorFlow with the process's standard error closed; an import that fails still raises.

    TensorFlow's C++ writes there before any setting is read.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
