"""Move the anatomy: rotation, scale, shear, translation, elastic deformation, flip and crop in one interpolation.

In millimetres, about the centre of the output grid, a point p of the output shows the input's

    affine^-1 (p + u(p) - translation),      affine = rotation @ shear @ diag(scale) @ diag(flip)

with u a cubic B-spline on a coarse grid of knots. Control displacements below 0.4 of the knot distance keep p + u(p)
one-to-one (Choi and Lee, Graphical Models 62:411, 2000), so anatomy never folds. Images are interpolated linearly,
labels take the nearest voxel, and both continue beyond the edge with the edge's value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from voxtempo.augment.transform import Image, Label, Params, Transform, transform
from voxtempo.augment.warp import take_nearest, warp_rows

ONE_TO_ONE = 0.4
THICK = 3.0


@transform("spatial")
@dataclass(frozen=True, kw_only=True)
class Spatial(Transform):
    """Rotate, scale, shear, shift, deform and flip image and label together, for all channels and volumes alike.

    An axis with one voxel, or with voxels more than three times as long as the shortest (thick slices), is left in
    peace: the slices change in their own plane only.

    Parameters
    ----------
    rotation : largest angle about each axis, degrees.
    scale : largest relative change of size along each axis (0.1 is 1/1.1 to 1.1), one factor for all axes and a third
        of it for each axis alone.
    shear : largest shear between each pair of axes.
    translation : largest shift along each axis, mm.
    elastic : largest displacement of a knot along each axis, mm; each sample draws its own strength below it.
    knots : distance between knots, mm.
    flip : axes ("x", "y", "z") that are mirrored in half of the samples. Mirror only what a mirror leaves true: left
        and right of a RAS-oriented brain ("x") unless labels or classes have a side.
    """

    rotation: float = 15.0
    scale: float = 0.1
    shear: float = 0.0
    translation: float = 0.0
    elastic: float = 0.0
    knots: float = 24.0
    flip: tuple[str, ...] = ()

    main: ClassVar[str | None] = "rotation"

    def __post_init__(self) -> None:
        super().__post_init__()
        for option in ("rotation", "scale", "shear", "translation", "elastic"):
            if getattr(self, option) < 0:
                raise ValueError(f"'{option}' is the largest change and not negative, found {getattr(self, option)}")
        if self.knots <= 0 or self.elastic > ONE_TO_ONE * self.knots:
            raise ValueError(
                f"'elastic' is at most {ONE_TO_ONE} x 'knots' (beyond it the anatomy folds), "
                f"found elastic {self.elastic:g} mm with knots {self.knots:g} mm apart"
            )
        if not set(self.flip) <= set("xyz"):
            raise ValueError(f"'flip' lists axes among x, y, z, found {list(self.flip)}")

    def draw(self, rng: np.random.Generator, shape: Sequence[int], spacing: Sequence[float]) -> Params:
        """Return the drawn angles (degrees), factors, shift (mm), flips and elastic strength (mm) with its seed."""
        free = free_axes(shape, spacing)
        pairs = np.array([free[1] and free[2], free[0] and free[2], free[0] and free[1]])
        change = np.log1p(self.scale)
        log_scale = rng.uniform(-change, change) * 2 / 3 + rng.uniform(-change, change, 3) / 3
        # A line of regions has no other side.
        mirrored = (rng.random(3) < 0.5) & (np.count_nonzero(np.array(shape) > 1) > 1)
        return {
            "spacing": [float(s) for s in spacing],
            "rotation": (rng.uniform(-self.rotation, self.rotation, 3) * pairs).tolist(),
            "scale": np.exp(log_scale * free).tolist(),
            "shear": (rng.uniform(-self.shear, self.shear, 3) * pairs).tolist(),
            "translation": (rng.uniform(-self.translation, self.translation, 3) * free).tolist(),
            "flip": [bool(m) and axis in self.flip for m, axis in zip(mirrored, "xyz", strict=True)],
            "elastic": (rng.uniform(0, self.elastic) * free).tolist(),
            "knots": self.knots,
            "seed": int(rng.integers(2**32)),
        }

    def apply(self, image: Image, label: Label | None, params: Params) -> tuple[Image, Label | None]:
        """Return the moved image and label, of ``params["size"]`` voxels around the centre where that is given."""
        shape = np.array(image.shape[1:4])
        size = np.array(params.get("size") or shape)
        start = (shape - size) // 2
        spacing = np.array(params["spacing"])
        forward = affine_matrix(params)
        if not any(params["elastic"]) and not any(params["translation"]) and np.array_equal(np.abs(forward), np.eye(3)):
            moved = _cut_and_flip(image, start, size, params["flip"], 1)
            return moved, None if label is None else _cut_and_flip(label, start, size, params["flip"], 0)
        inverse = np.linalg.inv(forward)
        centre = (size - 1) / 2
        matrix = inverse * spacing / spacing[:, None]
        offset = start + centre - matrix @ centre - (inverse @ params["translation"]) / spacing
        grid, rate = control_grid(params, size)
        rows = np.ascontiguousarray(image, dtype=np.float32).reshape(image.shape[0], -1)
        rows.flags.writeable = False
        out = np.empty((image.shape[0], *size, image.shape[4]), np.float32)
        nearest = np.empty(0 if label is None else int(size.prod()), np.uint32)
        warp_rows(
            rows,
            shape,
            image.shape[4],
            matrix,
            offset,
            grid @ (inverse.T / spacing),
            rate,
            size,
            out.reshape(image.shape[0], -1),
            nearest,
        )
        if label is None:
            return out, None
        moved = np.empty(size, label.dtype)
        take_nearest(label.reshape(-1), nearest, moved.reshape(-1))
        return out, moved

    def reach(self, size: Sequence[int], spacing: Sequence[float]) -> tuple[int, int, int]:
        """Return how many voxels to read around a patch of ``size`` so that no draw looks beyond what was read."""
        free = free_axes(size, spacing)
        half = ((np.array(size) - 1) / 2 * np.array(spacing) + self.elastic + self.translation) * free
        pairs = np.array([free[1] and free[2], free[0] and free[2], free[0] and free[1]])
        angles = np.linspace(-min(self.rotation, 90.0), min(self.rotation, 90.0), 7)
        turns = [affine_matrix(identity(spacing) | {"rotation": pairs * turn}) for turn in product(angles, repeat=3)]
        half = (np.abs(np.linalg.inv(turns)) @ half).max(axis=0)
        half = (half + self.shear * (1 + self.shear) * (half.sum() - half)) * (1 + self.scale)
        extra = np.ceil(half / spacing - (np.array(size) - 1) / 2).clip(0).astype(int)
        x, y, z = (int(s + 2 * e) if f else int(s) for s, e, f in zip(size, extra, free, strict=True))
        return x, y, z


def free_axes(shape: Sequence[int], spacing: Sequence[float]) -> NDArray[np.bool_]:
    """Return which axes may be mixed with others: more than one voxel, and voxels that are not thick slices.

    A single line of voxels is no anatomy (regions of an atlas stand side by side like this) and is left in peace too.

    >>> free_axes((64, 64, 1), (1, 1, 1)).tolist(), free_axes((64, 64, 12), (1, 1, 5)).tolist()
    ([True, True, False], [True, True, False])
    """
    deep = np.array(shape) > 1
    if deep.sum() < 2:
        return np.zeros(3, bool)
    fine = np.array(spacing) <= THICK * np.array(spacing)[deep].min()
    return deep & fine


def affine_matrix(params: Params) -> NDArray[np.float64]:
    """Return the (3, 3) matrix in mm that moves the content: rotation @ shear @ scale @ flip."""
    a, b, c = np.deg2rad(params["rotation"])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    yz, xz, xy = params["shear"]
    shear = np.array([[1, xy, xz], [0, 1, yz], [0, 0, 1]])
    signs = np.where(params["flip"], -1.0, 1.0)
    return about_z @ about_y @ about_x @ shear @ np.diag(np.asarray(params["scale"]) * signs)


def control_grid(params: Params, size: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the knots' displacements (gx, gy, gz, 3) in mm and the knots per voxel (3,); gx = 0 means none."""
    rate = np.array(params["spacing"]) / params["knots"]
    strength = np.array(params["elastic"])
    if not strength.any():
        return np.zeros((0, 0, 0, 3)), rate
    shape = np.floor((np.asarray(size) - 1) * rate).astype(int) + 4
    rng = np.random.default_rng(params["seed"])
    return rng.uniform(-1.0, 1.0, (*shape, 3)) * strength, rate


def identity(spacing: Sequence[float], size: Sequence[int] | None = None) -> Params:
    """Return the parameters that move nothing and, with ``size``, only cut the central (x, y, z) voxels."""
    params: Params = {
        "spacing": [float(s) for s in spacing],
        "rotation": [0.0, 0.0, 0.0],
        "scale": [1.0, 1.0, 1.0],
        "shear": [0.0, 0.0, 0.0],
        "translation": [0.0, 0.0, 0.0],
        "flip": [False, False, False],
        "elastic": [0.0, 0.0, 0.0],
        "knots": 1.0,
        "seed": 0,
    }
    return params if size is None else {**params, "size": [int(n) for n in size]}


def _cut_and_flip(array: NDArray, start: NDArray, size: NDArray, flip: Sequence[bool], lead: int) -> NDArray:
    """Return voxels start .. start + size of the three axes after ``lead``, edges repeated where there are none."""
    for axis, (first, length, mirrored) in enumerate(zip(start, size, flip, strict=True), start=lead):
        index = np.clip(np.arange(first, first + length), 0, array.shape[axis] - 1)
        if mirrored:
            index = index[::-1]
        if not np.array_equal(index, np.arange(array.shape[axis])):
            array = np.take(array, index, axis=axis)
    return np.array(array, order="C")
