"""What a backend must do itself: devices, determinism, compilation and precision. Nothing else names a backend."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from voxtempo.networks.keras_seam import choose_backend, quiet_native_logs

_ready = False


def start(seed: int) -> Any:
    """Import Keras with the chosen backend, make it deterministic, seed it, and return the ``keras`` module.

    The backend is ``$KERAS_BACKEND``, else TensorFlow, else what is installed (see ``choose_backend``).

    Raises
    ------
    MissingExtraError : Keras or the backend is not installed.
    """
    global _ready
    choose_backend()
    with quiet_native_logs():
        import keras

        if not _ready:
            _make_deterministic(keras.backend.backend())
            _ready = True
    keras.utils.set_random_seed(seed)
    return keras


def _make_deterministic(backend: str) -> None:
    """Give the same numbers for the same seed on one machine.

    TensorFlow's processor kernels also need one operation at a time: with several, partial gradients are summed in the
    order in which they finish. Each operation still uses every core, and the speed is the same. PyTorch would also fill all
    memory that it allocates, which finds errors in kernels, changes no result and costs 8 % of a step and more.
    """
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        try:
            tf.config.threading.set_inter_op_parallelism_threads(1)
        except RuntimeError:
            return
        for device in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(device, True)
        tf.config.list_logical_devices()
    elif backend == "torch":
        import torch

        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False
        if not torch.cuda.is_available():
            _keep_memory()


def _keep_memory() -> None:
    """Tell glibc to keep what is freed: PyTorch asks for each tensor anew, and large ones would be mapped anew each time.

    A training step on processors takes half of the time that way. Another C library is left as it is.
    """
    trim_threshold, mmap_max, largest = -1, -4, 2**31 - 1  # of glibc's malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(trim_threshold, largest)
    mallopt(mmap_max, 0)


def seed_update(seed: int, epoch: int, step: int) -> None:
    """Make the chance inside one update depend on its place in training alone.

    Keras keeps the state of its generators in variables, which checkpoints hold; but on PyTorch unseeded dropout takes
    the global generator, which they do not.
    """
    import keras

    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(int(np.random.SeedSequence([seed, epoch, step]).generate_state(1)[0]))


def accelerator() -> str | None:
    """Return the accelerator's name, or None on a processor."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        devices = tf.config.list_physical_devices("GPU")
        return tf.config.experimental.get_device_details(devices[0]).get("device_name", "GPU") if devices else None
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        return None if device.platform == "cpu" else str(device.device_kind)
    import torch

    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else None


def compile_whole_graph() -> bool:
    """Whether XLA should compile the training step: always on JAX; on TensorFlow only on an accelerator.

    On processors TensorFlow's own kernels run 3D convolutions about ten times faster than XLA's.
    """
    import keras

    backend = keras.backend.backend()
    return backend == "jax" or (backend == "tensorflow" and accelerator() is not None)


def training_pass(model: Any) -> Callable[[Any], None]:
    """Return a function that shows images to a model as in training, without learning: only its statistics change."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        forward = tf.function(lambda images: model(images, training=True), jit_compile=compile_whole_graph())
        return lambda images: _ignore(forward(tf.convert_to_tensor(images)))
    if backend == "jax":
        import jax

        @jax.jit
        def states_after(trainable: Any, fixed: Any, images: Any) -> Any:
            return model.stateless_call(trainable, fixed, images, training=True)[1]

        def show(images: Any) -> None:
            fixed = model.non_trainable_variables
            after = states_after([v.value for v in model.trainable_variables], [v.value for v in fixed], images)
            for variable, value in zip(fixed, after, strict=True):
                variable.assign(value)

        return show
    import torch

    def show_without_gradients(images: Any) -> None:
        with torch.no_grad():
            model(keras.ops.convert_to_tensor(images), training=True)

    return show_without_gradients


def _ignore(result: Any) -> None:
    """Drop a result that was only computed for its side effect."""


def versions() -> dict[str, str]:
    """Return the versions of Keras and its backend."""
    import keras

    backend = keras.backend.backend()
    module = importlib.import_module(backend)
    return {"keras": keras.__version__, backend: module.__version__}
