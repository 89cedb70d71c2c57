"""How long one augmented 128 x 128 x 128 image with its label takes, beside MONAI and TorchIO.

Both peers get their own nearest equivalent: rotation to 15 degrees, scale to 10 %, a smooth deformation of a few
millimetres, linear interpolation of the image and the nearest label. In the stacks every change happens as often as in
VoxTempo's; TorchIO has none for brightness and contrast, so there it does without. MONAI's ``Rand3DElastic`` moves and bends
in one interpolation, as we do; ``RandSmoothDeform`` after ``RandAffine`` is its quicker way, of two. With two threads, two
samples are made: VoxTempo makes them at the same time, as its feed does, and the peers' libraries use two threads for each.

The peers need an environment of their own. Make it once, and name it:

    python -m venv peers && peers/bin/pip install torch==2.13.0 monai torchio
    VOXTEMPO_PEERS=peers python benchmarks/augment.py
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np
from numpy.typing import NDArray
from stopwatch import Call, heading, median_seconds, ratio, row, seconds_in_turns
from stopwatch.peers import start_peers

from voxtempo.augment import build_transforms, transforms

SHAPE = (128, 128, 128)
SPACING = (1.0, 1.0, 1.0)
WIDTHS = (46, 9)
PEER_WIDTHS = (46, 10, 10)
REPEATS = 5
DRAWS = 4
Image, Label = NDArray[np.float32], NDArray[np.int32]


def show(text: str, call: Call) -> None:
    """Print one row of the table."""
    row(text, f"{1e3 * median_seconds({text: call})[text]:.1f}", widths=WIDTHS)


def alone(rng: np.random.Generator, image: Image, label: Label) -> None:
    """Print what each transform takes."""
    row("one thread, medians of 5", "ms", widths=WIDTHS)
    affine = transforms["spatial"](rotation=15, scale=0.1, elastic=0.0)
    elastic = transforms["spatial"](rotation=15, scale=0.1, elastic=4.0)
    turned, bent = affine.draw(rng, SHAPE, SPACING), elastic.draw(rng, SHAPE, SPACING)
    show("affine, image + label", lambda: affine.apply(image, label, turned))
    show("affine + elastic, image + label", lambda: elastic.apply(image, label, bent))
    show("affine + elastic, cut to 96 x 96 x 96", lambda: elastic.apply(image, label, bent | {"size": [96, 96, 96]}))
    for name in (n for n in transforms if n != "spatial"):
        member = transforms[name]()
        params = member.draw(rng, SHAPE, SPACING)
        show(name, lambda m=member, p=params: m.apply(image, None, p))
    series = rng.standard_normal((20, 64, 64, 36, 1), dtype=np.float32)
    moved = affine.draw(rng, series.shape[1:4], (3, 3, 3))
    show("affine, series of 20 x 64 x 64 x 36", lambda: affine.apply(series, None, moved))


def ours(image: Image, label: Label) -> dict[str, Callable[[int], object]]:
    """Return what makes one sample from a seed, by the name that the peers give to the same."""
    affine = transforms["spatial"](rotation=15, scale=0.1)
    elastic = transforms["spatial"](rotation=15, scale=0.1, elastic=4.0)
    stack = build_transforms("default", task="segment")

    def drawn(member, seed: int) -> object:  # type: ignore[no-untyped-def]
        return member.apply(image, label, member.draw(np.random.default_rng(seed), SHAPE, SPACING))

    members = {"affine": affine, "affine + elastic": elastic, "default stack": stack}
    return {name: lambda seed, member=member: drawn(member, seed) for name, member in members.items()}  # type: ignore[misc]


def compared(image: Image, label: Label, threads: int) -> None:
    """Print the rows of VoxTempo and of its peers, with one number of threads."""
    peers = start_peers("augment", *SHAPE, threads=threads)
    title = f"{threads} thread{'s' * (threads > 1)}, medians of {REPEATS}, in turns"
    row(title, "ms", "ratio", widths=PEER_WIDTHS)
    with ThreadPoolExecutor(threads) as pool:
        for kind, make in ours(image, label).items():
            samples = threads * (DRAWS if kind == "default stack" else 1)
            seeds = {"VoxTempo": count(1000, samples)}

            def mine(make=make, samples=samples, seeds=seeds) -> None:  # type: ignore[no-untyped-def]
                start = next(seeds["VoxTempo"])
                list(pool.map(make, range(start, start + samples)))

            calls: dict[str, Call] = {"VoxTempo": mine}
            for name in peers.names if peers is not None else ():
                if name.partition(": ")[2] == kind:
                    seeds[name] = count(1000, samples)
                    calls[name] = lambda n=name, s=samples, seeds=seeds: peers.ask(n, next(seeds[n]), s)  # type: ignore[misc]
            times = seconds_in_turns(calls, REPEATS)
            for name, taken in times.items():
                text = f"{name}: {kind}" if name == "VoxTempo" else name
                row(
                    text,
                    f"{1e3 * statistics.median(taken) / samples:.0f}",
                    f"{ratio(taken, times['VoxTempo']):.0f}",
                    widths=PEER_WIDTHS,
                )
    if peers is not None:
        peers.close()


def main() -> None:
    """Print tables of times in milliseconds a sample."""
    rng = np.random.default_rng(0)
    image = rng.standard_normal((1, *SHAPE, 1), dtype=np.float32)
    label = rng.integers(0, 4, SHAPE).astype(np.int32)
    heading("Augmenting 128 x 128 x 128", "numba", "scipy")
    alone(rng, image, label)
    for threads in (1, 2):
        compared(image, label, threads)


if __name__ == "__main__":
    main()
