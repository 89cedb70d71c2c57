"""A volume by MONAI's sliding window through VoxTempo's U-Net in PyTorch. Started by ``benchmarks/sliding_window.py``."""

from __future__ import annotations

import os
import resource
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from serving import installed, serve

DEPTH = 3


def network(weights: Iterator[np.ndarray]) -> Any:
    """Return a function from (b, 1, x, y, z) to probabilities (b, labels, x, y, z) of a U-Net with these weights, in order.

    Kernels are (x, y, z, in, out). A stride of 2 pads even sizes on their far side only.
    """
    import torch
    from torch.nn import functional

    def conv(stride: int = 1, bias: bool = False) -> Any:
        kernel = torch.from_numpy(next(weights).transpose(4, 3, 0, 1, 2).copy())
        shift = torch.from_numpy(next(weights)) if bias else None
        far = kernel.shape[-1] // 2
        if stride == 1:
            return lambda x: functional.conv3d(x, kernel, shift, padding=far)
        return lambda x: functional.conv3d(functional.pad(x, (0, far) * 3), kernel, shift, stride=stride)

    def block(stride: int = 1) -> Any:
        convolve = conv(stride)
        gain, shift = (torch.from_numpy(next(weights)) for _ in range(2))
        return lambda x: functional.leaky_relu(functional.instance_norm(convolve(x), weight=gain, bias=shift), 0.01)

    down = [(block(1 if level == 0 else 2), block()) for level in range(DEPTH)]
    up = [(conv(), block(), block()) for _ in range(DEPTH - 1)]
    head = conv(bias=True)

    def run(x: Any) -> Any:
        levels = []
        for first, second in down:
            x = second(first(x))
            levels.append(x)
        for (narrow, first, second), level in zip(up, reversed(levels[:-1]), strict=True):
            x = functional.interpolate(narrow(x), scale_factor=2, mode="nearest")
            x = second(first(torch.cat([x, level], dim=1)))
        return torch.softmax(head(x), dim=1)

    return run


def main() -> None:
    """Serve the prediction; asked with a file, it writes the probabilities there and answers with the memory it took."""
    if (monai := installed("monai")) is None:
        serve({})
        return
    import torch
    from monai.inferers import sliding_window_inference

    warnings.filterwarnings("ignore")
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    folder, patch = Path(sys.argv[1]), tuple(map(int, sys.argv[2:5]))
    overlap, batch = float(sys.argv[5]), int(sys.argv[6])
    image = torch.from_numpy(np.load(folder / "image.npy"))[None, None]
    importance = torch.from_numpy(np.load(folder / "importance.npy"))
    with np.load(folder / "weights.npz") as file:
        run = network(iter([file[f"arr_{n}"] for n in range(len(file.files))]))

    def predict(file: str = "") -> float:
        with torch.inference_mode():
            if file:
                run(torch.zeros(batch, 1, *patch))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            found = sliding_window_inference(image, patch, batch, run, overlap=overlap, roi_weight_map=importance)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if file:
            np.save(file, found[0].permute(1, 2, 3, 0).numpy())
        return (peak - before) / 1024

    serve({"MONAI": (predict, f"{monai}, {installed('torch')}")})


if __name__ == "__main__":
    main()
