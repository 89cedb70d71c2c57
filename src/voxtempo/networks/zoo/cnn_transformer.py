"""A 3D CNN on every volume of a series, then a transformer over time."""

from __future__ import annotations

from typing import Literal

from voxtempo.networks.blocks import Activation, Norm, Style, conv_block
from voxtempo.networks.card import Features, network
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import AnyWidths, Count, Ratio, Share
from voxtempo.networks.transformer import encode, time_positions
from voxtempo.networks.volume_cnn import describe_volumes


@network(
    "cnn_transformer",
    input="series",
    tasks=("classify", "regress"),
    summary="A 3D CNN on every volume, then a transformer over time.",
    source="Malkiel et al. 2022, Self-supervised transformers for fMRI representation, MIDL, arXiv:2112.05761",
)
def cnn_transformer(
    inputs: Tensor,
    *,
    widths: AnyWidths = (16, 32, 64),
    kernel: Count = 3,
    grid: Count = 4,
    features: Count = 64,
    time_kernel: Count = 3,
    depth: Count = 2,
    heads: Count = 4,
    mlp: Ratio = 2.0,
    readout: Literal["mean", "token"] = "mean",
    dropout: Share = 0.0,
    drop_path: Share = 0.0,
    repetition_time: float | None = None,
    norm: Norm = "batch",
    activation: Activation = "leaky_relu",
) -> Features:
    """Describe every volume by a vector, join neighbours in time, add the time, and let the vectors attend to each other.

    Parameters
    ----------
    inputs : (batch, time, x, y, z, channels); z may be 1.
    widths : channels of each convolution of the volume's network; each is followed by maximum pooling by 2. An
        empty list describes the volume's own voxels.
    kernel : voxels along each side of the kernels.
    grid : cells along each axis that the last map is averaged to before it is described; 1 forgets where things are.
    features : size of the vector that describes one volume.
    time_kernel : volumes that a convolution over time joins before the transformer, which sees change only by comparing
        volumes and learns that slowly; 1: none.
    depth : blocks of the transformer.
    heads : of every attention.
    mlp : width of the inner layer of each block's perceptron, in features.
    readout : "mean" of all volumes' vectors, or a learned "token" that stands before them and attends to them.
    dropout : share of each branch's numbers that is dropped in training.
    drop_path : share of samples for which a branch of the last block is dropped in training; fewer in earlier ones.
    repetition_time : seconds between the volumes; None: a frame counts as a second.
    norm, activation : of every block of the volume's network.

    Returns
    -------
    Features with a vector only: there is no map to segment from.

    References
    ----------
    Malkiel, Rosenman, Wolf, Hendler 2022, "Self-supervised transformers for fMRI representation", MIDL,
    arXiv:2112.05761; Vaswani et al. 2017, "Attention is all you need", NeurIPS, arXiv:1706.03762.
    """
    from voxtempo.networks.positions import ClassToken

    series = describe_volumes(inputs, widths, (kernel,) * len(widths), Style(norm, activation), grid, features)
    if time_kernel > 1:
        # Instance normalisation over time would take away how much a series changes.
        style = Style("none" if norm == "instance" else norm, activation)
        series = conv_block(series, features, style, kernel=time_kernel)
    series = time_positions(series, repetition_time)
    if readout == "token":
        series = ClassToken()(series)
    series = encode(series, depth=depth, heads=heads, mlp=mlp, dropout=dropout, drop_path=drop_path)
    return Features(vector=series[:, 0] if readout == "token" else keras.ops.mean(series, axis=1))
