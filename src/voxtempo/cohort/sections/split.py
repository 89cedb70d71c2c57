"""The part of a study file that says who trains, who selects and who judges."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from voxtempo.cohort.sections.base import Section, Text


class Split(Section):
    """Who trains, who selects, who judges. By subject, unless a leak is to be shown.

    With ``test`` (a fraction of subjects), that set is the test and fold K is the validation.
    Without it, fold K (or value K of ``column``, or of those in ``only``) is the test, and ``validation`` of the rest selects
    the model.
    """

    test: float | None = Field(default=None, gt=0, lt=1, description="share of the cases (in whole subjects) held out")
    folds: int | None = Field(default=None, ge=2, description="number of folds")
    by: Literal["subject", "case"] = Field(
        default="subject",
        description="what is never cut: subjects (with their copies); or case, which puts rows of one subject on both sides "
        "and is refused without --i-know-this-leaks",
    )
    column: str | None = Field(default=None, description="leave one value of this column out at a time")
    only: list[Text] | None = Field(
        default=None,
        min_length=1,
        description="values of 'column' to test on, a fold each (default: all); [Testing], say, where a published test set is "
        "named so",
    )
    stratify: list[str] = Field(
        default_factory=list, description="columns balanced over the sides, continuous ones too"
    )
    validation: float = Field(
        default=0.15,
        ge=0,
        lt=1,
        description="fraction of the training cases, in whole subjects, that selects the model; 0: all train, and the "
        "last weights are kept",
    )
    seed: int = Field(default=0, ge=0, description="of the division into sides and folds, and of the bootstrap")

    @model_validator(mode="after")
    def _consistent(self) -> Split:
        if self.column is not None and (self.folds is not None or self.test is not None):
            raise ValueError("'column' leaves one value out at a time: do not give 'folds' or 'test' with it")
        if self.only is not None and self.column is None:
            raise ValueError("'only' names the values of a column that are tested: give 'column' with it")
        return self

    @property
    def validates(self) -> bool:
        """Whether every fold has validation cases."""
        return self.validation > 0 or (self.test is not None and self.folds is not None)

    def cuts_copies(self, known_leaks: bool) -> bool:
        """Whether rows stand for themselves: split by case, or by a column that is taken as it is although it leaks."""
        return self.by == "case" or (known_leaks and self.column is not None)
