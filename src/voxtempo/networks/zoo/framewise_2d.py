"""A 2D backbone on every frame of a series, each on its own, and the average of what it says."""

from __future__ import annotations

from voxtempo.networks.backbones import Backbone, BackboneName, Frozen, Scaling, Settings
from voxtempo.networks.card import Features, network
from voxtempo.networks.fold_time import over_time
from voxtempo.networks.frames import Slices, average_over_pictures
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.local_weights import WeightsFile
from voxtempo.networks.options import Count


@network(
    "framewise_2d",
    input="series",
    tasks=("classify", "regress"),
    summary="A 2D backbone on every frame on its own, and the average of its decisions.",
    source="Karpathy et al. 2014, Large-scale video classification with convolutional neural networks, CVPR",
)
def framewise_2d(
    inputs: Tensor,
    *,
    backbone: BackboneName = "VGG19",
    backbone_options: Settings | None = None,
    weights: WeightsFile | None = None,
    frozen: Frozen = False,
    scaling: Scaling | None = None,
    grid: Count = 1,
    slices: Slices = "fold",
) -> Features:
    """Fold time and slices into the batch, describe every picture, and average the descriptions.

    The head is linear, so the decision from the averaged description is the average of the frames' decisions (their
    logits). The order of the frames makes no difference: this is the baseline that a network of time has to beat.

    Parameters
    ----------
    inputs : (batch, time, x, y, z, channels); z and time may be 1. Channels and size are made to fit as for backbone2d.
    backbone : VGG19 and every other network of keras.applications, or a registered network for slices (resnet2d,
        lightweight_cnn).
    backbone_options : options of the backbone, such as {widths: [8, 16]} of resnet2d or {alpha: 0.35} of MobileNetV2.
    weights : local file that the backbone starts from, .safetensors or .h5, see backbone2d.
    frozen : true: the backbone stays as the file has it; batch_norm: only its batch normalisation does; false: all is
        trained.
    scaling : imagenet brings z-scored scans to the range of photographs, none leaves them; planned, see backbone2d.
    grid : cells along each axis that the last map is averaged to; 1 forgets where things are.
    slices : fold: every slice is a picture; mosaic: all slices of a volume are tiles of one picture; channels: they are
        the channels of one picture, which costs as much less as there are slices.

    Returns
    -------
    Features with a vector only.

    Notes
    -----
    Every frame has the label of its window, and a window stands on the side of the split that its subject is on.

    References
    ----------
    Karpathy et al. 2014, "Large-scale video classification with convolutional neural networks", CVPR; Simonyan, Zisserman
    2015, "Very deep convolutional networks for large-scale image recognition", ICLR, arXiv:1409.1556.
    """
    describe = Backbone(backbone, weights, frozen, grid, scaling, backbone_options or {})
    series = over_time(lambda volumes: average_over_pictures(describe, volumes, slices), inputs)
    return Features(vector=keras.ops.mean(series, axis=1))
