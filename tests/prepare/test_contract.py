"""What every preparation step must keep to, over the whole registry."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from voxtempo.prepare import apply_decided, build_steps, run_steps, step_records, steps, to_native
from voxtempo.scans import Geometry, Scan

REQUIRED = {
    "resample": {"spacing": [2.0, 1.5, 3.0]},
    "crop_pad": {"shape": [40, 22, 30]},
    "resize": {"shape": [20, 24, 18]},
    "confounds": {"compcor": 2, "low_pass": 0.2},
    "slice_timing": {"order": "siemens"},
    "resample_time": {"repetition_time": 1.5},
    "smooth": {"fwhm": 5.0},
    "parcellate": {"coordinates": "dosenbach_2010", "missing": "zero"},
}
CUTS = {"crop_pad": [18, 40]}
VARIANTS = [
    *({name: REQUIRED.get(name, {})} for name in steps),
    {"orient": "PSR"},
    {"resample": 0.8},
    CUTS,
    {"resize": {"shape": [40, 40], "keep_aspect": True}},
    {"foreground_crop": {"threshold": 0.3, "relative": True, "margin": 3}},
    *(
        {"normalise": {"method": m, "within": w}}
        for m in ("zscore", "robust", "percentile")
        for w in ("foreground", "mask")
    ),
    {"normalise": {"method": "minmax", "clip": [1, 99]}},
    {"normalise": {"method": "scale", "factor": 0.01}},
    {"normalise": {"axis": "time"}},
    {"normalise": {"axis": "time", "within": "foreground"}},
    {"percent_change": {"baseline": 3, "within": "all"}},
    {"denoise": {"method": "nlm", "size": 3}},
    {"denoise": {"method": "median"}},
    {"smooth": {"fwhm": [4.0, 0.0, 6.0], "within": "mask"}},
    {"resample_time": {"volumes": 12, "periodic": True}},
    {"slice_timing": {"order": "interleaved", "interpolation": "sinc", "reference": "first"}},
    {"confounds": {"global_signal": True, "keep_mean": False}},
    {"temporal_filter": {"detrend": None, "high_pass": 0.02, "keep_mean": False}},
]
GEOMETRIC = [v for v in VARIANTS if steps[next(iter(v))].geometric and "parcellate" not in v]  # regions are no grid
CENTRE, RADIUS = np.array([4.0, -6.0, 10.0]), 11.0


def ident(variant):
    return json.dumps(variant)


@pytest.fixture(scope="module")
def ball() -> tuple[Scan, Scan]:
    """A bright ball at a known place of the world in an oblique, anisotropic series, and its label map."""
    c, s = np.cos(0.25), np.sin(0.25)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[-c, s, 0], [s, c, 0], [0, 0, 1]]) * (1.4, 1.6, 2.0)
    shape = (32, 34, 24)
    affine[:3, 3] = CENTRE - affine[:3, :3] @ (np.array(shape) / 2 + (1, -2, 1))
    geometry = Geometry(shape, affine)
    world = geometry.to_world(np.indices(shape).reshape(3, -1).T)
    inside = (np.linalg.norm(world - CENTRE, axis=1) <= RADIUS).reshape(shape)
    rng = np.random.default_rng(0)
    course = 1 + 0.05 * np.sin(np.arange(30) / 3) + 0.002 * np.arange(30)
    data = (800 * inside[None] * course[:, None, None, None] + 20 * np.abs(rng.normal(size=(30, *shape)))).astype(
        np.float32
    )
    label = Scan((inside[None, ..., None] * 3).astype(np.uint8), geometry, kind="label", source="label.nii")
    return Scan(data[..., None], geometry, 2.0, source="bold.nii"), label


@pytest.mark.parametrize("variant", VARIANTS, ids=ident)
def test_a_step_is_a_documented_frozen_dataclass_whose_options_round_trip(variant):
    (built,) = build_steps([variant])
    assert build_steps(json.loads(json.dumps(step_records([built])))) == (built,)
    hash(built)
    kind = type(built)
    assert kind.__doc__
    assert len(kind.__doc__.split("\n")[0]) > 20
    for option in dataclasses.fields(kind):
        assert option.name in kind.__doc__, f"option '{option.name}' of '{kind.name}' is not documented"
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(built, option.name, None)
    assert kind.main is None or kind.main in [option.name for option in dataclasses.fields(kind)]


@pytest.mark.parametrize("variant", VARIANTS, ids=ident)
def test_a_step_is_pure_repeatable_and_keeps_what_it_does_not_mean_to_change(variant, ball):
    scan = ball[0]
    before = scan.data.copy()
    (built,) = build_steps([variant])
    decision = built.decide(scan)
    result = built.apply(scan, json.loads(json.dumps(decision)))
    again = built.apply(scan, decision)
    np.testing.assert_array_equal(scan.data, before)
    np.testing.assert_array_equal(result.data, again.data)
    assert result.data.dtype == np.float32
    assert np.isfinite(result.data).all()
    assert (result.kind, result.channels) == ("intensity", scan.channels)
    assert (result.volumes, result.repetition_time) == built.foresee_time(scan.volumes, 2.0)
    foreseen = built.foresee(scan.geometry)
    if type(built).geometric:
        assert all(n <= m for n, m in zip(result.geometry.shape, foreseen.shape, strict=True))
        if type(built).foresee is not type(built).__mro__[1].foresee:
            assert result.geometry.matches(foreseen)
    else:
        assert result.geometry is scan.geometry
        assert foreseen is scan.geometry


@pytest.mark.parametrize("variant", VARIANTS, ids=ident)
def test_a_step_takes_integers_and_single_slices(variant, ball):
    series = ball[0]
    geometry = series.geometry.shifted((0, 0, 12), (32, 34, 1))
    scan = Scan(series.data[:, :, :, 12:13].round().astype(np.int16), geometry, 2.0)
    (built,) = build_steps([variant])
    result, _ = run_steps(scan, [built])
    assert np.isfinite(result.data.astype(np.float32)).all()
    spread = result.data.astype(np.float32).std()
    assert spread > 0.01


@pytest.mark.parametrize("variant", GEOMETRIC, ids=ident)
def test_a_geometric_step_moves_labels_with_the_image_and_invents_none(variant, ball):
    scan, label = ball
    prepared, decisions = run_steps(scan, build_steps([variant]))
    moved = apply_decided(label, build_steps([variant]), decisions)
    assert moved.geometry.matches(prepared.geometry)
    assert moved.data.dtype == label.data.dtype
    assert set(np.unique(moved.data)) <= {0, 3}
    assert (moved.data == 3).any()
    bright = prepared.volume() > 400
    dice = 2 * (bright & (moved.volume() == 3)).sum() / (bright.sum() + (moved.volume() == 3).sum())
    assert dice > 0.9


CHAIN = ["orient", {"resample": 1.3}, "foreground_crop", {"crop_pad": [44, 42, 40]}]


@pytest.mark.parametrize("items", [*([v] for v in GEOMETRIC if v != CUTS), CHAIN], ids=ident)
def test_the_way_back_lands_on_the_ball(items, ball):
    scan, label = ball
    chain = build_steps(items)
    _, decisions = run_steps(scan, chain)
    moved = apply_decided(label, chain, decisions)
    back = to_native(moved, scan.geometry)
    assert back.geometry is scan.geometry
    voxel = max(np.linalg.norm(grid.spacing) / 2 for grid in (moved.geometry, scan.geometry))
    for found, grid in ((moved.volume() == 3, moved.geometry), (back.volume() == 3, scan.geometry)):
        world = grid.to_world(np.argwhere(found))
        np.testing.assert_allclose(world.mean(axis=0), CENTRE, atol=0.5 * voxel)
        assert np.linalg.norm(world - CENTRE, axis=1).max() <= RADIUS + 2 * voxel
        assert len(world) * grid.voxel_volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.1)
    truth = label.volume() == 3
    intensity = apply_decided(Scan(label.data.astype(np.float32), label.geometry), chain, decisions)
    soft = to_native(intensity, scan.geometry).volume() / 3
    weight = np.average(scan.geometry.to_world(np.argwhere(soft > 0)), axis=0, weights=soft[soft > 0])
    exact = scan.geometry.to_world(np.argwhere(truth)).mean(axis=0)
    np.testing.assert_allclose(weight, exact, atol=0.1 * voxel)  # a drift of half a voxel would be 5 times that
    assert 2 * ((soft > 0.5) & truth).sum() / ((soft > 0.5).sum() + truth.sum()) > 0.93
