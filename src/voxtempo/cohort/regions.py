"""Regions that overlap: unions of labels, learned one by one, written into one label map in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def written_labels(regions: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
    """Return the label that each region writes: the one that it holds and no later region does.

    Regions are written in order, later ones over earlier ones, so what remains of a region is what no later one holds.

    Raises
    ------
    ValueError : a region has no such label, or several.

    >>> written_labels({"whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]})
    (1, 2, 3)
    """
    written = []
    names = list(regions)
    for place, name in enumerate(names):
        later = {label for other in names[place + 1 :] for label in regions[other]}
        own = sorted(set(regions[name]) - later)
        if len(own) != 1:
            found = f"the labels {', '.join(map(str, own))}" if own else "no label"
            raise ValueError(
                f"region '{name}' has {found} of its own: list regions from the largest to the smallest, each with exactly "
                "one label that no later region holds, which is what the region writes into the label map"
            )
        written.append(own[0])
    return tuple(written)
