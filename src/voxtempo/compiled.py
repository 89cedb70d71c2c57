"""Kernels that numba compiles: kept on disk where there is a place for them, else compiled anew in each process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the decorator of a kernel that runs without Python's lock; ``options`` are those of ``numba.njit``."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            return numba.njit(nogil=True, cache=True, **options)(function)
        except RuntimeError:  # nowhere to keep compiled code: a read-only installation without a home
            return numba.njit(nogil=True, **options)(function)

    return decorate
