"""What ComBat has learned of sites, and how it is taken out of a scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from voxtempo.cohort.natural import natural
from voxtempo.cohort.problem import few
from voxtempo.cohort.table import is_missing
from voxtempo.errors import CohortError
from voxtempo.harmonise.covariates import Covariate, matrix
from voxtempo.harmonise.harmoniser import About, Arrays, Fitted, Readable
from voxtempo.harmonise.shrinkage import shrink_site
from voxtempo.prepare.foreground import mean_volume
from voxtempo.scans import Scan
from voxtempo.scans.room import room
from voxtempo.wording import by

if TYPE_CHECKING:
    from voxtempo.harmonise.combat import Combat

Float = NDArray[np.float32]


@dataclass(frozen=True)
class SiteEffects(Fitted):
    """What ComBat learned.

    Parameters
    ----------
    harmoniser : the options.
    sites : site -> scans, in the order of the rows of ``shift`` and ``variance``: those of training, then those adapted to.
    covariates : as training has them.
    shape : (x, y, z, c) of the scans.
    new : the sites that were adapted to -> scans.
    level, deviation : (features,), with the features in the order of (x, y, z, c); deviation 0 marks what stays as it is.
    slopes : (covariates, features).
    shift, variance : (sites, features), after empirical Bayes.
    """

    harmoniser: Combat
    sites: Mapping[str, int]
    covariates: tuple[Covariate, ...]
    shape: tuple[int, ...]
    new: Mapping[str, int]
    level: Float = field(repr=False)
    slopes: Float = field(repr=False)
    deviation: Float = field(repr=False)
    shift: Float = field(repr=False)
    variance: Float = field(repr=False)

    def apply(self, scan: Scan, about: About) -> Scan:
        """Return the scan as the average site would have made it."""
        site, row = self._known(scan, about)
        if site not in self.sites:
            return scan
        place = list(self.sites).index(site)
        explained = self.level + row @ self.slopes
        result = room(scan.data.shape, np.float32)
        if scan.volumes > 1:
            mean = mean_volume(scan).ravel()
            moved = (self._moved(mean, explained, place) - mean).reshape(scan.data.shape[1:])
            for target, volume in zip(result, scan.data, strict=True):
                target[...] = volume + moved
        else:
            result[0] = self._moved(scan.data[0].ravel(), explained, place).reshape(scan.data.shape[1:])
        return scan.with_data(result)

    def _moved(self, values: NDArray[Any], explained: NDArray[Any], place: int) -> NDArray[np.float64]:
        """Return the values (features,) without what the site did to them."""
        noise = values.astype(np.float64) - explained - self.deviation * self.shift[place]
        noise /= np.sqrt(self.variance[place])
        return np.where(self.deviation > 0, explained + noise, values)

    def _known(self, scan: Scan, about: About) -> tuple[str, NDArray[np.float64]]:
        """Return the site and the covariates (width,) of a scan that can be harmonised, or left as it is."""
        self.refuse([about])
        site = sites_of([about])[0]
        if self.to_adapt(site):
            raise CohortError(
                f"{about.id}: its site '{site}' is new, and 'unseen: adapt' must see {self.harmoniser.least} of its scans "
                "before it can harmonise one. Give them together."
            )
        found = scan.data.shape[1:]
        if tuple(found) != tuple(self.shape):
            raise CohortError(
                f"{about.id}: harmoniser 'combat' was fitted on scans of {by(self.shape)} voxels and channels, but "
                f"this one has {by(found)}."
            )
        return site, matrix(self.covariates, [about])[0]

    def refuse(self, abouts: Sequence[About]) -> None:
        """Raise a ``CohortError`` for scans without a site or a covariate, and for unseen sites where they are refused."""
        names = sites_of(abouts)
        matrix(self.covariates, abouts)
        unseen = sorted({name for name in names if name not in self.sites}, key=natural)
        if unseen and self.harmoniser.unseen == "refuse":
            raise CohortError(
                f"harmonise.combat: no training case is of the site{'s' if len(unseen) > 1 else ''} {few(unseen)}, of which "
                f"{sum(name in unseen for name in names)} scans are to be harmonised (training has "
                f"{few(list(self.sites), 10)}). Choose what becomes of them: 'unseen: leave' (they stay as they are), 'unseen: "
                f"adapt' (learned from {self.harmoniser.least} or more of the site's own scans, without their truths), or "
                "the harmoniser 'histogram', which needs no site."
            )

    def to_adapt(self, site: str | None) -> bool:
        """Return whether a site is new and is to be adapted to."""
        return self.harmoniser.unseen == "adapt" and site not in self.sites

    def adapted(self, site: str, samples: Sequence[tuple[About, Readable]]) -> SiteEffects:
        """Return the same with the level and the spread of a new site, from its own scans and covariates.

        Raises
        ------
        CohortError : the site has too few scans.
        """
        if len(samples) < self.harmoniser.least:
            raise CohortError(
                f"harmonise.combat: the new site '{site}' has {len(samples)} scans, and 'unseen: adapt' needs "
                f"{self.harmoniser.least} (option 'least'). Give more, or choose 'unseen: leave'."
            )
        varies = self.deviation > 0
        unit = np.where(varies, self.deviation, 1.0)
        mean, squares = np.zeros(len(unit)), np.zeros(len(unit))
        known = replace(self, sites={**self.sites, site: len(samples)})
        for count, (about, readable) in enumerate(samples, start=1):
            scan = readable.to_scan()
            _, row = known._known(scan, about)
            value = scan.data.mean(axis=0, dtype=np.float64).ravel()
            value = (value - self.level - row @ self.slopes) / unit
            step = value - mean
            mean += step / count
            squares += step * (value - mean)
        variance = squares / (len(samples) - 1)
        variance[variance <= 1e-12] = 1.0
        shrink_site(mean, variance, self.deviation, len(samples), self.shape[3], self.harmoniser.mean_only)
        return replace(
            known,
            new={**self.new, site: len(samples)},
            shift=np.vstack([self.shift, mean.astype(np.float32)]),
            variance=np.vstack([self.variance, variance.astype(np.float32)]),
        )

    def values(self) -> dict[str, Any]:
        """Return sites, covariates and shape."""
        covariates = [covariate.as_json() for covariate in self.covariates]
        return {
            "sites": dict(self.sites),
            "covariates": covariates,
            "shape": [int(n) for n in self.shape],
            "adapted": dict(self.new),
            "constant": int(np.count_nonzero(self.deviation == 0)),
        }

    def arrays(self) -> Arrays:
        """Return the model of every feature."""
        names = ("level", "slopes", "deviation", "shift", "variance")
        return {name: getattr(self, name) for name in names}


def sites_of(abouts: Sequence[About]) -> list[str]:
    """Return the site of each scan.

    Raises
    ------
    CohortError : the site of some is not known.
    """
    lacking = [each.id for each in abouts if each.site is None or is_missing(each.site)]
    if lacking:
        raise CohortError(
            f"harmonise.combat: the site of {few(lacking)} is not known, and ComBat needs it of every scan. Name the column "
            "with 'cohort.site', or give 'predict' the option --site."
        )
    return [str(each.site) for each in abouts]
