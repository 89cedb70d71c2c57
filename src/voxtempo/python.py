"""The same front door from Python: ``vt.train(study)`` gives a run that predicts, is judged and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voxtempo.cohort import Study, load_study
from voxtempo.harmonise import About
from voxtempo.inference import Run
from voxtempo.report import write_report
from voxtempo.scans import Scan, read_scan
from voxtempo.workflow import Prediction, evaluate_run, train_study
from voxtempo.workflow.comparing import Comparison, compare_runs
from voxtempo.workflow.predict import predict_scan


class TrainedRun(Run):
    """A finished run folder with everything one does to it."""

    def predict(
        self,
        scan: Scan | str | Path,
        case_id: str = "scan",
        series: str | None = None,
        site: str | None = None,
        values: Mapping[str, object] | None = None,
        uncertainty: bool = False,
    ) -> Prediction:
        """Return the prediction for one scan, in memory or a file with one channel (of a DICOM folder, one ``series``).

        A run that harmonises must know the ``site`` of the scan, and the ``values`` of its covariates by column.
        ``uncertainty`` gives maps of it too (segment).

        Raises
        ------
        RunError : the run was trained, but not judged, so that some of what belongs to its answers is yet to be decided.
        """
        self.refuse_unfinished()
        about = About(case_id, site, {name: str(value) for name, value in (values or {}).items()})
        read = scan if isinstance(scan, Scan) else read_scan(scan, series=series)
        return predict_scan(self, read, case_id, about=about, uncertainty=uncertainty)

    def evaluate(self, on: Study | str | Path | None = None) -> dict[str, Any]:
        """Return the metrics, judged anew; ``on`` is the study of an external cohort."""
        study = load_study(on) if isinstance(on, str | Path) else on
        return evaluate_run(self.folder, study)[0]

    def report(self) -> Path:
        """Write ``report.html`` anew and return its path."""
        return write_report(self.folder)


def open_run(folder: str | Path) -> TrainedRun:
    """Return the finished run in a folder.

    Raises
    ------
    RunError : the folder is no finished run.
    """
    return TrainedRun(folder)


def compare(runs: Sequence[str | Path | Run], metric: str | None = None, *, common: bool = False) -> Comparison:
    """Return runs (or run folders) ranked on the same test cases, with their differences.

    Parameters
    ----------
    runs : two or more; those that differ in nothing but their seeds are joined to their mean.
    metric : what to rank by, such as "auc" or "dice:liver".
    common : compare on the test cases that all have, instead of refusing runs with different ones.

    Raises
    ------
    RunError : they cannot be compared.
    """
    return compare_runs([run.folder if isinstance(run, Run) else run for run in runs], metric, common=common)


def train(
    study: Study | str | Path,
    out: str | Path | None = None,
    fold: int | str | None = None,
    *,
    known_leaks: bool = False,
) -> TrainedRun:
    """Train a study (or study file) into a run folder, by default ``runs/<name>``, and return the run.

    ``known_leaks`` lets the split leak, to show what that does (docs/leakage.md); the run says so everywhere.

    Raises
    ------
    VoxTempoError : what is wrong with the study, the data or the folder.
    """
    if not isinstance(study, Study):
        study = load_study(study)
    folder = Path(out) if out is not None else Path("runs") / study.name
    train_study(study, folder, fold, known_leaks=known_leaks)
    return TrainedRun(folder)
