"""Segmentation metrics of MONAI. Started by ``benchmarks/surface.py``."""

from __future__ import annotations

import os
import sys
import warnings

import numpy as np
from serving import installed, serve


def main() -> None:
    """Serve the four metrics of a pair of label maps, by the name of the pair."""
    if (monai := installed("monai")) is None:
        serve({})
        return
    import torch
    from monai.metrics import (
        compute_average_surface_distance,
        compute_dice,
        compute_hausdorff_distance,
        compute_surface_dice,
    )
    from monai.networks.utils import one_hot

    warnings.filterwarnings("ignore")
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    classes = int(sys.argv[2]) + 1
    with np.load(sys.argv[1]) as file:
        tensors = {name: one_hot(torch.from_numpy(file[name])[None, None], classes) for name in file.files}

    def judge(name: str, spacing: list[float], tolerance: float) -> dict[str, list[float]]:
        pair = tensors[f"{name}_p"], tensors[f"{name}_t"]
        found = {
            "dice": compute_dice(*pair, include_background=False),
            "hausdorff_95": compute_hausdorff_distance(*pair, percentile=95, spacing=spacing),
            "average_surface_distance": compute_average_surface_distance(*pair, symmetric=True, spacing=spacing),
            "surface_dice": compute_surface_dice(*pair, [tolerance] * (classes - 1), spacing=spacing),
        }
        return {metric: values[0].tolist() for metric, values in found.items()}

    serve({"monai": (judge, f"{monai}, {installed('torch')}")})


if __name__ == "__main__":
    main()
