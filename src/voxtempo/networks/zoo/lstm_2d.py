"""A 2D backbone on every frame of a series, then an LSTM, GRU or transformer over time."""

from __future__ import annotations

from voxtempo.networks.backbones import Backbone, BackboneName, Frozen, Scaling, Settings
from voxtempo.networks.card import Features, network
from voxtempo.networks.fold_time import over_time
from voxtempo.networks.frames import Slices, average_over_pictures
from voxtempo.networks.keras_seam import Tensor
from voxtempo.networks.local_weights import WeightsFile
from voxtempo.networks.options import Count, Share
from voxtempo.networks.readers import Order, Reader


@network(
    "lstm_2d",
    input="series",
    tasks=("classify", "regress"),
    summary="A 2D backbone on every frame, then an LSTM, GRU or transformer over time.",
    source="Ng et al. 2015, Beyond short snippets: deep networks for video classification, CVPR, arXiv:1503.08909",
)
def lstm_2d(
    inputs: Tensor,
    *,
    backbone: BackboneName = "VGG19",
    backbone_options: Settings | None = None,
    weights: WeightsFile | None = None,
    frozen: Frozen = False,
    scaling: Scaling | None = None,
    grid: Count = 1,
    slices: Slices = "fold",
    reader: Order = "lstm",
    features: Count = 64,
    units: Count = 64,
    bidirectional: bool = False,
    depth: Count = 2,
    heads: Count = 4,
    dropout: Share = 0.0,
    repetition_time: float | None = None,
) -> Features:
    """Fold time into the batch, describe every volume's picture (or its pictures' average), and read the series in order.

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
    slices : fold: every slice is a picture, and a volume's are averaged; mosaic: a volume's slices are tiles of one picture;
        channels: they are the channels of one picture, which costs as much less as there are slices but is harder to learn
        from few windows.
    reader : what reads the series: lstm, gru or transformer.
    features : size of the vector that describes one volume to the reader.
    units : size of the LSTM or GRU.
    bidirectional : read the series backwards too; twice the units reach the head.
    depth, heads : blocks of the transformer, and heads of their attentions.
    dropout : share of each volume's description (of each branch's numbers in the transformer) dropped in training.
    repetition_time : seconds between the volumes, for the transformer; None: a frame counts as a second.

    Returns
    -------
    Features with a vector only.

    Notes
    -----
    Where there are few windows, take a small backbone that does not normalise over the batch, such as ``backbone:
    lightweight_cnn, backbone_options: {widths: [8, 16], units: 16, grid: 1, norm: none}``: larger ones learn the noise of
    the training windows by heart before they find what happens in time.

    References
    ----------
    Ng et al. 2015, "Beyond short snippets: deep networks for video classification", CVPR, arXiv:1503.08909; Donahue et al.
    2015, "Long-term recurrent convolutional networks for visual recognition and description", CVPR, arXiv:1411.4389.
    """
    describe = Backbone(backbone, weights, frozen, grid, scaling, backbone_options or {})
    series = over_time(lambda volumes: average_over_pictures(describe, volumes, slices), inputs)
    read = Reader(reader, features, units, bidirectional, depth, heads, dropout, repetition_time)
    return Features(vector=read(series))
