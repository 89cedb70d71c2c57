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
from voxtempo.inference.postprocess.choose import ENOUGH, ERRORS, Pair, choose_operations, mean_dice, paired_gain
from voxtempo.inference.postprocess.doubt import Doubt, find_doubt
from voxtempo.inference.postprocess.operation import FOREGROUND, Labels, Operation, operation, operations

__all__ = [
    "ENOUGH",
    "ERRORS",
    "FOREGROUND",
    "Doubt",
    "Labels",
    "Operation",
    "Pair",
    "build_operations",
    "check_operations",
    "choose_operations",
    "find_doubt",
    "mean_dice",
    "operation",
    "operations",
    "paired_gain",
    "read_operations",
    "record_of",
    "thresholds_of",
]
