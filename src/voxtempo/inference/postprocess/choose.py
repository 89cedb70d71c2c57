"""Which operations help, decided on validation cases alone.

Operations are tried one after another, each on the label maps that those kept before it leave: first a threshold for every
label or region, then the largest component of the foreground, then for every structure its largest component, the removal of
its small components and the filling of its holes. One is kept if the mean Dice of the subjects rises by more than ``MARGIN``
and by more than two standard errors of the paired differences, over ``ENOUGH`` subjects at least; the best of several
thresholds by more than 2.7, since the best of several is lucky. So what helps one subject alone, and what cannot be told
from chance, is left out. Where a true map, of training cases too, shows a structure in several parts, its largest component is
not tried: a rare second lesion weighs little in a mean, and much for a patient.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import norm

from voxtempo.inference.postprocess.build import record_of, thresholds_of
from voxtempo.inference.postprocess.doubt import THRESHOLDS, Doubt
from voxtempo.inference.postprocess.fill_holes import FillHoles
from voxtempo.inference.postprocess.largest_component import LargestComponent
from voxtempo.inference.postprocess.operation import FOREGROUND, Labels, Operation
from voxtempo.inference.postprocess.remove_small import RemoveSmall
from voxtempo.inference.postprocess.threshold import Threshold
from voxtempo.inference.postprocess.true_parts import Parts, true_parts
from voxtempo.learning.tasks import SegmentTask, among

MARGIN = 0.001
ERRORS = 2.0
ENOUGH = 5


@dataclass(frozen=True)
class Pair:
    """A predicted and a true label map (x, y, z) on one grid.

    Parameters
    ----------
    predicted, truth : label values.
    spacing : mm along x, y, z.
    group : whose they are.
    doubt : the voxels that thresholds can change; thresholds are not tried where a pair has none.
    """

    predicted: Labels
    truth: Labels
    spacing: tuple[float, ...]
    group: str
    doubt: Doubt | None = None

    def cropped(self) -> Pair:
        """Return the pair without the empty surroundings, one voxel of which stays."""
        marked = ((self.predicted > 0) | (self.truth > 0)).astype(np.uint8)
        if self.doubt is not None:
            marked.flat[self.doubt.places] = 1
        found = ndimage.find_objects(marked)
        if not found:
            return self
        sides = zip(found[0], marked.shape, strict=True)
        box = tuple(slice(max(side.start - 1, 0), min(side.stop + 1, n)) for side, n in sides)
        doubt = self.doubt.within(marked.shape, box) if self.doubt is not None else None
        return Pair(self.predicted[box].copy(), self.truth[box].copy(), self.spacing, self.group, doubt)


def choose_operations(
    pairs: Sequence[Pair], task: SegmentTask, drawn: Iterable[tuple[Labels, Sequence[float]]] = ()
) -> tuple[tuple[Operation, ...], dict[str, Any]]:
    """Return the operations to keep, and the record of all that were tried.

    Parameters
    ----------
    pairs : validation cases; what the study ignores is 0 in both maps.
    task : names labels and regions.
    drawn : true label maps of training cases, with their spacings in mm. What they show to have several parts is not cut down
        to one, and nothing is removed that is as large as their smallest part.
    """
    groups = [pair.group for pair in pairs]
    errors = lucky_errors(len(THRESHOLDS))
    rule = (
        f"mean Dice rises by more than {MARGIN} and {ERRORS:g} standard errors ({errors:.1f} for the best of "
        f"{len(THRESHOLDS)} thresholds), over {ENOUGH} subjects or more"
    )
    choice = _Choice(pairs, task, groups)
    if len(set(groups)) >= ENOUGH:
        if all(pair.doubt is not None for pair in pairs):
            for name in task.averaged:
                choice.offer([Threshold(name, probability=each) for each in THRESHOLDS], errors)
        parts = true_parts(chain(drawn, ((pair.truth, pair.spacing) for pair in pairs)), task)
        for candidate in _candidates(parts, task, choice.kept):
            choice.offer([candidate], ERRORS)
    return tuple(choice.kept), {
        "operations": record_of(choice.kept),
        "rule": rule,
        "chosen_on": "validation",
        "subjects": len(set(groups)),
        "tried": choice.tried,
    }


def lucky_errors(several: int) -> float:
    """Return the standard errors that the best of several must rise by for no more luck than one with ``ERRORS``.

    >>> lucky_errors(1), round(lucky_errors(6), 1)
    (2.0, 2.7)
    """
    return ERRORS if several == 1 else float(norm.isf(norm.sf(ERRORS) / several))


@dataclass
class _Choice:
    """What was kept so far, and the label maps and Dice that it leaves."""

    pairs: Sequence[Pair]
    task: SegmentTask
    groups: Sequence[str]
    kept: list[Operation] = field(default_factory=list)
    tried: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._maps = [pair.predicted for pair in self.pairs]
        self._dice = mean_dice(self._maps, self.pairs, self.task)

    def offer(self, candidates: Sequence[Operation], errors: float) -> None:
        """Keep the best of some candidates if it helps, and record them all."""
        best: tuple[float, float, int, list[Labels], NDArray[np.float64]] | None = None
        first = len(self.tried)
        for place, candidate in enumerate(candidates):
            maps = self._after(candidate)
            dice = mean_dice(maps, self.pairs, self.task)
            gain, error = paired_gain(dice - self._dice, self.groups)
            said = {"dice_before": self._dice.mean(), "dice_after": dice.mean(), "gain": gain, "standard_error": error}
            self.tried.append({"operation": record_of([candidate])[0], **said, "kept": False})
            if best is None or gain > best[0]:
                best = gain, error, place, maps, dice
        if best is not None and best[0] > max(MARGIN, errors * best[1]):
            _, _, place, self._maps, self._dice = best
            self.kept.append(candidates[place])
            self.tried[first + place]["kept"] = True

    def _after(self, candidate: Operation) -> list[Labels]:
        """Return the label maps as the candidate would leave them; thresholds are offered before all other operations."""
        pairs, task = self.pairs, self.task
        if candidate.thresholds():
            limits = thresholds_of([*self.kept, candidate], task)
            return [pair.doubt.relabelled(pair.predicted, task, limits) for pair in pairs if pair.doubt is not None]
        return [candidate.apply(each, task, pair.spacing) for each, pair in zip(self._maps, pairs, strict=True)]


def _candidates(parts: Mapping[str, Parts], task: SegmentTask, kept: Sequence[Operation]) -> Iterator[Operation]:
    """Yield what is worth trying, given what was kept so far."""
    if FOREGROUND not in task.structures and not parts[FOREGROUND].several:
        yield LargestComponent(FOREGROUND)
    for name in task.averaged:
        if not parts[name].several and (len(task.structures) > 1 or FOREGROUND in task.structures):
            yield LargestComponent(name)
        smallest = parts[name].smallest
        if smallest is not None and LargestComponent(name) not in kept:
            yield RemoveSmall(name, volume=smallest / 2)
        yield FillHoles(name)


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
