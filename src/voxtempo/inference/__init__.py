"""A trained run over whole scans: stitching, aggregation, back to native space, judged case by case."""

from voxtempo.inference.answer import Answer
from voxtempo.inference.judge import judge
from voxtempo.inference.judged import Judged
from voxtempo.inference.network import Network
from voxtempo.inference.predictor import Predictor
from voxtempo.inference.run import Run

__all__ = ["Answer", "Judged", "Network", "Predictor", "Run", "judge"]
