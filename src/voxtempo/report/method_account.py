"""What a run knows of its method and its result, in sentences; the second half of ``data_account``."""

from __future__ import annotations

from typing import Any

from voxtempo.report.choices import chosen as choices
from voxtempo.report.data_account import warnings
from voxtempo.report.elsewhere import drops_of
from voxtempo.report.findings import leaks_of, looked_often, looks_text
from voxtempo.report.numbers import interval_text, metric_of, number, value_of
from voxtempo.report.result_tables import headline_figures, metric_lines
from voxtempo.report.run_files import RunFiles, mapping
from voxtempo.report.settings import in_words, steps_of
from voxtempo.report.subgroups import gap_lines, subgroup_grids
from voxtempo.report.verdict import verdict_of

TASKS = {"classify": "classification", "regress": "regression", "segment": "segmentation"}
FEW = 30
"""Fewer independent units than this are said to be few."""


def manifest_of(run: RunFiles) -> dict[str, Any]:
    """Return how the run came to be; of a run of folds without such a file, its first fold's."""
    return run.manifest or (run.folds[0].manifest if run.folds else {})


def network(run: RunFiles) -> str:
    """Return which network it is."""
    recorded = mapping(manifest_of(run).get("network"))
    asked = mapping(run.study.get("network"))
    name = recorded.get("name") or asked.get("name") or asked.get("python") or run.network.get("name")
    if not name:
        return ""
    size = recorded.get("parameters")
    options = {key: value for key, value in asked.items() if key not in ("name", "python")}
    told = f"; {in_words(options)}" if options else ""
    return f"{name}{f', {size:,} parameters' if isinstance(size, int) else ''}{told}. network.json describes it completely."


def what(run: RunFiles) -> str:
    """Return in one phrase what kind of thing was made."""
    task = TASKS.get(run.task, run.task)
    return f"A deep neural network for {task} of magnetic resonance images, learned from examples with their truth."


def software(run: RunFiles) -> str:
    """Return the software with its versions."""
    manifest = manifest_of(run)
    own = f"VoxTempo {manifest['voxtempo']}" if manifest.get("voxtempo") else ""
    rest = [f"{name} {version}" for name, version in mapping(manifest.get("versions")).items()]
    return ", ".join([*([own] if own else []), *rest]) + ("." if own or rest else "")


def start(run: RunFiles) -> str:
    """Return what the weights were before training."""
    weights = mapping(run.study.get("network")).get("weights")
    seed = manifest_of(run).get("seed")
    if weights:
        return f"Weights from {weights}."
    return f"Random weights, seed {seed}." if seed is not None else ""


def training(run: RunFiles) -> str:
    """Return how it was trained."""
    asked = {key: value for key, value in mapping(run.study.get("train")).items() if value not in (None, False, 0)}
    epochs = f" {len(run.history)} epochs were run." if run.history else ""
    augment = run.study.get("augment")
    listed = [augment] if isinstance(augment, str) else [name for name, _ in steps_of(augment)]
    changed = f" Random changes of the training samples: {', '.join(listed)}." if listed else ""
    return f"{in_words(asked)}.{epochs}{changed}" if asked else epochs.strip()


def selection(run: RunFiles) -> str:
    """Return how the weights that judge were chosen."""
    keep = mapping(run.study.get("train")).get("keep")
    told = {
        "last": "The weights of the last epoch.",
        "best": "The weights of the epoch that was best on the validation cases.",
    }
    tuned = [fold for fold in (run, *run.folds) if fold.tuning]
    values = [
        (f"{fold.folder.name}: " if len(tuned) > 1 else "") + f"{in_words(fold.tuning.get('chosen'))}, chosen by "
        f"{fold.tuning.get('metric')} on {fold.tuning.get('inner_folds')} inner folds, in which the test has no part."
        for fold in tuned
    ]
    return " ".join([*([told[str(keep)]] if str(keep) in told else []), *values])


def together(run: RunFiles) -> str:
    """Return what answers together."""
    lines = choices(run)
    if run.folds:
        lines.insert(0, f"{len(run.folds)} networks, one a fold.")
    elif not any("networks from different seeds" in line for line in lines):
        lines.insert(0, "One network.")
    return " ".join(lines)


def metrics(run: RunFiles) -> str:
    """Return which figures there are."""
    titles = [metric_of(name).title for name in headline_figures(run, run.judged)]
    return f"{', '.join(titles)}. Each is defined in the documentation's page on evaluation." if titles else ""


def intervals(run: RunFiles) -> str:
    """Return how sure the figures are, and over what."""
    resamples = mapping(run.study.get("evaluate")).get("intervals")
    if not resamples or not run.judged:
        return ""
    over = "cases, since there are too few subjects," if _over_cases(run) else "subjects with all their cases,"
    return (
        f"Figures have 95 % intervals over {over} and their denominators ({resamples} bootstrap resamples where no closed form "
        "serves), but for those that have none by nature. Failed cases count as the worst possible."
    )


def _over_cases(run: RunFiles) -> bool:
    return any(figure.get("over") == "cases" for figure in headline_figures(run, run.judged).values())


def robustness(run: RunFiles) -> str:
    """Return which subgroups were judged, and where the largest differences are."""
    parts = []
    for column in subgroup_grids(run):
        clear = [line for line in gap_lines(run, column) if line.clear]
        told = "; ".join(
            f"{line.title}: {line.worst} is behind {line.best} by {line.difference} {line.interval}" for line in clear
        )
        parts.append(f"By {column}: {told or 'no difference whose interval is clear of 0'}.")
    return " ".join(parts)


def external(run: RunFiles) -> str:
    """Return how it did on other cohorts."""
    parts = []
    for name, recorded in run.external.items():
        own, there = (headline_figures(run, mapping(recorded.get(key))) for key in ("internal", "test"))
        for metric in [metric for metric in there if metric in own][:1]:
            inside, outside = value_of(own[metric]), value_of(there[metric])
            drop = next((each for each in drops_of(run, [metric]) if each.cohort == name), None)
            worse = f"; worse by {drop.difference} {drop.interval}" if drop else ""
            parts.append(
                f"{name}: {metric_of(metric).title} {number(outside, 3)} {interval_text(there[metric], 3)}, against "
                f"{number(inside, 3)} on the run's own test cases{worse}."
            )
    return " ".join(parts)


def performance(run: RunFiles) -> str:
    """Return the main figures of every side that was judged."""
    parts = []
    for role in ("test", "validation"):
        lines = metric_lines(run, mapping(run.metrics.get(role)))[:3]
        if lines:
            told = "; ".join(f"{line.title} {line.value} {line.interval}".strip() for line in lines)
            parts.append(f"{role.capitalize()}, over {lines[0].units}: {told}.")
    return " ".join(parts)


def headline(run: RunFiles) -> str:
    """Return the verdict and what it means."""
    verdict = verdict_of(run)
    return f"{verdict.sentence} {verdict.judgement}".strip() if run.judged else ""


def failures(run: RunFiles) -> str:
    """Return how many cases failed, and why."""
    if not run.predictions:
        return ""
    if not run.failures:
        return "No case failed. The report lists the cases that were judged worst."
    shown = "; ".join(f"{row.get('id', '')}: {row.get('status', '')}" for row in run.failures[:5])
    more = f"; and {len(run.failures) - 5} more" if len(run.failures) > 5 else ""
    return f"{len(run.failures)} failed: {shown}{more}."


def limits(run: RunFiles) -> list[str]:
    """Return what limits the result, as far as the run can know."""
    found = [f"The split leaks: {leak}" for leak in leaks_of(run)]
    if _over_cases(run):
        found.append(
            f"There are only {run.judged.get('subjects', 'a few')} test subjects: intervals are over their cases, which are "
            "not independent, and say nothing about new people."
        )
    else:
        figures = headline_figures(run, run.judged).values()
        units = [value for figure in figures if isinstance(value := figure.get("n"), int)]
        if units and min(units) < FEW:
            found.append(f"The figures rest on {min(units)} independent units: few, so their intervals are wide.")
    if run.judged and (verdict := verdict_of(run)).limits:
        found.append(verdict.judgement)
    if run.role == "validation":
        found.append(
            "There are no test figures: those of the validation cases chose the weights and flatter the network."
        )
    if looked_often(run):
        found.append(looks_text(run))
    if not run.external:
        found.append("It was judged on no cohort from elsewhere.")
    for column in subgroup_grids(run):
        for line in gap_lines(run, column):
            if line.clear:
                found.append(
                    f"{line.title} by {column}: {line.worst} is behind {line.best} by {line.difference} {line.interval}."
                )
    return [*found, *warnings(run)]


def again(run: RunFiles) -> str:
    """Return what is needed to do it again."""
    command = manifest_of(run).get("command")
    told = f" It was run as: {command}" if isinstance(command, str) and command else ""
    return f"study.yaml is the study with every default filled in.{told}" if run.study else ""
