"""Large arrays lie on disk, small ones in memory, and too large ones are refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from voxtempo.errors import ScanError
from voxtempo.scans.room import room


def test_a_large_array_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    array = room((3, 5), "float32", in_memory=8)
    array[:] = np.arange(15).reshape(3, 5)
    assert isinstance(array, np.memmap)
    assert array.sum() == 105
    assert os.listdir(tmp_path) == []
    assert not isinstance(room((3, 5), "float32"), np.memmap)


def test_what_fits_nowhere_is_refused() -> None:
    with pytest.raises(ScanError, match="has room neither in memory nor"):
        room((2**40, 2**18), "float32")
