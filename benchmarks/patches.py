"""Patches a second from prepared volumes to batches: VoxTempo's feed against the loaders of MONAI and TorchIO.

Eight volumes of 160 x 192 x 160 with a label map, patches of 64 x 64 x 64, batches of four; either anywhere, or half of them
on a labelled voxel. VoxTempo reads its mapped cache on disk (float16, in the page cache of the system). MONAI's
``CacheDataset`` holds everything in memory, with the places of the labels found beforehand; TorchIO's ``Queue`` is fed
eight patches a volume from subjects in memory, or from .nii files. With one thread nobody has other workers; with two,
VoxTempo has two threads and the others two worker processes.

The peers need an environment of their own. Make it once, and name it:

    python -m venv peers && peers/bin/pip install torch==2.13.0 monai torchio
    VOXTEMPO_PEERS=peers python benchmarks/patches.py
"""

from __future__ import annotations

import statistics
import tempfile
from itertools import count
from pathlib import Path

import numpy as np
from stopwatch import Call, heading, ratio, row, seconds_in_turns
from stopwatch.peers import start_peers

from voxtempo.feed import Batches, FeedCase, LabelMap, PatchSampler, Voxels
from voxtempo.scans import Geometry, Scan, write_cache

SHAPE, PATCH = (160, 192, 160), 64
VOLUMES, BATCH = 8, 4
REPEATS = 5
GOAL = 5
WIDTHS = (60, 12, 10)


def volumes(folder: Path) -> list[FeedCase]:
    """Write volumes as .npy for the peers and into the cache; return them as the feed sees them."""
    rng = np.random.default_rng(0)
    geometry = Geometry.from_spacing(SHAPE, (1.0, 1.0, 1.0))
    cases = []
    for number in range(VOLUMES):
        image = rng.standard_normal(SHAPE, dtype=np.float32)
        label = np.zeros(SHAPE, np.uint8)
        label[50:90, 60:100, 70:110] = 1
        label[90:110, 60:100, 70:110] = 2
        np.save(folder / f"image{number}.npy", image)
        np.save(folder / f"label{number}.npy", label)
        cached = write_cache(Scan(image[None, ..., None], geometry), folder / f"case{number}")
        mask = write_cache(Scan(label[None, ..., None], geometry, kind="label"), folder / f"mask{number}")
        stored = Voxels(cached.array, cached.scale, cached.offset)
        cases.append(FeedCase(f"v{number}", stored, geometry.spacing, LabelMap(mask.array)))
    return cases


def epoch(batches: Batches, number: int) -> int:
    """Go through an epoch and return how many patches there were."""
    made = 0
    for batch in batches.epoch(number):
        assert batch.image.shape[1:] == (PATCH, PATCH, PATCH, 1)
        assert batch.target is not None
        made += len(batch.image)
    return made


def main() -> None:
    """Print tables of patches a second."""
    heading(f"Patches of {PATCH} x {PATCH} x {PATCH} in batches of {BATCH}, page cache warm")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        cases = volumes(folder)
        for threads in (1, 2):
            peers = start_peers("patches", folder, VOLUMES, PATCH, BATCH, threads, threads=threads)
            title = f"{threads} thread{'s' * (threads > 1)}, medians of {REPEATS}, in turns"
            row(title, "patches/s", "ratio", widths=WIDTHS)
            for kind, foreground in (("anywhere", 0.0), ("half on labels", 0.5)):
                batches = Batches(
                    cases,
                    PatchSampler((PATCH,) * 3, foreground),
                    batch=BATCH,
                    kind="volume",
                    task="segment",
                    workers=threads if threads > 1 else 0,
                )
                epochs = count(1)
                made = {"VoxTempo": epoch(batches, 0)}
                calls: dict[str, Call] = {"VoxTempo": lambda b=batches, e=epochs: epoch(b, next(e))}
                for name in peers.names if peers is not None else ():
                    if name.partition(": ")[2] == kind:
                        calls[name] = lambda n=name, p=peers: p.ask(n)  # type: ignore[misc]
                        made[name] = calls[name]()
                times = seconds_in_turns(calls, REPEATS, warm=False)
                each = {name: [taken / made[name] for taken in several] for name, several in times.items()}
                for name, several in each.items():
                    text = f"VoxTempo: {kind}" if name == "VoxTempo" else name
                    slower = ratio(several, each["VoxTempo"])
                    row(text, f"{1 / statistics.median(several):.0f}", f"{slower:.1f}", widths=WIDTHS)
                if len(each) > 1:
                    nearest = min(
                        ratio(several, each["VoxTempo"]) for name, several in each.items() if name != "VoxTempo"
                    )
                    print(f"  goal {GOAL} times the fastest: {'reached' if nearest >= GOAL else 'missed'}")
            if peers is not None:
                peers.close()


if __name__ == "__main__":
    main()
