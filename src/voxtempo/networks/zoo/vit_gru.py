"""A vision transformer on every volume of a series, then a GRU over time."""

from __future__ import annotations

import math

from voxtempo.levels import stride_along
from voxtempo.networks.blocks import Norm, Style, conv_block, pool, pool_to_vector, space
from voxtempo.networks.card import Features, network
from voxtempo.networks.fold_time import fold_time, over_time, unfold_time
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Ratio, Share
from voxtempo.networks.patches import cut_patches
from voxtempo.networks.recurrent import StateReadout, recurrent
from voxtempo.networks.transformer import encode


@network(
    "vit_gru",
    input="series",
    tasks=("classify", "regress"),
    summary="A vision transformer on every volume, then a GRU over time.",
    source="Dosovitskiy et al. 2021, An image is worth 16x16 words, ICLR, arXiv:2010.11929",
)
def vit_gru(
    inputs: Tensor,
    *,
    average: Count = 3,
    patch: tuple[Count, Count, Count] = (2, 2, 2),
    features: Count = 64,
    depth: Count = 2,
    heads: Count = 4,
    mlp: Ratio = 2.0,
    grid: Count = 4,
    time_kernel: Count = 5,
    units: Count = 64,
    bidirectional: bool = False,
    readout: StateReadout = "mean",
    dropout: Share = 0.2,
    drop_path: Share = 0.0,
    norm: Norm = "batch",
) -> Features:
    """Embed the patches of every volume, let those of one volume attend to each other, and read the volumes in order.

    Parameters
    ----------
    inputs : (batch, time, x, y, z, channels); z may be 1.
    average : cells of that many voxels a side are averaged first: patches of single voxels are noisy, and a projection of
        them learns the noise of a small cohort by heart. 1 keeps every voxel.
    patch : averaged voxels of a patch along x, y and z, at most: every axis is cut evenly.
    features : size of the vector that describes a patch, and then a volume.
    depth : blocks of the transformer.
    heads : of every attention.
    mlp : width of the inner layer of each block's perceptron, in features.
    grid : cells along each axis that the patches are averaged to before they describe the volume; 1 forgets where things
        are.
    time_kernel : volumes that a convolution over time joins before the GRU; 1: none.
    units : size of the GRU.
    bidirectional : read the series backwards too; twice the units reach the head.
    readout : the "mean" of the GRU's states, or its "last".
    dropout : share of each branch's numbers, and of each volume's description, that is dropped in training.
    drop_path : share of volumes for which a branch of the last block is dropped in training; fewer in earlier ones.
    norm : of the convolution over time; "instance" counts as "none", for it would take away how much a series changes.

    Returns
    -------
    Features with a vector only: there is no map to segment from.

    Notes
    -----
    The patches are not normalised after the last block: that would make noise as large as a response.

    References
    ----------
    Dosovitskiy et al. 2021, "An image is worth 16x16 words", ICLR, arXiv:2010.11929; Cho et al. 2014, "Learning phrase
    representations using RNN encoder-decoder", EMNLP, arXiv:1406.1078. Together on MRI: Mahim et al. 2024, "Unlocking the
    potential of XAI for improved Alzheimer's disease detection and classification using a ViT-GRU model", IEEE Access.
    """
    from voxtempo.networks.positions import Positions

    volumes = fold_time(inputs)
    volumes = pool(volumes, stride_along(space(volumes), average), "mean")
    patches = cut_patches(unfold_time(volumes, inputs.shape[1]), (1, *patch))
    cells = tuple(patches.shape[2:5])

    def describe(volume: Tensor) -> Tensor:
        x = keras.layers.Dense(features)(keras.ops.reshape(volume, (-1, math.prod(cells), volume.shape[-1])))
        x = Positions((1,))(x)
        x = encode(x, depth=depth, heads=heads, mlp=mlp, dropout=dropout, drop_path=drop_path, normalise=False)
        return keras.layers.Dense(features)(pool_to_vector(keras.ops.reshape(x, (-1, *cells, features)), grid))

    series = over_time(describe, patches)
    if time_kernel > 1:
        style = Style("none" if norm == "instance" else norm, "gelu")
        series = conv_block(series, features, style, kernel=time_kernel)
    return Features(vector=recurrent(series, "gru", units, bidirectional, dropout, readout))
