"""The contract of a harmoniser: it learns from prepared training scans what sites do to images, and takes that away.

Two parts. A ``Harmoniser`` is what a study says: a frozen dataclass of options that can learn. What it has learned is a
``Fitted``: numbers and arrays that change one scan after another, and that a run folder keeps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from voxtempo.cohort import Case, Cohort, Fold, Problem, TrainingView, fitted_on
from voxtempo.prepare import PreparedCase
from voxtempo.registry import Registry
from voxtempo.scans import CachedScan, Scan

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class About:
    """What is known of a scan beside its voxels.

    Parameters
    ----------
    id : of the case, for messages.
    site : scanner or hospital, or None where nobody says.
    row : column -> value, as text.
    """

    id: str
    site: str | None = None
    row: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, case: Case) -> About:
        """Return what the table says of a case."""
        return cls(case.id, case.site, case.row)


class Readable(Protocol):
    """Anything that gives a prepared scan when it is asked to."""

    def to_scan(self) -> Scan:
        """Return the scan."""


@dataclass(frozen=True)
class Sample:
    """A prepared scan, in the cache, and what is known of it."""

    about: About
    image: CachedScan


class Fitted(ABC):
    """What a harmoniser has learned. Nothing changes it; ``adapted`` returns another one. Subclasses are frozen dataclasses.

    Attributes
    ----------
    harmoniser : the options it was learned with.
    """

    harmoniser: Harmoniser

    @abstractmethod
    def apply(self, scan: Scan, about: About) -> Scan:
        """Return the harmonised scan (float32); never modifies ``scan``.

        Raises
        ------
        CohortError : the scan lies on another grid, or something that is needed is not known of it.
        """

    @abstractmethod
    def values(self) -> dict[str, Any]:
        """Return all that is small, as JSON."""

    def arrays(self) -> Arrays:
        """Return all that is large, by name."""
        return {}

    @abstractmethod
    def refuse(self, abouts: Sequence[About]) -> None:
        """Raise a ``CohortError`` if what is known of these scans does not suffice to harmonise them."""

    def to_adapt(self, site: str | None) -> bool:
        """Return whether this must see scans of a site before it can harmonise any of them."""
        return False

    def adapted(self, site: str, samples: Sequence[tuple[About, Readable]]) -> Fitted:
        """Return the same with what a new site's own scans tell; their truths play no part."""
        return self


class Harmoniser(ABC):
    """One way to make sites alike. Subclasses are frozen dataclasses whose fields are the options.

    Class attributes
    ----------------
    name : as in the study file (set by the ``harmoniser`` decorator).
    main : the option that a bare value stands for, or None.
    version : raise it when the same options give other voxels; cached results of older versions are then redone.
    by_site : whether it must know the site of every scan.
    """

    name: ClassVar[str] = ""
    main: ClassVar[str | None] = None
    version: ClassVar[int] = 1
    by_site: ClassVar[bool] = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table that every scan must give a value for."""
        return ()

    def check(self, cohort: Cohort, folds: Sequence[Fold]) -> Iterator[Problem]:
        """Yield what this cannot do, or what a reader should know, before a scan is prepared.

        Parameters
        ----------
        cohort : in which every case has a site, if ``by_site``, and a value of each of ``columns``.
        folds : who trains, and who is then to be harmonised.
        """
        return iter(())

    @fitted_on(TrainingView, "view")
    def fit(self, view: TrainingView, prepared: Mapping[str, PreparedCase]) -> Fitted:
        """Return what the training cases tell.

        Parameters
        ----------
        view : the training cases of a fold.
        prepared : by id; only the training cases are looked at.

        Raises
        ------
        CohortError : the cases do not suffice, or do not fit together.
        """
        return self.learn([Sample(About.of(case), prepared[case.id].image) for case in view])

    @abstractmethod
    def learn(self, samples: Sequence[Sample]) -> Fitted:
        """Return what these scans tell; asked by ``fit`` alone, with training cases."""

    @abstractmethod
    def restored(self, values: Mapping[str, Any], arrays: Arrays) -> Fitted:
        """Return what was learned once, from its ``values`` and ``arrays``."""


harmonisers: Registry[type[Harmoniser]] = Registry("harmoniser", "voxtempo.harmonise")
harmoniser = harmonisers.named
"""Registers a harmoniser under the name that study files use."""
