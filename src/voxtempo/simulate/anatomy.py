"""The head: tissue of the MNI152 template that nilearn ships (no download), and regions that can be made to respond."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxtempo.scans import Geometry

BOX = ((-84.0, 84.0), (-120.0, 90.0), (-84.0, 96.0))
"""World millimetres (x, y, z) that a simulated scan covers: the template's brain with room for motion."""

INTENSITY = {"grey": 1000.0, "white": 820.0, "csf": 1250.0}
"""Signal of each tissue in a T2*-weighted image, arbitrary units."""

REGIONS: Mapping[str, tuple[tuple[float, float, float], ...]] = {
    "visual": ((-11.0, -90.0, 2.0), (12.0, -88.0, 3.0)),
    "motor": ((-38.0, -23.0, 55.0), (38.0, -23.0, 55.0)),
    "frontal": ((-36.0, 42.0, 22.0), (37.0, 42.0, 22.0)),
}
"""Centres of each region on both sides, MNI millimetres."""

RADIUS = 11.0
"""Standard deviation of a region, mm."""

TEMPLATE_STEP = 2
"""Millimetres between the template's voxels before a subject's own grid samples it."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Maps on the template's grid: the signal at rest, and for each region how strongly a voxel takes part (0 to 1)."""

    geometry: Geometry
    baseline: NDArray[np.float32]
    regions: Mapping[str, NDArray[np.float32]]


@lru_cache(maxsize=4)
def mni_anatomy(blur: float) -> Anatomy:
    """Return the template's anatomy, smoothed for voxels of ``blur`` mm so that coarse grids do not alias."""
    from nilearn.datasets import load_mni152_gm_template, load_mni152_template, load_mni152_wm_template

    head = load_mni152_template(resolution=TEMPLATE_STEP)
    grey = np.asarray(load_mni152_gm_template(resolution=TEMPLATE_STEP).dataobj, dtype=np.float32)
    white = np.asarray(load_mni152_wm_template(resolution=TEMPLATE_STEP).dataobj, dtype=np.float32)
    brain = (np.asarray(head.dataobj) > 0.2).astype(np.float32)
    x, y, z = brain.shape
    geometry = Geometry((x, y, z), head.affine)
    csf = np.clip(brain - grey - white, 0, 1)
    baseline = INTENSITY["grey"] * grey + INTENSITY["white"] * white + INTENSITY["csf"] * csf
    regions = {name: grey * _blobs(geometry, centres) for name, centres in REGIONS.items()}
    sigma = blur / np.sqrt(8 * np.log(2)) / np.array(geometry.spacing)
    smooth = {name: ndimage.gaussian_filter(map_, sigma, mode="constant") for name, map_ in regions.items()}
    return Anatomy(
        geometry,
        ndimage.gaussian_filter(baseline, sigma, mode="constant"),
        {name: map_ / map_.max() for name, map_ in smooth.items()},
    )


def _blobs(geometry: Geometry, centres: tuple[tuple[float, float, float], ...]) -> NDArray[np.float32]:
    """Return a map that is 1 at the centres and falls off as a Gaussian of ``RADIUS`` mm."""
    world = geometry.to_world(np.indices(geometry.shape).reshape(3, -1).T)
    strength = np.zeros(len(world))
    for centre in centres:
        strength = np.maximum(strength, np.exp(-((world - centre) ** 2).sum(axis=1) / (2 * RADIUS**2)))
    return strength.reshape(geometry.shape).astype(np.float32)


def scan_grid(voxel: float) -> Geometry:
    """Return the RAS+ grid of cubic voxels (mm) that covers ``BOX``.

    >>> scan_grid(6.0).shape
    (28, 35, 30)
    """
    shape = [max(2, round((high - low) / voxel)) for low, high in BOX]
    centre = np.array([(low + high) / 2 for low, high in BOX])
    origin = centre - (np.array(shape) - 1) / 2 * voxel
    return Geometry.from_spacing(shape, (voxel,) * 3, origin.tolist())


def head_shape(rng: np.random.Generator, amount: float = 1.0) -> NDArray[np.float64]:
    """Return a (4, 4) matrix from template to subject mm: within 5 % in size, 3 degrees and 3 mm at ``amount`` 1."""
    angle = np.deg2rad(rng.uniform(-3, 3, 3) * amount)
    skew = np.array([[0, -angle[2], angle[1]], [angle[2], 0, -angle[0]], [-angle[1], angle[0], 0]])
    size = np.diag(1 + rng.uniform(-0.05, 0.05, 3) * amount)
    matrix = np.eye(4)
    matrix[:3, :3] = (np.eye(3) + skew) @ size
    matrix[:3, 3] = rng.uniform(-3, 3, 3) * amount
    return matrix


def sample(
    map_: NDArray[np.float32], template: Geometry, grid: Geometry, world: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return a template map seen on ``grid``, where ``world`` (4, 4) moved the template to in mm; 0 outside it."""
    matrix = np.linalg.inv(world @ template.affine) @ grid.affine
    seen = ndimage.affine_transform(
        map_, matrix[:3, :3], matrix[:3, 3], output_shape=grid.shape, order=1, mode="constant", output=np.float32
    )
    return np.asarray(seen)
