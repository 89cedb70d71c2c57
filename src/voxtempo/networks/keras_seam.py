"""The one place where networks meet Keras: ``from voxtempo.networks.keras_seam import keras``.

``keras`` here is the Keras 3 module, imported the first time something is asked of it. So a file that describes a
network can be imported, and its card listed, in milliseconds and without a deep-learning framework; the framework is
loaded when the network is built. Classes that derive from a Keras class cannot wait like this: they live in modules of
their own (``instance_norm``) that are imported by the function that uses them.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from voxtempo.errors import MissingExtraError, VoxTempoError

Tensor: TypeAlias = Any
"""A tensor of the backend, or Keras's symbolic one."""

_BACKENDS = ("tensorflow", "jax", "torch")


def choose_backend() -> None:
    """Make sure that importing Keras will find a backend that is installed.

    Keras takes the variable KERAS_BACKEND, else its own settings file, else TensorFlow. Where nothing was said and
    TensorFlow is not installed, the first of JAX and PyTorch that is takes its place.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if importlib.util.find_spec("keras") is None:
        raise MissingExtraError("keras", "tensorflow", "Building a network")
    installed = [name for name in _BACKENDS if importlib.util.find_spec(name) is not None]
    wanted = os.environ.get("KERAS_BACKEND") or None
    if wanted is None and installed and installed[0] != "tensorflow":
        os.environ["KERAS_BACKEND"] = installed[0]
    elif not installed:
        raise MissingExtraError("tensorflow", "tensorflow", "Building a network")
    elif wanted is not None and wanted not in _BACKENDS:
        raise VoxTempoError(
            f"KERAS_BACKEND is '{wanted}', expected one of {', '.join(_BACKENDS)} (installed: {', '.join(installed)}). Correct "
            "that variable of the environment, or unset it."
        )
    elif wanted in _BACKENDS and wanted not in installed:
        raise MissingExtraError(wanted, wanted, f"KERAS_BACKEND={wanted}")


@contextmanager
def quiet_native_logs() -> Iterator[None]:
    """Within this block, what native code writes to standard error is held back, and shown only if the block fails.

    TensorFlow greets its user with notices before any log level is obeyed; a person who asked for a result reads
    them as warnings. Python's own standard error is flushed first and not lost.
    """
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


class _LazyKeras:
    """Stands for the Keras module until the first attribute is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)  # inspection (doctest, copy, debuggers) is no use of Keras
        if "_module" not in self.__dict__:
            choose_backend()
            with quiet_native_logs():
                self._module = importlib.import_module("keras")
        return getattr(self._module, name)


if TYPE_CHECKING:
    import keras
else:
    keras = _LazyKeras()
