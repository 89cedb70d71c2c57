"""UNETR: a transformer over patches, and a convolutional decoder that listens to several of its layers."""

from __future__ import annotations

import math

from voxtempo.networks.blocks import Activation, Norm, Style, conv, conv_block, residual_unit, space
from voxtempo.networks.card import Features, network
from voxtempo.networks.decoder import decode, joined
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Ratio, Share
from voxtempo.networks.resize import Interpolation, resize
from voxtempo.networks.tokens import as_map, embed_patches
from voxtempo.networks.transformer import drop_paths, encoder_block

SOURCE = "Hatamizadeh et al. 2022, UNETR: transformers for 3D medical image segmentation, WACV, arXiv:2103.10504"


def between(sizes: tuple[int, ...], grid: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the sizes of levels from an input to a grid of patches, each half of the one before.

    >>> between((32, 24), (4, 3))
    [(32, 24), (16, 12), (8, 6), (4, 3)]
    >>> between((17, 21, 1), (3, 3, 1))
    [(17, 21, 1), (9, 11, 1), (5, 6, 1), (3, 3, 1)]
    """
    halvings = max(1, *(math.ceil(math.log2(n / cells)) for n, cells in zip(sizes, grid, strict=True)))
    halved = [
        tuple(max(g, math.ceil(n / 2**step)) for n, g in zip(sizes, grid, strict=True)) for step in range(halvings)
    ]
    return [*halved, grid]


@network(
    "unetr2d",
    input="slice",
    tasks=("segment", "classify", "regress"),
    summary="Transformer over the patches of a slice with a convolutional decoder.",
    source=SOURCE,
)
@network(
    "unetr3d",
    input="volume",
    tasks=("segment", "classify", "regress"),
    summary="Transformer over the patches of a volume with a convolutional decoder.",
    source=SOURCE,
)
def unetr(
    inputs: Tensor,
    *,
    patch: Count = 8,
    features: Count = 192,
    depth: Count = 12,
    heads: Count = 6,
    mlp: Ratio = 4.0,
    width: Count = 16,
    dropout: Share = 0.0,
    drop_path: Share = 0.0,
    upsampling: Interpolation = "nearest",
    deep_supervision: bool = False,
    norm: Norm = "instance",
    activation: Activation = "leaky_relu",
) -> Features:
    """Every patch attends to all others, block after block; hidden states become the levels of a decoder.

    Parameters
    ----------
    inputs : (batch, x, y[, z], channels); z may be 1.
    patch : voxels along each side of a patch, at most: every axis is cut evenly. The paper has 16; the attention costs
        the square of the number of patches.
    features : size of the vector that describes a patch. The paper has 768.
    depth : blocks of the transformer.
    heads : of every attention. The paper has 12.
    mlp : width of the inner layer of each block's perceptron, in features.
    width : channels of the decoder at full resolution; each coarser level has twice as many.
    dropout : share of each branch's numbers that is dropped in training.
    drop_path : share of samples for which a branch of the last block is dropped in training; fewer in earlier ones.
    upsampling : "nearest" (fastest) or "linear"; the paper has transposed convolutions.
    deep_supervision : in training, the decoder's coarser maps are compared with the truth too.
    norm, activation : of every convolution.

    Returns
    -------
    Features with one level, the patches' last description, and the decoded map.

    References
    ----------
    Hatamizadeh et al. 2022, "UNETR: transformers for 3D medical image segmentation", WACV, arXiv:2103.10504.
    """
    from voxtempo.networks.attention import SelfAttention
    from voxtempo.networks.positions import Positions

    style, axes = Style(norm, activation), len(space(inputs))
    tokens = embed_patches(inputs, patch, features)
    cells = tuple(tokens.shape[1:5])
    x = Positions((1,))(keras.ops.reshape(tokens, (-1, math.prod(cells), features)))
    hidden = [x]
    for share in drop_paths(drop_path, depth):
        hidden.append(encoder_block(hidden[-1], SelfAttention(heads), mlp=mlp, dropout=dropout, drop_path=share))
    hidden[-1] = keras.layers.LayerNormalization(epsilon=1e-5)(hidden[-1])

    def map_of(x: Tensor) -> Tensor:
        return as_map(keras.ops.reshape(x, (-1, *cells, features)), axes)

    last = map_of(hidden[-1])
    sizes = between(space(inputs), space(last))
    steps = len(sizes) - 1
    levels = [residual_unit(inputs, width, style)]
    for step in range(1, steps):
        filters = width * 2**step
        x = conv(map_of(hidden[depth * step // steps]), filters, kernel=1)
        for finer in reversed(sizes[step:steps]):
            x = conv_block(resize(x, finer, upsampling), filters, style)
        levels.append(x)

    def join(x: Tensor, level: Tensor) -> Tensor:
        return residual_unit(joined(x, level, upsampling), level.shape[-1], style)

    decoded = decode([*levels, last], join, deep_supervision)
    return Features(levels=(last,), dense=decoded.dense, deep=decoded.deep)
