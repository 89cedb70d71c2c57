"""Convolutions over time at every voxel, a 3D CNN on every volume of their answers, then an LSTM over time."""

from __future__ import annotations

from voxtempo.networks.blocks import Activation, Norm, Style
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
    source="Parmar et al. 2020, Spatiotemporal feature extraction ... 3D-CNN for fMRI data, J. Medical Imaging 7(5)",
)
def fmri_cnn_lstm(
    inputs: Tensor,
    *,
    temporal_widths: Widths = (8,),
    temporal_kernel: Count = 5,
    widths: Widths = (16, 32),
    kernels: Widths = (3, 5),
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
    style = Style(norm, activation, slope)
    x = inputs
    for width in temporal_widths:
        x = normalise_activate(conv_time(x, width, temporal_kernel, bias=norm == "none"), style)
    series = describe_volumes(x, widths, kernels, style, grid, features)
    return Features(vector=recurrent(series, recurrence, units, bidirectional, dropout))
