"""Convolutions over time at every voxel, a 3D CNN on every volume of their answers, then an LSTM over time."""

from __future__ import annotations

from voxtempo.errors import StudyError
from voxtempo.networks.blocks import Activation, Norm, Pooling, Style
from voxtempo.networks.card import Features, network
from voxtempo.networks.conv4d import conv_time, normalise_activate
from voxtempo.networks.keras_seam import Tensor
from voxtempo.networks.options import Count, Share, Widths
from voxtempo.networks.recurrent import Recurrence, recurrent
from voxtempo.networks.volume_cnn import describe_volumes


@network(
    "fmri_cnn_lstm",
    input="series",
    tasks=("classify", "regress"),
    summary="Temporal kernels at every voxel, a 3D CNN on every volume, then an LSTM over time.",
    source="Parmar et al. 2020, Spatiotemporal feature extraction with a 3D-CNN for fMRI data, J. Medical Imaging 7(5)",
)
def fmri_cnn_lstm(
    inputs: Tensor,
    *,
    temporal_widths: Widths = (4,),
    temporal_kernel: Count = 5,
    widths: Widths = (8, 16),
    kernels: Widths = (3, 5),
    pooling: Pooling = "mean",
    grid: Count = 4,
    features: Count = 64,
    recurrence: Recurrence = "lstm",
    units: Count = 128,
    bidirectional: bool = False,
    dropout: Share = 0.3,
    norm: Norm = "batch",
    activation: Activation = "leaky_relu",
    slope: Share = 0.1,
) -> Features:
    """Filter every voxel's signal in time with learned kernels of 1x1x1 voxels, describe every volume, read in order.

    Parameters
    ----------
    inputs : (batch, time, x, y, z, channels); z may be 1.
    temporal_widths : channels of each convolution over time, which sees one voxel at a time.
    temporal_kernel : frames of those convolutions.
    widths : channels of each convolution over space, which sees one volume at a time; each is followed by pooling by 2.
    kernels : voxels along each side of the kernel of each convolution over space: as many as ``widths``.
    pooling : "max" of the activated maps, as the CNNs below have it, or "mean" of the convolutions before they are
        normalised and activated: it averages noise away, where the maximum finds its peaks and learns them by heart.
    grid : cells along each axis that the last map is averaged to before it is described; 1 forgets where things are.
    features : size of the vector that describes one volume.
    recurrence : "lstm" or "gru".
    units : size of the recurrent layer's state.
    bidirectional : read the series backwards too; twice the units reach the head.
    dropout : share of each volume's description that is dropped in training.
    norm, activation : of every block.
    slope : of the leaky activation below zero.

    Returns
    -------
    Features with a vector only.

    Raises
    ------
    StudyError : ``kernels`` and ``widths`` differ in number.

    References
    ----------
    Parmar, Nutter, Long, Antani, Mitra 2020, "Spatiotemporal feature extraction and classification of Alzheimer's disease
    using deep learning 3D-CNN for fMRI data", Journal of Medical Imaging 7(5), doi:10.1117/1.JMI.7.5.056001; Wang et al.
    2020, "Decoding and mapping task states of the human brain via deep learning", Human Brain Mapping 41(6),
    doi:10.1002/hbm.24891; Hochreiter, Schmidhuber 1997, "Long short-term memory", Neural Computation 9(8).
    """
    if len(kernels) != len(widths):
        raise StudyError(
            f"Network 'fmri_cnn_lstm': option 'kernels' has {len(kernels)} values and 'widths' {len(widths)}; each "
            "convolution over space needs one of both. Give as many of one as of the other."
        )
    style = Style(norm, activation, slope)
    x = inputs
    for width in temporal_widths:
        x = normalise_activate(conv_time(x, width, temporal_kernel, bias=norm == "none"), style)
    series = describe_volumes(x, widths, kernels, style, grid, features, pooling)
    return Features(vector=recurrent(series, recurrence, units, bidirectional, dropout))
