"""What a study leaves open, decided from the data and said aloud: preparation, sample, network, batch, epochs, cost."""

from voxtempo.planning.estimate import Estimate, estimate
from voxtempo.planning.fingerprint import Fingerprint, take_fingerprint
from voxtempo.planning.foresee import Foreseen, foresee
from voxtempo.planning.plan import Plan, complete, explain, plan_study

__all__ = [
    "Estimate",
    "Fingerprint",
    "Foreseen",
    "Plan",
    "complete",
    "estimate",
    "explain",
    "foresee",
    "plan_study",
    "take_fingerprint",
]
