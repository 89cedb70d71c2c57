"""Multi-head self-attention over a sequence, or over the windows of a grid of tokens.

Keras's MultiHeadAttention is not used: it projects queries, keys and values one after another, and it cannot add a mask
that differs from window to window. Imported by the functions that build it, because it derives from a Keras class (see
``keras_seam``).
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from voxtempo.networks.attention_windows import Grid, Windows
from voxtempo.networks.keras_seam import Tensor

_NEVER = -1e9
"""Added to a score in float32, it leaves nothing of the weight after the softmax."""


@keras.saving.register_keras_serializable("voxtempo")
class SelfAttention(keras.layers.Layer):
    """Every token takes a mean of all tokens of its sequence, weighted by how well they answer its question.

    Input and output: (batch, tokens, features). A head works on ceil(features / heads) numbers, so any number of heads
    fits any number of features.

    Parameters
    ----------
    heads : questions asked at once.

    Notes
    -----
    Vaswani et al. 2017, "Attention is all you need", NeurIPS, arXiv:1706.03762. The softmax is float32 whatever the
    compute precision.
    """

    def __init__(self, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = heads

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the projections; the last starts at zero, so that a new block passes its input on."""
        features = int(input_shape[-1] or 0)
        self.size = math.ceil(features / self.heads)
        self.project = keras.layers.Dense(3 * self.heads * self.size, dtype=self.dtype_policy, name="project")
        self.project.build(input_shape)
        self.join = keras.layers.Dense(features, kernel_initializer="zeros", dtype=self.dtype_policy, name="join")
        self.join.build((*input_shape[:-1], self.heads * self.size))
        self.built = True

    def attend(self, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        """Attend within sequences (batch, ..., tokens, features); ``bias`` is added to (batch, ..., heads, tokens, tokens)."""
        lead, count = tuple(tokens.shape[1:-2]), tokens.shape[-2]
        axes = len(lead)
        qkv = ops.reshape(self.project(tokens), (-1, *lead, count, 3, self.heads, self.size))
        order = (axes + 2, *range(axes + 1), axes + 3, axes + 1, axes + 4)
        query, key, value = ops.unstack(ops.transpose(qkv, order), 3, axis=0)
        flipped = ops.swapaxes(key * ops.cast(self.size**-0.5, key.dtype), -1, -2)
        scores = ops.cast(ops.matmul(query, flipped), "float32")
        if bias is not None:
            scores = scores + bias
        answers = ops.matmul(ops.cast(ops.softmax(scores, axis=-1), value.dtype), value)
        back = (*range(axes + 1), axes + 2, axes + 1, axes + 3)
        joined = ops.reshape(ops.transpose(answers, back), (-1, *lead, count, self.heads * self.size))
        return self.join(joined)

    def call(self, inputs: Tensor) -> Tensor:
        """Attend over the whole sequence."""
        return self.attend(inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "heads": self.heads}


@keras.saving.register_keras_serializable("voxtempo")
class WindowAttention(SelfAttention):
    """Self-attention within the windows of a grid; tokens of different windows do not see each other.

    Input and output: (batch, t, x, y, z, features).

    Parameters
    ----------
    heads : questions asked at once.
    window : tokens of a window along (t, x, y, z), at most; see ``Windows.fit``.
    shifted : windows lie half a window further along every axis. Tokens that share a window only because the grid is
        rolled do not see each other.
    relative : add to every head's scores a learned number for the offset between the two tokens.

    Notes
    -----
    What may not see each other is compared in the graph, from one number a token: as a constant, the mask of 96 x 96 x
    96 voxels x 20 volumes in patches of 6 would have 84 MB in every other block.
    """

    def __init__(self, heads: int, window: Grid, shifted: bool = False, relative: bool = False, **kwargs: Any) -> None:
        super().__init__(heads, **kwargs)
        self.window, self.shifted, self.relative = tuple(window), shifted, relative

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Fit the windows to the grid; create the projections and the numbers of the offsets (zeros)."""
        super().build(input_shape)
        self.windows = Windows.fit(input_shape[1:5], self.window, self.shifted)  # type: ignore[arg-type]
        self.regions = self.windows.regions()
        if self.relative:
            self.offset_bias = self.add_weight(
                shape=(self.windows.offset_count, self.heads),
                initializer="zeros",
                name="offset_bias",
                dtype="float32",
                autocast=False,
            )

    def call(self, inputs: Tensor) -> Tensor:
        """Cut, attend, join."""
        bias = None
        if self.regions is not None:
            one, other = ops.expand_dims(self.regions, 1), ops.expand_dims(self.regions, 2)
            bias = ops.expand_dims(ops.where(ops.equal(one, other), 0.0, _NEVER), 1)
        if self.relative:
            offsets = ops.transpose(ops.take(self.offset_bias, self.windows.offsets(), axis=0), (2, 0, 1))
            bias = offsets if bias is None else bias + offsets
        return self.windows.join(self.attend(self.windows.cut(inputs), bias))

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        own = {"window": self.window, "shifted": self.shifted, "relative": self.relative}
        return {**super().get_config(), **own}
