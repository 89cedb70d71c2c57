"""Put every volume of a series where the reference lies: rigid realignment, and how much the head moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voxtempo.errors import StudyError, did_you_mean
from voxtempo.prepare.foreground import refuse_not_finite
from voxtempo.prepare.realign_series import at_rest, brain_of, dvars, estimate_motion
from voxtempo.prepare.rigid import MOTION_COLUMNS, framewise_displacement
from voxtempo.prepare.rigid_volume import Interpolation
from voxtempo.prepare.series import require_series
from voxtempo.prepare.step import Decision, Step, step
from voxtempo.scans import Scan
from voxtempo.scans.room import room

OVER_TIME = ("temporal_filter", "confounds", "parcellate")
Reference = Literal["middle", "first", "mean"] | Annotated[int, Field(ge=0)]


@step("motion")
@dataclass(frozen=True)
class Motion(Step):
    """Realign the volumes of a series, each as a rigid whole, in one interpolation; the grid stays as it is.

    The motion of a volume is six numbers in the axes of the world (RAS+), about the middle of the grid: translations in mm
    (``trans_x``, ``trans_y``, ``trans_z``) and rotations in radians (``rot_x``, ``rot_y``, ``rot_z``). What lies at p in
    the reference, seen from the middle, lies at  Rz Ry Rx p + translation  in the volume. An axis of fewer than four
    voxels shows no motion along it: slices move in their plane. Where a moved volume does not reach, its edge is repeated.

    The scan gets confounds of these names, and ``framewise_displacement`` (mm; Power et al. 2012: absolute differences to
    the volume before, rotations on a sphere of 50 mm; first 0) and ``dvars`` (root mean square over the brain of the
    difference to the volume before, in per cent of the brain's mean; first 0) of the series as it leaves this step;
    ``dvars_before`` is that of the series as it came, where the two differ.

    Parameters
    ----------
    reference : what is at rest: "middle" (volume), "first", the number of a volume (from 0), or "mean", the mean of the
        volumes once they were realigned to the middle one, which takes twice the time.
    interpolation : "spline" (cubic B-splines, all but without smoothing), "catmull_rom" or "linear" (smooths).
    channel : name of the channel whose motion is estimated; all channels are moved alike. None is the first.
    realign : whether to move the volumes. False leaves them and only tells the motion, as confounds.
    parameters : "estimate", or "confounds": take the six courses that the scan has already, from this step with
        ``realign: false`` further up (so that ``slice_timing`` can stand between) or from a table in this convention.
    """

    main = "reference"
    costly = True

    reference: Reference = "middle"
    interpolation: Interpolation = "spline"
    channel: str | None = None
    realign: bool = True
    parameters: Literal["estimate", "confounds"] = "estimate"

    def misplaced(self, earlier: Sequence[Step]) -> str | None:
        """What works on courses of voxels needs a head at rest, and leaves little of its picture."""
        late = [one.name for one in earlier if one.name in OVER_TIME or getattr(one, "axis", None) == "time"]
        if not late:
            return None
        return f"comes after '{late[0]}', which takes each voxel for one place of the head. Put 'motion' before it."

    def decide(self, scan: Scan) -> Decision:
        """Return the reference, the motion of each volume, its framewise displacement and DVARS of the series as it is."""
        require_series(scan, self.name)
        refuse_not_finite(scan)
        channel, reference = self._channel(scan), self._reference(scan)
        motion = estimate_motion(scan, channel, reference) if self.parameters == "estimate" else _told(scan)
        volumes = (scan.volume(t, channel) for t in range(scan.volumes))
        return {
            "reference": reference,
            "parameters": motion.tolist(),
            "framewise_displacement": framewise_displacement(motion).round(5).tolist(),
            "dvars": dvars(volumes, self._brain(scan)).round(5).tolist(),
        }

    def apply(self, scan: Scan, decision: Decision) -> Scan:
        """Return the series with its volumes put back (float32), and its confounds."""
        motion = np.array(decision["parameters"], dtype=np.float64)
        told = dict(zip(MOTION_COLUMNS, motion.T.copy(), strict=True))
        told["framewise_displacement"] = np.array(decision["framewise_displacement"], dtype=np.float64)
        told["dvars"] = np.array(decision["dvars"], dtype=np.float64)
        if not self.realign:
            return replace(scan, confounds={**scan.confounds, **told})
        result = room(scan.data.shape, np.float32)
        told["dvars_before"] = told["dvars"]
        told["dvars"] = dvars(self._realigned(scan, motion, result), self._brain(scan))
        return scan.with_data(result, confounds={**scan.confounds, **told})

    def _realigned(self, scan: Scan, motion: NDArray[np.float64], result: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Fill ``result`` (t, x, y, z, c) volume by volume, yielding each in the channel that is looked at."""
        looked_at = self._channel(scan)
        for t, row in enumerate(motion):
            for channel in range(len(scan.channels)):
                result[t, ..., channel] = at_rest(scan, channel, row, t, self.interpolation)
            yield result[t, ..., looked_at]

    def _brain(self, scan: Scan) -> NDArray[np.bool_]:
        reference = self._reference(scan)
        return brain_of(scan.volume(scan.volumes // 2 if reference == "mean" else reference, self._channel(scan)))

    def _reference(self, scan: Scan) -> int | Literal["mean"]:
        if self.reference == "mean":
            return "mean"
        if isinstance(self.reference, str):
            return 0 if self.reference == "first" else scan.volumes // 2
        if self.reference >= scan.volumes:
            raise StudyError(
                f"{scan.source or 'the scan'}: preparation step 'motion' takes volume {self.reference} as its reference, "
                f"but the series has {scan.volumes} volumes (0 to {scan.volumes - 1}). Use 'reference: middle' or a "
                "number that every series has."
            )
        return self.reference

    def _channel(self, scan: Scan) -> int:
        if self.channel is None:
            return 0
        if self.channel not in scan.channels:
            raise StudyError(
                f"{scan.source or 'the scan'}: preparation step 'motion' looks at channel '{self.channel}', which the scan "
                f"has not. {did_you_mean(self.channel, scan.channels)}"
            )
        return scan.channels.index(self.channel)


def _told(scan: Scan) -> NDArray[np.float64]:
    """Return the motion (t, 6) that the scan's confounds tell."""
    missing = [name for name in MOTION_COLUMNS if name not in scan.confounds]
    if missing:
        raise StudyError(
            f"{scan.source or 'the scan'}: preparation step 'motion' has 'parameters: confounds', but the scan has no "
            f"confound {', '.join(missing)}. Put 'motion: {{realign: false}}' before it, or use 'parameters: estimate'."
        )
    motion = np.column_stack([scan.confounds[name] for name in MOTION_COLUMNS])
    if not np.isfinite(motion).all():
        raise StudyError(
            f"{scan.source or 'the scan'}: preparation step 'motion' has 'parameters: confounds', but some of these are not "
            "numbers. Every volume needs all six to be moved."
        )
    return motion
