"""Space-time convolutions that turn a series into pictures, then a 2D backbone."""

from __future__ import annotations

from voxtempo.levels import stride_along
from voxtempo.networks.backbones import APPLICATIONS, Backbone, BackboneName, Frozen, Scaling, Settings
from voxtempo.networks.blocks import Activation, Norm, Style, conv_block
from voxtempo.networks.card import Features, network
from voxtempo.networks.fold_time import fold_time, over_time, unfold_time
from voxtempo.networks.frames import Slices, pictures_of
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.local_weights import WeightsFile
from voxtempo.networks.options import Count, Widths


@network(
    "conv3d_2d",
    input="series",
    tasks=("classify", "regress"),
    summary="Convolutions over time and the slice's plane turn a series into pictures, which a 2D backbone describes.",
    source="Xie et al. 2018, Rethinking spatiotemporal feature learning, ECCV, arXiv:1712.04851 (its bottom-heavy variant)",
)
def conv3d_2d(
    inputs: Tensor,
    *,
    widths: Widths = (8, 16),
    kernel: Count = 3,
    backbone: BackboneName = "VGG19",
    backbone_options: Settings | None = None,
    weights: WeightsFile | None = None,
    frozen: Frozen = False,
    scaling: Scaling | None = None,
    grid: Count = 1,
    slices: Slices = "fold",
    norm: Norm = "batch",
    activation: Activation = "leaky_relu",
) -> Features:
    """Convolve every slice over (time, x, y), weigh what is left of time into one picture, and describe the pictures.

    Parameters
    ----------
    inputs : (batch, time, x, y, z, channels); z and time may be 1. Pictures below a backbone's smallest size are enlarged.
    widths : channels of each convolution over (time, x, y); each halves time, and none changes the plane.
    kernel : frames and pixels along each side of their kernels.
    backbone : VGG19 and every other network of keras.applications, which are given three maps, or a registered network
        for slices (resnet2d, lightweight_cnn), which is given as many maps as the last of ``widths``.
    backbone_options : options of the backbone, such as {widths: [8, 16]} of resnet2d or {alpha: 0.35} of MobileNetV2.
    weights : local file that the backbone starts from, .safetensors or .h5, see backbone2d.
    frozen : true: the backbone stays as the file has it; batch_norm: only its batch normalisation does; false: all is
        trained. The convolutions before it are always trained.
    scaling : imagenet brings the normalised maps to the range of photographs, none leaves them; planned, see backbone2d.
    grid : cells along each axis that the last map is averaged to; 1 forgets where things are.
    slices : fold: every slice is a picture; mosaic: all slices of a volume are tiles of one picture; channels: they are
        the channels of one picture.
    norm, activation : of the convolutions before the backbone.

    Returns
    -------
    Features with a vector only: the mean over the pictures.

    References
    ----------
    Xie et al. 2018, "Rethinking spatiotemporal feature learning: speed-accuracy trade-offs in video classification", ECCV,
    arXiv:1712.04851.
    """
    style = Style(norm, activation)
    maps = 3 if backbone in APPLICATIONS else widths[-1]
    describe = Backbone(backbone, weights, frozen, grid, scaling, backbone_options or {})

    def condense(x: Tensor) -> Tensor:
        for width in widths:
            x = conv_block(x, width, style, (stride_along(x.shape[1:2], 2)[0], 1, 1), kernel)
        x = keras.layers.Conv3D(maps, (x.shape[1], 1, 1), use_bias=norm == "none", kernel_initializer="he_normal")(x)
        return style.normalise(x)[:, 0]

    frames = unfold_time(pictures_of(fold_time(inputs), slices), inputs.shape[1])
    pictures = keras.ops.transpose(frames, (0, 2, 1, 3, 4, 5))
    return Features(vector=keras.ops.mean(over_time(lambda x: describe(condense(x)), pictures), axis=1))
