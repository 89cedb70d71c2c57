"""Swin UNETR: attention in shifted windows as the encoder, convolutions as the decoder."""

from __future__ import annotations

from voxtempo.networks.blocks import Activation, Norm, Style, residual_unit, space
from voxtempo.networks.card import Features, network
from voxtempo.networks.decoder import decode, joined
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.options import Count, Ratio, Share, Widths
from voxtempo.networks.patches import merge_patches
from voxtempo.networks.resize import Interpolation
from voxtempo.networks.tokens import as_map, embed_patches
from voxtempo.networks.transformer import drop_paths, encoder_block

SOURCE = (
    "Hatamizadeh et al. 2022, Swin UNETR: Swin transformers for semantic segmentation of brain tumors in MRI images, "
    "BrainLes, arXiv:2201.01266"
)


@network(
    "swin_unetr2d",
    input="slice",
    tasks=("segment", "classify", "regress"),
    summary="Attention in shifted windows of a slice with a convolutional decoder.",
    source=SOURCE,
)
@network(
    "swin_unetr3d",
    input="volume",
    tasks=("segment", "classify", "regress"),
    summary="Attention in shifted windows of a volume with a convolutional decoder.",
    source=SOURCE,
)
def swin_unetr(
    inputs: Tensor,
    *,
    patch: Count = 2,
    window: Count = 7,
    features: Count = 24,
    depths: Widths = (2, 2, 2, 2),
    head_size: Count = 12,
    mlp: Ratio = 4.0,
    dropout: Share = 0.0,
    drop_path: Share = 0.0,
    upsampling: Interpolation = "nearest",
    deep_supervision: bool = False,
    norm: Norm = "instance",
    activation: Activation = "leaky_relu",
) -> Features:
    """Embed small patches; in stages, let those of one window attend to each other and merge neighbours; decode.

    Parameters
    ----------
    inputs : (batch, x, y[, z], channels); z may be 1.
    patch : voxels along each side of a patch, at most: every axis is cut evenly.
    window : patches along each side of a window, at most, cut evenly too. In every other block the windows lie half a
        window further.
    features : size of the vector that describes a patch, and channels at full resolution; doubled whenever 2 x 2 x 2
        patches are merged. The paper has 48.
    depths : blocks of each stage.
    head_size : numbers of each attention's head; wider stages have more heads.
    mlp : width of the inner layer of each block's perceptron, in features.
    dropout : share of each branch's numbers that is dropped in training.
    drop_path : share of samples for which a branch of the last block is dropped in training; fewer in earlier ones.
    upsampling : "nearest" (fastest) or "linear"; the paper has transposed convolutions.
    deep_supervision : in training, the decoder's coarser maps are compared with the truth too.
    norm, activation : of every convolution.

    Returns
    -------
    Features with one level a stage, after one at full resolution, and the decoded map.

    Notes
    -----
    The paper merges once more after its fourth stage, and its decoder begins at that level without attention. Here the
    last stage is the coarsest level; a fifth ``depths`` of 1 comes nearest to the paper's.

    References
    ----------
    Hatamizadeh et al. 2022, "Swin UNETR: Swin transformers for semantic segmentation of brain tumors in MRI images",
    BrainLes, arXiv:2201.01266; Liu et al. 2021, "Swin transformer", ICCV, arXiv:2103.14030.
    """
    from voxtempo.networks.attention import WindowAttention

    style = Style(norm, activation)
    axes = len(space(inputs))
    levels = [residual_unit(inputs, features, style)]
    shares = iter(drop_paths(drop_path, sum(depths)))
    x = embed_patches(inputs, patch, features)
    for stage, depth in enumerate(depths):
        if stage > 0:
            x = merge_patches(x, 2 * x.shape[-1])
        heads = max(1, x.shape[-1] // head_size)
        for block in range(depth):
            attention = WindowAttention(heads, (1, window, window, window), block % 2 == 1, relative=True)
            x = encoder_block(x, attention, mlp=mlp, dropout=dropout, drop_path=next(shares))
        seen = as_map(keras.layers.LayerNormalization(epsilon=1e-5)(x), axes)
        levels.append(residual_unit(seen, x.shape[-1], style) if stage < len(depths) - 1 else seen)

    def join(x: Tensor, level: Tensor) -> Tensor:
        return residual_unit(joined(x, level, upsampling), level.shape[-1], style)

    return decode(levels, join, deep_supervision)
