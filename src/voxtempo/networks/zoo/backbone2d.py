"""A 2D backbone on slices."""

from __future__ import annotations

from voxtempo.networks.backbones import Backbone, BackboneName, Frozen, Scaling, Settings
from voxtempo.networks.card import Features, network
from voxtempo.networks.keras_seam import Tensor
from voxtempo.networks.local_weights import WeightsFile
from voxtempo.networks.options import Count


@network(
    "backbone2d",
    input="slice",
    tasks=("classify", "regress"),
    summary="Any 2D backbone of keras.applications, or one of VoxTempo's own, on slices.",
    source="Simonyan, Zisserman 2015, Very deep convolutional networks for large-scale image recognition, ICLR, "
    "arXiv:1409.1556, and the papers of the other backbones",
)
def backbone2d(
    inputs: Tensor,
    *,
    backbone: BackboneName = "VGG19",
    backbone_options: Settings | None = None,
    weights: WeightsFile | None = None,
    frozen: Frozen = False,
    scaling: Scaling | None = None,
    grid: Count = 1,
) -> Features:
    """Describe a slice by the average of a backbone's last map.

    Parameters
    ----------
    inputs : (batch, x, y, channels). For the networks of keras.applications one channel is repeated into three colours,
        others are mixed into three by a learned 1x1 convolution, and slices below their smallest size are enlarged.
    backbone : VGG19 and every other network of keras.applications, or a registered network for slices (resnet2d,
        lightweight_cnn).
    backbone_options : options of the backbone, such as {widths: [8, 16]} of resnet2d or {alpha: 0.35} of MobileNetV2.
    weights : local file that the backbone starts from: .safetensors of a VoxTempo run, or .h5 as keras.applications and
        Keras write it. Nothing is downloaded. It is read when a run begins; predicting does not need it.
    frozen : true: the backbone stays as the file has it; batch_norm: only its batch normalisation does; false: all is
        trained.
    scaling : imagenet brings z-scored scans to the range of photographs, none leaves them as they are; planned: imagenet
        for .h5 files, else none. Weights that were once fine-tuned from an .h5 file want imagenet too.
    grid : cells along each axis that the last map is averaged to; 1 forgets where things are.

    Returns
    -------
    Features with a vector only.

    Notes
    -----
    The large backbones of keras.applications want a smaller learning rate than the planned one: ``train: {rate: 1e-4}``.

    References
    ----------
    Simonyan, Zisserman 2015, "Very deep convolutional networks for large-scale image recognition", ICLR,
    arXiv:1409.1556.
    """
    return Features(vector=Backbone(backbone, weights, frozen, grid, scaling, backbone_options or {})(inputs))
