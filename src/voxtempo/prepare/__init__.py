"""Scanner to model-ready: one step a file, the cached pipeline that runs them, and the way back to the native grid.

A step looks at a scan (``decide``) and acts on it (``apply``); study files name steps, ``steps`` knows them all.
"""

from voxtempo.cohort.facts import cache_root
from voxtempo.prepare.build import build_steps, fills_nan, step_records
from voxtempo.prepare.pipeline import prepare_cohort
from voxtempo.prepare.regrid import regrid, to_native
from voxtempo.prepare.run import apply_decided, prepare_scan, run_steps
from voxtempo.prepare.step import Decision, Step, steps
from voxtempo.prepare.step_files import file_hashes
from voxtempo.prepare.store import PreparedCase

__all__ = [
    "Decision",
    "PreparedCase",
    "Step",
    "apply_decided",
    "build_steps",
    "cache_root",
    "file_hashes",
    "fills_nan",
    "prepare_cohort",
    "prepare_scan",
    "regrid",
    "run_steps",
    "step_records",
    "steps",
    "to_native",
]
