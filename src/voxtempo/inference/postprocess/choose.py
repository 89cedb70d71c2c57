"""Which operations help, decided on validation cases alone.

Operations are tried one after another, each on the label maps that those kept before it leave: first the largest component
of the foreground, then for every structure its largest component, the removal of its small components and the filling of
its holes. One is kept if the mean Dice of the subjects rises by more than ``MARGIN`` and by more than two standard errors of
the paired differences, over ``ENOUGH`` subjects at least. So what helps one subject alone, and what cannot be told from
chance, is left out. Thresholds are not tried: they would be fitted to few subjects' calibration.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxtempo.inference.postprocess.build import record_of
from voxtempo.inference.postprocess.fill_holes import FillHoles
from voxtempo.inference.postprocess.largest_component import LargestComponent
from voxtempo.inference.postprocess.operation import FOREGROUND, Labels, Operation, components
from voxtempo.inference.postprocess.remove_small import RemoveSmall
from voxtempo.learning.tasks import SegmentTask, among

MARGIN = 0.001
ERRORS = 2.0
ENOUGH = 5


@dataclass(frozen=True)
class Pair:
    """A predicted and a true label map (x, y, z) on one grid, whose they are, and the spacing in mm."""

    predicted: Labels
    truth: Labels
    spacing: tuple[float, ...]
    group: str

    def cropped(self) -> Pair:
        """Return the pair without the empty surroundings, one voxel of which stays."""
        found = ndimage.find_objects(((self.predicted > 0) | (self.truth > 0)).astype(np.uint8))
        if not found:
            return self
        box = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in found[0])
        return Pair(self.predicted[box].copy(), self.truth[box].copy(), self.spacing, self.group)


def choose_operations(pairs: Sequence[Pair], task: SegmentTask) -> tuple[tuple[Operation, ...], dict[str, Any]]:
    """Return the operations to keep, and the record of all that were tried.

    Parameters
    ----------
    pairs : validation cases; what the study ignores is 0 in both maps.
    task : names labels and regions.
    """
    kept: list[Operation] = []
    tried: list[dict[str, Any]] = []
    groups = [pair.group for pair in pairs]
    maps = [pair.predicted for pair in pairs]
    before = mean_dice(maps, pairs, task)
    rule = f"mean Dice rises by more than {MARGIN} and {ERRORS:g} standard errors, over {ENOUGH} subjects or more"
    if len(set(groups)) >= ENOUGH:
        for candidate in _candidates(pairs, task, kept):
            changed = [candidate.apply(each, task, pair.spacing) for each, pair in zip(maps, pairs, strict=True)]
            after = mean_dice(changed, pairs, task)
            gain, error = paired_gain(after - before, groups)
            helps = gain > max(MARGIN, ERRORS * error)
            said = {"dice_before": before.mean(), "dice_after": after.mean(), "gain": gain, "standard_error": error}
            tried.append({"operation": record_of([candidate])[0], **said, "kept": bool(helps)})
            if helps:
                kept.append(candidate)
                maps, before = changed, after
    return tuple(kept), {
        "operations": record_of(kept),
        "rule": rule,
        "chosen_on": "validation",
        "subjects": len(set(groups)),
        "tried": tried,
    }


def _candidates(pairs: Sequence[Pair], task: SegmentTask, kept: Sequence[Operation]) -> Iterator[Operation]:
    """Yield what is worth trying, given what was kept so far."""
    if FOREGROUND not in task.structures:
        yield LargestComponent(FOREGROUND)
    for name in task.averaged:
        if len(task.structures) > 1 or FOREGROUND in task.structures:
            yield LargestComponent(name)
        smallest = _smallest_component(pairs, task.structures[name])
        if smallest is not None and LargestComponent(name) not in kept:
            yield RemoveSmall(name, volume=smallest / 2)
        yield FillHoles(name)


def _smallest_component(pairs: Sequence[Pair], values: Sequence[int]) -> float | None:
    """Return the volume (mm3) of the smallest true component; None where even two voxels are true or nothing is."""
    found: list[float] = []
    for pair in pairs:
        _, voxels = components(among(pair.truth, values))
        if len(voxels) > 1:
            if voxels[1:].min() <= 2:
                return None
            found.append(float(f"{voxels[1:].min() * math.prod(pair.spacing):.4g}"))
    return min(found, default=None)


def mean_dice(maps: Sequence[Labels], pairs: Sequence[Pair], task: SegmentTask) -> NDArray[np.float64]:
    """Return each case's mean Dice over what is learned, (cases,)."""
    structures = {name: task.structures[name] for name in task.averaged}
    return np.array([_case_dice(each, pair.truth, structures) for each, pair in zip(maps, pairs, strict=True)])


def _case_dice(predicted: Labels, truth: Labels, structures: Mapping[str, Sequence[int]]) -> float:
    scores = []
    for values in structures.values():
        ours, theirs = among(predicted, values), among(truth, values)
        total = np.count_nonzero(ours) + np.count_nonzero(theirs)
        scores.append(2 * np.count_nonzero(ours & theirs) / total if total else 1.0)
    return float(np.mean(scores))


def paired_gain(differences: NDArray[np.float64], groups: Sequence[str]) -> tuple[float, float]:
    """Return the mean over subjects of their cases' mean difference, and its standard error."""
    names = np.array(groups)
    each = np.array([differences[names == name].mean() for name in np.unique(names)])
    return float(each.mean()), float(each.std(ddof=1) / math.sqrt(len(each)))
