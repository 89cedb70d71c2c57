from __future__ import annotations

import json
import warnings
from dataclasses import replace

import nilearn.signal
import numpy as np
import pytest
from scipy.signal import lfilter

from voxtempo.errors import StudyError
from voxtempo.prepare import build_steps, run_steps
from voxtempo.prepare.drift import drift_columns
from voxtempo.prepare.rigid import MOTION_COLUMNS
from voxtempo.prepare.store import key_of
from voxtempo.scans import Geometry, Scan, write_scan

T, SHAPE = 100, (6, 6, 4)


def series(volumes=T, seed=0) -> Scan:
    """A series with drift whose table has motion, a derivative without a first value, and physiology."""
    rng = np.random.default_rng(seed)
    t = np.arange(volumes)
    # where a confound looks like a cosine (r > 0.9), nilearn leaves its cosines out: nothing as slow as a random walk
    motion = lfilter([1], [1, -0.8], rng.normal(0, 0.05, (volumes, 6)), axis=0) * ([1] * 3 + [0.01] * 3)
    confounds = dict(zip(MOTION_COLUMNS, motion.T, strict=True))
    confounds["trans_x_derivative1"] = np.concatenate([[np.nan], np.diff(motion[:, 0])])
    confounds["csf"] = 5000 + 30 * rng.normal(size=volumes)
    confounds["a_comp_cor_00"], confounds["a_comp_cor_01"] = rng.normal(size=(2, volumes))
    confounds["framewise_displacement"] = np.concatenate([[np.nan], 0.1 + 0.05 * rng.random(volumes - 1)])
    mixing = rng.normal(0, 20, (4, np.prod(SHAPE)))
    sources = np.stack([motion[:, 0] / 0.1, confounds["csf"] / 30, confounds["a_comp_cor_00"], motion[:, 4] / 0.001])
    data = 1000 + 0.3 * t[:, None] + sources.T @ mixing / 4 + rng.normal(0, 8, (volumes, np.prod(SHAPE)))
    return Scan(
        data.astype(np.float32).reshape(volumes, *SHAPE, 1), Geometry.from_spacing(SHAPE, (3, 3, 4)), 2.0,
        source="bold.nii", confounds=confounds,
    )  # fmt: skip


def cleaned(scan, **options):
    (step,) = build_steps([{"confounds": {"keep_mean": False, "within": "all", **options}}])
    decision = json.loads(json.dumps(step.decide(scan)))
    result = step.apply(scan, decision)
    return result.data.reshape(scan.volumes, -1), decision, result


def nilearns(scan, columns, **options):
    """nilearn's answer, without its mean, as ours is."""
    courses = scan.data.reshape(scan.volumes, -1).astype(np.float64)
    with warnings.catch_warnings(action="ignore"):
        theirs = nilearn.signal.clean(courses, confounds=columns, standardize=None, t_r=2.0, **options)
    return theirs - theirs.mean(axis=0)


def table(scan, *names):
    columns = np.column_stack([scan.confounds[name] for name in names])
    columns[0, np.isnan(columns[0])] = columns[1, np.isnan(columns[0])]  # as nilearn's load_confounds does
    return columns


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"detrend": 1}, {"detrend": True}),
        ({"detrend": None}, {"detrend": False}),
        ({"detrend": 1, "high_pass": 0.01}, {"detrend": True, "filter": "cosine", "high_pass": 0.01}),
    ],
)
def test_columns_agree_with_nilearn(ours, theirs):
    scan = series()
    names = (*MOTION_COLUMNS, "trans_x_derivative1", "csf", "a_comp_cor_00", "a_comp_cor_01")
    result, decision, _ = cleaned(scan, columns=[*MOTION_COLUMNS, "trans_x_derivative1", "csf", "a_comp_cor_*"], **ours)
    np.testing.assert_allclose(result, nilearns(scan, table(scan, *names), **theirs), atol=1e-3)
    assert decision["regressors"] == list(names)
    assert decision["collinear"] == []
    assert decision["degrees_of_freedom"] == T - decision["drift"] - len(names)


def test_a_band_and_confounds_are_one_projection_and_two_would_not_do():
    scan = series()
    columns = table(scan, "csf", "trans_x")
    outside = drift_columns(T, 2.0, 1, 0.01, 0.1)
    joint, _, _ = cleaned(scan, columns=["csf", "trans_x"], high_pass=0.01, low_pass=0.1)
    everything = np.hstack([outside[:, 1:], columns])
    np.testing.assert_allclose(joint, nilearns(scan, everything, detrend=False), atol=1e-3)
    centred = everything - everything.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=0)
    assert np.abs(centred.T @ joint).max() < 1e-2
    alone, _, _ = cleaned(scan, columns=["csf", "trans_x"], detrend=None)
    (band,) = build_steps([{"temporal_filter": {"high_pass": 0.01, "low_pass": 0.1, "keep_mean": False}}])
    twice = run_steps(scan.with_data(alone.reshape(scan.data.shape)), [band])[0].data.reshape(T, -1)
    assert np.abs(centred.T @ twice).max() > 1  # the filter brought confounds back
    for order in (["temporal_filter", {"confounds": "csf"}], [{"confounds": "csf"}, "temporal_filter"]):
        with pytest.raises(StudyError, match=r"step '\w+' comes after '\w+'.*bring back.*Give 'detrend', 'high_pass'"):
            build_steps(order)


def test_motion_models_span_what_they_say():
    scan = series()
    six = table(scan, *MOTION_COLUMNS)
    before = np.vstack([six[:1], six[:-1]])
    for model, columns in (
        (6, six),
        (12, np.hstack([six, np.vstack([np.zeros((1, 6)), np.diff(six, axis=0)])])),
        (24, np.hstack([six, before, six**2, before**2])),
    ):
        result, decision, _ = cleaned(scan, motion=model)
        np.testing.assert_allclose(result, nilearns(scan, columns, detrend=True), atol=2e-3)
        assert len(decision["regressors"]) == model


def test_components_of_what_varies_most_are_nilearns():
    scan = series()
    _, decision, result = cleaned(scan, compcor={"components": 4, "share": 0.1})
    theirs = nilearn.signal.high_variance_confounds(
        scan.data.reshape(T, -1).astype(np.float64), n_confounds=4, percentile=10.0
    )
    ours = np.column_stack([decision["made"][f"t_comp_cor_{n:02d}"] for n in range(4)])
    np.testing.assert_allclose(np.abs(ours.T @ theirs), np.eye(4), atol=1e-3)
    np.testing.assert_array_equal(result.confounds["t_comp_cor_02"], ours[:, 2])


def test_components_of_a_mask_find_its_noise_and_take_it_out(tmp_path):
    rng = np.random.default_rng(0)
    noise, signal = rng.normal(size=T), np.sin(np.arange(T) / 5)
    data = rng.normal(1000, 1, (T, *SHAPE, 1))
    data += 15 * noise[:, None, None, None, None]
    data[:, :, :3] += 4 * signal[:, None, None, None, None]
    data[:, 0, 5, 0] += 500 * rng.normal(size=(T, 1))  # one wild voxel in the mask counts like the others
    labels = np.zeros((1, *SHAPE, 1), np.uint8)
    labels[:, :, 3:] = 2
    labels[:, :, 5] = 3
    scan = replace(series(), data=data.astype(np.float32))
    path = tmp_path / "tissue.nii"
    write_scan(Scan(labels, scan.geometry, kind="label"), path)
    options = {"components": 1, "mask": str(path), "labels": [2, 3]}
    result, decision, _ = cleaned(scan, compcor=options, detrend=0)
    assert abs(np.corrcoef(decision["made"]["a_comp_cor_00"], noise)[0, 1]) > 0.99
    assert decision["regressors"] == ["a_comp_cor_00"]
    grey = result.reshape(T, *SHAPE)[:, :, :3].mean(axis=(1, 2, 3))
    assert np.corrcoef(grey, signal)[0, 1] > 0.98
    with pytest.raises(StudyError, match=r"seeks 1 components of noise, but 0 voxels"):
        cleaned(scan, compcor={**options, "labels": [7]})
    few, _, _ = cleaned(scan, compcor={**options, "erode": 1}, detrend=0)
    assert not np.allclose(few, result)
    with pytest.raises(StudyError, match=r"nothing\.nii, does not exist"):
        build_steps([{"confounds": {"compcor": {"mask": "nothing.nii"}}}])


def test_the_cache_knows_a_mask_by_its_content(tmp_path):
    def key(path):
        return key_of({"bold": "0"}, None, None, None, build_steps([{"confounds": {"compcor": {"mask": str(path)}}}]))

    one, other = tmp_path / "one.nii", tmp_path / "other.nii"
    labels = np.zeros((1, *SHAPE, 1), np.uint8)
    labels[0, 2] = 1
    for path in (one, other):
        write_scan(Scan(labels, series().geometry, kind="label"), path)
    first = key(one)
    assert key(other) == first
    labels[0, 3] = 1
    write_scan(Scan(labels, series().geometry, kind="label"), one)
    assert key(one) != first


def test_the_global_signal_is_the_mean_course():
    scan = series()
    result, decision, _ = cleaned(scan, global_signal=True)
    mean = scan.data.reshape(T, -1).mean(axis=1, dtype=np.float64)
    np.testing.assert_allclose(decision["made"]["global_signal"], mean, rtol=1e-6)
    np.testing.assert_allclose(result, nilearns(scan, mean[:, None], detrend=True), atol=1e-3)


def test_scrubbed_volumes_are_spikes_and_marked():
    scan = series()
    displacement = scan.confounds["framewise_displacement"].copy()
    displacement[[20, 50]] = 1.0
    scan = replace(scan, confounds={**scan.confounds, "framewise_displacement": displacement})
    data = scan.data.copy()
    data[[20, 21, 50, 51]] += 300
    scan = scan.with_data(data)
    result, decision, cleaned_scan = cleaned(scan, columns="csf", scrub={"framewise_displacement": 0.5, "after": 1})
    assert decision["censored"] == [20, 21, 50, 51]
    assert decision["degrees_of_freedom"] == T - 4 - 3
    columns = np.hstack([table(scan, "csf"), np.eye(T)[:, [20, 21, 50, 51]]])
    np.testing.assert_allclose(result, nilearns(scan, columns, detrend=True), atol=1e-3)
    assert np.flatnonzero(cleaned_scan.confounds["censored"]).tolist() == [20, 21, 50, 51]
    assert cleaned_scan.volumes == T


def test_a_missing_value_is_mended_at_the_start_and_in_scrubbed_volumes_only():
    scan = series()
    csf = scan.confounds["csf"].copy()
    csf[[0, 40]] = np.nan
    broken = replace(scan, confounds={**scan.confounds, "csf": csf})
    with pytest.raises(StudyError, match=r"bold\.nii.*regresses 'csf' out.*no value at 1 volumes.*40"):
        cleaned(broken, columns="csf")
    displacement = scan.confounds["framewise_displacement"].copy()
    displacement[40] = 3.0
    broken = replace(broken, confounds={**broken.confounds, "framewise_displacement": displacement})
    _, decision, _ = cleaned(broken, columns="csf", scrub=0.5)
    assert decision["censored"] == [40]


def test_collinear_and_constant_regressors_change_nothing_and_are_named():
    scan = series()
    alone, _, _ = cleaned(scan, columns="csf")
    t = np.arange(T)
    more = {"line": 7.0 * t, "flat": np.full(T, 3.0), "csf_again": 2 * scan.confounds["csf"] - 1 + 0.5 * t}
    result, decision, _ = cleaned(
        replace(scan, confounds={**scan.confounds, **more}), columns=["csf", "line", "flat", "csf_again"]
    )
    np.testing.assert_allclose(result, alone, atol=1e-3)
    assert len(decision["regressors"]) == 1
    assert set(decision["collinear"]) == {"csf", "line", "flat", "csf_again"} - set(decision["regressors"])
    assert decision["degrees_of_freedom"] == T - 3


def test_too_few_degrees_of_freedom_are_refused():
    with pytest.raises(
        StudyError, match=r"bold\.nii.*leave 4 degrees.*asks for 10: 30 volumes less 2.* and 24 confounds"
    ):
        cleaned(series(30), motion=24)
    moved = replace(series(40), confounds={"framewise_displacement": np.where(np.arange(40) < 5, 0.0, 1.0)})
    with pytest.raises(StudyError, match=r"5 volumes \(35 of 40 were scrubbed\)"):
        cleaned(moved, scrub=0.5)
    _, decision, _ = cleaned(series(30), motion=24, freedom=4)
    assert decision["degrees_of_freedom"] == 4


def test_what_the_scan_does_not_have_is_named():
    with pytest.raises(StudyError, match=r"bold\.nii.*a course 'cfs'.*Did you mean 'csf'"):
        cleaned(series(), columns="cfs")
    bare = replace(series(), confounds={})
    with pytest.raises(StudyError, match=r"no course trans_x.*step 'motion' before 'confounds'"):
        cleaned(bare, motion=6)
    with pytest.raises(StudyError, match="names nothing to remove"):
        build_steps(["confounds"])
    with pytest.raises(StudyError, match="option 'motion' is 7, expected 6, 12 or 24"):
        build_steps([{"confounds": {"motion": 7}}])
    with pytest.raises(StudyError, match="'labels' or 'erode', which say something about a mask"):
        build_steps([{"confounds": {"compcor": {"labels": [1]}}}])
