"""Attention over space and time in shifted windows."""

from __future__ import annotations

from typing import Literal

from voxtempo.networks.attention_windows import Windows
from voxtempo.networks.card import Features, network
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Share, Widths
from voxtempo.networks.transformer import drop_paths, encoder_block, time_waves


@network(
    "swin4d",
    input="series",
    tasks=("classify", "regress"),
    summary="Attention over space and time in shifted windows.",
    source="Kim et al. 2023, SwiFT: Swin 4D fMRI transformer, NeurIPS, arXiv:2307.05916",
)
def swin4d(
    inputs: Tensor,
    *,
    patch: tuple[Count, Count, Count, Count] = (1, 6, 6, 6),
    window: tuple[Count, Count, Count, Count] = (4, 4, 4, 4),
    features: Count = 36,
    depths: Widths = (2, 2, 6, 2),
    head_size: Count = 12,
    mlp: float = 4.0,
    positions: Literal["absolute", "relative"] = "absolute",
    dropout: Share = 0.0,
    drop_path: Share = 0.0,
    repetition_time: float | None = None,
) -> Features:
    from voxtempo.networks.attention import SelfAttention, WindowAttention
    from voxtempo.networks.positions import Positions

    x = keras.layers.Dense(features)(_patches(inputs, patch))
    shares = iter(drop_paths(drop_path, sum(depths)))
    for stage, depth in enumerate(depths):
        if stage > 0:
            x = _merge(x)
        grid = x.shape[1:5]
        heads = max(1, x.shape[-1] // head_size)
        if positions == "absolute":
            x = Positions((1,))(Positions((2, 3, 4))(x))
            if stage == 0:
                waves = time_waves(grid[0], features, repetition_time)
                x = x + keras.ops.cast(waves.reshape(1, grid[0], 1, 1, 1, features), x.dtype)
        whole = stage == len(depths) - 1
        for block in range(depth):
            attention = WindowAttention(
                heads,
                grid if whole else window,
                shifted=not whole and block % 2 == 1,
                relative=positions == "relative",
            )
            x = encoder_block(x, attention, mlp=mlp, dropout=dropout, drop_path=next(shares))
    x = keras.layers.LayerNormalization(epsilon=1e-5)(x)
    return Features(vector=keras.ops.mean(x, axis=(1, 2, 3, 4)))


def _patches(x: Tensor, size: tuple[int, int, int, int]) -> Tensor:
    """Return the tokens of patches of at most ``size``, (batch, t, x, y, z, numbers of a patch)."""
    patches = Windows.fit(tuple(x.shape[1:5]), size)
    return keras.ops.reshape(patches.cut(x), (-1, *patches.counts, patches.tokens * x.shape[-1]))


def _merge(x: Tensor) -> Tensor:
    """Join 2 x 2 x 2 neighbours in space and describe them by twice the features; time stays."""
    wide = keras.layers.LayerNormalization(epsilon=1e-5)(_patches(x, (1, 2, 2, 2)))
    return keras.layers.Dense(2 * x.shape[-1], use_bias=False)(wide)
