"""DICOM files and folders as scans: classic single-slice files, Siemens mosaics and enhanced multi-frame MR."""

from voxtempo.scans.dicom.series import SeriesInfo, list_series
from voxtempo.scans.dicom.stream import open_dicom

__all__ = ["SeriesInfo", "list_series", "open_dicom"]
