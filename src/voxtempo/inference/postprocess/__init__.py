"""What is done to predicted label maps, one operation a file: a study lists them, or validation cases choose them.

Operations see the label map on the scanner's own grid, with its true spacing; the truth they never see.
"""

from voxtempo.inference.postprocess.build import (
    build_operations,
    check_operations,
    read_operations,
    record_of,
    thresholds_of,
)
from voxtempo.inference.postprocess.choose import Pair, choose_operations
from voxtempo.inference.postprocess.operation import FOREGROUND, Operation, operation, operations

__all__ = [
    "FOREGROUND",
    "Operation",
    "Pair",
    "build_operations",
    "check_operations",
    "choose_operations",
    "operation",
    "operations",
    "read_operations",
    "record_of",
    "thresholds_of",
]
