"""Fill in what a study file leaves open. Every choice comes with its reason, and an explicit choice is never touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxtempo.cohort import GeometryReport
from voxtempo.cohort.case import Cohort
from voxtempo.cohort.problem import few
from voxtempo.cohort.study import Named, NetworkSection, Sample, Study, Window
from voxtempo.errors import CohortError, StudyError
from voxtempo.planning.estimate import Estimate, estimate
from voxtempo.planning.foresee import Foreseen, foresee
from voxtempo.planning.training import plan_training, train_samples
from voxtempo.scans import Geometry

WHOLE_VOXELS = 200_000
PATCH_VOXELS = 64**3


@dataclass(frozen=True)
class Plan:
    """A study with nothing left open, the reasons, and what it will cost."""

    study: Study
    reasons: tuple[str, ...]
    estimate: Estimate


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
    train = plan_training(study, cohort, sample, foreseen, reasons)
    done = study.model_copy(update={"prepare": named, "sample": sample, "network": network, "train": train})
    return Plan(done, tuple(reasons), estimate(done, foreseen.largest, train_samples(cohort, sample, foreseen)))


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


def _x(shape: Sequence[int]) -> str:
    return " x ".join(str(n) for n in shape)
