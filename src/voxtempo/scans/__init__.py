"""Files in, files out: the scan, its geometry, and readers and writers that do not believe headers."""

from voxtempo.scans.cache import CachedScan, open_cache
from voxtempo.scans.cache_write import write_cache
from voxtempo.scans.dicom import SeriesInfo, list_series
from voxtempo.scans.geometry import Geometry
from voxtempo.scans.hashing import content_hash, pixel_hash
from voxtempo.scans.header import Header
from voxtempo.scans.orientation import orientation_change
from voxtempo.scans.reading import cache_series, read_header, read_scan, write_scan
from voxtempo.scans.scan import Kind, Scan, stack_channels

__all__ = [
    "CachedScan",
    "Geometry",
    "Header",
    "Kind",
    "Scan",
    "SeriesInfo",
    "cache_series",
    "content_hash",
    "list_series",
    "open_cache",
    "orientation_change",
    "pixel_hash",
    "read_header",
    "read_scan",
    "stack_channels",
    "write_cache",
    "write_scan",
]
