"""What this machine can do, as far as a plan depends on it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CALCULATES_IN_BFLOAT16 = {"avx512_bf16", "amx_bf16"}


@dataclass(frozen=True)
class Machine:
    """A processor.

    Parameters
    ----------
    cores : that this process may use.
    memory : gigabytes.
    bfloat16 : whether it multiplies in bfloat16, which halves the time of convolutions.
    """

    cores: int = 2
    memory: float = 8.0
    bfloat16: bool = False


def this_machine() -> Machine:
    """Return the machine that this process runs on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        memory = Machine.memory
    return Machine(cores, memory, bool(CALCULATES_IN_BFLOAT16 & _processor_flags()))


def _processor_flags() -> set[str]:
    """Return what Linux says the processor can do; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())
