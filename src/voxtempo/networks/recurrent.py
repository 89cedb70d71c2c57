"""A recurrent layer that reads the vectors of a series in order: the end of every network that describes each volume."""

from __future__ import annotations

from typing import Literal

from voxtempo.networks.keras_seam import Tensor, keras

Recurrence = Literal["lstm", "gru"]
StateReadout = Literal["last", "mean"]


def recurrent(
    series: Tensor,
    kind: Recurrence,
    units: int,
    bidirectional: bool = False,
    dropout: float = 0.0,
    readout: StateReadout = "last",
) -> Tensor:
    """Read the vectors of a series in order and return the last state, or the mean of all.

    Neither layer uses cuDNN: it would stop XLA from compiling the whole model on TensorFlow. The GRU applies its reset
    gate after the recurrent product, so that its weights are those of every other framework's GRU.

    Parameters
    ----------
    series : (batch, time, features).
    kind : "lstm" (Hochreiter, Schmidhuber 1997, Neural Computation 9(8)) or "gru" (Cho et al. 2014, EMNLP,
        arXiv:1406.1078), which has no cell state and three quarters of the weights.
    units : size of the state.
    bidirectional : read the series backwards too, with weights of its own (Schuster, Paliwal 1997, IEEE Transactions on
        Signal Processing 45(11)).
    dropout : share of each vector that is dropped in training before it is read.
    readout : "last" state, or the "mean" of the states at all times: few series are not so easily learned by heart, and
        what happened early need not be carried to the end.

    Returns
    -------
    (batch, units), or (batch, 2 x units) when bidirectional.
    """
    if dropout > 0:
        series = keras.layers.Dropout(dropout)(series)
    if kind == "lstm":
        layer = keras.layers.LSTM(units, use_cudnn=False, return_sequences=readout == "mean")
    else:
        layer = keras.layers.GRU(units, use_cudnn=False, reset_after=True, return_sequences=readout == "mean")
    if bidirectional:
        layer = keras.layers.Bidirectional(layer)
    states = layer(series)
    return states if readout == "last" else keras.ops.mean(states, axis=1)
