"""The part of a study file that says how the result is judged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from voxtempo.cohort.sections.base import NamedItem, Section

Targeted = Annotated[
    dict[Literal["sensitivity", "specificity"], Annotated[float, Field(gt=0, le=1)]], Field(min_length=1, max_length=1)
]


class Evaluate(Section):
    """How the result is judged."""

    by: Literal["case", "subject"] = Field(default="case", description="unit of the headline figures")
    windows: Literal["mean", "vote", "attention"] = Field(
        default="mean",
        description="how the answers of a series' (or event's) windows become one: the mean probability or value, the vote "
        "of most windows (classify), or weights that a small network learns on the training cases",
    )
    intervals: int = Field(default=2000, ge=100, description="bootstrap resamples of subjects")
    subgroups: list[str] | None = Field(
        default=None,
        description="columns by which figures are reported apart, numbers in bands (planned: the site, and columns with names "
        "such as age, sex, scanner; [] for none)",
    )
    overlap: float = Field(default=0.5, ge=0, lt=1, description="overlap of patches when a whole scan is predicted")
    tolerance: Annotated[float, Field(gt=0)] | dict[str, Annotated[float, Field(gt=0)]] | None = Field(
        default=None,
        description="mm by which a surface may be off for the surface Dice, one for all labels and regions or by name "
        "(default: 1 mm, or the shortest side of a larger voxel)",
    )
    lesion_overlap: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="least intersection over union with which a predicted and a true lesion (connected component) belong "
        "together in the figures of lesions; 0: one shared voxel",
    )
    threshold: Literal["none", "youden"] | Targeted = Field(
        default="none",
        description="how the probability from which the second of two classes is predicted is chosen on the validation "
        "cases: by Youden's index, or to reach a rate, {sensitivity: 0.9} or {specificity: 0.9}; none: the likelier class",
    )
    prevalence: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="share of the second of two classes where the network is to be used, for its predictive values there",
    )
    bias_correction: bool = Field(
        default=True,
        description="report beside a regression's own errors what is left of them without the pull towards the mean, a line "
        "fitted on the validation cases",
    )
    mirror: Literal["none", "auto", "always"] | None = Field(
        default=None,
        description="whether the network also sees each sample in the mirror (left and right exchanged) and the answers are "
        "averaged; auto: if that proves itself on the validation cases (planned: auto for label maps, else none)",
    )
    postprocess: Literal["none", "auto"] | list[NamedItem] | None = Field(
        default=None,
        description="what is done to predicted label maps: operations in order, or auto: those that prove themselves on the "
        "validation cases (planned: auto for label maps, else none)",
    )
    calibrate: Literal["none", "temperature", "vector", "isotonic"] = Field(
        default="none",
        description="map from the network's probabilities to calibrated ones, fitted on the validation cases (classify)",
    )
    coverage: Annotated[float, Field(ge=0.5, lt=1)] | None = Field(
        default=None,
        description="chance with which a set of classes or an interval is to hold the truth, or share of a structure that an "
        "outer mask is to hold: conformal prediction on the validation subjects; none: no sets",
    )
    conformity: Literal["lac", "aps", "raps", "absolute", "normalised"] | None = Field(
        default=None,
        description="score of the sets (lac, aps or raps; default lac) or intervals (absolute, or normalised by the "
        "uncertainty of each case; default absolute)",
    )
    samples: int = Field(
        default=0,
        ge=0,
        description="how often each network is asked with its dropout left on (Monte Carlo dropout), the answers being "
        "averaged; 0: once, without dropout",
    )
