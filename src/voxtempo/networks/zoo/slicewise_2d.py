"""A 2D backbone on every slice of a volume, then their average, or an LSTM, GRU or transformer over them."""

from __future__ import annotations

from typing import Literal

from voxtempo.networks.backbones import Backbone, BackboneName, Frozen, Scaling, Settings
from voxtempo.networks.card import Features, network
from voxtempo.networks.fold_time import over_time
from voxtempo.networks.frames import pictures_of
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.local_weights import WeightsFile
from voxtempo.networks.options import Count, Share
from voxtempo.networks.readers import Order, Reader


@network(
    "slicewise_2d",
    input="volume",
    tasks=("classify", "regress"),
    summary="A 2D backbone on every slice, then their average, or an LSTM, GRU or transformer over the slices.",
    source="He et al. 2020, Brain age estimation using LSTM on children's brain MRI, ISBI, arXiv:2002.09045",
)
def slicewise_2d(
    inputs: Tensor,
    *,
    backbone: BackboneName = "VGG19",
    backbone_options: Settings | None = None,
    weights: WeightsFile | None = None,
    frozen: Frozen = False,
    scaling: Scaling | None = None,
    grid: Count = 1,
    reader: Literal["average"] | Order = "average",
    features: Count = 64,
    units: Count = 64,
    bidirectional: bool = False,
    depth: Count = 2,
    heads: Count = 4,
    dropout: Share = 0.0,
) -> Features:
    """Fold the slices along z into the batch, describe each, and average the descriptions or read them in order.

    Parameters
    ----------
    inputs : (batch, x, y, z, channels); z may be 1. Channels and size are made to fit as for backbone2d.
    backbone : VGG19 and every other network of keras.applications, or a registered network for slices (resnet2d,
        lightweight_cnn).
    backbone_options : options of the backbone, such as {widths: [8, 16]} of resnet2d or {alpha: 0.35} of MobileNetV2.
    weights : local file that the backbone starts from, .safetensors or .h5, see backbone2d.
    frozen : true: the backbone stays as the file has it; batch_norm: only its batch normalisation does; false: all is
        trained.
    scaling : imagenet brings z-scored scans to the range of photographs, none leaves them; planned, see backbone2d.
    grid : cells along each axis that a slice's last map is averaged to; 1 forgets where things are.
    reader : average: the mean of all slices' descriptions, so that with a linear head decisions are averaged; or lstm, gru
        or transformer from the first slice to the last.
    features : size of the vector that describes one slice to the LSTM, GRU or transformer.
    units : size of the LSTM or GRU.
    bidirectional : read the slices backwards too; twice the units reach the head.
    depth, heads : blocks of the transformer, and heads of their attentions.
    dropout : share of each slice's description (of each branch's numbers in the transformer) dropped in training.

    Returns
    -------
    Features with a vector only.

    References
    ----------
    He et al. 2020, "Brain age estimation using LSTM on children's brain MRI", ISBI, arXiv:2002.09045.
    """
    describe = Backbone(backbone, weights, frozen, grid, scaling, backbone_options or {})
    sequence = over_time(describe, pictures_of(inputs))
    if reader == "average":
        return Features(vector=keras.ops.mean(sequence, axis=1))
    return Features(vector=Reader(reader, features, units, bidirectional, depth, heads, dropout)(sequence))
