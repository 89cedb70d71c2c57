"""Attention gates: what the coarser map knows decides where a skip connection may speak.

Oktay et al. 2018, "Attention U-Net", MIDL, arXiv:1804.03999.
"""

from __future__ import annotations

import math

from voxtempo.networks.blocks import Style, conv, space
from voxtempo.networks.keras_seam import Tensor, keras
from voxtempo.networks.resize import resize


def attention_gate(level: Tensor, gate: Tensor, style: Style) -> Tensor:
    """Return a level of the encoder with every voxel weighted between 0 and 1, then projected and normalised.

    Parameters
    ----------
    level : (batch, *space, channels).
    gate : the decoder's coarser map, (batch, *coarser space, any channels); its grid is that of the weights, which are
        interpolated linearly.
    style : of the normalisation.
    """
    filters = level.shape[-1]
    stride = tuple(math.ceil(n / m) for n, m in zip(space(level), space(gate), strict=True))
    seen = keras.layers.Add()([conv(level, filters, stride, stride), conv(gate, filters, kernel=1, bias=True)])
    weight = conv(keras.layers.Activation("relu")(seen), 1, kernel=1, bias=True)
    weight = resize(keras.layers.Activation("sigmoid")(weight), space(level), "linear")
    return style.normalise(conv(keras.layers.Multiply()([level, weight]), filters, kernel=1, bias=style.norm == "none"))
