"""A small CNN on every volume, then a convolutional LSTM over the maps."""

from __future__ import annotations

from voxtempo.levels import kernel_along
from voxtempo.networks.blocks import Activation, Norm, Pooling, Style, pool_to_vector, space
from voxtempo.networks.card import Features, network
from voxtempo.networks.fold_time import over_time
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Share, Widths
from voxtempo.networks.volume_cnn import scale


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
    pooling: Pooling = "mean",
    units: Count = 16,
    grid: Count = 4,
    dropout: Share = 0.0,
    norm: Norm = "batch",
    activation: Activation = "leaky_relu",
) -> Features:
    """Shrink every volume, let a convolutional LSTM read the maps in order, and describe its last state by a vector.

    The state is a map, so the network remembers where something happened. Every time step convolves it, one after
    another, which is why the volumes are shrunk first.

    Parameters
    ----------
    inputs : (batch, time, x, y, z, channels); z and time may be 1.
    widths : channels of each convolution before the LSTM; each is followed by pooling by 2.
    kernel : voxels along each side of all kernels.
    pooling : "mean" of the convolutions before they are normalised and activated, or "max" of the activated maps. A mean
        cancels noise, where a maximum finds its peaks.
    units : channels of the LSTM's state.
    grid : cells along each axis that the last state is averaged to; 1 forgets where things are.
    dropout : share of the channels of the LSTM's input that is dropped in training.
    norm, activation : of the convolutions before the LSTM.

    Returns
    -------
    Features with a vector only: units numbers for each cell.

    References
    ----------
    Shi et al. 2015, "Convolutional LSTM network: a machine learning approach for precipitation nowcasting", NeurIPS,
    arXiv:1506.04214; on fMRI: El-Gazzar et al. 2020, "A hybrid 3DCNN and 3DC-LSTM based model for 4D spatio-temporal
    fMRI data: an ABIDE autism classification study", arXiv:2002.05981.
    """
    from voxtempo.networks.conv_lstm import ConvLSTM

    style = Style(norm, activation)

    def shrink(volume: Tensor) -> Tensor:
        for width in widths:
            volume = scale(volume, width, style, kernel, pooling)
        return volume

    maps = over_time(shrink, inputs)
    if dropout > 0:
        maps = keras.layers.Dropout(dropout)(maps)
    state = ConvLSTM(units, kernel_along(space(maps)[1:], kernel))(maps)
    return Features(vector=pool_to_vector(state, grid))
