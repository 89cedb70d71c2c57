"""What every benchmark here needs: times that can be compared, and a line that says where they were taken."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

Call = Callable[[], object]


def seconds(call: Call) -> float:
    """Return how long one call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def seconds_in_turns(calls: Mapping[str, Call], repeats: int = 5, warm: bool = True) -> dict[str, list[float]]:
    """Return the times of each call, in the order taken.

    The calls take turns, so that what else the machine does slows them all alike.

    Parameters
    ----------
    calls : name -> what is timed.
    repeats : how often each is timed.
    warm : call each once before, to compile and to fill caches.
    """
    if warm:
        for call in calls.values():
            call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(seconds(call))
    return times


def median_seconds(calls: Mapping[str, Call], repeats: int = 5, warm: bool = True) -> dict[str, float]:
    """Return the median time of each call; they take turns as in ``seconds_in_turns``."""
    return {name: statistics.median(each) for name, each in seconds_in_turns(calls, repeats, warm).items()}


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """Return how many times longer they took than we did: the median over pairs timed one after the other."""
    return statistics.median(their / our for their, our in zip(theirs, ours, strict=True))


def heading(what: str, *libraries: str) -> None:
    """Print what is measured, on which machine, how busy it is, and the versions of what is there."""
    versions = ", ".join(f"{name} {found}" for name in ("numpy", *libraries) if (found := _version(name)))
    load = f"load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else "load unknown"
    print(f"\n{what}")
    print(f"{_processor()}, {os.cpu_count()} cores, {_memory()}, {load}")
    print(f"Python {platform.python_version()}, {versions}")


def row(*cells: object, widths: tuple[int, ...]) -> None:
    """Print one line of a table: the first cell to the left, the others to the right."""
    first, *others = (str(cell) for cell in cells)
    print(f"{first:{widths[0]}}" + "".join(f"{c:>{w}}" for c, w in zip(others, widths[1:], strict=True)), flush=True)


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return "memory unknown"
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"
