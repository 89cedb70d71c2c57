"""Layers of graphs that hold weights: a learned adjacency, and the passing of features along edges.

Imported by the functions that build them, because they derive from a Keras class (see ``keras_seam``).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from voxtempo.networks.keras_seam import Tensor

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable("voxtempo")
class LearnedGraph(keras.layers.Layer):
    """Edges that training finds: (1, regions, regions), every row of which sums to 1, whatever the input's values.

    Each region has a few numbers as a giver and as a taker; how well they match, is the edge.

    Parameters
    ----------
    features : numbers a region has in each role.

    Notes
    -----
    Wu et al. 2019, "Graph WaveNet for deep spatial-temporal graph modeling", IJCAI, arXiv:1906.00121, section 3.2.
    """

    def __init__(self, features: int = 10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features

    def build(self, input_shape: Shape) -> None:
        """Create the numbers of each region; the input is (batch, regions, t, channels)."""
        shape = (input_shape[1], self.features)
        self.giver = self.add_weight(shape=shape, initializer="random_normal", name="giver")
        self.taker = self.add_weight(shape=shape, initializer="random_normal", name="taker")
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Return the edges."""
        match = ops.relu(ops.matmul(ops.cast(self.taker, "float32"), ops.transpose(ops.cast(self.giver, "float32"))))
        return ops.cast(ops.softmax(match, axis=-1), self.compute_dtype)[None]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return (1, regions, regions)."""
        return (1, input_shape[1], input_shape[1])

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "features": self.features}


@keras.saving.register_keras_serializable("voxtempo")
class GraphMix(keras.layers.Layer):
    """Every region takes the sum of its neighbours' features, weighted by edges times what training makes of each edge.

    Inputs: features (batch, regions, t, channels) and edges (regions, regions), with or without a batch before them.
    Output: as the features.

    Parameters
    ----------
    importance : learn a factor for every edge, 1 at first (regions x regions weights); False takes edges as they are.

    Notes
    -----
    Edge importance: Yan, Xiong, Lin 2018, "Spatial temporal graph convolutional networks for skeleton-based action
    recognition", AAAI, arXiv:1801.07455, section 3.4.
    """

    def __init__(self, importance: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.importance = importance

    def build(self, inputs_shape: Shape, graph_shape: Shape) -> None:
        """Create the factors."""
        if self.importance:
            self.factors = self.add_weight(shape=graph_shape[-2:], initializer="ones", name="factors")
        self.built = True

    def call(self, inputs: Tensor, graph: Tensor) -> Tensor:
        """Mix features along edges, all volumes and channels at once."""
        _, regions, volumes, channels = inputs.shape
        edges = ops.cast(graph, self.compute_dtype)
        if self.importance:
            edges = edges * self.factors
        mixed = ops.matmul(edges, ops.reshape(inputs, (-1, regions, volumes * channels)))
        return ops.reshape(mixed, (-1, regions, volumes, channels))

    def compute_output_shape(self, inputs_shape: Shape, graph_shape: Shape) -> Shape:
        """Return the features' shape."""
        return inputs_shape

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "importance": self.importance}
