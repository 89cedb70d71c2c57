"""The cost of a network is that of the built network: its operations counted in the graph, its maps layer by layer."""

from __future__ import annotations

import math
from typing import Any

import pytest

from voxtempo.errors import StudyError
from voxtempo.networks import build_network, head_for, networks
from voxtempo.networks.keras_seam import keras
from voxtempo.planning.estimate import memory_mb
from voxtempo.planning.network_cost import COSTS, COUNTED, network_cost, refuse_options

THICK = {"kernels": [[3, 3, 1], [3, 3, 3], [3, 3, 3]], "strides": [[2, 2, 1], [2, 2, 2]], "width": 8}
ENCODER = {"widths": [8, 12, 16], "units": [1, 3, 2], "decoder": "plain", "decoder_convolutions": 1}


def built(name: str, shape: tuple[int, ...], options: dict[str, Any], task: str) -> keras.Model:
    supervised = bool(options.get("deep_supervision"))
    return build_network(name, shape, head_for(task, 3), options, supervised=supervised)


def operations_in_layers(model: keras.Model) -> float:
    """Two operations for each tap, channel in and channel out, at each position of a convolution's output."""
    convolutions = [layer for layer in model.layers if layer.__class__.__name__ in ("Conv2D", "Conv3D")]
    return sum(2.0 * math.prod(c.output.shape[1:-1]) * math.prod(c.kernel.shape) for c in convolutions)


def values_in_layers(model: keras.Model) -> float:
    layers = [layer for layer in model.layers if layer.__class__.__name__ != "InputLayer"]
    return float(sum(math.prod(layer.output.shape[1:]) for layer in layers))


@pytest.mark.parametrize(
    ("name", "shape", "options", "task"),
    [
        ("unet3d", (24, 32, 16, 1), {}, "segment"),
        ("unet3d", (24, 20, 6, 2), THICK, "segment"),
        ("unet3d", (24, 20, 16, 1), {**THICK, "deep_supervision": True, "residual": False}, "segment"),
        ("unet3d", (16, 24, 16, 1), ENCODER, "segment"),
        ("unet3d", (24, 16, 1, 3), {"width": 8, "skip": "add", "norm": "none"}, "segment"),
        ("unet3d", (16, 16, 16, 1), {"width": 8, "depth": 2}, "classify"),
        ("unet2d", (48, 40, 1), {"width": 4, "max_width": 20}, "segment"),
        ("unet2d", (40, 48, 3), {"convolutions": 3, "depth": 3, "deep_supervision": True}, "segment"),
        ("resnet3d", (24, 20, 16, 1), {}, "classify"),
        ("resnet3d", (24, 20, 16, 2), {"stem_stride": 2, "units": 1}, "segment"),
        ("resnet2d", (128, 100, 1), {"widths": [8, 8, 16]}, "regress"),
        ("lightweight_cnn", (40, 32, 1), {"kernel": 5}, "classify"),
    ],
)
def test_what_is_counted_is_what_is_built(name: str, shape: tuple[int, ...], options: dict, task: str) -> None:
    operations, values = network_cost(name, options, shape[:-1], shape[-1], 3, decoded=task == "segment")
    model = built(name, shape, options, task)
    assert operations == pytest.approx(operations_in_layers(model), rel=0.02)
    assert values == pytest.approx(values_in_layers(model), rel=0.05)


def operations_in_graph(name: str, shape: tuple[int, ...], options: dict[str, Any], task: str) -> float:
    """Operations of convolutions and matrix products, by TensorFlow's own statistics of each node."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the graph is TensorFlow's")
    import tensorflow as tf
    from tensorflow.python.framework.ops import get_stats_for_node_def

    model = built(name, shape, options, task)
    graph = tf.function(model).get_concrete_function(tf.TensorSpec((1, *shape), tf.float32)).graph
    kinds = ("Conv2D", "Conv3D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2")
    nodes = [node.node_def for node in graph.get_operations() if node.type in kinds]
    return sum(float(get_stats_for_node_def(graph, node, "flops").value) for node in nodes)


OF_VOLUMES = [(f"{family}3d", (32, 24, 32, 1), {}) for family in COSTS]
OF_SLICES = [(f"{family}2d", (64, 80, 2), {}) for family in COSTS]
OTHER = [
    ("attention_unet3d", (64, 48, 64, 2), {"width": 8}),
    ("fcn3d", (24, 32, 32, 4), {"widths": (8, 16, 32)}),
    ("segresnet3d", (32, 32, 32, 1), {"width": 32}),
    ("fcn3d", (32, 32, 1, 1), {}),
    ("swin_unetr2d", (64, 64, 1), {"features": 36}),
    ("backbone2d", (40, 24, 1), {}),
    ("slicewise_2d", (40, 32, 3, 1), {"backbone": "resnet2d", "backbone_options": {"widths": (8, 16)}}),
]


@pytest.mark.parametrize(("name", "shape", "options"), [*OF_VOLUMES, *OF_SLICES, *OTHER])
def test_what_is_tabled_is_near_what_is_built(name: str, shape: tuple[int, ...], options: dict) -> None:
    task = "segment" if "segment" in networks[name].tasks else "classify"
    operations, values = network_cost(name, options, shape[:-1], shape[-1], 3, decoded=task == "segment")
    assert operations == pytest.approx(operations_in_graph(name, shape, options, task), rel=0.25)
    assert values > 0


def test_every_network_for_slices_and_volumes_has_a_cost_of_its_own() -> None:
    static = {name for name in networks if networks[name].input != "series"}
    tabled = {f"{family}{axes}d" for family in COSTS for axes in (2, 3)}
    assert static == tabled | set(COUNTED) | {"backbone2d", "slicewise_2d"}


def test_options_that_do_not_fit_are_left_to_the_network() -> None:
    shape = (16, 16, 16)
    assert network_cost("unet3d", {"depth": 9}, shape, 1, 2) == network_cost("unet3d", {}, shape, 1, 2)
    assert network_cost("unet3d", {"colour": 3}, shape, 1, 2) == network_cost("unet3d", {}, shape, 1, 2)
    assert network_cost("unet3d", {"width": "wide"}, shape, 1, 2) == network_cost("unet3d", {}, shape, 1, 2)
    assert network_cost("mednext3d", {"depth": 9}, shape, 1, 2) == network_cost("mednext3d", {}, shape, 1, 2)


@pytest.mark.parametrize("options", [{"depth": 3.0}, {"depth": "3"}, {"width": "16"}, {"kernels": 3}])
def test_options_of_other_types_are_left_to_the_network(options: dict) -> None:
    refuse_options("unet3d", options, (24, 20, 16), 1, 2, decoded=True)
    with pytest.raises(StudyError, match="does not fit"):
        refuse_options("unet3d", {"depth": 9}, (24, 20, 16), 1, 2, decoded=True)


def test_a_slice_costs_the_same_whatever_axis_it_lies_across() -> None:
    for name in ("unet2d", "fcn2d", "backbone2d"):
        assert network_cost(name, {}, (48, 32, 1), 3, 2) == network_cost(name, {}, (48, 1, 32), 3, 2)
        assert network_cost(name, {}, (48, 32, 1), 3, 2) == network_cost(name, {}, (48, 32), 3, 2)


@pytest.mark.parametrize(
    ("name", "shape", "options", "batch", "peak"),
    [
        ("unet3d", (16, 16, 16), {}, 1, 823),
        ("unet3d", (48, 48, 48), {}, 2, 1219),
        ("unet3d", (64, 64, 64), {}, 2, 1891),
        ("unet3d", (32, 40, 40), {"width": 32}, 1, 1151),
        ("unet3d", (64, 64, 48), {"residual": False}, 1, 1221),
        ("unet2d", (160, 160), {}, 16, 1950),
        ("fcn3d", (48, 48, 48), {}, 2, 1224),
        ("attention_unet3d", (40, 40, 40), {}, 2, 1134),
        ("mednext3d", (40, 40, 40), {}, 1, 1380),
        ("mednext3d", (40, 40, 40), {}, 2, 1714),
        ("resnet3d", (64, 64, 48), {}, 8, 1124),
    ],
)
def test_memory_is_near_what_was_measured(name: str, shape: tuple, options: dict, batch: int, peak: float) -> None:
    _, values = network_cost(name, options, shape, 1, 3, decoded=name != "resnet3d")
    assert memory_mb(values, batch) == pytest.approx(peak, rel=0.15)
