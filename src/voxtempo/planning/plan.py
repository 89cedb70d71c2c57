"""Fill in what a study file leaves open. Every choice comes with its reason, and an explicit choice is never touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from voxtempo.cohort import GeometryReport, make_folds
from voxtempo.cohort.case import Cohort
from voxtempo.cohort.problem import few
from voxtempo.cohort.study import Named, NetworkSection, Sample, Study, Train, Window
from voxtempo.errors import CohortError, StudyError
from voxtempo.planning.estimate import Estimate, estimate
from voxtempo.prepare import build_steps
from voxtempo.scans import Geometry

WHOLE_VOXELS = 200_000
PATCH_VOXELS = 64**3
ENOUGH_LABEL_MAPS = 10
ENOUGH_SUBJECTS = 50


@dataclass(frozen=True)
class Foreseen:
    """What preparation will give, known from headers alone.

    ``shapes`` holds each case's (x, y, z) after preparation (an upper bound where a step depends on the voxels),
    ``volumes`` its number of time points, ``repetition_times`` the seconds between them (None: unknown),
    ``channels`` the number of contrasts.
    """

    shapes: tuple[tuple[int, int, int], ...]
    volumes: tuple[int, ...]
    channels: int
    repetition_times: tuple[float | None, ...] = ()

    @property
    def largest(self) -> tuple[int, int, int]:
        """The largest size along each axis."""
        x, y, z = np.max(self.shapes, axis=0)
        return int(x), int(y), int(z)

    @property
    def median(self) -> tuple[int, int, int]:
        """The median size along each axis."""
        x, y, z = np.median(self.shapes, axis=0)
        return int(x), int(y), int(z)

    @property
    def one_shape(self) -> bool:
        """Whether all cases will have the same shape."""
        return len(set(self.shapes)) == 1

    @property
    def series(self) -> bool:
        """Whether time is an axis of this cohort."""
        return max(self.volumes) > 1

    @property
    def flat(self) -> bool:
        """Whether every case is a single slice."""
        return self.largest[2] == 1


@dataclass(frozen=True)
class Plan:
    """A study with nothing left open, the reasons, and what it will cost."""

    study: Study
    reasons: tuple[str, ...]
    estimate: Estimate


def foresee(
    named: Sequence[Named],
    geometries: Sequence[Geometry],
    volumes: Sequence[int],
    channels: int,
    repetition_times: Sequence[float | None] | None = None,
) -> Foreseen:
    """Return the shapes, and the time points, that the preparation steps will give."""
    steps = build_steps(named)
    shapes, times = [], []
    for geometry, count, seconds in zip(geometries, volumes, repetition_times or [None] * len(volumes), strict=True):
        for step in steps:
            geometry = step.foresee(geometry)
            count, seconds = step.foresee_time(count, seconds)
        shapes.append(geometry.shape)
        times.append((count, seconds))
    return Foreseen(tuple(shapes), tuple(t for t, _ in times), channels, tuple(s for _, s in times))


def complete(
    study: Study,
    cohort: Cohort,
    geometries: Sequence[Geometry],
    volumes: Sequence[int],
    repetition_times: Sequence[float | None] | None = None,
) -> Plan:
    """Return the study with every open value filled in.

    Parameters
    ----------
    study : as its file says it.
    cohort : its cases.
    geometries : the native grid of each case, in the cohort's order.
    volumes : the number of time points of each case.
    repetition_times : seconds between them, None where unknown.

    Raises
    ------
    StudyError : what the study asks for cannot fit the data.
    """
    reasons: list[str] = []
    series = max(volumes) > 1
    named = list(study.prepare) if study.prepare is not None else _default_steps(study, geometries, series, reasons)
    channels = len(study.cohort.scans)
    foreseen = foresee(named, geometries, volumes, channels, repetition_times)
    sample = study.sample or _plan_sample(study, foreseen, reasons)
    _refuse_misfit(study, sample, foreseen)
    if sample.kind != "patch" and not foreseen.one_shape:
        shape = list(foreseen.largest)
        named.append(Named(name="crop_pad", options={"shape": shape}))
        reasons.append(
            f"prepare: cases have {len(set(foreseen.shapes))} shapes and {sample.kind} samples need one, "
            f"so crop_pad to the largest, {_x(shape)}, is added"
        )
        foreseen = foresee(named, geometries, volumes, channels, repetition_times)
    network = _plan_network(study, sample, foreseen, reasons)
    train = _plan_training(study, cohort, sample, foreseen, reasons)
    done = study.model_copy(update={"prepare": named, "sample": sample, "network": network, "train": train})
    return Plan(done, tuple(reasons), estimate(done, foreseen.largest, _train_samples(cohort, sample, foreseen)))


def plan_study(study: Study, cohort: Cohort, geometry: GeometryReport) -> Plan:
    """Return the completed study, from the headers of its scans.

    Raises
    ------
    CohortError : scans that cannot be read.
    """
    channel = next(iter(study.cohort.scans))
    unread = [case.id for case in cohort if channel not in geometry.headers.get(case.id, {})]
    if unread:
        faults = " ".join(f"{p.where}: {p.message}" for p in geometry.problems if p.severity == "error")
        raise CohortError(f"{len(unread)} of {len(cohort)} cases cannot be read ({few(unread)}). {faults}")
    headers = [geometry.headers[case.id][channel] for case in cohort]
    times = [geometry.repetition_times.get(case.id) for case in cohort]
    return complete(study, cohort, [h.geometry for h in headers], [h.volumes for h in headers], times)


def explain(plan: Plan) -> list[str]:
    """Return the plan's reasons and cost as lines for a person."""
    return [*plan.reasons, *plan.estimate.lines()]


def _default_steps(study: Study, geometries: Sequence[Geometry], series: bool, reasons: list[str]) -> list[Named]:
    steps = []
    orientations = sorted({g.orientation for g in geometries})
    if any(g.shape[2] > 1 for g in geometries):
        steps.append(Named(name="orient", options="RAS"))
        reasons.append(f"prepare: orient to RAS (found {', '.join(orientations)})")
    if series and study.cohort.target.events is not None:
        steps.append(Named(name="temporal_filter", options={"detrend": 2}))
        steps.append(Named(name="normalise", options={"method": "zscore", "axis": "time"}))
        reasons.append("prepare: quadratic detrend and z-score over time, since the truth is events in a series")
    else:
        steps.append(Named(name="normalise", options={"method": "zscore"}))
        reasons.append("prepare: z-score each scan, since MR intensities have no unit")
    return steps


def _plan_sample(study: Study, foreseen: Foreseen, reasons: list[str]) -> Sample:
    if foreseen.series:
        events = study.cohort.target.events is not None
        length = min(20 if not events else 8, min(foreseen.volumes))
        reasons.append(f"sample: windows of {length} volumes" + (", one an event" if events else ", end to end"))
        return Sample(window=Window(length=length, align="events" if events else None, delay=5.0 if events else 0.0))
    if study.task != "segment" or (foreseen.flat and foreseen.one_shape):
        reasons.append(f"sample: the whole {'slice' if foreseen.flat else 'volume'}, {_x(foreseen.largest)}")
        return Sample(volume="whole")
    patch = plan_patch(foreseen.largest, foreseen.median)
    whole = all(p >= n for p, n in zip(patch, foreseen.largest, strict=True))
    reasons.append(
        f"sample: patches of {_x(patch)}, "
        + ("which hold every whole scan" if whole else f"the shape of the median scan ({_x(foreseen.median)}) in small")
    )
    return Sample(patch=patch)


def plan_patch(largest: Sequence[int], median: Sequence[int], *, voxels: int = PATCH_VOXELS) -> tuple[int, int, int]:
    """Return a patch of multiples of 16: the largest scan if it is small, else the median scan's shape in small.

    >>> plan_patch((43, 59, 47), (36, 50, 35))
    (48, 64, 48)
    >>> plan_patch((120, 90, 120), (120, 90, 120))
    (64, 48, 64)
    """
    whole = [_multiple(n, up=True) for n in largest]
    if np.prod(whole, dtype=np.int64) <= WHOLE_VOXELS:
        return whole[0], whole[1], whole[2]
    ratio = min(1.0, (voxels / float(np.prod(median, dtype=np.int64))) ** (1 / 3))
    x, y, z = (min(_multiple(n * ratio), _multiple(n, up=True)) for n in median)
    return x, y, z


def _multiple(length: float, of: int = 16, up: bool = False) -> int:
    if length <= 1:
        return 1
    step = of if length > of / 2 else 4
    return int(step * max(1, np.ceil(length / step) if up else round(length / step)))


def _refuse_misfit(study: Study, sample: Sample, foreseen: Foreseen) -> None:
    if sample.window is not None and not foreseen.series:
        raise StudyError("sample: 'window' needs series, but every scan of this cohort has one volume.")
    if sample.window is None and foreseen.series:
        raise StudyError(
            f"sample: '{sample.kind}' has no time axis, but the scans have up to {max(foreseen.volumes)} volumes. "
            "Use 'sample: {window: {length: ...}}'."
        )
    if sample.window is not None and study.task == "segment":
        raise StudyError("task: segment works on slices and volumes; series can be classified or regressed.")
    if sample.window is not None and sample.window.frames is None and sample.window.span > min(foreseen.volumes):
        spread = f" over {sample.window.span}" if sample.window.dilation > 1 else ""
        raise StudyError(
            f"sample.window.length is {sample.window.volumes} volumes{spread}, but the shortest series has "
            f"{min(foreseen.volumes)}."
        )


def _plan_network(study: Study, sample: Sample, foreseen: Foreseen, reasons: list[str]) -> NetworkSection:
    own = study.network
    if own.python is not None:
        return own
    flat = foreseen.flat or sample.kind == "slices"
    name = own.name
    if name is None:
        if sample.kind == "window":
            name = "cnn_lstm"
        elif study.task == "segment":
            name = "unet2d" if flat else "unet3d"
        else:
            name = "resnet2d" if flat else "resnet3d"
        what = "series" if foreseen.series else "slices" if flat else "volumes"
        reasons.append(f"network: {name} to {study.task} from {what}")
    return NetworkSection.model_validate({"name": name, **own.options})


def _train_samples(cohort: Cohort, sample: Sample, foreseen: Foreseen) -> int:
    """Return about how many samples one pass over 70 % of the cohort has."""
    if sample.window is not None:
        stride = sample.window.stride or sample.window.span
        if sample.window.align == "events":
            count = sum(len(case.events) for case in cohort)
        elif sample.window.frames is not None:
            count = len(cohort)
        else:
            count = sum(1 + -(-(v - sample.window.span) // stride) for v in foreseen.volumes)
    elif sample.slices is not None:
        axis = "xyz".index(sample.slices.axis)
        count = sum(shape[axis] for shape in foreseen.shapes)
    elif sample.patch is not None:
        voxels = float(np.prod(sample.patch))
        count = sum(max(1, round(float(np.prod(shape)) / voxels)) for shape in foreseen.shapes)
    else:
        count = len(cohort)
    return max(1, round(0.7 * count))


def _plan_training(study: Study, cohort: Cohort, sample: Sample, foreseen: Foreseen, reasons: list[str]) -> Train:
    samples = _train_samples(cohort, sample, foreseen)
    flat = foreseen.flat or sample.kind == "slices"
    own = study.train
    batch = own.batch or (32 if flat else 2 if study.task == "segment" else 8 if sample.kind == "window" else 4)
    batch = own.batch or max(1, min(batch, samples))
    steps = own.steps or -(-samples // batch)
    updates = 1700 if study.task == "segment" else 1500 if flat and sample.kind != "window" else 1000
    epochs = own.epochs or int(np.clip(round(updates / steps), 8, 60 if sample.kind == "window" else 100))
    keep = own.keep or _plan_keep(study, cohort, reasons)
    changes = {
        "batch": batch,
        "epochs": epochs,
        "keep": keep,
        "rate": own.rate or (1e-2 if own.optimiser == "sgd" else 1e-3),
        "weight_decay": own.weight_decay
        if own.weight_decay is not None
        else (1e-4 if study.task == "segment" else 1e-2),
        "patience": own.patience or (max(10, epochs // 2) if keep == "best" else epochs),
        "dropout": own.dropout if own.dropout is not None else (0.0 if study.task == "segment" else 0.3),
    }
    if own.batch is None or own.epochs is None:
        reasons.append(f"train: {epochs} epochs of about {steps} updates of {batch} samples ({epochs * steps} updates)")
    return own.model_copy(update=changes)


def _plan_keep(study: Study, cohort: Cohort, reasons: list[str]) -> Literal["best", "last"]:
    """Return which weights to keep: few validation subjects cannot tell one epoch from another.

    A label map holds thousands of voxels, so ten cases are enough there.
    """
    enough = ENOUGH_LABEL_MAPS if study.task == "segment" else ENOUGH_SUBJECTS
    try:
        fold = make_folds(cohort, study.split)[0]
        subjects = len({case.group for case in cohort.only(fold.validation)})
    except CohortError:
        subjects = 0
    if subjects >= enough:
        return "best"
    reasons.append(
        f"train: the last epoch's weights are kept, since {subjects} validation subjects are too few to choose an epoch by "
        f"({enough} would do)"
    )
    return "last"


def _x(shape: Sequence[int]) -> str:
    return " x ".join(str(n) for n in shape)
