"""Which images of a cohort are alike, remembered: to compare them all takes seconds, and every look at a study asks again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from voxtempo.cohort.facts import Fact, cache_root
from voxtempo.cohort.leakage.similar import MANNER, Likeness, find_similar
from voxtempo.cohort.leakage.sketch import Sketch
from voxtempo.cohort.record import read_record, write_record


def similar_pairs(sketches: Mapping[str, Fact], workers: int = 2) -> tuple[Likeness, ...]:
    """Return ``find_similar`` of sketches, from the cache where the same ones were compared in the same manner before.

    Parameters
    ----------
    sketches : name -> what ``Sketch.as_json`` gave.
    workers : threads.
    """
    names = sorted(sketches)
    key = _key(names, sketches)
    store = cache_root() / "similar" / key
    record = read_record(store)
    if isinstance(record, dict) and record.get("key") == key:
        return tuple(Likeness(names[i], names[j], score, how) for i, j, score, how in record["pairs"])
    found = find_similar({name: Sketch.from_json(sketches[name]) for name in names}, workers)
    place = {name: i for i, name in enumerate(names)}
    pairs = [(place[pair.first], place[pair.second], pair.score, pair.how) for pair in found]
    write_record(store, {"key": key, "pairs": pairs})
    return found


def _key(names: Sequence[str], sketches: Mapping[str, Fact]) -> str:
    compared = [MANNER, [(name, sketches[name]) for name in names]]
    return hashlib.sha256(json.dumps(compared, sort_keys=True).encode()).hexdigest()[:32]
