"""Attention over space and time in shifted windows."""

from __future__ import annotations

import math
from typing import Literal

from voxtempo.networks.blocks import Norm, Style
from voxtempo.networks.card import Features, network
from voxtempo.networks.conv4d import conv_time, normalise_activate
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Ratio, Share, Widths
from voxtempo.networks.patches import cut_patches, merge_patches
from voxtempo.networks.transformer import drop_paths, encoder_block, time_positions


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
    mlp: Ratio = 4.0,
    positions: Literal["absolute", "relative"] = "absolute",
    time_kernel: Count = 3,
    dropout: Share = 0.0,
    drop_path: Share = 0.0,
    norm: Norm = "batch",
    repetition_time: float | None = None,
) -> Features:
    """Embed patches; in stages, let those of one window attend to each other and merge neighbours; average what is left.

    Parameters
    ----------
    inputs : (batch, time, x, y, z, channels); z may be 1.
    patch : volumes and voxels of a patch along time, x, y and z, at most: every axis is cut evenly.
    window : patches of a window along the same axes, at most, cut evenly too. In every other block the windows lie half a
        window further. The last stage has one window: all patches.
    features : size of the vector that describes a patch; doubled whenever 2 x 2 x 2 patches are merged. Time is never
        merged.
    depths : blocks of each stage.
    head_size : numbers of each attention's head; wider stages have more heads.
    mlp : width of the inner layer of each block's perceptron, in features.
    positions : "absolute" adds to the patches of each stage a learned vector for the place and one for the volume, as the
        paper, and to those of the first the waves of time; "relative" adds to each attention a learned number for the
        offset in time and space.
    time_kernel : neighbours in time that a convolution joins right after the embedding, patch by patch, beside a shortcut;
        1: none, as in the paper, which had thousands of scans to learn from what change is.
    dropout : share of each branch's numbers that is dropped in training.
    drop_path : share of samples for which a branch of the last block is dropped in training; fewer in earlier ones.
    norm : of that convolution.
    repetition_time : seconds between the volumes, for the waves of time; None: a frame counts as a second.

    Returns
    -------
    Features with a vector only: there is no map to segment from.

    Notes
    -----
    The paper normalises the patches once more before they are averaged. Here they are not: it takes away how strong a
    change is, and networks that had it did not learn which of two events came first.

    References
    ----------
    Kim et al. 2023, "SwiFT: Swin 4D fMRI transformer", NeurIPS, arXiv:2307.05916; Liu et al. 2021, "Swin transformer:
    hierarchical vision transformer using shifted windows", ICCV, arXiv:2103.14030.
    """
    from voxtempo.networks.attention import WindowAttention
    from voxtempo.networks.positions import Positions

    absolute = positions == "absolute"
    x = keras.layers.Dense(features)(cut_patches(inputs, patch))
    if time_kernel > 1:
        style = Style(norm, "gelu")
        change = conv_time(x, features, time_kernel, bias=norm == "none")
        x = keras.layers.Add()([x, normalise_activate(change, style)])
    if absolute:
        between = (1.0 if repetition_time is None else repetition_time) * math.ceil(inputs.shape[1] / x.shape[1])
        x = time_positions(x, between)
    shares = iter(drop_paths(drop_path, sum(depths)))
    for stage, depth in enumerate(depths):
        if stage > 0:
            x = merge_patches(x, 2 * x.shape[-1])
        if absolute:
            x = Positions((1,))(Positions((2, 3, 4))(x))
        whole = stage == len(depths) - 1
        heads = max(1, x.shape[-1] // head_size)
        for block in range(depth):
            shifted = not whole and block % 2 == 1
            attention = WindowAttention(heads, x.shape[1:5] if whole else window, shifted, relative=not absolute)
            x = encoder_block(x, attention, mlp=mlp, dropout=dropout, drop_path=next(shares))
    return Features(vector=keras.ops.mean(x, axis=(1, 2, 3, 4)))
