"""Finding copies: seconds to decode, sketch and compare 10,000 slices and 500 volumes, and how many planted copies are found.

Slices (128 x 128, PNG) and volumes (template at 2 mm, NIfTI) are of the template's head, each warped by an anatomy of its
own, with noise; 80 slices of each head. Planted are copies that were mirrored, turned, resized, encoded as JPEG or given
another gamma. A second look, with all facts remembered, is timed as well; each is a process of its own. Times are those of
the processor cores, and what one had to wait, which depends on what else the machine does.

    python benchmarks/duplicates.py            (about 15 minutes, most of them for writing 1 GB into a temporary folder)
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from voxtempo.cohort import Case, Cohort, DuplicateReport, find_duplicates
from voxtempo.scans import Geometry, Scan, write_scan
from voxtempo.simulate.anatomy import mni_anatomy

SLICES, VOLUMES, COPIES = 10_000, 500, 20
Array = NDArray[np.float32]


def warped(template: Array, rng: np.random.Generator) -> Array:
    """Return the template bent by a smooth field of its own, within a few voxels."""
    coarse = rng.normal(0, 2.0, (template.ndim, *(5,) * template.ndim)).astype(np.float32)
    places = np.indices(template.shape, np.float32)
    for place, part in zip(places, coarse, strict=True):
        place += ndimage.zoom(part, np.array(template.shape) / 5, order=1)
    return ndimage.map_coordinates(template, places, order=1, mode="constant", output=np.float32)


def scanned(head: Array, rng: np.random.Generator) -> Array:
    """Return a head with noise, 0 to 255."""
    noise = rng.normal(0, 0.015, (2, *head.shape))
    return np.clip(180 * np.hypot(head / head.max() + noise[0], noise[1]), 0, 255).astype(np.float32)


GUISES: dict[str, Callable[[Array], Array]] = {
    "mirrored": lambda image: image[::-1],
    "turned": lambda image: image.swapaxes(0, 1)[::-1],
    "resized": lambda image: ndimage.zoom(image, 1.3, order=1),
    "gamma 0.7": lambda image: 255 * (image / 255) ** 0.7,
    "as JPEG": lambda image: image,
}


def write_slices(folder: Path, rng: np.random.Generator) -> tuple[Cohort, set[tuple[str, str]]]:
    """Write the slices and return the cohort with the planted pairs: 80 slices of each of many warped heads."""
    anatomy = mni_anatomy(2.0).baseline
    cases, pairs = [], set()
    for number in range(SLICES - COPIES * len(GUISES)):
        if number % 80 == 0:
            head = warped(anatomy, rng)
        level = number % 80 // 2
        flat = head[:, :, 20 + level] if number % 2 else head[:, 30 + level]
        square = ndimage.zoom(flat, 128 / np.array(flat.shape), order=1)
        image = scanned(square + 1e-3, rng)
        name = f"s{number}"
        person = f"p{number // 80}"
        cases.append(_slice(folder, name, person, image))
        guise = list(GUISES)[number // COPIES] if number < COPIES * len(GUISES) else None
        if guise is not None:
            ending = ".jpg" if guise == "as JPEG" else ".png"
            cases.append(_slice(folder, f"{name}c", person, GUISES[guise](image), ending))
            pairs.add((name, f"{name}c"))
    return Cohort(tuple(cases)), pairs


def _slice(folder: Path, name: str, person: str, image: Array, ending: str = ".png") -> Case:
    path = folder / f"{name}{ending}"
    Image.fromarray(np.round(image).astype(np.uint8)).save(path, quality=70)
    return Case(name, person, {"mr": path})


def write_volumes(folder: Path, rng: np.random.Generator) -> tuple[Cohort, set[tuple[str, str]]]:
    """Write the volumes and return the cohort with the planted pairs."""
    anatomy = mni_anatomy(2.0).baseline
    guises = [name for name in GUISES if name != "as JPEG"]
    cases, pairs = [], set()
    for number in range(VOLUMES - 5 * len(guises)):
        image = scanned(warped(anatomy, rng), rng)
        cases.append(_volume(folder, f"v{number}", image))
        if number < 5 * len(guises):
            cases.append(_volume(folder, f"v{number}c", GUISES[guises[number // 5]](image)))
            pairs.add((f"v{number}", f"v{number}c"))
    return Cohort(tuple(cases)), pairs


def _volume(folder: Path, name: str, image: Array) -> Case:
    path = folder / f"{name}.nii.gz"
    data = np.round(10 * image).astype(np.int16)[None, ..., None]
    write_scan(Scan(data, Geometry.from_spacing(image.shape, (2.0,) * 3)), path)
    return Case(name, name, {"mr": path})


def timed(cohort: Cohort) -> tuple[DuplicateReport, float, float]:
    """Return what is found, the seconds of the cores and those waited."""
    cores, waited = time.process_time(), time.perf_counter()
    report = find_duplicates(cohort, workers=2)
    return report, time.process_time() - cores, time.perf_counter() - waited


def main() -> None:
    """Print a line for each cohort and look."""
    wanted = sys.argv[1:] or ["slices", "volumes"]
    for what, write in (("slices", write_slices), ("volumes", write_volumes)):
        if what not in wanted:
            continue
        with tempfile.TemporaryDirectory() as place:
            os.environ["VOXTEMPO_CACHE"] = f"{place}/cache"
            (folder := Path(place) / what).mkdir()
            cohort, pairs = write(folder, np.random.default_rng(0))
            for look in ("first look", "second look"):
                with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
                    report, cores, waited = fresh.submit(timed, cohort).result()
                found = {(pair.first, pair.second) for pair in report.likenesses if pair.same}
                people = {case.id: case.subject.removesuffix("c") for case in cohort}
                wrong = sum(people[first] != people[second] for first, second in found)
                print(
                    f"{len(cohort)} {what}, {look}: {cores:.1f} s of the cores, {waited:.1f} s waited; "
                    f"{len(found & pairs)} of {len(pairs)} planted copies found, {len(found - pairs)} other pairs, "
                    f"{wrong} of them of two heads",
                    flush=True,
                )


if __name__ == "__main__":
    main()
