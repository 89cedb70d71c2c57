"""The rooms put to work, one after the other: set up a study, train it, judge it, predict new scans."""

from voxtempo.workflow.evaluate import evaluate_run
from voxtempo.workflow.predict import predict_scans
from voxtempo.workflow.prediction import Prediction
from voxtempo.workflow.setup import Setup, set_up
from voxtempo.workflow.train import train_all_folds, train_one_fold, train_study

__all__ = [
    "Prediction",
    "Setup",
    "evaluate_run",
    "predict_scans",
    "set_up",
    "train_all_folds",
    "train_one_fold",
    "train_study",
]
