"""Numbers in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def by(values: Sequence[float]) -> str:
    """Return sizes as people write them.

    >>> by((40, 56, 40)), by((1.0, 1.0, 2.5))
    ('40 x 56 x 40', '1 x 1 x 2.5')
    """
    return " x ".join(f"{value:g}" for value in values)


def listed(names: Sequence[str]) -> str:
    """Return names as in a sentence.

    >>> listed(["a", "b", "c"]), listed(["a"]), listed([])
    ('a, b and c', 'a', '')
    """
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)
