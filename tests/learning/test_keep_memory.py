from __future__ import annotations

import ctypes
import platform

import pytest

from voxtempo.learning import backend


class Library:
    def __init__(self):
        self.told = []

    def mallopt(self, option, value):
        self.told.append((option, value))
        return 1


def test_glibc_is_told_to_keep_memory(monkeypatch):
    library = Library()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    backend._keep_memory()
    assert library.told == [(-1, 2**31 - 1), (-4, 0)]


@pytest.mark.parametrize("error", [OSError, TypeError])
def test_a_system_without_that_library_is_left_as_it_is(monkeypatch, error):
    def absent(name):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", absent)
    backend._keep_memory()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    backend._keep_memory()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_glibc_takes_the_numbers():
    """In a process of its own: what is told lasts as long as the process."""
    import subprocess
    import sys

    code = (
        "import ctypes, resource, numpy as np\n"
        "from voxtempo.learning.backend import _keep_memory\n"
        "def faults():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    np.ones(12_000_000, np.float32)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "faults(); fresh = faults(); _keep_memory(); faults(); print(fresh, faults())"
    )
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    fresh, kept = map(int, answer)
    assert kept < fresh / 10
