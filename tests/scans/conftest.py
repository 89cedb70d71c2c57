"""Synthetic DICOM files: written with pydicom, so that the tests need no real data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from scipy.spatial.transform import Rotation

CLASSIC = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED = "1.2.840.10008.5.1.4.1.1.4.1"
SPACING = (1.5, 2.5, 4.0)


class SeriesMaker:
    """Writes series of known voxels on a known oblique grid; ``voxels`` is (t, x, y, z), ``affine`` is RAS+."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        turn = Rotation.from_euler("xyz", [10, -20, 30], degrees=True).as_matrix()
        self.columns = turn * SPACING  # LPS
        self.origin = np.array([-30.0, 40.0, -50.0])
        self.affine = np.eye(4)
        self.affine[:3, :3] = np.diag([-1, -1, 1]) @ self.columns
        self.affine[:3, 3] = self.origin * [-1, -1, 1]
        self.study = generate_uid()

    def voxels(self, volumes: int = 1, slices: int = 5, seed: int = 0, high: int = 2000) -> np.ndarray:
        """Return random voxels, 8 columns and 6 rows."""
        return np.random.default_rng(seed).integers(0, high, (volumes, 8, 6, slices)).astype(np.uint16)

    def base(self, number: int, uid: str, sop_class: str = CLASSIC) -> Dataset:
        """Return what all files of a series share."""
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
        dataset.Modality, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "MR", self.study, uid
        dataset.SeriesNumber, dataset.SeriesDescription = number, f"series {number}"
        dataset.PatientName, dataset.PatientID = "Test^Object", "0"
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
        return dataset

    def place(self, dataset: Dataset, z: int) -> None:
        """Put position, orientation and spacing of slice ``z`` into a classic header."""
        dataset.ImagePositionPatient = [round(float(v), 6) for v in self.origin + self.columns[:, 2] * z]
        directions = (self.columns / SPACING)[:, :2].T.ravel()
        dataset.ImageOrientationPatient = [round(float(v), 9) for v in directions]
        dataset.PixelSpacing, dataset.SliceThickness = [SPACING[1], SPACING[0]], SPACING[2]

    def classic(
        self,
        voxels: np.ndarray,
        name: str = "series",
        number: int = 1,
        change: Callable[[Dataset, int, int], None] | None = None,
        shuffle: int | None = 0,
    ) -> Path:
        """Write one file a slice; file names say nothing about the order if shuffled."""
        folder, uid = self.folder / name, generate_uid()
        folder.mkdir(parents=True, exist_ok=True)
        volumes, _, _, slices = voxels.shape
        names = np.arange(volumes * slices)
        if shuffle is not None:
            np.random.default_rng(shuffle).shuffle(names)
        for t in range(volumes):
            for z in range(slices):
                dataset = self.base(number, uid)
                self.place(dataset, z)
                dataset.InstanceNumber = t * slices + z + 1
                dataset.RepetitionTime = 2000
                plane = voxels[t, :, :, z].T
                dataset.Rows, dataset.Columns = plane.shape
                dataset.PixelData = np.ascontiguousarray(plane).tobytes()
                if change:
                    change(dataset, t, z)
                dataset.save_as(folder / f"{names[t * slices + z]:05}.dcm", enforce_file_format=True)
        return folder

    def mosaic(self, voxels: np.ndarray, name: str = "mosaic", number: int = 7) -> Path:
        """Write one mosaic a volume, with the number of tiles in Siemens' private block."""
        folder, uid = self.folder / name, generate_uid()
        folder.mkdir(parents=True)
        side = int(np.ceil(np.sqrt(voxels.shape[3])))
        for t, volume in enumerate(voxels):
            picture = np.zeros((side * 6, side * 8), np.uint16)
            for z in range(volume.shape[2]):
                row, column = z // side * 6, z % side * 8
                picture[row : row + 6, column : column + 8] = volume[:, :, z].T
            dataset = self.base(number, uid)
            self.place(dataset, 0)
            corner = self.origin - self.columns[:, 0] * (side - 1) * 8 / 2 - self.columns[:, 1] * (side - 1) * 6 / 2
            dataset.ImagePositionPatient = [round(float(v), 6) for v in corner]
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
            dataset.InstanceNumber, dataset.RepetitionTime = t + 1, 1500
            dataset.AcquisitionDate, dataset.AcquisitionTime = "20240131", f"1200{1.5 * t:09.6f}"
            block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
            block.add_new(0x0A, "US", volume.shape[2])
            dataset.Rows, dataset.Columns = picture.shape
            dataset.PixelData = picture.tobytes()
            dataset.save_as(folder / f"{t}.dcm", enforce_file_format=True)
        return folder

    def enhanced(
        self, voxels: np.ndarray, name: str = "enhanced", number: int = 9, slopes: tuple[float, ...] = (1.0,)
    ) -> Path:
        """Write one file with all frames (slice runs slowest); several slopes make several contrasts."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        dataset = self.base(number, generate_uid(), ENHANCED)
        frames, planes = [], []
        for z in range(voxels.shape[3]):
            for t in range(voxels.shape[0]):
                for c, slope in enumerate(slopes):
                    frames.append(self._groups(t, z, c, slope))
                    planes.append(voxels[t, :, :, z].T)
        shared, timing, measures = Dataset(), Dataset(), Dataset()
        timing.RepetitionTime = 700.0
        measures.PixelSpacing, measures.SliceThickness = [SPACING[1], SPACING[0]], SPACING[2]
        shared.MRTimingAndRelatedParametersSequence = Sequence([timing])
        shared.PixelMeasuresSequence = Sequence([measures])
        dataset.SharedFunctionalGroupsSequence = Sequence([shared])
        dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
        dataset.NumberOfFrames, dataset.InstanceNumber = len(frames), 1
        dataset.Rows, dataset.Columns = planes[0].shape
        dataset.PixelData = np.ascontiguousarray(planes).tobytes()
        dataset.save_as(folder / "enhanced.dcm", enforce_file_format=True)
        return folder

    def _groups(self, t: int, z: int, c: int, slope: float) -> Dataset:
        placed = Dataset()
        self.place(placed, z)
        groups, content, position, orientation, values, kind = (Dataset() for _ in range(6))
        content.TemporalPositionIndex = t + 1
        content.FrameAcquisitionDateTime = f"202401311200{0.7 * t:09.6f}"
        position.ImagePositionPatient = placed.ImagePositionPatient
        orientation.ImageOrientationPatient = placed.ImageOrientationPatient
        values.RescaleSlope, values.RescaleIntercept = slope, 5.0 * c
        kind.FrameType = ["ORIGINAL", "PRIMARY", "T1", "MP"[c]]
        groups.FrameContentSequence = Sequence([content])
        groups.PlanePositionSequence = Sequence([position])
        groups.PlaneOrientationSequence = Sequence([orientation])
        groups.PixelValueTransformationSequence = Sequence([values])
        groups.MRImageFrameTypeSequence = Sequence([kind])
        return groups


@pytest.fixture
def series_maker(tmp_path) -> SeriesMaker:
    """Return a writer of synthetic series below the test's folder."""
    return SeriesMaker(tmp_path)
