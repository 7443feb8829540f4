"""Where a run computes, and in which precision."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import keras
import numpy as np

from plates.errors import UserError


@contextlib.contextmanager
def precision(mixed_precision: str | None) -> Iterator[None]:
    """Layers built inside compute in `mixed_precision` (None, bfloat16 or float16) and keep float32 weights."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(f"mixed_{mixed_precision}" if mixed_precision else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@cache
def strategy(name: str | None) -> Any:
    """The `tf.distribute.Strategy` of `train.strategy`, or None for one device. One per process.

    gpus: all GPUs of this machine, or logical CPU devices if it has no GPU but several of those. multiworker: the
    processes that TF_CONFIG names; the first call must come before anything else that TensorFlow computes. tpu: the
    TPU that TPU_NAME or the machine offers.

    Raises:
        UserError: the devices asked for are not there, or come too late; with JAX, any strategy.
    """
    if name is None:
        return None
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            f"train.strategy {name} needs the TensorFlow backend: unset KERAS_BACKEND, or set train.strategy: null."
        )
    import tensorflow as tf

    if name == "gpus":
        gpus, cpus = tf.config.list_logical_devices("GPU"), tf.config.list_logical_devices("CPU")
        devices = [device.name for device in gpus or cpus]
        if not gpus and len(cpus) < 2:
            raise UserError(
                "train.strategy is gpus, but TensorFlow sees no GPU: `plates doctor` says why, or set train.strategy: "
                "null."
            )
        return tf.distribute.MirroredStrategy(devices)
    if name == "multiworker":
        if not os.environ.get("TF_CONFIG"):
            raise UserError(
                "train.strategy is multiworker, but TF_CONFIG is not set: set it in every process, such as "
                '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}.'
            )
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except RuntimeError as error:
            raise UserError(
                f"train.strategy is multiworker, but TensorFlow has already computed in this process ({error}). Start "
                "only `plates materialize checkpoint` in each worker."
            ) from error
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=os.environ.get("TPU_NAME", "local"))
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(f"train.strategy is tpu, but none answers ({error}). Set TPU_NAME.") from error
    return tf.distribute.TPUStrategy(resolver)


def of_every_worker(distribution: Any, value: int) -> list[int]:
    """`value` of every process that trains together, the same list in each; of this one if it trains alone."""
    if os.environ.get("TF_CONFIG") is None or distribution is None:
        return [value]
    import tensorflow as tf

    each = distribution.run(lambda: tf.constant([int(value)]))
    return [int(one) for one in distribution.gather(each, axis=0)]


def jit_compile() -> bool:
    """Whether to compile the step by XLA: always in JAX; in TensorFlow not, where it is slower (5 times on a CPU)."""
    return keras.backend.backend() == "jax"


def skip_graph_optimisation() -> None:
    """Turns off Grappler's meta-optimizer in TensorFlow.

    It takes 20 s or more of start-up on the thousands of small ops of an optimizer, and gains nothing measurable.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def be_deterministic() -> None:
    """Makes TensorFlow choose kernels that give the same numbers every time, for the rest of the process."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def replicas() -> int:
    """Number of replicas that the step being traced runs on."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.distribute.get_strategy().num_replicas_in_sync
    return 1


def over_replicas(value: Any) -> Any:
    """The sum of a scalar over the replicas of the step being traced."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        if context is not None and replicas() > 1:
            return context.all_reduce(tf.distribute.ReduceOp.SUM, value)
    return value


def local(distribution: Any, value: Any) -> np.ndarray:
    """A value of a batch, divided over the replicas of this process or not, as one array."""
    if distribution is None:
        return np.asarray(value)
    return np.concatenate([np.asarray(part) for part in distribution.experimental_local_results(value)])


def reducible(metrics: dict[str, Any]) -> dict[str, Any]:
    """Metrics of a step in the shape in which Keras can take their mean over the replicas.

    With several workers it reduces over axis 0 and fails at scalars (Keras 3.15, `reduce_per_replica`).
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
            return {name: value[None] for name, value in metrics.items()}
    return metrics
