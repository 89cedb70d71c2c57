"""A trained run over whole scans: stitching, aggregation, back to native space, judged case by case."""

from voxtempo.inference.answer import Answer
from voxtempo.inference.judge import Judged, judge
from voxtempo.inference.predictor import Predictor
from voxtempo.inference.run import Run

__all__ = ["Answer", "Judged", "Predictor", "Run", "judge"]
