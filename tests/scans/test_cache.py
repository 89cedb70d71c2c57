"""The time-first cache: the same values, only the window asked for, bounded memory, and damage that is noticed."""

import json
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from voxtempo.errors import ScanError
from voxtempo.scans import (
    Geometry,
    Scan,
    cache_series,
    content_hash,
    open_cache,
    read_header,
    read_scan,
    write_cache,
    write_scan,
)
from voxtempo.scans.cache import ARRAY, SIDECAR

PROPERTY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8"]
arrays = st.sampled_from(TYPES).flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(min_dims=5, max_dims=5, max_side=4),
        elements=st.floats(-1e6, 1e6, width=32) if dtype.startswith("f") else None,
    )
)


def scan_of(data, kind="intensity", seconds=2.0):
    return Scan(data, Geometry.from_spacing(data.shape[1:4], (1, 2, 3), (4, 5, 6)), seconds, kind)


def noise(shape=(6, 5, 4, 3, 2), dtype=np.float32):
    return (np.random.default_rng(1).normal(100, 20, shape)).astype(dtype)


@PROPERTY
@given(arrays)
def test_values_come_back_within_the_storage(tmp_path, data):
    cached = write_cache(scan_of(data), tmp_path / "c")
    back = cached.read()
    assert back.dtype == np.float32
    largest = float(np.abs(data.astype(np.float64)).max())
    if data.dtype.itemsize <= 2:
        assert cached.array.dtype == data.dtype
        np.testing.assert_array_equal(back, data.astype(np.float32))
    else:
        # float16 rounds by 2^-11 of a value, or half its smallest step; int16 by half of a 65,535th of the range.
        allowed = np.maximum(np.abs(data.astype(np.float64)) * 2.0**-11, 2.0**-25)
        if cached.array.dtype == np.int16:
            allowed = np.full(data.shape, cached.scale * 0.501 + largest * 2e-7)
        assert (np.abs(back - data.astype(np.float64)) <= allowed + 1e-30).all()
    again = open_cache(tmp_path / "c")
    assert again.geometry.matches(cached.geometry, 0)
    assert again.repetition_time == 2.0


@PROPERTY
@given(hnp.arrays(st.sampled_from(["u1", "i2", "i4", "i8"]), hnp.array_shapes(min_dims=5, max_dims=5, max_side=3)))
def test_labels_are_exact(tmp_path, data):
    cached = write_cache(scan_of(data, "label"), tmp_path / "c")
    np.testing.assert_array_equal(cached.read(), data)
    assert cached.array.dtype.kind in "iu"
    assert cached.array.dtype.itemsize <= data.dtype.itemsize
    assert cached.to_scan().kind == "label"


@pytest.mark.parametrize(
    ("data", "stored"),
    [
        (noise(), "float16"),
        (noise() * 1e5, "int16"),
        (noise() * 1e-6, "int16"),
        (np.where(noise() > 130, np.nan, noise()), "float32"),
        (np.zeros((1, 2, 2, 2, 1), np.float32), "float16"),
        (np.full((1, 2, 2, 2, 1), 7e6, np.float32), "int16"),
        (noise(dtype=np.int16), "int16"),
        (noise().astype(bool), "uint8"),
    ],
)
def test_storage_is_chosen_by_the_values(tmp_path, data, stored):
    cached = write_cache(scan_of(data), tmp_path / "c")
    assert cached.array.dtype.name == stored
    np.testing.assert_allclose(cached.read(), data, rtol=6e-4, atol=cached.scale if stored == "int16" else 0)


@pytest.mark.parametrize(
    ("data", "kind", "storage", "words"),
    [
        (noise() * 1e6, "intensity", "float16", "overflow float16"),
        (np.full((1, 1, 1, 1, 1), np.nan), "intensity", "int16", "NaN"),
        (np.full((1, 1, 1, 1, 1), 300), "label", "uint8", "overflow uint8"),
        (np.full((1, 1, 1, 1, 1), 300), "label", "float16", "integer type"),
        (np.full((1, 1, 1, 1, 1), 2**63, np.uint64), "label", None, "64-bit"),
        (noise(), "intensity", "bfloat16", "expected one of"),
    ],
)
def test_storage_that_does_not_fit_is_refused(tmp_path, data, kind, storage, words):
    with pytest.raises(ScanError, match=words):
        write_cache(scan_of(data, kind), tmp_path / "c", storage)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("storage", ["float32", "uint8", "int16", "uint16"])
def test_storage_asked_for(tmp_path, storage):
    data = noise()
    cached = write_cache(scan_of(data), tmp_path / "c", storage)
    assert cached.array.dtype.name == storage
    step = 0 if storage == "float32" else cached.scale
    np.testing.assert_allclose(cached.read(), data, atol=step * 0.501 + 1e-4)


@PROPERTY
@given(st.data())
def test_windows_equal_the_whole(tmp_path, data):
    if not (tmp_path / "c").exists():
        write_cache(scan_of(noise()), tmp_path / "c")
    cached = open_cache(tmp_path / "c")
    start = data.draw(st.integers(0, 5))
    stop = data.draw(st.integers(start + 1, 6))
    box = [slice(a := data.draw(st.integers(0, n - 1)), data.draw(st.integers(a + 1, n))) for n in (5, 4, 3)]
    np.testing.assert_array_equal(cached.read(start, stop, *box), cached.read()[start:stop, box[0], box[1], box[2]])


@pytest.mark.parametrize("window", [(0, 7), (3, 3), (-1, 2), (5, 2)])
def test_windows_outside_the_series_are_refused(tmp_path, window):
    cached = write_cache(scan_of(noise()), tmp_path / "c")
    with pytest.raises(ScanError, match="has volumes 0 to 6"):
        cached.read(*window)


def test_a_window_reads_only_itself(tmp_path):
    shape = (400, 32, 32, 16, 1)
    cached = write_cache(scan_of(np.zeros(shape, np.float32)), tmp_path / "c")
    tracemalloc.start()
    cached.read(200, 210)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    window = 10 * 32 * 32 * 16 * 4
    assert peak < 2 * window


def test_reading_cannot_change_the_cache(tmp_path):
    cached = write_cache(scan_of(noise()), tmp_path / "c", "float32")
    cached.read()[:] = 0
    assert open_cache(tmp_path / "c").read().max() > 0
    with pytest.raises(ValueError, match="read-only"):
        cached.array[0] = 0


@pytest.mark.parametrize("dtype", ["i2", "u1", "i4", "f4", "f8"])
@pytest.mark.parametrize("shape", [(7, 5, 4, 3, 1), (3, 5, 4, 3, 2), (1, 5, 4, 3, 1)])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_converted_file_has_the_files_values(tmp_path, dtype, shape, suffix):
    path = write_scan(scan_of(noise(shape, dtype)), tmp_path / f"scan{suffix}")
    cached, scan = cache_series(path, tmp_path / "c"), read_scan(path)
    np.testing.assert_allclose(cached.read(), scan.data, rtol=6e-4)
    assert cached.array.flags.c_contiguous
    assert (cached.repetition_time, cached.source_hash) == (scan.repetition_time, content_hash(path))
    assert cached.geometry.matches(scan.geometry, 0)
    for opened in (read_scan(tmp_path / "c"), read_scan(tmp_path / "c" / ARRAY)):
        np.testing.assert_array_equal(opened.data, cached.read())
    assert read_header(tmp_path / "c").shape == shape


def test_a_scaled_file_keeps_its_integers(tmp_path):
    path = write_scan(scan_of(noise(dtype=np.int16)), tmp_path / "scan.nii")
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([0.5, -100], "<f4").tobytes()
    path.write_bytes(raw)
    cached = cache_series(path, tmp_path / "c")
    assert (cached.array.dtype, cached.scale, cached.offset) == (np.int16, 0.5, -100)
    np.testing.assert_array_equal(cached.read(), read_scan(path).data)


def test_a_converted_label_map_is_small_and_exact(tmp_path):
    labels = np.random.default_rng(0).integers(0, 5, (1, 6, 5, 4, 1)).astype(np.float32)
    path = write_scan(scan_of(labels), tmp_path / "mask.nii.gz")
    cached = cache_series(path, tmp_path / "c", kind="label")
    assert cached.array.dtype == np.uint8
    np.testing.assert_array_equal(cached.read(), labels)


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_memory_does_not_grow_with_the_length(tmp_path, dtype):
    peaks = []
    for volumes in (20, 200):
        path = write_scan(scan_of(np.ones((volumes, 24, 24, 12, 1), dtype)), tmp_path / f"{volumes}.nii.gz")
        tracemalloc.start()
        cache_series(path, tmp_path / f"{volumes}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000
    assert peaks[1] < 6_000_000


def test_a_failure_leaves_the_older_cache(tmp_path):
    write_cache(scan_of(noise()), tmp_path / "c")
    path = write_scan(scan_of(noise()), tmp_path / "scan.nii.gz")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ScanError, match="truncated"):
        cache_series(path, tmp_path / "c")
    np.testing.assert_allclose(open_cache(tmp_path / "c").read(), noise(), rtol=1e-3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c", "scan.nii.gz"]


def test_another_process_gets_the_folder_not_the_voxels(tmp_path):
    cached = write_cache(scan_of(np.zeros((50, 20, 20, 10, 1), np.float32)), tmp_path / "c")
    sent = pickle.dumps(cached)
    assert len(sent) < 1000
    assert pickle.loads(sent).shape == cached.shape


def break_json(**changes):
    def change(folder):
        record = json.loads((folder / SIDECAR).read_text(encoding="utf-8"))
        record.update(changes)
        (folder / SIDECAR).write_text(json.dumps(record), encoding="utf-8")

    return change


def cut_array(folder):
    (folder / ARRAY).write_bytes((folder / ARRAY).read_bytes()[:-8])


def lie_in_array(folder):
    raw = (folder / ARRAY).read_bytes().replace(b"(6, 5, 4, 3, 2)", b"(6, 9, 9, 9, 2)")
    (folder / ARRAY).write_bytes(raw)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / SIDECAR).unlink(), "no DICOM image|cannot be read"),
        (lambda f: (f / SIDECAR).write_text("{", encoding="utf-8"), "the text"),
        (lambda f: (f / ARRAY).unlink(), "no readable array"),
        (lambda f: (f / ARRAY).write_bytes(b"junk"), "no readable array"),
        (lambda f: np.save(f / ARRAY, np.zeros((6, 5, 4, 3, 2), np.float64)), "says"),
        (cut_array, "no readable array|expected 5 axes"),
        (lie_in_array, "no readable array|expected 5 axes|says"),
        (break_json(version=99), "version"),
        (break_json(shape=[6, 5, 4, 3]), "shape"),
        (break_json(shape=[6, 5, 4, 3, 9]), "says"),
        (break_json(affine=[[0] * 4] * 4), "affine"),
        (break_json(affine=[[1]]), "affine"),
        (break_json(scale=0), "scale"),
        (break_json(scale=float("nan")), "scale"),
        (break_json(repetition_time=-1), "repetition_time"),
        (break_json(channels=["one"]), "channels"),
        (break_json(kind="picture"), "kind"),
        (break_json(surprise=1), "surprise"),
    ],
)
def test_damage_is_noticed(tmp_path, damage, words):
    write_cache(scan_of(noise()), tmp_path / "c")
    damage(tmp_path / "c")
    with pytest.raises(ScanError, match=words):
        open_cache(tmp_path / "c")
    with pytest.raises(ScanError, match=words):
        read_scan(tmp_path / "c")


def test_objects_are_never_unpickled(tmp_path):
    write_cache(scan_of(noise()), tmp_path / "c")
    np.save(tmp_path / "c" / ARRAY, np.array([{"evil": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ScanError, match="no readable array"):
        open_cache(tmp_path / "c")


@PROPERTY
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=5),
    st.sampled_from([ARRAY, SIDECAR]),
)
def test_noise_in_a_cache(tmp_path, changes, name):
    write_cache(scan_of(noise()), tmp_path / "c")
    raw = bytearray((tmp_path / "c" / name).read_bytes())
    for place, value in changes:
        raw[place % len(raw)] = value
    (tmp_path / "c" / name).write_bytes(raw)
    try:
        assert open_cache(tmp_path / "c").read().shape == (6, 5, 4, 3, 2)
    except ScanError as error:
        message = str(error)
        assert str(tmp_path) in message
