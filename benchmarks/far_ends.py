"""How often intervals of means of errors hold the truth, and how far up they reach, with and without a hold on far ends.

Cohorts of 10 to 80 subjects, one error each: with long tails, or as distances where some structures are missed altogether and
count as 220 mm. "Reach" is the upper end over the mean: its 90th percentile and its largest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from stopwatch import heading, row

from voxtempo.assess import scales

COHORTS, SIZES, MISSED = 2000, (10, 20, 40, 80), 220.0
WIDTHS = (10, 20, 12, 18, 12, 18)


def cohorts(rng: np.random.Generator, n: int) -> Iterator[tuple[str, NDArray[np.float64], float]]:
    """Yield the errors of a cohort of each kind, and the mean of all people."""
    usual = np.exp(rng.normal(1.2, 0.4, n))
    for share in (0.02, 0.05, 0.1):
        missed = np.where(rng.random(n) < share, MISSED, usual)
        yield f"{share:.0%} missed", missed, (1 - share) * math.exp(1.28) + share * MISSED
    for spread in (1.0, 1.5):
        yield f"log-normal {spread}", np.exp(rng.normal(0, spread, n)), math.exp(spread**2 / 2)
    yield "exponential", rng.exponential(1, n), 1.0
    yield "squared normal", rng.normal(0, 1, n) ** 2, 1.0
    yield "beta (0.3, 2)", rng.beta(0.3, 2, n), 0.3 / 2.3


def main() -> None:
    """Print a line for each kind and size of cohort."""
    heading("Upper ends of errors")
    row("subjects", "errors", "held, %", "reach", "free, %", "reach", widths=WIDTHS)
    usual = scales.FAR
    for n in SIZES:
        rng, found = np.random.default_rng(0), {}
        for _ in range(COHORTS):
            for kind, errors, truth in cohorts(rng, n):
                for far in (usual, math.inf):
                    scales.FAR = far
                    mean = float(errors.mean())
                    ends = scales.jackknife_interval(mean, (errors.sum() - errors) / (n - 1), "size")
                    if ends is not None:
                        found.setdefault(kind, {}).setdefault(far, []).append(
                            (ends[0] <= truth <= ends[1], ends[1] / mean)
                        )
        for kind, by in found.items():
            cells = []
            for far in (usual, math.inf):
                holds, reach = zip(*by[far], strict=True)
                cells += [f"{100 * np.mean(holds):.1f}", f"{np.percentile(reach, 90):.1f}, {max(reach):.3g}"]
            row(str(n), kind, *cells, widths=WIDTHS)
    scales.FAR = usual


if __name__ == "__main__":
    main()
