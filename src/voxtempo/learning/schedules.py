"""Learning rates as pure functions of how far training has come."""

from __future__ import annotations

import math


def rate_at(step: int, total: int, *, peak: float, schedule: str, warmup: float, floor: float = 0.01) -> float:
    """Return the learning rate of update ``step`` (from 0) of ``total``.

    Parameters
    ----------
    step, total : updates done, and in all.
    peak : the highest rate.
    schedule : "cosine" and "polynomial" (power 0.9) fall to ``floor * peak``; "constant" and "plateau" stay.
    warmup : share of all updates in which the rate rises linearly from near 0.
    floor : lowest rate as a share of the peak.

    Examples
    --------
    >>> rate_at(0, 100, peak=1.0, schedule="constant", warmup=0.0)
    1.0
    >>> round(rate_at(99, 100, peak=1.0, schedule="cosine", warmup=0.0), 3)
    0.01
    >>> rate_at(4, 100, peak=1.0, schedule="cosine", warmup=0.1)
    0.5
    """
    rising = round(warmup * total)
    if step < rising:
        return peak * (step + 1) / rising
    if schedule in ("constant", "plateau"):
        return peak
    done = min(1.0, (step - rising) / max(1, total - rising - 1))
    share = 0.5 * (1 + math.cos(math.pi * done)) if schedule == "cosine" else (1 - done) ** 0.9
    return peak * (floor + (1 - floor) * share)
