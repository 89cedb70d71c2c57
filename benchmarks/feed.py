"""How much of an epoch is spent waiting for data: windows of series, and augmented 3D patches, on small networks.

First a whole epoch over 10,000 windows, as training does it; then short epochs of larger samples.

The loop is that of training: threads of the feed make batches ahead while the network learns. *waiting* is the time
blocked in ``next()``. Threads that make batches also take cores from the network, which waiting does not show, so the
same number of updates is timed on one batch that is already there (*network alone*): *overhead* is all that the feed
adds to it. A last column says how long one thread needs for a batch when nothing else runs.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from stopwatch import heading, row, seconds

from voxtempo.augment import build_transforms
from voxtempo.cohort.study import Train, Window
from voxtempo.feed import Batches, FeedCase, LabelMap, PatchSampler, Voxels, WindowSampler
from voxtempo.learning import backend
from voxtempo.learning.losses import build_loss
from voxtempo.learning.optimisers import make_optimiser
from voxtempo.networks import Classify, Head, Segment, build_network
from voxtempo.scans import Geometry, Scan, open_cache, write_cache
from voxtempo.scans.cache import is_cache

EPOCHS = 5
STEPS = 12
WIDTHS = (46, 12, 16, 10, 10, 14)
SERIES, VOLUMES, LENGTH = 40, 257, 8  # with a stride of 1: 250 windows a series, 10,000 in all
GOAL = 0.10  # of an epoch's time


def many_windows(folder: Path, augment: str) -> Batches:
    """Return 10,000 windows of 8 x 32 x 32 x 24 from 40 prepared series (float16) in the cache, 8 in a batch."""
    rng = np.random.default_rng(0)
    geometry = Geometry.from_spacing((32, 32, 24), (6.0, 6.0, 6.0))
    block = rng.standard_normal((VOLUMES + SERIES, *geometry.shape, 1), dtype=np.float32)
    cases = []
    for number in range(SERIES):
        place = folder / f"short{number}"
        scan = Scan(block[number : number + VOLUMES], geometry, 2.0)
        cached = open_cache(place) if is_cache(place) else write_cache(scan, place)
        cases.append(FeedCase(f"s{number}", Voxels(cached.array), geometry.spacing, target=number % 2))
    stack = build_transforms(augment, task="classify", series=True)  # type: ignore[arg-type]
    sampler = WindowSampler(Window(length=LENGTH, stride=1), geometry.shape)
    return Batches(cases, sampler, batch=8, kind="series", task="classify", augment=stack if len(stack) else None)


def windows(folder: Path) -> Batches:
    """Return windows of 10 volumes from four series of 64 x 64 x 36 x 200 in the cache, not augmented."""
    rng = np.random.default_rng(0)
    geometry = Geometry.from_spacing((64, 64, 36), (3.0, 3.0, 3.5))
    cases = []
    for number in range(4):
        data = rng.standard_normal((200, *geometry.shape, 1), dtype=np.float32)
        cached = write_cache(Scan(data, geometry, 2.0), folder / f"series{number}")
        cases.append(FeedCase(f"s{number}", Voxels(cached.array), geometry.spacing, target=number % 2))
    sampler = WindowSampler(Window(length=10), geometry.shape)
    return Batches(cases, sampler, batch=2, kind="series", task="classify")


def patches(folder: Path) -> Batches:
    """Return patches of 48 x 48 x 48 with the default augmentation from four volumes of 120 x 120 x 90."""
    rng = np.random.default_rng(0)
    geometry = Geometry.from_spacing((120, 120, 90), (1.0, 1.0, 1.0))
    cases = []
    for number in range(4):
        data = rng.standard_normal((1, *geometry.shape, 1), dtype=np.float32)
        labels = np.zeros(data.shape, dtype=np.uint8)
        labels[:, 40:80, 40:80, 30:60] = 1
        image = write_cache(Scan(data, geometry), folder / f"volume{number}")
        mask = write_cache(Scan(labels, geometry, kind="label"), folder / f"mask{number}")
        cases.append(FeedCase(f"v{number}", Voxels(image.array), geometry.spacing, LabelMap(mask.array)))
    stack = build_transforms("default", task="segment")
    return Batches(cases, PatchSampler((48, 48, 48)), batch=2, kind="volume", task="segment", augment=stack)


def compiled(name: str, head: Head, options: dict[str, Any], batches: Batches) -> Any:
    """Return a network ready to be trained on such batches."""
    settings = Train(rate=1e-3, weight_decay=1e-4)
    first = next(batches.epoch(0))
    model = build_network(name, first.image.shape[1:], head, options)
    model.compile(make_optimiser(settings), build_loss(batches.task), jit_compile=backend.compile_whole_graph())
    model.train_on_batch(first.image, first.target)
    return model


def train(model: Any, batches: Iterator[Any]) -> tuple[float, float]:
    """Return the seconds blocked in ``next()`` and the seconds in all."""
    waited, begin = 0.0, time.perf_counter()
    while True:
        asked = time.perf_counter()
        batch = next(batches, None)
        waited += time.perf_counter() - asked
        if batch is None:
            return waited, time.perf_counter() - begin
        model.reset_metrics()
        float(model.train_on_batch(batch.image, batch.target))


def show(text: str, model: Any, batches: Batches) -> None:
    """Print one row: medians over epochs that take turns with epochs of the network alone."""
    ready = next(batches.epoch(0))
    lone = Batches(batches.cases, batches.sampler, batch=batches.batch, kind=batches.kind, task=batches.task,
                   augment=batches.augment, workers=0)  # fmt: skip
    making = statistics.median(seconds(lambda e=e: next(lone.epoch(e))) for e in range(EPOCHS))
    shares, fed, alone = [], [], []
    for epoch in range(EPOCHS):
        waited, total = train(model, batches.epoch(epoch + 1, steps=STEPS))
        shares.append(waited / total)
        fed.append(total / STEPS)
        alone.append(train(model, iter([ready] * STEPS))[1] / STEPS)
    step, bare = statistics.median(fed), statistics.median(alone)
    waiting, overhead = statistics.median(shares), (step - bare) / step
    row(
        text, f"{1e3 * step:.0f}", f"{1e3 * bare:.0f}", f"{waiting:.1%}", f"{overhead:.1%}", f"{1e3 * making:.0f}",
        widths=WIDTHS,
    )  # fmt: skip


def whole_epoch(folder: Path) -> None:
    """Print what share of one epoch over 10,000 windows is spent in ``next()``, plain and augmented."""
    heading(f"An epoch over 10,000 windows of {LENGTH} x 32 x 32 x 24, cache warm", "keras", "numba")
    row("samples", "updates", "s an epoch", "waiting", "", "", widths=WIDTHS)
    for augment in ("none", "default"):
        batches = many_windows(folder, augment)
        assert batches.samples == 10_000
        network = compiled("cnn_lstm", Classify(2), {"widths": [4, 8], "features": 16, "units": 16}, batches)
        waited, total = train(network, batches.epoch(0))
        name = f"augment: {augment}, batches of 8, cnn_lstm 4 8"
        row(name, batches.steps, f"{total:.0f}", f"{waited / total:.1%}", "", "", widths=WIDTHS)
        print(f"goal: under {GOAL:.0%}, {'reached' if waited < GOAL * total else 'missed'}")


def main() -> None:
    """Print tables of shares and of times in milliseconds."""
    keras = backend.start(0)
    with tempfile.TemporaryDirectory() as temporary:
        whole_epoch(Path(temporary))
    heading(f"Waiting for data (medians of {EPOCHS} epochs of {STEPS} updates, cache warm)", "keras", "numba")
    print(f"backend {keras.backend.backend()}, 2 threads feed")
    row("samples", "ms/update", "network alone", "waiting", "overhead", "ms to make", widths=WIDTHS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        series = windows(folder)
        network = compiled("cnn_lstm", Classify(2), {"widths": [4, 8], "features": 16, "units": 16}, series)
        show("2 windows of 10 x 64 x 64 x 36, cnn_lstm 4 8", network, series)
        volumes = patches(folder)
        network = compiled("unet3d", Segment(2), {"width": 8, "depth": 3}, volumes)
        show("2 patches of 48 x 48 x 48, augmented, unet3d 8", network, volumes)


if __name__ == "__main__":
    main()
