"""A 3D CNN on every volume of a series, then a GRU over time."""

from __future__ import annotations

from voxtempo.networks.blocks import Activation, Norm, Pooling, Style
from voxtempo.networks.card import Features, network
from voxtempo.networks.keras_seam import Tensor
from voxtempo.networks.options import AnyWidths, Count, Share
from voxtempo.networks.recurrent import recurrent
from voxtempo.networks.volume_cnn import describe_volumes


@network(
    "cnn_gru",
    input="series",
    tasks=("classify", "regress"),
    summary="A 3D CNN on every volume, then a GRU over time.",
    source="Cho et al. 2014, Learning phrase representations using RNN encoder-decoder, EMNLP, arXiv:1406.1078",
)
def cnn_gru(
    inputs: Tensor,
    *,
    widths: AnyWidths = (16, 32, 64),
    kernel: Count = 3,
    grid: Count = 4,
    features: Count = 64,
    units: Count = 64,
    bidirectional: bool = False,
    dropout: Share = 0.0,
    pooling: Pooling = "mean",
    norm: Norm = "batch",
    activation: Activation = "leaky_relu",
) -> Features:
    """As ``cnn_lstm``, with a GRU, which keeps one state instead of two and has three quarters of the LSTM's weights.

    Parameters
    ----------
    inputs : (batch, time, x, y, z, channels); z may be 1.
    widths : channels of each convolution of the volume's network; each is followed by pooling by 2. An
        empty list leaves them out: the description is then a linear map of the voxels (or of the cells of ``grid``), for
        regions of an atlas and for few selected voxels.
    kernel : voxels along each side of the kernels.
    grid : cells along each axis that the last map is averaged to before it is described; 1 forgets where things are.
    features : size of the vector that describes one volume.
    units : size of the GRU.
    bidirectional : read the series backwards too; twice the units reach the head.
    dropout : share of each volume's description that is dropped in training.
    pooling : "max" of the activated maps, or "mean" of the convolutions before they are normalised and activated. Noise
        is averaged away by the mean, and searched for its peaks by the maximum: take the mean where the signal is weak.
    norm, activation : of every block.

    Returns
    -------
    Features with a vector only: there is no map to segment from.

    References
    ----------
    Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder for statistical machine translation",
    EMNLP, arXiv:1406.1078; Donahue et al. 2015, "Long-term recurrent convolutional networks for visual recognition and
    description", CVPR, arXiv:1411.4389.
    """
    series = describe_volumes(inputs, widths, (kernel,) * len(widths), Style(norm, activation), grid, features, pooling)
    return Features(vector=recurrent(series, "gru", units, bidirectional, dropout))
