"""Random changes of an image and its label by MONAI and TorchIO. Started by ``benchmarks/augment.py``."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from math import log, radians
from typing import Any

import numpy as np
from serving import installed, serve

Make = Callable[[], Any]


def by_monai(image: np.ndarray, label: np.ndarray) -> dict[str, Make]:
    """Return name -> what makes a sample."""
    import torch
    from monai import transforms as mt

    keys = ["image", "label"]
    sample = {"image": torch.from_numpy(image)[None], "label": torch.from_numpy(label)[None]}
    turn: dict[str, Any] = {"rotate_range": (radians(15),) * 3, "scale_range": (0.1,) * 3}
    look: dict[str, Any] = {"mode": ["bilinear", "nearest"], "padding_mode": "border"}

    def elastic(prob: float) -> Any:
        return mt.Rand3DElasticd(keys, sigma_range=(5, 8), magnitude_range=(0, 400), prob=prob, **turn, **look)

    smooth = mt.RandSmoothDeformd(
        keys,
        spatial_size=image.shape,
        rand_size=(6, 6, 6),
        prob=1,
        field_mode="trilinear",
        def_range=0.06,
        grid_mode=["bilinear", "nearest"],
        grid_padding_mode="border",
    )
    stack = mt.Compose(
        [
            elastic(0.8),
            mt.RandFlipd(keys, prob=0.4, spatial_axis=0),
            mt.RandBiasFieldd("image", degree=3, coeff_range=(0.0, 0.1), prob=0.3),
            mt.RandAdjustContrastd("image", prob=0.3, gamma=(0.7, 1.5)),
            mt.RandScaleIntensityFixedMeand("image", prob=0.15, factors=0.2),
            mt.RandStdShiftIntensityd("image", prob=0.15, factors=0.2),
            mt.RandGaussianSmoothd("image", sigma_x=(0.3, 1), sigma_y=(0.3, 1), sigma_z=(0.3, 1), prob=0.1),
            mt.RandGaussianNoised("image", prob=0.2, std=0.1),
        ]
    )
    made = {
        "MONAI RandAffine: affine": mt.RandAffined(keys, prob=1, **turn, **look),
        "MONAI Rand3DElastic: affine + elastic": elastic(1),
        "MONAI RandAffine, RandSmoothDeform: affine + elastic": mt.Compose(
            [mt.RandAffined(keys, prob=1, **turn, **look), smooth]
        ),
        "MONAI: default stack": stack,
    }

    def seeded(transform: Any) -> Callable[[int, int], list[int]]:
        def make(seed: int, samples: int) -> list[int]:
            transform.set_random_state(seed)
            for _ in range(samples):
                shape = transform(sample)["image"].shape
            return list(shape)

        return make

    return {name: seeded(transform) for name, transform in made.items()}


def by_torchio(image: np.ndarray, label: np.ndarray) -> dict[str, Make]:
    """Return name -> what makes a sample."""
    import torch
    import torchio

    subject = torchio.Subject(
        image=torchio.ScalarImage(tensor=torch.from_numpy(image)[None]),
        label=torchio.LabelMap(tensor=torch.from_numpy(label)[None]),
    )
    turn: dict[str, Any] = {"scales": 0.1, "degrees": 15}
    bend: dict[str, Any] = {"num_control_points": 7, "max_displacement": 4}

    def elastic(p: float) -> Any:
        return torchio.RandomAffineElasticDeformation(affine_kwargs=turn, elastic_kwargs=bend, p=p)

    stack = torchio.Compose(
        [
            elastic(0.8),
            torchio.RandomFlip(axes=0, p=0.4),
            torchio.RandomBiasField(coefficients=0.1, order=3, p=0.3),
            torchio.RandomGamma(log_gamma=(log(0.7), log(1.5)), p=0.3),
            torchio.RandomBlur(std=(0.3, 1), p=0.1),
            torchio.RandomNoise(std=(0, 0.1), p=0.2),
        ]
    )
    made = {
        "TorchIO RandomAffine: affine": torchio.RandomAffine(**turn),
        "TorchIO RandomAffineElasticDeformation: affine + elastic": elastic(1),
        "TorchIO: default stack": stack,
    }

    def seeded(transform: Any) -> Callable[[int, int], list[int]]:
        def make(seed: int, samples: int) -> list[int]:
            torch.manual_seed(seed)
            for _ in range(samples):
                shape = transform(subject)["image"].shape
            return list(shape)

        return make

    return {name: seeded(transform) for name, transform in made.items()}


def main() -> None:
    """Serve one kind of sample under each name."""
    warnings.filterwarnings("ignore")
    shape = tuple(map(int, sys.argv[1:4]))
    rng = np.random.default_rng(0)
    image = rng.standard_normal(shape, dtype=np.float32)
    label = rng.integers(0, 4, shape).astype(np.int32)
    offered = {}
    for library, make in (("monai", by_monai), ("torchio", by_torchio)):
        if what := installed(library):
            import torch

            torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
            offered |= {name: (call, what) for name, call in make(image, label).items()}
    serve(offered)


if __name__ == "__main__":
    main()
