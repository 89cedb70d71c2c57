"""What a study chooses, held against what there is, before a scan is prepared: network, loss, augmentation, windows.

Nothing here loads a framework, so ``voxtempo check`` finds in a second what training would find after an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from voxtempo.augment import build_transforms
from voxtempo.cohort import Cohort, GeometryReport, Problem, Study
from voxtempo.cohort.problem import few
from voxtempo.cohort.sections.sample import Sample
from voxtempo.errors import VoxTempoError, did_you_mean
from voxtempo.learning.losses import choose_loss
from voxtempo.learning.recipe import input_kind
from voxtempo.learning.window_choices import check_windows, foresee_cohort
from voxtempo.networks import networks


def check_choices(study: Study, cohort: Cohort) -> tuple[Problem, ...]:
    """Return what cannot be trained as the study says, whatever the scans are like.

    Parameters
    ----------
    study : complete or not.
    cohort : knows the classes and labels.
    """
    train = study.train
    problems = [*_tried("network", lambda: _refuse_network(study)), *_weights(study, cohort), *_selection(study)]
    section = train.loss
    name, options = (section.name, section.options) if section is not None else (None, None)
    problems += _tried("train.loss", lambda: choose_loss(study.task, name, options))
    if study.train.class_weights != "none" and not problems:
        problems += _tried("train.class_weights", lambda: choose_loss(study.task, name, options, class_weights=(1.0,)))
    if isinstance(options, dict) and options.get("ignore") is not None:
        message = (
            "'ignore' of a loss is a place among the network's answers, not a value of the label map. Remove it, and name "
            "the value that counts nowhere, neither in the loss nor in the figures, in 'cohort.target.ignore'."
        )
        problems.append(Problem("error", "train.loss", message))
    problems += [*_tolerance(study, cohort), *_two_classes(study, cohort)]
    names = [*cohort.classes, *cohort.labels.values()]
    series = study.sample is not None and study.sample.window is not None
    problems += _tried("augment", lambda: build_transforms(study.augment, task=study.task, series=series, names=names))
    return tuple(problems)


def _tolerance(study: Study, cohort: Cohort) -> Iterator[Problem]:
    """Yield a tolerance of the surface Dice for a structure that there is not."""
    given = study.evaluate.tolerance
    known = [*cohort.labels.values(), *(study.cohort.target.regions or {})]
    for name in given if isinstance(given, dict) else ():
        if name not in known:
            message = f"there is no label or region '{name}'. {did_you_mean(name, known)}"
            yield Problem("error", "evaluate.tolerance", message)


def _two_classes(study: Study, cohort: Cohort) -> Iterator[Problem]:
    """Yield what is said of the second of two classes where there are more."""
    for key, default in (("threshold", "none"), ("prevalence", None)):
        if getattr(study.evaluate, key) != default and len(cohort.classes) != 2:
            message = f"is about the second of two classes, but there are {len(cohort.classes)}: remove it."
            yield Problem("error", f"evaluate.{key}", message)


def check_fit(study: Study, cohort: Cohort, geometry: GeometryReport) -> tuple[Problem, ...]:
    """Return what the scans rule out: networks for another kind of sample, events that no window can hold.

    Parameters
    ----------
    study : complete, as planned.
    cohort, geometry : its cases and their headers.
    """
    assert study.sample is not None
    flat = foresee_cohort(study, cohort, geometry).flat
    problems = [*check_choices(study, cohort), *(_depth(study.sample) if flat else ())]
    name = study.network.name
    if name is not None and not problems:
        kind = input_kind(study.sample, flat)
        if networks[name].input != kind:
            fitting = [
                other for other in networks if networks[other].input == kind and study.task in networks[other].tasks
            ]
            message = (
                f"'{name}' takes {_several(networks[name].input)}, but this study's samples are {_several(kind)}. "
                f"Networks that {study.task} from {_several(kind)}: {', '.join(fitting) or 'none yet'}."
            )
            problems.append(Problem("error", "network", message))
    problems += check_windows(study, cohort, geometry)
    return tuple(problems)


def _depth(sample: Sample) -> Iterator[Problem]:
    """Yield what a sample wants across scans that are single slices: there is nothing above and below them."""
    where = "sample.patch" if sample.patch is not None else "sample.slices"
    if (sample.patch is not None and sample.patch[2] > 1) or sample.across in (0, 1):
        message = (
            "every scan is a single slice (z = 1 after preparation), so its samples are too: patches [x, y, 1], or slices "
            "with 'axis: z'."
        )
        yield Problem("error", where, message)


def _tried(where: str, attempt: Callable[[], object]) -> Iterator[Problem]:
    try:
        attempt()
    except VoxTempoError as error:
        yield Problem("error", where, str(error))


def _refuse_network(study: Study) -> None:
    section = study.network
    if section.python is not None:
        file, _, function = section.python.rpartition(":")
        if not file or not function:
            raise VoxTempoError(f"network.python is '{section.python}'; expected 'path/to/file.py:function'.")
        if not Path(file).is_file():
            raise VoxTempoError(f"network.python: there is no file {file}.")
    if section.name is None:
        _refuse_options(study)
        return
    card = networks[section.name]
    if study.task not in card.tasks:
        others = [
            name for name in networks if networks[name].input == card.input and study.task in networks[name].tasks
        ]
        raise VoxTempoError(
            f"'{card.name}' cannot {study.task}: it can {', '.join(card.tasks)}. "
            f"Networks for {_several(card.input)} that can: {', '.join(others) or 'none yet'}."
        )
    card.validate(section.options)
    if section.options.get("deep_supervision") and study.task != "segment":
        raise VoxTempoError(
            f"'deep_supervision' compares maps with label maps, so it cannot help to {study.task}; remove it."
        )


def _refuse_options(study: Study) -> None:
    """Refuse options of a network yet to be planned that fit none it could be; raise the complaint of the nearest one."""
    options, complaints = study.network.options, []
    for card in (networks[name] for name in networks if study.task in networks[name].tasks):
        try:
            card.validate(options)
            return
        except VoxTempoError as error:
            unknown = set(options) - {option.name for option in card.options}
            complaints.append((len(unknown), error))
    if options and study.network.python is None and complaints:
        raise min(complaints, key=lambda complaint: complaint[0])[1]


def _weights(study: Study, cohort: Cohort) -> Iterator[Problem]:
    """Yield what is wrong with the weights of classes or labels, and with smoothing, which only a classifier has."""
    weights = study.train.class_weights
    if study.train.label_smoothing > 0 and study.task != "classify":
        message = f"this is for 'task: classify'; remove it to {study.task}."
        yield Problem("error", "train.label_smoothing", message)
    regions = study.cohort.target.regions
    if weights != "none" and study.task == "regress":
        yield Problem("error", "train.class_weights", "a number has no classes; remove it to regress.")
    elif weights == "balanced" and regions is not None:
        message = "regions overlap, so they cannot be balanced; name the weight of each, or leave it out."
        yield Problem("error", "train.class_weights", message)
    elif isinstance(weights, dict):
        names = cohort.classes or tuple(regions or ("background", *cohort.labels.values()))
        unknown = [name for name in weights if name not in names]
        if unknown:
            message = f"there is no class {few(unknown)}. {did_you_mean(unknown[0], names)}"
            yield Problem("error", "train.class_weights", message)


def _selection(study: Study) -> Iterator[Problem]:
    """Yield what asks for validation cases where the study has none."""
    if study.split.validation > 0 or (study.split.test is not None and study.split.folds is not None):
        return
    for key, given, instead in (
        ("keep", study.train.keep == "best", "'keep: last'"),
        ("schedule", study.train.schedule == "plateau", "'schedule: cosine'"),
    ):
        if given:
            message = f"this needs validation cases, but 'split.validation' is 0. Give some, or use {instead}."
            yield Problem("error", f"train.{key}", message)


def _several(kind: str) -> str:
    return kind if kind == "series" else f"{kind}s"
