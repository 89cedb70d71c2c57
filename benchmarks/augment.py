"""How long one augmented 128 x 128 x 128 image with its label takes: one thread, medians of five."""

from __future__ import annotations

import numpy as np
from stopwatch import Call, heading, median_seconds, row

from voxtempo.augment import build_transforms, transforms

SHAPE = (128, 128, 128)
SPACING = (1.0, 1.0, 1.0)
WIDTHS = (46, 9)


def show(text: str, call: Call) -> None:
    """Print one row of the table."""
    row(text, f"{1e3 * median_seconds({text: call})[text]:.1f}", widths=WIDTHS)


def main() -> None:
    """Print a table of times in milliseconds."""
    rng = np.random.default_rng(0)
    image = rng.standard_normal((1, *SHAPE, 1), dtype=np.float32)
    label = rng.integers(0, 4, SHAPE).astype(np.uint8)
    heading("Augmenting 128 x 128 x 128 (one thread, medians of 5)", "numba", "scipy")
    row("transform", "ms", widths=WIDTHS)
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
    stack = build_transforms("default", task="segment")
    drawn = [stack.draw(rng, SHAPE, SPACING) for _ in range(20)]
    show("default stack of segment, sum of 20 draws", lambda: [stack.apply(image, label, d) for d in drawn])


if __name__ == "__main__":
    main()
