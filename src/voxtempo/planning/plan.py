"""Fill in what a study file leaves open. Every choice comes with its reason, and an explicit choice is never touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from voxtempo.cohort import GeometryReport
from voxtempo.cohort.case import Cohort
from voxtempo.cohort.problem import few
from voxtempo.cohort.study import Named, Sample, Study
from voxtempo.errors import CohortError, StudyError
from voxtempo.planning.estimate import Estimate, estimate, refuse_network
from voxtempo.planning.fingerprint import Fingerprint
from voxtempo.planning.foresee import Foreseen, foresee
from voxtempo.planning.limits import limits_of
from voxtempo.planning.machine import Machine, this_machine
from voxtempo.planning.network import plan_network
from voxtempo.planning.sample import plan_sample
from voxtempo.planning.spacing import plan_spacing
from voxtempo.planning.subgroups import plan_subgroups
from voxtempo.planning.training import FEWEST_UPDATES, plan_batch, plan_training, train_samples
from voxtempo.scans import Geometry
from voxtempo.wording import by

MOSTLY_AIR = 0.25
"""With a larger share of voxels that are exactly 0 the background was cut out, and does not count in a scan's statistics."""


@dataclass(frozen=True)
class Plan:
    """A study with nothing left open, the reasons, what it will cost, and the fingerprint that it was made from."""

    study: Study
    reasons: tuple[str, ...]
    estimate: Estimate
    fingerprint: Fingerprint | None = None


def complete(
    study: Study,
    cohort: Cohort,
    geometries: Sequence[Geometry],
    volumes: Sequence[int],
    repetition_times: Sequence[float | None] | None = None,
    fingerprint: Fingerprint | None = None,
    machine: Machine | None = None,
) -> Plan:
    """Return the study with every open value filled in.

    Parameters
    ----------
    study : as its file says it.
    cohort : its cases.
    geometries : the native grid of each case, in the cohort's order.
    volumes : the number of time points of each case.
    repetition_times : seconds between them, None where unknown.
    fingerprint : what the voxels are like; without it nothing is decided by them.
    machine : what the training will run on; this one if not given.

    Raises
    ------
    StudyError : what the study asks for cannot fit the data.
    """
    reasons: list[str] = []
    machine = machine or this_machine()
    limits = limits_of(study, machine)
    channels = len(study.cohort.scans)

    def seen(steps: Sequence[Named]) -> Foreseen:
        return foresee(steps, geometries, volumes, channels, repetition_times)

    named = list(study.prepare) if study.prepare is not None else _default_steps(study, seen, fingerprint, reasons)
    foreseen = seen(named)
    sample = study.sample
    if sample is None or sample.kind == "dimensions":
        sample = plan_sample(study, foreseen, limits, _cost(study, foreseen, machine), reasons)
    _refuse_misfit(study, sample, foreseen)
    if sample.kind != "patch" and not foreseen.one_shape:
        shape = list(foreseen.largest)
        named.append(Named(name="crop_pad", options={"shape": shape}))
        many = f"cases have {len(set(foreseen.shapes))} shapes" if not foreseen.bounded else "shapes follow the voxels"
        reasons.append(
            f"prepare: {many} and {sample.kind} samples need one, so crop_pad to the largest possible, {by(shape)}, is added"
        )
        foreseen = seen(named)
    network = plan_network(study, sample, foreseen, reasons)
    done = study.model_copy(update={"prepare": named, "sample": sample, "network": network})
    refuse_network(done, foreseen.largest)
    train = plan_training(done, cohort, foreseen, limits, machine, fingerprint, reasons)
    by_validation = "auto" if study.task == "segment" and study.split.validates else "none"
    judged = {
        "mirror": study.evaluate.mirror or by_validation,
        "postprocess": by_validation if study.evaluate.postprocess is None else study.evaluate.postprocess,
        "subgroups": plan_subgroups(study, cohort, reasons),
    }
    done = done.model_copy(update={"train": train, "evaluate": study.evaluate.model_copy(update=judged)})
    cost = estimate(done, foreseen.largest, train_samples(cohort, sample, foreseen), machine)
    return Plan(done, tuple(reasons), cost, fingerprint)


def plan_study(study: Study, cohort: Cohort, geometry: GeometryReport, fingerprint: Fingerprint | None = None) -> Plan:
    """Return the completed study, from the headers of its scans and from its fingerprint.

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
    grids, volumes = [h.geometry for h in headers], [h.volumes for h in headers]
    return complete(study, cohort, grids, volumes, times, fingerprint)


def explain(plan: Plan) -> list[str]:
    """Return the fingerprint, the plan's reasons and its cost as lines for a person."""
    seen = [f"cohort: {line}" for line in plan.fingerprint.lines()] if plan.fingerprint is not None else []
    return [*seen, *plan.reasons, *plan.estimate.lines()]


def _default_steps(
    study: Study, seen: Callable[[Sequence[Named]], Foreseen], fingerprint: Fingerprint | None, reasons: list[str]
) -> list[Named]:
    steps: list[Named] = []
    native = seen(steps)
    if not native.flat:
        steps.append(Named(name="orient", options="RAS"))
        reasons.append("prepare: orient to RAS, so that an axis means the same in every case")
    if not native.series:
        turned = seen(steps)
        spacing = plan_spacing(turned.spacings, turned.shapes)
        if spacing is not None:
            steps.append(Named(name="resample", options=list(spacing)))
            reasons.append(f"prepare: resample to {by(spacing)} mm, since the voxel sizes of the cases differ")
    if native.series and study.cohort.target.events is not None:
        steps.append(Named(name="temporal_filter", options={"detrend": 2}))
        steps.append(Named(name="normalise", options={"method": "zscore", "axis": "time"}))
        reasons.append("prepare: quadratic detrend and z-score over time, since the truth is events in a series")
        return steps
    options: dict[str, Any] = {"method": "zscore"}
    why = "z-score each scan, since MR intensities have no unit"
    if fingerprint is not None and fingerprint.zeros > MOSTLY_AIR and not native.series:
        options["within"] = "mask"
        why += f", within the voxels that are not 0: {fingerprint.zeros:.0%} are, so the background was cut out"
    steps.append(Named(name="normalise", options=options))
    reasons.append(f"prepare: {why}")
    return steps


def _cost(study: Study, foreseen: Foreseen, machine: Machine) -> Callable[[Sample], tuple[float, float]]:
    """Return what tells the gigabytes, and the minutes of the fewest updates, of training on a sample."""

    def cost(sample: Sample) -> tuple[float, float]:
        network = plan_network(study, sample, foreseen, [])
        train = study.train.model_copy(
            update={
                "batch": study.train.batch or plan_batch(study, sample, foreseen),
                "steps": FEWEST_UPDATES,
                "epochs": 1,
            }
        )
        tried = study.model_copy(update={"sample": sample, "network": network, "train": train})
        expected = estimate(tried, foreseen.largest, 1, machine)
        return expected.memory_mb / 1024, expected.minutes

    return cost


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
