"""Who is in the study, and who may be compared with whom.

Study files, tables and BIDS folders, events, cases, duplicates, splits, and what can be wrong with all of them.
"""

from voxtempo.cohort.build import build_cohort
from voxtempo.cohort.case import Case, Cohort, Event, Fold
from voxtempo.cohort.consistency import GeometryReport, check_geometry
from voxtempo.cohort.duplicates import (
    DuplicateReport,
    Straddle,
    duplicate_problems,
    find_duplicates,
    join_duplicates,
    straddles,
)
from voxtempo.cohort.facts import cache_root
from voxtempo.cohort.leakage.findings import find_leakage
from voxtempo.cohort.leakage.known import divide, leak_in_words, leak_problems, refuse_split_by_case, shout
from voxtempo.cohort.loading import dump_study, load_study, study_schema, with_values
from voxtempo.cohort.masks import check_masks, label_volumes
from voxtempo.cohort.problem import Problem, by_severity, grouped, refuse_errors
from voxtempo.cohort.proposal import Proposal
from voxtempo.cohort.propose import propose_study
from voxtempo.cohort.split_file import read_split, write_split
from voxtempo.cohort.splits import check_folds, make_folds, refuse_leaks
from voxtempo.cohort.study import Named, Split, Study
from voxtempo.cohort.summary import summarise
from voxtempo.cohort.truths import truth_of
from voxtempo.cohort.views import (
    FITTERS,
    Sides,
    TestView,
    TrainingView,
    ValidationView,
    View,
    fitted_on,
    refuse_other_side,
    sides_of,
)

__all__ = [
    "FITTERS",
    "Case",
    "Cohort",
    "DuplicateReport",
    "Event",
    "Fold",
    "GeometryReport",
    "Named",
    "Problem",
    "Proposal",
    "Sides",
    "Split",
    "Straddle",
    "Study",
    "TestView",
    "TrainingView",
    "ValidationView",
    "View",
    "build_cohort",
    "by_severity",
    "cache_root",
    "check_folds",
    "check_geometry",
    "check_masks",
    "divide",
    "dump_study",
    "duplicate_problems",
    "find_duplicates",
    "find_leakage",
    "fitted_on",
    "grouped",
    "join_duplicates",
    "label_volumes",
    "leak_in_words",
    "leak_problems",
    "load_study",
    "make_folds",
    "propose_study",
    "read_split",
    "refuse_errors",
    "refuse_leaks",
    "refuse_other_side",
    "refuse_split_by_case",
    "shout",
    "sides_of",
    "straddles",
    "study_schema",
    "summarise",
    "truth_of",
    "with_values",
    "write_split",
]
