"""Files in, files out: the scan, its geometry, and readers and writers that do not believe headers."""

from voxtempo.scans.geometry import Geometry
from voxtempo.scans.scan import Scan, stack_channels

__all__ = ["Geometry", "Scan", "stack_channels"]
