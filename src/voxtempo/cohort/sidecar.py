"""What the JSON files beside a BIDS scan say about time: seconds between volumes, and within a volume between slices."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voxtempo.errors import CohortError


def read_timing(name: str, sidecars: Sequence[Path]) -> tuple[float | None, tuple[float, ...]]:
    """Return the repetition time and the slice times along z of the scan's array, in seconds.

    Slices along another axis than the third give no slice times. Times that run against the third axis
    (``SliceEncodingDirection: k-``) are turned around.

    Parameters
    ----------
    name : of the scan, for messages.
    sidecars : the most general first; what later ones say counts.

    Raises
    ------
    CohortError : a sidecar is not JSON, or a value cannot be.
    """
    said: dict[str, Any] = {}
    for sidecar in sidecars:
        try:
            record = json.loads(sidecar.read_text("utf-8-sig"))
        except (OSError, ValueError) as error:
            raise CohortError(f"The sidecar {sidecar} is not valid JSON: {error}.") from None
        if isinstance(record, dict):
            said |= record
    return _repetition_time(name, said.get("RepetitionTime")), _slice_times(name, said)


def _repetition_time(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1000:
        raise CohortError(f"{name}: its sidecars give RepetitionTime {value!r}, expected seconds above 0.")
    return float(value)


def _slice_times(name: str, said: dict[str, Any]) -> tuple[float, ...]:
    times, direction = said.get("SliceTiming"), said.get("SliceEncodingDirection", "k")
    if times is None or direction not in ("k", "k-"):
        return ()
    numbers = isinstance(times, list) and all(isinstance(t, int | float) and not isinstance(t, bool) for t in times)
    if not numbers or not all(0 <= t < 1000 for t in times):
        raise CohortError(
            f"{name}: its sidecars give SliceTiming {str(times)[:60]}, expected a list of seconds from 0."
        )
    ordered = times if direction == "k" else times[::-1]
    return tuple(float(t) for t in ordered)
