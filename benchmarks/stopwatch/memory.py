"""The peak memory of this process, and of a command of VoxTempo, as Linux tells it."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from pathlib import Path

EVERY = 0.01  # seconds between two looks at a process


def told() -> bool:
    """Return whether this system tells how much of a process's memory is anonymous."""
    return Path("/proc/self/status").is_file()


def peak() -> float:
    """Return the most resident memory that this process ever had (MiB), NaN where the system does not tell.

    ``getrusage`` is of no use here: its maximum begins with that of the process that started this one.
    """
    return memory(os.getpid()).get("VmHWM", math.nan)


def peaks(arguments: list[str], cache: Path, log: Path) -> tuple[float, float, float]:
    """Run a command of VoxTempo; return its peaks of anonymous and of resident memory (MiB) and its seconds."""
    environment = {**os.environ, "VOXTEMPO_CACHE": str(cache), "TF_CPP_MIN_LOG_LEVEL": "2"}
    anonymous = resident = 0.0
    begin = time.perf_counter()
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "voxtempo.cli", *arguments], env=environment, stdout=output, stderr=output
        )
        while process.poll() is None:
            status = memory(process.pid)
            anonymous, resident = max(anonymous, status.get("RssAnon", 0.0)), status.get("VmHWM", resident)
            time.sleep(EVERY)
    if process.returncode != 0:
        sys.exit(f"voxtempo {' '.join(arguments)} failed:\n{log.read_text(encoding='utf-8')}")
    return anonymous, resident, time.perf_counter() - begin


def memory(process: int) -> dict[str, float]:
    """Return what the system says of a process's memory, in MiB; nothing once it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = [line.split(":") for line in lines if line.startswith(("Rss", "Vm"))]
    return {name: int(amount.split()[0]) / 1024 for name, amount in pairs}
