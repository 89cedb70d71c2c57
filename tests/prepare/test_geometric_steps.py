from __future__ import annotations

import numpy as np
import pytest

from voxtempo.prepare import build_steps, run_steps
from voxtempo.prepare.foreground import otsu_threshold
from voxtempo.scans import Geometry, Scan


def run(scan, *items):
    return run_steps(scan, build_steps(items))


def scan_of(shape=(6, 7, 8), spacing=(1.0, 2.0, 3.0), volumes=1, channels=1) -> Scan:
    data = np.arange(volumes * np.prod(shape) * channels, dtype=np.float32).reshape(volumes, *shape, channels)
    return Scan(data, Geometry.from_spacing(shape, spacing))


def test_orient_turns_axes_and_keeps_every_voxel_in_its_place():
    scan = scan_of()
    turned, _ = run(scan, {"orient": "PSL"})
    assert turned.geometry.orientation == "PSL"
    np.testing.assert_array_equal(turned.data, scan.data.transpose(0, 2, 3, 1, 4)[:, ::-1, :, ::-1])
    back, _ = run(turned, "orient")
    np.testing.assert_array_equal(back.data, scan.data)
    assert back.geometry.matches(scan.geometry)


def test_resample_gives_the_spacing_and_keeps_the_centre():
    scan = scan_of((20, 20, 20))
    result, _ = run(scan, {"resample": [2.0, 2.0, 2.0]})
    assert result.geometry.spacing == (2.0, 2.0, 2.0)
    assert result.geometry.shape == (10, 20, 30)
    middle = [(np.array(g.shape) - 1) / 2 for g in (scan.geometry, result.geometry)]
    np.testing.assert_allclose(scan.geometry.to_world([middle[0]]), result.geometry.to_world([middle[1]]))


def test_crop_pad_is_centred_and_two_values_leave_z():
    scan = scan_of((6, 7, 8))
    result, _ = run(scan, {"crop_pad": {"shape": [4, 11], "fill": -5}})
    assert result.geometry.shape == (4, 11, 8)
    np.testing.assert_array_equal(result.data[:, :, 2:9], scan.data[:, 1:5])
    assert (result.data[:, :, [0, 1, 9, 10]] == -5).all()
    assert result.geometry.origin == (1.0, -4.0, 0.0)


def test_resize_stretches_over_the_same_box():
    scan = scan_of((10, 20, 1), (1.0, 1.0, 4.0))
    result, _ = run(scan, {"resize": [40, 40]})
    assert result.geometry.shape == (40, 40, 1)
    np.testing.assert_allclose(result.geometry.extent, scan.geometry.extent)
    assert result.geometry.spacing == pytest.approx((0.25, 0.5, 4.0))


def test_resize_can_keep_proportions():
    data = np.ones((1, 10, 20, 1, 1), np.float32)
    scan = Scan(data, Geometry.from_spacing((10, 20, 1), (1.0, 1.5, 4.0)))  # 10 x 30 mm
    result, _ = run(scan, {"resize": {"shape": [30, 30], "keep_aspect": True, "fill": -1}})
    assert result.geometry.spacing == pytest.approx((1.0, 1.0, 4.0))
    np.testing.assert_allclose(result.data[0, 10:20, :, 0, 0], 1)
    assert (result.data[0, :10] == -1).all()
    assert (result.data[0, 20:] == -1).all()


def test_foreground_crop_finds_the_box_of_every_channel():
    data = np.zeros((2, 20, 20, 20, 2), np.float32)
    data[:, 5:9, 6:12, 10, 0] = 100
    data[:, 4:6, 6:8, 12:15, 1] = 7
    result, (decision,) = run(Scan(data, Geometry.from_spacing((20, 20, 20))), {"foreground_crop": {"margin": 1}})
    assert decision["start"] == [3, 5, 9]
    assert decision["shape"] == [7, 8, 7]
    assert result.geometry.origin == (3.0, 5.0, 9.0)
    np.testing.assert_array_equal(result.data, data[:, 3:10, 5:13, 9:16])


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"threshold": 50}, 1), ({"threshold": 5}, 2), ({"threshold": 0}, 3), ({"threshold": 0.5, "relative": True}, 1)],
)
def test_foreground_crop_takes_intensities_and_fractions(options, expected):
    data = np.zeros((1, 10, 10, 10, 1), np.float32)
    data[0, 4:7] = 1
    data[0, 4:6] = 10
    data[0, 4] = 100
    result, _ = run(Scan(data, Geometry.from_spacing((10, 10, 10))), {"foreground_crop": {**options, "margin": 0}})
    assert result.geometry.shape == (expected, 10, 10)


def test_foreground_crop_leaves_an_empty_image_whole():
    scan = Scan(np.full((1, 5, 5, 5, 1), 3.0, np.float32), Geometry.from_spacing((5, 5, 5)))
    result, _ = run(scan, "foreground_crop")
    assert result.geometry.shape == (5, 5, 5)


def test_otsu_agrees_with_simpleitk():
    import SimpleITK as sitk

    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(10, 3, 6000), rng.normal(60, 12, 4000)]).clip(0, 95).reshape(20, 20, 25)
    values.flat[:100] = 95.0  # so that both histograms end at one value
    image = sitk.GetImageFromArray(values)
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.SetNumberOfHistogramBins(256)
    otsu.Execute(image)
    assert otsu_threshold(values) == pytest.approx(otsu.GetThreshold(), abs=2 * 95 / 256)


def test_otsu_of_a_constant_is_none():
    assert otsu_threshold(np.full(10, 4.0)) is None
