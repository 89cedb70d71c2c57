"""Three convolutions for slices: the smallest network that is worth training, and the baseline for all others."""

from __future__ import annotations

from voxtempo.levels import stride_along
from voxtempo.networks.blocks import Activation, Norm, Style, conv_block, pool, pool_to_vector, space
from voxtempo.networks.card import Features, network
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Widths


@network(
    "lightweight_cnn",
    input="slice",
    tasks=("classify", "regress", "segment"),
    summary="Three convolutions, each followed by pooling, and one dense layer.",
    source="LeCun, Bottou, Bengio, Haffner 1998, Gradient-based learning applied to document recognition",
)
def lightweight_cnn(
    inputs: Tensor,
    *,
    widths: Widths = (16, 32, 64),
    kernel: Count = 3,
    grid: Count = 4,
    units: Count = 64,
    norm: Norm = "batch",
    activation: Activation = "relu",
) -> Features:
    """Convolution, normalisation, activation and 2x2 maximum pooling for each width, then one dense layer.

    Parameters
    ----------
    inputs : (batch, x, y, channels).
    widths : channels of each convolution.
    kernel : voxels along each side of the kernels.
    grid : cells along each axis that the last map is averaged to before the dense layer; 1 forgets all positions.
    units : size of the dense layer.
    norm, activation : of every block.

    Returns
    -------
    Features with one level a convolution (before pooling) and the dense layer's vector.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition", Proc. IEEE 86(11).
    """
    style = Style(norm, activation)
    levels = []
    x = inputs
    for width in widths:
        x = conv_block(x, width, style, kernel=kernel)
        levels.append(x)
        x = pool(x, stride_along(space(x), 2))
    vector = keras.layers.Dense(units, kernel_initializer="he_normal")(pool_to_vector(x, grid))
    return Features(levels=tuple(levels), vector=style.activate(vector))
