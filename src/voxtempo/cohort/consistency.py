"""Whether the scans of a cohort can be compared: grids, orientations, lengths and repetition times from headers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from voxtempo.cohort.case import Case, Cohort
from voxtempo.cohort.events import outside
from voxtempo.cohort.problem import Problem, few
from voxtempo.errors import VoxTempoError
from voxtempo.scans import Header, read_header

FAR_TIMES = 1.1
"""Header and sidecar whose repetition times are so many times apart put events on different volumes."""
MAJORITY = 0.6
PROPERTIES = ("shape", "spacing (mm)", "orientation", "volumes", "repetition time (s)", "data type", "channels")


@dataclass(frozen=True)
class GeometryReport:
    """What the headers say.

    Parameters
    ----------
    headers : case id -> channel -> header, for every scan that could be read.
    masks : case id -> header of the label map.
    counts : property -> value in words -> number of scans, the most frequent first.
    repetition_times : case id -> seconds, from the header or else from the BIDS sidecar (None: static or unknown).
    problems : unreadable files, odd ones out, grids that do not fit together.
    """

    headers: Mapping[str, Mapping[str, Header]]
    masks: Mapping[str, Header]
    counts: Mapping[str, Mapping[str, int]]
    repetition_times: Mapping[str, float | None]
    problems: tuple[Problem, ...]

    @property
    def is_series(self) -> bool:
        """Whether any scan has more than one time point."""
        return any(header.volumes > 1 for channels in self.headers.values() for header in channels.values())


def check_geometry(cohort: Cohort, workers: int = 2) -> GeometryReport:
    """Return the fingerprint of the cohort's scans and what does not fit, reading headers only.

    Errors are unreadable files, channels or label maps on another grid than their scan, and a mix of volumes and series.
    Rare orientations, spacings and channels are warnings; other differences are shown in ``counts``.
    """
    paths = sorted(
        {*(p for case in cohort for p in case.scans.values()), *(c.mask for c in cohort if c.mask is not None)}
    )
    with ThreadPoolExecutor(max(1, workers)) as pool:
        read = dict(zip(paths, pool.map(lambda path: _read(path, cohort.series), paths), strict=True))
    problems: list[Problem] = []
    headers: dict[str, dict[str, Header]] = {}
    masks: dict[str, Header] = {}
    for case in cohort:
        for name, path in [*case.scans.items(), *([("mask", case.mask)] if case.mask is not None else [])]:
            header = read[path]
            if isinstance(header, str):
                problems.append(Problem("error", case.id, header))
            elif name == "mask" and path == case.mask:
                masks[case.id] = header
            else:
                headers.setdefault(case.id, {})[name] = header
    times = {case.id: _repetition_time(case, headers.get(case.id, {})) for case in cohort}
    counts = _counts(headers, times)
    problems += _grids(headers, masks)
    problems += _odd_ones_out(headers, counts)
    problems += _time(cohort, headers, times)
    return GeometryReport(headers, masks, counts, times, tuple(problems))


def _read(path: Path, series: str | None) -> Header | str:
    try:
        return read_header(path, series=series if path.is_dir() else None)
    except (VoxTempoError, OSError) as error:
        return str(error) if str(path) in str(error) else f"{path}: {error}"


def _repetition_time(case: Case, headers: Mapping[str, Header]) -> float | None:
    for header in headers.values():
        if header.volumes > 1:
            return header.repetition_time or case.repetition_time
    return None


def _describe(header: Header) -> dict[str, str]:
    geometry = header.geometry
    return {
        "shape": " x ".join(map(str, geometry.shape)),
        "spacing (mm)": " x ".join(f"{s:.3g}" for s in geometry.spacing),
        "orientation": geometry.orientation,
        "volumes": str(header.volumes),
        "data type": header.dtype,
        "channels": str(header.channels),
    }


def _counts(
    headers: Mapping[str, Mapping[str, Header]], times: Mapping[str, float | None]
) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {name: Counter() for name in PROPERTIES}
    for case_id, channels in headers.items():
        for header in channels.values():
            for name, value in _describe(header).items():
                found[name][value] += 1
        time = times[case_id]
        if time is not None:
            found["repetition time (s)"][f"{time:.4g}"] += 1
    return {name: dict(counter.most_common()) for name, counter in found.items() if counter}


def _grids(headers: Mapping[str, Mapping[str, Header]], masks: Mapping[str, Header]) -> Iterable[Problem]:
    for case_id, channels in headers.items():
        first_name, first = next(iter(channels.items()))
        others = {name: header for name, header in channels.items() if name != first_name}
        if case_id in masks:
            others["mask"] = masks[case_id]
        for name, header in others.items():
            if not first.geometry.matches(header.geometry, tolerance=1e-2):
                message = (
                    f"'{name}' lies on another grid than '{first_name}': {_grid(header)} instead of {_grid(first)} "
                    f"({header.source}). Resample it to the scan's grid first."
                )
                yield Problem("error", case_id, message)
        volumes = {name: header.volumes for name, header in channels.items()}
        if len(set(volumes.values())) > 1:
            told = ", ".join(f"{name} {n}" for name, n in volumes.items())
            yield Problem("error", case_id, f"its channels have different numbers of volumes: {told}.")
        if case_id in masks and masks[case_id].volumes > 1 and max(volumes.values()) > 1:
            message = (
                f"its scan and its label map ({masks[case_id].source}) are series, but 'segment' works on slices and volumes: "
                "give each volume as a file, and as a row of the table, of its own."
            )
            yield Problem("error", case_id, message)
        elif case_id in masks and masks[case_id].volumes > 1:
            yield Problem(
                "error",
                case_id,
                f"its label map has {masks[case_id].volumes} volumes, expected one ({masks[case_id].source}).",
            )


def _grid(header: Header) -> str:
    words = _describe(header)
    x, y, z = header.geometry.origin
    return f"{words['shape']} of {words['spacing (mm)']} mm, {words['orientation']}, origin ({x:.4g}, {y:.4g}, {z:.4g})"


def _odd_ones_out(
    headers: Mapping[str, Mapping[str, Header]], counts: Mapping[str, Mapping[str, int]]
) -> Iterable[Problem]:
    advice = {
        "orientation": "The step 'orient' brings them to one.",
        "spacing (mm)": "The step 'resample' brings them to one.",
        "channels": "Scans of one study need the same number of channels.",
    }
    for name, hint in advice.items():
        values = counts.get(name, {})
        if len(values) < 2:
            continue
        usual, count = next(iter(values.items()))
        total = sum(values.values())
        if name == "spacing (mm)" and count < MAJORITY * total:
            yield Problem(
                "warning", "spacing", f"{len(values)} different voxel sizes, none usual: {few(list(values))} mm. {hint}"
            )
            continue
        odd = {
            case_id: _describe(header)[name]
            for case_id, channels in headers.items()
            for header in channels.values()
            if _describe(header)[name] != usual
        }
        told = few([f"{case_id} ({value})" for case_id, value in odd.items()])
        severity = "error" if name == "channels" else "warning"
        yield Problem(severity, name, f"{total - count} of {total} scans differ from the usual {usual}: {told}. {hint}")  # type: ignore[arg-type]


def _time(
    cohort: Cohort, headers: Mapping[str, Mapping[str, Header]], times: Mapping[str, float | None]
) -> Iterable[Problem]:
    volumes = {case_id: max(h.volumes for h in channels.values()) for case_id, channels in headers.items()}
    series = [case_id for case_id, n in volumes.items() if n > 1]
    static = [case_id for case_id, n in volumes.items() if n == 1]
    if series and static:
        fewer, what = (static, "one volume") if len(static) <= len(series) else (series, "a series")
        yield Problem("error", "volumes", f"volumes and series are mixed: {len(fewer)} scans are {what}: {few(fewer)}.")
    for case in cohort:
        if case.id not in volumes:
            continue
        time, sidecar = times[case.id], case.repetition_time
        header_time = next((h.repetition_time for h in headers[case.id].values() if h.volumes > 1), None)
        if header_time and sidecar and abs(header_time - sidecar) > 0.005 * sidecar:
            said = f"its header says a repetition time of {header_time:.4g} s, its sidecar {sidecar:.4g} s"
            far = case.events and not 1 / FAR_TIMES < header_time / sidecar < FAR_TIMES
            way_out = (
                ": the events would fall on other volumes. Correct one of them" if far else " (the header's is used)"
            )
            yield Problem("error" if far else "warning", case.id, f"{said}{way_out}.")
        if not case.events:
            continue
        if volumes[case.id] == 1:
            yield Problem("error", case.id, "it has events but only one volume; events belong to a series.")
        elif time is None:
            yield Problem("error", case.id, "it has events but no repetition time, in neither header nor sidecar.")
        else:
            late = outside(case.events, volumes[case.id] * time)
            if late:
                told = few([f"{event.label} at {event.onset:g} s" for event in late], 3)
                end = volumes[case.id] * time
                message = f"{len(late)} of {len(case.events)} events start outside the scan (0 to {end:g} s): {told}."
                yield Problem("error" if len(late) == len(case.events) else "warning", case.id, message)
