"""VoxTempo's U-Net for volumes and its CNN with an LSTM for series, written a second time in plain PyTorch.

Modules are registered in the order in which Keras makes the same layers, so ``fill`` can hand each its weights. Inputs
have channels first; Keras's "same" padding of even sizes with a stride of 2 is on the far side only.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.01


class Conv(nn.Conv3d):
    """A convolution with "same" padding as Keras has it, for even sizes."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, bias: bool = False) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2 if stride == 1 else 0, bias=bias)
        self.far = 0 if stride == 1 else kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        """(b, inputs, x, y, z) to (b, outputs, x / stride, ...)."""
        return super().forward(functional.pad(x, (0, self.far) * 3) if self.far else x)


def instance_norm(channels: int) -> nn.Module:
    """Return an instance normalisation with scale and shift."""
    return nn.InstanceNorm3d(channels, eps=1e-5, affine=True)


class Stage(nn.Module):
    """Two convolutions, each normalised and activated; with ``residual`` a shortcut joins before the last activation."""

    def __init__(self, inputs: int, outputs: int, stride: int, residual: bool) -> None:
        super().__init__()
        self.first, self.first_norm = Conv(inputs, outputs, stride=stride), instance_norm(outputs)
        self.second, self.second_norm = Conv(outputs, outputs), instance_norm(outputs)
        self.residual, self.stride = residual, stride
        self.shortcut = Conv(inputs, outputs, kernel=1) if residual and inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(b, inputs, x, y, z) to (b, outputs, x / stride, ...)."""
        y = functional.leaky_relu(self.first_norm(self.first(x)), SLOPE)
        y = self.second_norm(self.second(y))
        if self.residual:
            y = y + self.shortcut(functional.avg_pool3d(x, self.stride) if self.stride > 1 else x)
        return functional.leaky_relu(y, SLOPE)


class UNet(nn.Module):
    """``unet3d``: (b, channels, x, y, z) to logits (b, labels, x, y, z). Sizes are divisible by 2 at every level.

    Parameters
    ----------
    channels, labels : of the input and the output.
    widths : channels of every level.
    residual : as the option of ``unet3d``.
    """

    def __init__(self, channels: int, labels: int, widths: Sequence[int], residual: bool = True) -> None:
        super().__init__()
        sizes = (channels, *widths)
        self.down = nn.ModuleList(
            Stage(inputs, outputs, 1 if level == 0 else 2, residual)
            for level, (inputs, outputs) in enumerate(itertools.pairwise(sizes))
        )
        self.up = nn.ModuleList(
            nn.ModuleList([Conv(coarse, fine, kernel=1), Stage(2 * fine, fine, 1, residual)])
            for fine, coarse in reversed(list(itertools.pairwise(widths)))
        )
        self.head = Conv(widths[0], labels, kernel=1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        levels = []
        for stage in self.down:
            x = stage(x)
            levels.append(x)
        for (narrow, stage), level in zip(self.up, reversed(levels[:-1]), strict=True):
            x = functional.interpolate(narrow(x), scale_factor=2, mode="nearest")
            x = stage(torch.cat([x, level], dim=1))
        return self.head(x)


class CnnLstm(nn.Module):
    """``cnn_lstm``: (b, t, channels, x, y, z) to logits (b, classes).

    Parameters
    ----------
    shape : (t, x, y, z, channels) of a sample.
    classes : outputs.
    widths, grid, features, units : as the options of ``cnn_lstm``.
    """

    def __init__(
        self, shape: Sequence[int], classes: int, widths: Sequence[int] = (16, 32, 64), grid: int = 4,
        features: int = 64, units: int = 64,
    ) -> None:  # fmt: skip
        super().__init__()
        sizes = (shape[-1], *widths)
        self.scales = nn.ModuleList(
            nn.ModuleList([Conv(inputs, outputs), nn.BatchNorm3d(outputs, eps=1e-5, momentum=0.1)])
            for inputs, outputs in itertools.pairwise(sizes)
        )
        map_sizes = [-(-n // 2 ** len(widths)) for n in shape[1:4]]
        self.cell = [-(-n // grid) for n in map_sizes]
        cells = int(np.prod([-(-n // c) for n, c in zip(map_sizes, self.cell, strict=True)]))
        self.describe = nn.Linear(cells * widths[-1], features)
        self.read = nn.LSTM(features, units, batch_first=True)
        self.read.bias_hh_l0.requires_grad_(False)  # Keras has one bias, not the sum of two.
        self.answer = nn.Linear(units, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        batch, time = x.shape[:2]
        x = x.flatten(0, 1)
        for convolve, norm in self.scales:
            x = functional.max_pool3d(functional.leaky_relu(norm(convolve(x)), SLOPE), 2, ceil_mode=True)
        x = functional.avg_pool3d(x, self.cell, ceil_mode=True, count_include_pad=False)
        x = functional.leaky_relu(self.describe(x.permute(0, 2, 3, 4, 1).flatten(1)), SLOPE)
        states, _ = self.read(x.unflatten(0, (batch, time)))
        return self.answer(states[:, -1].float())


KINDS = {
    nn.Conv3d: "Conv3D",
    nn.InstanceNorm3d: "InstanceNorm",
    nn.BatchNorm3d: "BatchNormalization",
    nn.Linear: "Dense",
    nn.LSTM: "LSTM",
}


def fill(module: nn.Module, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Give a network the weights of the same one in Keras.

    Parameters
    ----------
    module : one of this file's networks.
    weights : what ``stopwatch.weights.save_weights`` wrote.

    Raises
    ------
    ValueError : there are weights left over.
    """
    counters: dict[str, Iterator[int]] = {kind: itertools.count() for kind in KINDS.values()}
    used = 0
    with torch.no_grad():
        for each in module.modules():
            kind = next((name for cls, name in KINDS.items() if isinstance(each, cls)), None)
            if kind is None:
                continue
            place = next(counters[kind])
            for variable, target in _variables(each).items():
                value = torch.from_numpy(weights[f"{kind}.{place}.{variable}"])
                target.copy_(_as_torch(value, variable))
                used += 1
    if used != len(weights):
        raise ValueError(f"{used} of {len(weights)} arrays of weights have a place in {type(module).__name__}")


def _variables(module: Any) -> dict[str, Tensor]:
    """Return a module's tensors by the names that Keras gives them."""
    if isinstance(module, nn.LSTM):
        module.bias_hh_l0.zero_()
        return {"kernel": module.weight_ih_l0, "recurrent_kernel": module.weight_hh_l0, "bias": module.bias_ih_l0}
    if isinstance(module, nn.BatchNorm3d):
        moving = {"moving_mean": module.running_mean, "moving_variance": module.running_var}
        return {"gamma": module.weight, "beta": module.bias, **moving}
    if isinstance(module, nn.InstanceNorm3d):
        return {"gamma": module.weight, "beta": module.bias}
    return {"kernel": module.weight} | ({"bias": module.bias} if module.bias is not None else {})


def _as_torch(value: Tensor, variable: str) -> Tensor:
    """Return a Keras array in PyTorch's order: kernels (x, y, z, in, out) or (in, out) begin with the output there."""
    if "kernel" not in variable:
        return value
    return value.permute(4, 3, 0, 1, 2) if value.ndim == 5 else value.T
