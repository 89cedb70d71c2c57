"""A volume by MONAI's sliding window through VoxTempo's U-Net in PyTorch. Started by ``benchmarks/sliding_window.py``."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import numpy as np
from serving import installed, serve
from stopwatch.memory import peak


def main() -> None:
    """Serve the prediction; asked with a file, it writes the probabilities there. It answers with its peak and growth (MiB)."""
    if (monai := installed("monai")) is None:
        serve({})
        return
    import torch
    from monai.inferers import sliding_window_inference
    from networks import UNet, fill

    warnings.filterwarnings("ignore")
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    folder, patch = Path(sys.argv[1]), tuple(map(int, sys.argv[2:5]))
    overlap, batch = float(sys.argv[5]), int(sys.argv[6])
    image = torch.from_numpy(np.load(folder / "image.npy"))[None, None]
    importance = torch.from_numpy(np.load(folder / "importance.npy"))
    labels, residual, *widths = map(int, sys.argv[7:])
    unet = UNet(1, labels, widths, residual=bool(residual)).eval()
    with np.load(folder / "weights.npz") as weights:
        fill(unet, weights)

    def run(patch: torch.Tensor) -> torch.Tensor:
        return torch.softmax(unet(patch), dim=1)

    def predict(file: str = "") -> tuple[float, float]:
        with torch.inference_mode():
            if file:
                run(torch.zeros(batch, 1, *patch))
            before = peak()
            found = sliding_window_inference(image, patch, batch, run, overlap=overlap, roi_weight_map=importance)
        most = peak()
        if file:
            np.save(file, found[0].permute(1, 2, 3, 0).numpy())
        return most, most - before

    serve({"MONAI": (predict, f"{monai}, {installed('torch')}")})


if __name__ == "__main__":
    main()
