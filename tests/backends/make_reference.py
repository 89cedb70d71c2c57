"""What every backend must compute: a small case of every network, with weights and inputs that depend on nothing.

Run as a script, on TensorFlow, to write ``reference.npz`` anew after a network has been added or changed::

    python tests/backends/make_reference.py
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np

from voxtempo.learning.losses import build_loss
from voxtempo.networks import build_network, head_for, networks
from voxtempo.networks.keras_seam import keras

FILE = Path(__file__).with_name("reference.npz")
SHAPES = {"slice": (16, 12, 1), "volume": (12, 10, 9, 1), "series": (3, 9, 8, 4, 1)}
OUTPUTS = {"classify": 3, "regress": 1, "segment": 2}
ON_BACKBONES = ("backbone2d", "conv3d_2d", "framewise_2d", "lstm_2d", "slicewise_2d")
SMALL = {"widths": (4, 6, 8)}
FEW = {**SMALL, "units": 1, "output_stride": 2}
LIGHTER = {
    "attention_unet": SMALL,
    "attention_multiscale_unet": SMALL,
    "deeplabv3plus": {**FEW, "rates": (2, 4), "decoder_width": 8},
    "deepmedic": {"widths": (6, 6, 8, 8), "merged": (12,)},
    "fcn": {**SMALL, "units": 1, "votes": 8},
    "mednext": {"widths": (8, 12, 16), "blocks": 1, "response_norm": True},
    "pspnet": FEW,
    "segresnet": {"width": 6, "units": (1, 2)},
    "swin_unetr": {"window": 4, "features": 8, "depths": (2, 1), "head_size": 4},
    "unetpp": SMALL,
    "unetr": {"patch": 4, "features": 12, "depth": 2, "heads": 2, "width": 4},
}
LIGHT = {name: {"backbone": "lightweight_cnn"} for name in ON_BACKBONES}
LIGHT |= {f"{family}{axes}": options for family, options in LIGHTER.items() for axes in ("2d", "3d")}
KEPT = 500
CASES = [f"{name}-{task}" for name in networks for task in networks[name].tasks]
ONCE = {networks[name].function: name for name in networks}
"""One function may have two cards, for slices and for volumes; one of them is trained."""
TRAINED = [f"{name}-{networks[name].tasks[0]}" for name in ONCE.values()]


def options_of(name: str) -> dict[str, object]:
    """Return the options of a network's case: small, and without chance, of which every backend has its own."""
    chance = {"dropout": 0.0} if any(option.name == "dropout" for option in networks[name].options) else {}
    return chance | LIGHT.get(name, {})


@contextmanager
def without_drawing() -> Iterator[None]:
    """Let weights begin as zeros; JAX compiles the draw of every shape anew, which takes longer than all else here."""
    kinds = [keras.initializers.VarianceScaling, keras.initializers.Orthogonal, keras.initializers.RandomUniform]
    with ExitStack() as stack:
        for kind in [*kinds, keras.initializers.RandomNormal, keras.initializers.TruncatedNormal]:
            stack.enter_context(patch.object(kind, "__call__", keras.initializers.Zeros().__call__))
        yield


def build(case: str, precision: str = "float32") -> keras.Model:
    """Return the case's network with weights drawn from its name."""
    name, task = case.rsplit("-", 1)
    shape, head = SHAPES[networks[name].input], head_for(task, OUTPUTS[task])
    with without_drawing():
        model = build_network(name, shape, head, options_of(name), precision=precision)
    rng = np.random.default_rng(zlib.crc32(case.encode()))
    for variable in model.weights:
        shape, kind = tuple(variable.shape), variable.path.rsplit("/", 1)[-1]
        value = rng.normal(size=shape)
        if "kernel" in kind:
            value *= np.sqrt(1.5 / np.prod(shape[:-1]))
        elif kind == "moving_variance":
            value = np.exp(0.3 * value)
        else:
            value = 0.1 * value + (kind == "gamma")
        variable.assign(value.astype(np.float32))
    return model


def samples(case: str) -> tuple[np.ndarray, np.ndarray]:
    """Return two inputs and their truth."""
    name, task = case.rsplit("-", 1)
    rng = np.random.default_rng(1)
    shape = SHAPES[networks[name].input]
    x = rng.normal(size=(2, *shape)).astype(np.float32)
    if task == "regress":
        return x, np.array([[0.5], [-0.5]], np.float32)
    return x, np.array([0, 2]) if task == "classify" else rng.integers(0, 2, (2, *shape[:-1]))


def logits_by(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """Return the model's logits; JAX compiles the whole, since operations one by one cost it seconds."""
    if keras.backend.backend() != "jax":
        return keras.ops.convert_to_numpy(model(x, training=False))
    model.compile(jit_compile=True)
    return np.asarray(model.predict_on_batch(x))


def logits_of(case: str) -> np.ndarray:
    """Return logits of the two samples: all, or some hundreds spread evenly over a map."""
    logits = logits_by(build(case), samples(case)[0])
    return logits.reshape(-1)[:: logits.size // KEPT | 1]


def losses_of(case: str) -> np.ndarray:
    """Return the losses of three steps of gradient descent on the two samples."""
    model, (x, y) = build(case), samples(case)
    compiled = keras.backend.backend() == "jax"
    model.compile(keras.optimizers.SGD(0.01), build_loss(case.rsplit("-", 1)[1]), jit_compile=compiled)
    return np.array([float(model.train_on_batch(x, y)) for _ in range(3)], np.float32)


def main() -> None:
    """Write the reference."""
    arrays = {f"{case}/logits": logits_of(case) for case in CASES}
    arrays |= {f"{case}/losses": losses_of(case) for case in TRAINED}
    np.savez_compressed(FILE, **arrays)
    print(f"{FILE}: {len(CASES)} cases, {FILE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
