"""The header guard: lies, cuts and noise are refused in one line, with little memory, and never with another error."""

import gzip
import subprocess
import sys
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voxtempo.errors import GeometryError, ScanError
from voxtempo.scans import cache_series, read_header, read_scan

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def nifti_bytes(shape=(4, 5, 6), version=1, voxels=None, **fields):
    module = nib.nifti1 if version == 1 else nib.nifti2
    image = (nib.Nifti1Image if version == 1 else nib.Nifti2Image)(np.zeros((1, 1, 1), np.int16), np.eye(4))
    image.header.set_data_shape(shape if max(shape) < 2**15 or version == 2 else (1, 1, 1))
    record = np.frombuffer(image.header.binaryblock, module.header_dtype).copy()
    defaults = {"vox_offset": 352 if version == 1 else 544, "scl_slope": 1, "scl_inter": 0, "sform_code": 1}
    defaults["magic"] = b"n+1" if version == 1 else b"n+2"
    for name, value in {**defaults, **fields}.items():
        if isinstance(value, dict):
            for index, entry in value.items():
                record[name][0][index] = entry
        else:
            record[name][0] = value
    count = int(np.prod(shape)) * 2 if voxels is None else voxels
    return record.tobytes() + b"\0\0\0\0" + bytes(range(256)) * (count // 256) + bytes(count % 256)


LIES = {
    "dim[0]": [{"dim": {0: n}} for n in (0, 1, 8, -3, 300)],
    "dim[1]": [{"dim": {1: n}} for n in (0, -1, -32768)],
    "dim[4]": [{"dim": {0: 4, 4: -7}}],
    "dim[6]": [{"dim": {0: 6, 4: 1, 5: 1, 6: 2}}],
    "dim (32767x32767x32767x1x1)": [{"dim": {1: 32767, 2: 32767, 3: 32767}}],
    "datatype 32 (complex": [{"datatype": 32, "bitpix": 64}],
    "datatype 128 (RGB": [{"datatype": 128, "bitpix": 24}],
    "datatype 999": [{"datatype": 999}],
    "bitpix": [{"bitpix": 8}],
    "vox_offset": [{"vox_offset": v} for v in (-5, 100, 352.5, np.nan, np.inf)],
    "scl_slope": [{"scl_slope": v} for v in (np.nan, np.inf, -np.inf)],
    "scl_inter": [{"scl_inter": v} for v in (np.nan, np.inf)],
    "sform": [
        {"srow_x": [np.nan, 0, 0, 0]},
        {"srow_x": [0, 0, 0, 0]},
        {"srow_y": [1, 0, 0, 0]},
        {"srow_z": [1e30] * 4},
    ],
    "qform": [{"sform_code": 0, "qform_code": 1, "quatern_b": v} for v in (2.0, np.nan)],
    "pixdim[2]": [{"sform_code": 0, "pixdim": {2: v}} for v in (0, -1, np.nan, np.inf)],
    "pixdim[4]": [{"dim": {0: 4, 3: 3, 4: 2}, "pixdim": {4: v}} for v in (-2, np.nan, np.inf)],
    "xyzt_units": [{"xyzt_units": v} for v in (5, 7, 56)],
    "magic": [{"magic": b"abc"}, {"magic": b"ni1"}],
}


@pytest.mark.parametrize(("field", "fields"), [(f, x) for f, many in LIES.items() for x in many])
@pytest.mark.parametrize("packed", [False, True])
def test_every_lie_is_named(tmp_path, field, fields, packed):
    path = tmp_path / ("lie.nii.gz" if packed else "lie.nii")
    raw = nifti_bytes(**fields)
    path.write_bytes(gzip.compress(raw) if packed else raw)
    for read in (read_header, read_scan):
        with pytest.raises(ScanError) as caught:
            read(path)
        message = str(caught.value)
        assert field in message
        assert str(path) in message
        assert "\n" not in message


def test_fifty_five_bytes_that_claim_gigabytes(tmp_path):
    path = tmp_path / "bomb.nii.gz"
    for shape in ((1024, 1024, 1024), (32767, 32767, 3)):
        raw = bytearray(348)
        record = np.frombuffer(raw, nib.nifti1.header_dtype)
        record["sizeof_hdr"], record["datatype"], record["bitpix"], record["magic"] = 348, 16, 32, b"n+1"
        record["dim"][0][:4] = [3, *shape]
        path.write_bytes(gzip.compress(bytes(raw), 9)[:])
        assert path.stat().st_size < 80
        tracemalloc.start()
        for read in (read_header, read_scan):
            with pytest.raises(ScanError, match="claims"):
                read(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 5e6


@pytest.mark.skipif(sys.platform != "linux", reason="measures the resident memory of a process as Linux counts it")
def test_a_plausible_lie_costs_only_the_bytes_that_are_there(tmp_path):
    path = tmp_path / "plausible.nii.gz"
    noise = np.random.default_rng(0).bytes(2_000_000)
    path.write_bytes(gzip.compress(nifti_bytes((1000, 1000, 500), voxels=0) + noise))
    code = (
        "import sys, resource; from voxtempo.scans import read_scan; from voxtempo.errors import ScanError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_scan(sys.argv[1])\n"
        "except ScanError as error: print(error)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)"
    )
    result = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    message, grown = result.stdout.splitlines()
    assert "claims 1,000,000,352" in message
    assert float(grown) < 50


def test_nifti2_sizes_beyond_any_machine(tmp_path):
    path = tmp_path / "huge.nii"
    path.write_bytes(nifti_bytes((4, 5, 6), version=2, dim={1: 2**62, 2: 2**62, 3: 2**62}))
    with pytest.raises(ScanError, match="claims"):
        read_scan(path)


@pytest.mark.parametrize("keep", [0, 1, 3, 100, 347, 351, 352, 400, 591])
def test_truncated_files(tmp_path, keep):
    path = tmp_path / "cut.nii"
    path.write_bytes(nifti_bytes()[:keep])
    with pytest.raises(ScanError, match=r"cut\.nii"):
        read_scan(path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_truncated_gzip(tmp_path, part):
    path = tmp_path / "cut.nii.gz"
    body = np.random.default_rng(0).bytes(50_000)
    packed = gzip.compress(nifti_bytes((50, 50, 10), voxels=0) + body)
    path.write_bytes(packed[: int(len(packed) * part)])
    with pytest.raises(ScanError, match=r"cut\.nii\.gz: .*(truncated|claims)"):
        read_scan(path)


def test_wrong_checksum(tmp_path):
    path = tmp_path / "bad.nii.gz"
    packed = bytearray(gzip.compress(nifti_bytes()))
    packed[-6] ^= 0xFF
    path.write_bytes(packed)
    with pytest.raises(ScanError, match="damaged"):
        read_scan(path)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "is a Git LFS pointer"),
        ("<!DOCTYPE html><html><body>Not found</body></html>\n", "is a web page or XML"),
    ],
)
def test_what_downloads_leave_in_place_of_a_file_is_named(tmp_path, name, text, words):
    (tmp_path / name).write_text(text * 8, encoding="utf-8")
    with pytest.raises(ScanError, match=words):
        read_scan(tmp_path / name)


def test_missing_empty_and_folder(tmp_path):
    (tmp_path / "empty.nii").touch()
    for path, words in ((tmp_path / "no.nii", "no such file"), (tmp_path / "empty.nii", "empty")):
        with pytest.raises(ScanError, match=words):
            read_scan(path)
    with pytest.raises(ScanError, match="no DICOM"):
        read_scan(tmp_path)
    (tmp_path / "a.nii.gz").write_bytes(b"")
    with pytest.raises(ScanError, match=r"no DICOM image, but 2 NIfTI files: give these by name"):
        read_scan(tmp_path)
    (tmp_path / "table.csv").write_text("id,age\n" * 20, encoding="utf-8")
    with pytest.raises(ScanError, match="is no scan"):
        read_scan(tmp_path / "table.csv")


def try_everything(path, folder):
    """Read in every way; only deliberate errors of one line may come out."""
    for read in (read_header, read_scan, lambda p: read_scan(p, kind="label"), lambda p: cache_series(p, folder)):
        message = ""
        try:
            read(path)
        except (ScanError, GeometryError) as error:
            message = str(error)
        assert "\n" not in message


@FUZZ
@given(
    changes=st.lists(st.tuples(st.integers(0, 347), st.integers(0, 255)), min_size=1, max_size=12),
    version=st.sampled_from([1, 2]),
    cut=st.integers(0, 900),
    packed=st.booleans(),
)
def test_mutated_headers(tmp_path, changes, version, cut, packed):
    raw = bytearray(nifti_bytes(version=version))
    for place, value in changes:
        raw[place] = value
    raw = bytes(raw[: len(raw) - cut] if cut < 300 else raw)
    path = tmp_path / "mutated.nii"
    path.write_bytes(gzip.compress(raw) if packed else raw)
    try_everything(path, tmp_path / "cache")


@FUZZ
@given(
    noise=st.binary(min_size=0, max_size=800),
    start=st.sampled_from([b"", b"\x5c\x01\0\0", b"\0\0\x02\x1c", b"\x1f\x8b\x08\0"]),
)
def test_noise(tmp_path, noise, start):
    path = tmp_path / "noise.nii.gz"
    path.write_bytes(start + noise)
    try_everything(path, tmp_path / "cache")


@FUZZ
@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_damaged_gzip(tmp_path, place, value):
    packed = bytearray(gzip.compress(nifti_bytes((8, 8, 8))))
    packed[place % len(packed)] = value
    path = tmp_path / "damaged.nii.gz"
    path.write_bytes(packed)
    try_everything(path, tmp_path / "cache")
