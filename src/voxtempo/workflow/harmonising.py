"""Harmonisers put to work: fitted on a fold's training cases, written into the run, adapted to sites that come later."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from voxtempo.cohort import Cohort, Sides, View
from voxtempo.cohort.problem import few
from voxtempo.errors import StudyError
from voxtempo.harmonise import About, Harmoniser, adapt_chain, build_harmonisers, fit_chain, harmonise_cases
from voxtempo.inference import Run
from voxtempo.inference.lens import HARMONISE, HARMONISE_ARRAYS, Lens, read_lens, write_lens
from voxtempo.prepare import PreparedCase
from voxtempo.workflow.records import write_json
from voxtempo.workflow.setup import Setup
from voxtempo.workflow.voice import Voice


def harmonise(
    setup: Setup,
    sides: Sides,
    prepared: Mapping[str, PreparedCase],
    out: Path,
    voice: Voice | None = None,
) -> dict[str, PreparedCase]:
    """Return the prepared cases with those that train and select harmonised; what was learned is written into the run.

    Parameters
    ----------
    setup : the study.
    sides : of the fold. The harmonisers learn from its training cases; where the study says 'unseen: adapt', the level and
        spread of sites that do not train are learned from their own validation and test images, without truths.
    prepared : by id.
    out : run folder of the fold. What it has learned from the same cases is not learned again.
    voice : progress.

    Returns
    -------
    All cases. Test cases are as they were: networks see them through the run's lens.

    Raises
    ------
    CohortError : the cases do not suffice, or a site is new and the study refuses such.
    """
    harmonisers, voice = build_harmonisers(setup.study.harmonise), voice or Voice()
    if not harmonisers:
        for name in (HARMONISE, HARMONISE_ARRAYS):  # of a study that failed here before it was corrected
            (out / name).unlink(missing_ok=True)
        return dict(prepared)
    digest = _digest(harmonisers, sides, prepared)
    known = read_lens(out)
    if known is not None and known[1].get("cases_sha256") == digest:
        chain = known[0].chain
    else:
        chain = fit_chain(harmonisers, sides.training, prepared, _bar(voice, "harmonisers"))
        later = [*sides.validation, *sides.test]
        chain.refuse([About.of(case) for case in later])
        chain, counts = adapt_chain(chain, [(About.of(case), prepared[case.id].image) for case in later])
        if counts:
            voice.say(f"harmonise: adapted to {_told(counts)}, from their own images without truths")
        write_lens(out, chain, {**_fitted_on(sides.training), "adapted_to": counts, "cases_sha256": digest})
    abouts = [About.of(case) for case in (*sides.training, *sides.validation)]
    return {**prepared, **harmonise_cases(chain, abouts, prepared, _bar(voice, "harmonise"))}


def lens_in(out: Path) -> Lens | None:
    """Return the lens of a fold's run folder, which all its networks share; None where the study harmonises nothing."""
    found = read_lens(out)
    return None if found is None else found[0]


def lenses_for(run: Run, cohort: Cohort, prepared: Mapping[str, PreparedCase], out: Path, voice: Voice) -> list[Lens]:
    """Return a lens for each network of a run that is to judge another cohort; what it was adapted to is written.

    Raises
    ------
    CohortError : a site or a covariate of a case is not known, or a site is new and the study refuses such.
    """
    if not run.lenses:
        return []
    made: list[Lens] = []
    counts: dict[str, int] = {}
    for lens, networks in zip(run.lenses, run.networks, strict=True):
        lens.chain.refuse([About.of(case) for case in cohort])
        chain, found = adapt_chain(lens.chain, [(About.of(case), prepared[case.id].image) for case in cohort])
        counts |= found
        made += [Lens(chain)] * len(networks)
    if counts:
        voice.say(f"harmonise: adapted to {_told(counts)}, from their own images without truths")
        write_json(out / HARMONISE, {"adapted_to": counts})
    return made


def refuse_unknown(run: Run, abouts: Sequence[About]) -> None:
    """Raise an error that names what must be said of new scans before a run can harmonise them.

    Raises
    ------
    StudyError : a site or the value of a column is missing.
    CohortError : a site is new, and the study refuses such.
    """
    for lens in run.lenses:
        chain = lens.chain
        lacking = {name: [each.id for each in abouts if not each.row.get(name)] for name in chain.columns}
        if chain.by_site:
            lacking = {"site": [each.id for each in abouts if not each.site], **lacking}
        missing = {name: ids for name, ids in lacking.items() if ids}
        if missing:
            said = "; ".join(f"{name} (of {few(ids)})" for name, ids in missing.items())
            options = " ".join("--site NAME" if name == "site" else f"--value {name}=..." for name in missing)
            raise StudyError(
                f"This run harmonises scans, and must know of each: {said}. Say so with {options}, or give a table with a row "
                "a scan: --table FILE (columns 'id' and these)."
            )
        chain.refuse(abouts)


def _fitted_on(view: View) -> dict[str, Any]:
    sites: dict[str, int] = {}
    for case in view:
        if case.site is not None:
            sites[case.site] = sites.get(case.site, 0) + 1
    return {"fold": view.fold, "fitted_on": view.side, "cases": len(view), "sites": sites}


def _digest(harmonisers: Sequence[Harmoniser], sides: Sides, prepared: Mapping[str, PreparedCase]) -> str:
    """Return a checksum of all that decides what is learned: the harmonisers, who is on which side, and their images."""
    total = hashlib.sha256(repr([(each.version, each) for each in harmonisers]).encode())
    for view in (sides.training, sides.validation, sides.test):
        for case in view:
            row = sorted(case.row.items())
            total.update(repr((view.side, case.id, case.site, row, prepared[case.id].folder.name)).encode())
    return total.hexdigest()


def _bar(voice: Voice, name: str) -> Callable[[int, int], None]:
    return lambda done, total: voice.bar(name, done, total, "")


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"site '{site}' ({count} scans)" for site, count in counts.items())
