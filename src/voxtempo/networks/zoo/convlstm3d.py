"""A small CNN on every volume, then a convolutional LSTM over the maps."""

from __future__ import annotations

from voxtempo.networks.blocks import (
    Activation,
    Norm,
    Style,
    conv,
    kernel_along,
    pool,
    pool_to_vector,
    space,
    stride_along,
)
from voxtempo.networks.card import Features, network
from voxtempo.networks.fold_time import over_time
from voxtempo.networks.keras_seam import Tensor
from voxtempo.networks.options import Count, Share, Widths


@network(
    "convlstm3d",
    input="series",
    tasks=("classify", "regress"),
    summary="A small CNN on every volume, then an LSTM whose products are 3D convolutions.",
    source="Shi et al. 2015, Convolutional LSTM network, NeurIPS, arXiv:1506.04214",
)
def convlstm3d(
    inputs: Tensor,
    *,
    widths: Widths = (8, 16),
    kernel: Count = 3,
    units: Count = 16,
    grid: Count = 4,
    features: Count = 64,
    dropout: Share = 0.0,
    norm: Norm = "batch",
    activation: Activation = "leaky_relu",
) -> Features:
    from voxtempo.networks.conv_lstm import ConvLSTM

    style = Style(norm, activation)

    def stem(volume: Tensor) -> Tensor:
        x = volume
        for width in widths:
            x = conv(x, width, kernel, bias=norm == "none")
            x = style.activate(style.normalise(pool(x, stride_along(space(x), 2))))
        return x

    maps = over_time(stem, inputs)
    state = ConvLSTM(units, kernel_along(space(maps)[1:], kernel))(maps)
    vector = pool_to_vector(state, grid)
    return Features(vector=vector)
