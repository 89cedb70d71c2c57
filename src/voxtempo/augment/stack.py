"""Transforms in order, each with its probability, and the stacks that are meant when a study says "default"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from voxtempo.augment.bias_field import BiasField
from voxtempo.augment.blur import Blur
from voxtempo.augment.brightness import Brightness
from voxtempo.augment.contrast import Contrast
from voxtempo.augment.gamma import Gamma
from voxtempo.augment.noise import Noise
from voxtempo.augment.spatial import Spatial, identity
from voxtempo.augment.transform import Image, Label, Transform, transforms
from voxtempo.cohort.sections.base import Named
from voxtempo.errors import StudyError, did_you_mean

WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""Where a word begins in a name such as LeftHippocampus."""

SIDED = re.compile(r"(^|[^a-z])(left|right|lh|rh|l|r)([^a-z]|$)", re.IGNORECASE)


def sided(names: Iterable[str]) -> bool:
    """Return whether any of these classes or labels is on one side of the body.

    >>> sided(["tumour", "left hippocampus"]), sided(["HippocampusL"]), sided(["anterior", "lesion"])
    (True, True, False)
    """
    return any(SIDED.search(name) or SIDED.search(WORDS.sub(" ", name)) for name in names)


@dataclass(frozen=True)
class Stack:
    """Random transforms in order. Empty means no augmentation, and is false.

    Examples
    --------
    >>> stack = build_transforms([Named(name="noise", options=0.1)], task="classify")
    >>> drawn = stack.draw(np.random.default_rng(0), (8, 8, 8), (1, 1, 1))
    >>> drawn[0]["name"], sorted(drawn[0]["params"])
    ('noise', ['amount', 'kind', 'seed'])
    """

    transforms: tuple[Transform, ...] = ()

    def __len__(self) -> int:
        return len(self.transforms)

    def draw(
        self,
        rng: np.random.Generator,
        shape: Sequence[int],
        spacing: Sequence[float],
        size: Sequence[int] | None = None,
    ) -> list[dict[str, Any]]:
        """Return what shall happen to one sample, as JSON: [{"name": ..., "params": {...}}, ...].

        Parameters
        ----------
        shape : (x, y, z) of the array that will be handed to ``apply``.
        spacing : mm between its voxels.
        size : (x, y, z) of the patch to cut from its centre, within the spatial transform's own interpolation (and
            without any where that is not drawn); None keeps the shape.
        """
        drawn: list[dict[str, Any]] = []
        for member in self.transforms:
            happens = rng.random() < member.probability
            params = member.draw(rng, shape, spacing)
            if happens:
                drawn.append({"name": member.name, "params": params})
        if size is not None:
            cut = [int(n) for n in size]
            moving = next((d["params"] for d in drawn if d["name"] == Spatial.name), None)
            if moving is not None:
                moving["size"] = cut
            else:
                drawn.insert(0, {"name": Spatial.name, "params": identity(spacing, cut)})
        return drawn

    def apply(
        self, image: Image, label: Label | None, params: Sequence[dict[str, Any]], spare: int = 0
    ) -> tuple[Image, Label | None]:
        """Return image (t, x, y, z, c) float32 and label (x, y, z) after what ``draw`` decided; changes no argument.

        ``spare`` frames at each end are there for what moves in time, and are cut off after the last transform that does.
        """
        image = np.asarray(image, dtype=np.float32)
        by_name = {member.name: member for member in self.transforms}
        members = [by_name.get(step["name"]) or transforms[step["name"]]() for step in params]
        moving = [place for place, member in enumerate(members) if member.reach_in_time(len(image))]
        steps, first = list(zip(members, params, strict=True)), 1 + max(moving, default=-1)
        for several, beyond in ((steps[:first], spare), (steps[first:], 0)):
            for member, step in several:
                image, label = member.apply(image, label, step["params"])
            image = image[beyond : len(image) - beyond]
        return image, label

    def reach(self, size: Sequence[int], spacing: Sequence[float]) -> tuple[int, int, int]:
        """Return the (x, y, z) voxels to read so that a patch of ``size`` at their centre has no invented edges."""
        x, y, z = (int(n) for n in size)
        for member in self.transforms:
            if isinstance(member, Spatial):
                x, y, z = member.reach((x, y, z), spacing)
        return x, y, z

    def reach_in_time(self, length: int) -> int:
        """Return the frames to read beyond each end of a window, so that what moves in time shows what was truly there."""
        return sum(member.reach_in_time(length) for member in self.transforms)


def build_transforms(
    spec: Literal["default", "none"] | Sequence[Named],
    *,
    task: str,
    series: bool = False,
    pictures: bool = False,
    flip: Sequence[str] = ("x",),
    names: Iterable[str] = (),
) -> Stack:
    """Return the stack a study asks for.

    Parameters
    ----------
    spec : "default", "none", or named transforms with options (``probability`` is one of every transform's options).
    task : "classify", "regress" or "segment"; only "default" depends on it.
    series : whether samples are windows of time; only "default" depends on it.
    pictures : whether samples are single slices that belong to no volume; only "default" depends on it. Nobody knows their
        field of view, so their size and place tell nothing.
    flip : axes "default" may mirror: the array's left-right axis, "x" in a scan oriented RAS or LAS. Series are never
        mirrored by default (function has a side).
    names : names of classes or labels. Where one has a side ("left hippocampus", "hand_R"), nothing is mirrored.

    Raises
    ------
    StudyError : an unknown transform or option, or a value that cannot be.
    """
    if isinstance(spec, str):
        if spec == "none":
            return Stack()
        if spec != "default":
            raise StudyError(f"augment: '{spec}' is neither 'default' nor 'none' nor a list of transforms.")
        mirrored = () if series or sided(names) else tuple(flip)
        return _default(task, series, pictures, mirrored)
    return Stack(tuple(_build(named) for named in spec))


def _default(task: str, series: bool, pictures: bool, flip: tuple[str, ...]) -> Stack:
    if series:
        spatial = Spatial(rotation=4.0, scale=0.03, translation=2.0, probability=0.5)
        return Stack((spatial, Contrast(factor=(0.9, 1.1), probability=0.3), Noise(amount=0.15, probability=0.5)))
    spatial = Spatial(rotation=15.0, scale=0.1, elastic=4.0, knots=24.0, flip=flip, probability=0.8)
    if task != "segment" and pictures:
        spatial = replace(spatial, scale=0.15, elastic=0.0, translation=8.0)
    elif task != "segment":
        # How large a structure is may be the very thing to be told from the image (age, atrophy): sizes stay true.
        spatial = replace(spatial, scale=0.05, elastic=0.0, translation=3.0, rotation=10.0)
    return Stack(
        (
            spatial,
            BiasField(strength=0.3, probability=0.3),
            Gamma(power=(0.7, 1.5), probability=0.3),
            Contrast(factor=(0.8, 1.2), probability=0.15),
            Brightness(shift=0.2, probability=0.15),
            Blur(sigma=(0.3, 1.0), probability=0.1),
            Noise(amount=0.1, probability=0.2),
        )
    )


def _build(named: Named) -> Transform:
    cls = transforms[named.name]
    options = named.options
    if options is None:
        options = {}
    elif not isinstance(options, dict):
        if cls.main is None:
            raise StudyError(f"augment: {named.name}: give options as a mapping, found {options!r}.")
        options = {cls.main: options}
    known = [field.name for field in fields(cls)]
    for key in options:
        if key not in known:
            raise StudyError(f"augment: {named.name} has no option '{key}'. {did_you_mean(str(key), known)}")
    try:
        return TypeAdapter(cls).validate_python(options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([named.name, *(str(part) for part in first["loc"])])
        reason = first["msg"].removeprefix("Value error, ")
        raise StudyError(f"augment: {where}: {reason} (found {first['input']!r}).") from None
