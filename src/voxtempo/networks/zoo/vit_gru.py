"""A vision transformer on every volume of a series, then a GRU over time."""

from __future__ import annotations

from voxtempo.networks.attention_windows import Windows
from voxtempo.networks.card import Features, network
from voxtempo.networks.fold_time import over_time
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Share
from voxtempo.networks.recurrent import recurrent
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
    patch: tuple[Count, Count, Count] = (6, 6, 6),
    features: Count = 64,
    depth: Count = 2,
    heads: Count = 4,
    mlp: float = 2.0,
    units: Count = 64,
    bidirectional: bool = False,
    dropout: Share = 0.0,
    drop_path: Share = 0.0,
) -> Features:
    """Embed the patches of every volume, let those of one volume attend to each other, and read their means in order.

    Parameters
    ----------
    inputs : (batch, time, x, y, z, channels); z may be 1.
    patch : voxels of a patch along x, y and z, at most: every axis is cut evenly.
    features : size of the vector that describes a patch, and then a volume.
    depth : blocks of the transformer.
    heads : of every attention.
    mlp : width of the inner layer of each block's perceptron, in features.
    units : size of the GRU.
    bidirectional : read the series backwards too; twice the units reach the head.
    dropout : share of each branch's numbers, and of each volume's description, that is dropped in training.
    drop_path : share of volumes for which a branch of the last block is dropped in training; fewer in earlier ones.

    Returns
    -------
    Features with a vector only: there is no map to segment from.

    References
    ----------
    Dosovitskiy et al. 2021, "An image is worth 16x16 words", ICLR, arXiv:2010.11929; Cho et al. 2014, "Learning phrase
    representations using RNN encoder-decoder", EMNLP, arXiv:1406.1078. Together on MRI: Mahim et al. 2024, "Unlocking the
    potential of XAI for improved Alzheimer's disease detection and classification using a ViT-GRU model", IEEE Access 12.
    """
    from voxtempo.networks.positions import Positions

    patches = Windows.fit(inputs.shape[1:5], (1, *patch))
    cut = patches.cut(inputs)
    count = cut.shape[1] // inputs.shape[1]
    tokens = keras.ops.reshape(cut, (-1, inputs.shape[1], count, cut.shape[2] * cut.shape[3]))

    def describe(volume: Tensor) -> Tensor:
        x = Positions((1,))(keras.layers.Dense(features)(volume))
        x = encode(x, depth=depth, heads=heads, mlp=mlp, dropout=dropout, drop_path=drop_path)
        return keras.ops.mean(x, axis=1)

    series = over_time(describe, tokens)
    return Features(vector=recurrent(series, "gru", units, bidirectional, dropout))
