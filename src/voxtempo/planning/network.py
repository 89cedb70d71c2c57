"""Which network, and how it is shaped, where the study leaves it open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voxtempo.cohort.study import NetworkSection, Sample, Study
from voxtempo.levels import COARSEST
from voxtempo.planning.foresee import Foreseen
from voxtempo.planning.topology import plan_topology

U_NETS = ("unet2d", "unet3d")
SHAPES = {"depth", "kernels", "strides", "widths", "units"}
"""Options of a U-Net that speak of its levels: with any of them given, the others follow from it and not from a plan."""


def plan_network(study: Study, sample: Sample, foreseen: Foreseen, reasons: list[str]) -> NetworkSection:
    """Return the study's network with its name and, for a U-Net on patches, its levels; appends to ``reasons`` why."""
    own = study.network
    if own.python is not None:
        return own
    flat = flat_sample(sample, foreseen)
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
    options = dict(own.options)
    if study.task == "segment" and name in U_NETS and sample.patch is not None and not SHAPES & set(options):
        options |= _levels(sample, foreseen, options, reasons)
    return NetworkSection.model_validate({"name": name, **options})


def flat_sample(sample: Sample, foreseen: Foreseen) -> bool:
    """Return whether the network sees slices."""
    return foreseen.flat or sample.across is not None


def _levels(sample: Sample, foreseen: Foreseen, given: Mapping[str, Any], reasons: list[str]) -> dict[str, Any]:
    assert sample.patch is not None
    axes = [axis for axis in range(3) if axis != sample.across]
    patch, spacing = [sample.patch[axis] for axis in axes], [foreseen.median_spacing[axis] for axis in axes]
    topology = plan_topology(patch, spacing)
    levels = len(topology.kernels)
    coarse = [axis for axis, width in zip(axes, topology.kernels[0], strict=True) if width == 1]
    reason = f"network: {levels} levels, halved while {COARSEST} voxels are left along an axis"
    if coarse:
        named = " and ".join("xyz"[axis] for axis in coarse)
        reason += f"; along {named}, where voxels are much longer, not before the others have caught up"
    reasons.append(reason)
    supervised = {}
    if "deep_supervision" not in given and levels > 2:
        supervised["deep_supervision"] = True
        reasons.append("network: coarser maps answer too in training (deep supervision)")
    return supervised | {
        "strides": [list(stride) for stride in topology.strides],
        "kernels": [list(kernel) for kernel in topology.kernels],
    }
