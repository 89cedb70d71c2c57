"""Batches of random patches by MONAI and TorchIO. Started by ``benchmarks/patches.py``."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from serving import installed, serve

Epoch = Callable[[], int]
SAMPLES = 8  # patches taken from a volume at a time


def by_monai(folder: Path, volumes: int, patch: int, batch: int, workers: int) -> dict[str, Epoch]:
    """Return name -> what goes through an epoch and returns its number of patches."""
    from monai import transforms as mt
    from monai.data import CacheDataset, DataLoader

    keys = ["image", "label"]
    data = [{key: np.load(folder / f"{key}{number}.npy")[None] for key in keys} for number in range(volumes)]
    size = (patch,) * 3
    crops = {
        "MONAI CacheDataset, RandSpatialCropSamples: anywhere": [
            mt.RandSpatialCropSamplesd(keys, roi_size=size, num_samples=SAMPLES, random_size=False)
        ],
        "MONAI CacheDataset, RandCropByPosNegLabel: half on labels": [
            mt.FgBgToIndicesd("label"),
            mt.RandCropByPosNegLabeld(
                keys,
                label_key="label",
                spatial_size=size,
                pos=1,
                neg=1,
                num_samples=SAMPLES,
                fg_indices_key="label_fg_indices",
                bg_indices_key="label_bg_indices",
            ),
        ],
    }
    made = {}
    for name, transforms in crops.items():
        dataset = CacheDataset(data, mt.Compose([mt.EnsureTyped(keys), *transforms]), progress=False)
        loader = DataLoader(
            dataset,
            batch_size=max(1, batch // SAMPLES),
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        made[name] = lambda loader=loader: _patches(loader, lambda found: found["image"], patch)
    return made


def by_torchio(folder: Path, volumes: int, patch: int, batch: int, workers: int) -> dict[str, Epoch]:
    """Return name -> what goes through an epoch and returns its number of patches."""
    import torch
    import torchio

    held, filed = [], []
    for number in range(volumes):
        image, label = (torch.from_numpy(np.load(folder / f"{key}{number}.npy"))[None] for key in ("image", "label"))
        parts = {"image": torchio.ScalarImage(tensor=image), "label": torchio.LabelMap(tensor=label)}
        held.append(torchio.Subject(**parts))
        for key, part in parts.items():
            part.save(folder / f"{key}{number}.nii")
        filed.append(
            torchio.Subject(
                image=torchio.ScalarImage(folder / f"image{number}.nii"),
                label=torchio.LabelMap(folder / f"label{number}.nii"),
            )
        )
    anywhere = torchio.data.UniformSampler(patch)
    on_labels = torchio.data.LabelSampler(patch, label_name="label", label_probabilities={0: 2, 1: 1, 2: 1})
    made = {}
    for name, subjects, sampler in (
        ("TorchIO Queue, in memory, UniformSampler: anywhere", held, anywhere),
        ("TorchIO Queue, .nii, UniformSampler: anywhere", filed, anywhere),
        ("TorchIO Queue, in memory, LabelSampler: half on labels", held, on_labels),
    ):
        queue = torchio.Queue(
            torchio.SubjectsDataset(subjects),
            max_length=4 * SAMPLES,
            samples_per_volume=SAMPLES,
            sampler=sampler,
            num_workers=workers,
            start_background=False,
        )
        loader = torchio.SubjectsLoader(queue, batch_size=batch, num_workers=0)
        made[name] = lambda loader=loader: _patches(loader, lambda found: found["image"][torchio.DATA], patch)
    return made


def _patches(loader: Any, image: Callable[[Any], Any], patch: int) -> int:
    made = 0
    for found in loader:
        assert image(found).shape[1:] == (1, patch, patch, patch)
        made += len(image(found))
    return made


def main() -> None:
    """Serve an epoch under each name."""
    warnings.filterwarnings("ignore")
    volumes, patch, batch, threads = map(int, sys.argv[2:6])
    workers = threads if threads > 1 else 0
    offered = {}
    for library, make in (("monai", by_monai), ("torchio", by_torchio)):
        if what := installed(library):
            import torch

            torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
            made = make(Path(sys.argv[1]), volumes, patch, batch, workers)
            offered |= {name: (call, what) for name, call in made.items()}
    serve(offered)


if __name__ == "__main__":
    main()
