"""Remembered pairs of alike images: those that comparing them gives, and compared again whenever anything differs."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from scipy import ndimage

from voxtempo.cohort import cache_root
from voxtempo.cohort.facts import Fact
from voxtempo.cohort.leakage import pairs
from voxtempo.cohort.leakage.pairs import similar_pairs
from voxtempo.cohort.leakage.similar import MANNER, find_similar
from voxtempo.cohort.leakage.sketch import Sketch, sketch_of


def sketches(count: int = 8) -> dict[str, Fact]:
    """Sketches of smooth noise, and of each the mirrored one."""
    found = {}
    for number in range(count):
        image = ndimage.gaussian_filter(np.random.default_rng(number).normal(size=(40, 36)), 2).astype(np.float32)
        for name, view in ((f"i{number}", image), (f"m{number}", image[::-1])):
            sketch = sketch_of(view)
            assert sketch is not None
            found[name] = sketch.as_json()
    return found


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images were compared, each time they were."""
    counts: list[int] = []

    def spy(given, workers):
        counts.append(len(given))
        return find_similar(given, workers)

    monkeypatch.setattr(pairs, "find_similar", spy)
    return counts


def test_remembered_pairs_are_the_pairs_to_the_last_bit(compared: list[int]):
    facts = sketches()
    found = similar_pairs(facts)
    assert found == find_similar({name: Sketch.from_json(fact) for name, fact in facts.items()})
    assert {(pair.first, pair.second, pair.how) for pair in found} == {(f"i{n}", f"m{n}", "mirrored") for n in range(8)}
    assert similar_pairs(dict(reversed(facts.items()))) == found
    assert compared == [16]


def test_other_images_names_or_manners_are_compared_anew(compared: list[int], monkeypatch: pytest.MonkeyPatch):
    facts = sketches(3)
    similar_pairs(facts)
    assert not similar_pairs({name: fact for name, fact in facts.items() if name.startswith("i")})
    renamed = similar_pairs({f"x{name}": fact for name, fact in facts.items()})
    assert [(pair.first, pair.second) for pair in renamed] == [(f"xi{n}", f"xm{n}") for n in range(3)]
    other = sketches(4)
    assert len(similar_pairs({**facts, "i0": other["i3"]})) == 2
    assert compared == [6, 3, 6, 6]
    for key in MANNER:
        monkeypatch.setitem(MANNER, key, "another")
        similar_pairs(facts)
    assert compared == [6, 3, 6, 6, *[6] * len(MANNER)]


def test_damaged_and_foreign_records_are_compared_anew(compared: list[int]):
    facts = sketches(3)
    truth = similar_pairs(facts)
    (store,) = (cache_root() / "similar").iterdir()
    whole = store.read_bytes()
    for damage in (b"", b"{}", whole[:-2], whole.replace(b"mirrored", b"rotated!"), whole.partition(b"\n")[2]):
        store.write_bytes(damage)
        assert similar_pairs(facts) == truth
        assert store.read_bytes() == whole
    assert len(compared) == 6
    similar_pairs(sketches(2))
    (other,) = set((cache_root() / "similar").iterdir()) - {store}
    shutil.copy(other, store)
    assert similar_pairs(facts) == truth
    assert len(compared) == 8
