"""One scan through all steps: the same few lines for the cache, for label maps and for new scans at prediction time."""

from __future__ import annotations

from collections.abc import Sequence

from voxtempo.errors import GeometryError, VoxTempoError
from voxtempo.prepare.foreground import refuse_not_finite
from voxtempo.prepare.step import Decision, Step
from voxtempo.scans import Geometry, Scan


def run_steps(scan: Scan, steps: Sequence[Step]) -> tuple[Scan, list[Decision]]:
    """Return the prepared scan and what each step decided (JSON values, in the order of the steps).

    Raises
    ------
    VoxTempoError : a step cannot be done on this scan; the message names the step and the scan.
    """
    decisions: list[Decision] = []
    for step in steps:
        try:
            decision = step.decide(scan)
            scan = step.apply(scan, decision)
        except VoxTempoError as error:
            error.args = (_naming(step, scan, str(error)),)
            raise
        decisions.append(decision)
    return scan, decisions


def apply_decided(label: Scan, steps: Sequence[Step], decisions: Sequence[Decision]) -> Scan:
    """Return a label map (or any scan on the image's grid) after the geometric steps, as decided on the image."""
    for step, decision in zip(steps, decisions, strict=True):
        if step.geometric:
            label = step.apply(label, decision)
    return label


def prepare_scan(scan: Scan, steps: Sequence[Step]) -> tuple[Scan, Geometry, list[Decision]]:
    """Return a new scan prepared as a model expects it, the grid it came from, and what was decided.

    Raises
    ------
    VoxTempoError : a step cannot be done on this scan, or voxels are not finite after the steps.
    """
    prepared, decisions = run_steps(scan, steps)
    refuse_not_finite(prepared, "after preparation")
    return prepared, scan.geometry, decisions


def refuse_mismatch(grid: Geometry, source: str, mask: Scan) -> None:
    """Raise ``GeometryError`` if a label map does not lie on its image's grid, within a twentieth of a voxel.

    Its message names both files and says in what they differ. A label map has one volume and one channel.

    Parameters
    ----------
    grid : of the image.
    source : the image's file.
    mask : the label map.
    """
    if mask.volumes != 1 or len(mask.channels) != 1:
        raise GeometryError(
            f"{mask.source}: a label map is one volume with one value a voxel, found {mask.volumes} volumes and "
            f"{len(mask.channels)} channels."
        )
    other = mask.geometry
    if grid.matches(other, tolerance=0.05 * min(grid.spacing)):
        return
    facts = (
        ("shape", grid.shape, other.shape),
        ("spacing", _mm(grid.spacing), _mm(other.spacing)),
        ("orientation", grid.orientation, other.orientation),
        ("origin", _mm(grid.origin), _mm(other.origin)),
    )
    differences = [f"{fact} {ours} against {theirs}" for fact, ours, theirs in facts if ours != theirs]
    raise GeometryError(
        f"the image {source} and the label map {mask.source} do not lie on one grid: "
        f"{'; '.join(differences) or 'their axes are turned'}. Resample the label map onto the image (nearest "
        "neighbour), or correct the header that is wrong."
    )


def _naming(step: Step, scan: Scan, message: str) -> str:
    """Return the message with the step and the file in it, each once."""
    if scan.source and scan.source not in message:
        message = f"{scan.source}: {message}"
    return message if f"step '{step.name}'" in message else f"preparation step '{step.name}': {message}"


def _mm(values: Sequence[float]) -> str:
    return " x ".join(f"{v:.4g}" for v in values) + " mm"
