"""The same front door from Python: ``vt.train(study)`` gives a run that predicts, is judged and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voxtempo.cohort import Study, load_study
from voxtempo.inference import Run
from voxtempo.report import write_report
from voxtempo.scans import Scan, read_scan
from voxtempo.workflow import Prediction, evaluate_run, train_study
from voxtempo.workflow.predict import predict_scan


class TrainedRun(Run):
    """A finished run folder with everything one does to it."""

    def predict(self, scan: Scan | str | Path, case_id: str = "scan", series: str | None = None) -> Prediction:
        """Return the prediction for one scan, in memory or a file with one channel (of a DICOM folder, one ``series``)."""
        return predict_scan(self, scan if isinstance(scan, Scan) else read_scan(scan, series=series), case_id)

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


def train(study: Study | str | Path, out: str | Path | None = None, fold: int | str | None = None) -> TrainedRun:
    """Train a study (or study file) into a run folder, by default ``runs/<name>``, and return the run.

    Raises
    ------
    VoxTempoError : what is wrong with the study, the data or the folder.
    """
    if not isinstance(study, Study):
        study = load_study(study)
    folder = Path(out) if out is not None else Path("runs") / study.name
    train_study(study, folder, fold)
    return TrainedRun(folder)
