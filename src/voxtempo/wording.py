"""Numbers in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def by(values: Sequence[float]) -> str:
    """Return sizes as people write them.

    >>> by((40, 56, 40)), by((1.0, 1.0, 2.5))
    ('40 x 56 x 40', '1 x 1 x 2.5')
    """
    return " x ".join(f"{value:g}" for value in values)
