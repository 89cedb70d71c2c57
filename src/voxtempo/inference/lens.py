"""How the networks of a fold see a case: harmonised as that fold learned it. And the files that keep what was learned.

Each fold learns from training cases of its own, so networks of several folds see one scan in several ways. Harmonisation is
therefore a part of the network's eyes: prepared cases are handed around as they are, and every network looks through its lens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from voxtempo.feed import FeedCase, Voxels
from voxtempo.harmonise import About, Chain
from voxtempo.inference.record import read_record
from voxtempo.learning.weights import load_arrays, save_arrays
from voxtempo.scans import Geometry, Scan
from voxtempo.scans.atomic import atomic_file

HARMONISE, HARMONISE_ARRAYS = "harmonise.json", "harmonise.safetensors"


@dataclass(frozen=True, eq=False)
class Lens:
    """What a fold's training cases taught its harmonisers."""

    chain: Chain

    def __call__(self, case: FeedCase) -> FeedCase:
        """Return the case as its networks are to see it.

        Raises
        ------
        CohortError : its site is not known or is new, or a value that is asked for is missing.
        """
        everything = (slice(None), slice(None), slice(None))
        data = case.image.read(range(case.image.shape[0]), everything)
        scan = Scan(data, Geometry.from_spacing(data.shape[1:4], case.spacing), case.repetition_time)
        seen = self.chain.apply(scan, About(case.id, case.site, case.row))
        return replace(case, image=Voxels(seen.data))


def write_lens(folder: Path, chain: Chain, more: Mapping[str, Any]) -> None:
    """Write what was learned into a run folder.

    Parameters
    ----------
    folder : of the run.
    chain : what was learned.
    more : what a reader should know beside it, as JSON.
    """
    record, arrays = chain.record()
    digest = save_arrays(folder / HARMONISE_ARRAYS, arrays) if arrays else None
    text = json.dumps({**more, **record, "arrays_sha256": digest}, indent=1, ensure_ascii=False, allow_nan=False)
    with atomic_file(folder / HARMONISE) as file:
        file.write(text.encode() + b"\n")


def read_lens(folder: Path) -> tuple[Lens, dict[str, Any]] | None:
    """Return the lens that a run folder keeps, with its record; None where it keeps none.

    Raises
    ------
    RunError : a file is damaged or gone.
    """

    def read(record: dict[str, Any]) -> tuple[Lens, dict[str, Any]]:
        digest = record["arrays_sha256"]
        arrays = load_arrays(folder / HARMONISE_ARRAYS, digest) if digest else {}
        return Lens(Chain.restored(record, arrays)), record

    return read_record(folder / HARMONISE, read)
