"""Showing: the report of a run as one self-contained HTML file, made from the files of the run folder alone."""

from voxtempo.report.page import write_report
from voxtempo.report.run_files import RunFiles, read_run

__all__ = ["RunFiles", "read_run", "write_report"]
