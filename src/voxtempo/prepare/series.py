"""What steps that work over time need of a scan."""

from __future__ import annotations

from voxtempo.errors import StudyError
from voxtempo.scans import Scan


def require_series(scan: Scan, step: str, because: str = "it") -> None:
    """Raise ``StudyError`` if the scan is a single volume."""
    if not scan.is_series:
        raise StudyError(
            f"{scan.source or 'the scan'}: preparation step '{step}' works over time, but this is a single volume "
            f"(t = 1). Remove {because if because != 'it' else 'the step'} from 'prepare', or give series."
        )


def require_repetition_time(scan: Scan, step: str, option: str) -> float:
    """Return the repetition time in seconds, or raise ``StudyError`` if it is unknown."""
    if scan.repetition_time is None:
        raise StudyError(
            f"{scan.source or 'the scan'}: preparation step '{step}' needs the repetition time for '{option}', but the "
            "file does not give one. Write it into the header (pixdim[4], in seconds) or leave the option out."
        )
    return scan.repetition_time
