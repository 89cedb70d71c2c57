"""DeepMedic: one pathway sees every voxel, others see more of the surroundings on coarser grids."""

from __future__ import annotations

from voxtempo.levels import stride_along
from voxtempo.networks.blocks import Activation, Norm, Style, conv, conv_block, pool, residual_unit, space
from voxtempo.networks.card import Features, network
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Factors, Share, Widths
from voxtempo.networks.resize import resize

SOURCE = (
    "Kamnitsas et al. 2017, Efficient multi-scale 3D CNN with fully connected CRF for accurate brain lesion "
    "segmentation, Medical Image Analysis 36, arXiv:1603.05959"
)


@network(
    "deepmedic2d",
    input="slice",
    tasks=("segment", "classify", "regress"),
    summary="Two pathways over slices, one at full resolution and one for the surroundings.",
    source=SOURCE,
)
@network(
    "deepmedic3d",
    input="volume",
    tasks=("segment", "classify", "regress"),
    summary="Two pathways over volumes, one at full resolution and one for the surroundings.",
    source=SOURCE,
)
def deepmedic(
    inputs: Tensor,
    *,
    widths: Widths = (30, 30, 40, 40, 40, 40, 50, 50),
    factors: Factors = (3,),
    merged: Widths = (150, 150),
    residual: bool = True,
    dropout: Share = 0.0,
    deep_supervision: bool = False,
    norm: Norm = "instance",
    activation: Activation = "leaky_relu",
) -> Features:
    """A pathway of convolutions a scale, brought together at full resolution by 1x1 convolutions.

    Parameters
    ----------
    inputs : (batch, x, y[, z], channels); z may be 1.
    widths : channels of the convolutions of each pathway.
    factors : each adds a pathway over the input averaged over cells of that many voxels a side (fewer along axes that are
        too small), as the paper's second pathway with 3.
    merged : channels of the 1x1 convolutions that see all pathways together.
    residual : a shortcut around the 3rd and 4th convolution of each pathway, the 5th and 6th, and so on.
    dropout : share of the merged features dropped before each 1x1 convolution in training.
    deep_supervision : in training, each pathway over a smaller input is compared with the truth too, by itself.
    norm, activation : of every convolution.

    Returns
    -------
    Features with one level a pathway and the merged map.

    Notes
    -----
    The paper's pathways shrink their input and see surroundings beyond what they answer for. Here they keep its size, so
    the surroundings are those inside the sample: patches should be larger, and the overlap of patches in prediction lets
    the answers from their middles weigh most. The paper's conditional random field is not part of the network.

    References
    ----------
    Kamnitsas et al. 2017, "Efficient multi-scale 3D CNN with fully connected CRF for accurate brain lesion
    segmentation", Medical Image Analysis 36, arXiv:1603.05959; shortcuts: Kamnitsas et al. 2016, "DeepMedic for brain
    tumor segmentation", BrainLes.
    """
    style = Style(norm, activation)

    def pathway(x: Tensor) -> Tensor:
        place = 0
        while place < len(widths):
            pair = residual and place > 1 and place + 1 < len(widths) and widths[place] == widths[place + 1]
            x = residual_unit(x, widths[place], style) if pair else conv_block(x, widths[place], style)
            place += 2 if pair else 1
        return x

    levels = [pathway(inputs)]
    for factor in factors:
        levels.append(pathway(pool(inputs, stride_along(space(inputs), factor), "mean")))
    x = levels[0]
    if factors:
        x = keras.layers.Concatenate()([x, *(resize(level, space(x), "linear") for level in levels[1:])])
    for width in merged:
        if dropout > 0:
            x = keras.layers.Dropout(dropout)(x)
        x = style.activate(style.normalise(conv(x, width, kernel=1, bias=norm == "none")))
    return Features(levels=tuple(levels), dense=x, deep=tuple(levels[1:]) if deep_supervision else ())
