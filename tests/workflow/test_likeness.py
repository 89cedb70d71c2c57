"""What lies far from all of the training is told; what lies among it, or only in another order of axes, is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from voxtempo.scans import Geometry, Scan
from voxtempo.workflow.likeness import Likeness, blank_channels, likeness_of

SPACING = [[0.9, 1.0, 1.1], [0.9, 1.0, 1.1], [2.0, 3.0, 4.0]]
SHAPE = [[160, 180, 200], [160, 180, 200], [30, 40, 50]]  # from 144 to 220 mm, from 60 to 200 mm across


def remembered(folder: Path, spacing=SPACING, shape=SHAPE) -> Likeness:
    fingerprint = {"spacing": spacing, "shape": shape}
    (folder / "plan.json").write_text(json.dumps({"fingerprint": fingerprint, "lines": []}), encoding="utf-8")
    return likeness_of(folder)


@pytest.mark.parametrize(
    ("shape", "spacing", "words"),
    [
        ((180, 180, 40), (1, 1, 3), ""),
        ((40, 180, 180), (3, 1, 1), ""),  # the same head, cut the other way
        ((180, 180, 40), (1.5, 1.5, 3), ""),
        ((90, 90, 40), (2, 2, 3), "voxels of 2 x 2 x 3 mm, in training (0.9 to 1.1) x (0.9 to 1.1) x (2 to 4) mm"),
        ((180, 180, 40), (0.001, 0.001, 0.003), "voxels of 0.001 x 0.001 x 0.003 mm"),
        ((180, 180, 2), (1, 1, 3), "an extent of 6 x 180 x 180 mm"),
        ((180, 180, 300), (1, 1, 3), "an extent of 180 x 180 x 900 mm"),
        ((180, 180, 1), (1, 1, 3), ""),  # a slice, which has its own message
    ],
)
def test_what_no_scan_of_the_training_was_like_is_told(tmp_path: Path, shape, spacing, words):
    said = remembered(tmp_path).unlike(Geometry.from_spacing(shape, spacing))
    assert said == "" if not words else words in said


def test_slices_are_compared_along_their_two_axes(tmp_path: Path):
    known = remembered(tmp_path, [[1, 1, 1]] * 3, [[100, 100, 100], [80, 80, 80], [1, 1, 1]])
    assert known.unlike(Geometry.from_spacing((100, 80, 1))) == ""
    assert "voxels of 1 x 3 mm, in training 1 x 1 mm" in known.unlike(Geometry.from_spacing((100, 80, 1), (1, 3, 9)))


@pytest.mark.parametrize("text", [None, "{broken", "[]", '{"fingerprint": null, "lines": []}'])
def test_a_run_that_remembers_nothing_compares_nothing(tmp_path: Path, text):
    if text is not None:
        (tmp_path / "plan.json").write_text(text, encoding="utf-8")
    assert likeness_of(tmp_path).unlike(Geometry.from_spacing((2, 2, 2), (50, 50, 50))) == ""


def test_channels_of_one_value_are_named():
    data = np.zeros((1, 4, 4, 4, 3), np.float32)
    data[0, 0, 0, 0, 1] = 1
    scan = Scan(data, Geometry.from_spacing((4, 4, 4)), channels=("t1", "t2", "flair"))
    assert blank_channels(scan) == ["t1", "flair"]
