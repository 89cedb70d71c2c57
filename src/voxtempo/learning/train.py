"""From prepared cases to fitted weights: one network on one fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voxtempo.augment import build_transforms
from voxtempo.cohort.case import Cohort
from voxtempo.cohort.study import Study
from voxtempo.cohort.views import Sides, TrainingView, View, fitted_on
from voxtempo.errors import StudyError
from voxtempo.feed import Batches, Plane, make_sampler
from voxtempo.learning import backend
from voxtempo.learning.attention_pooling import AttentionPooling, learn_pooling
from voxtempo.learning.cases import feed_case
from voxtempo.learning.checkpoints import Checkpoints, Progress
from voxtempo.learning.fit import Watch, fit
from voxtempo.learning.losses import build_loss, losses
from voxtempo.learning.losses.labels import IGNORED
from voxtempo.learning.make_task import make_task
from voxtempo.learning.mirroring import mirrored_axes
from voxtempo.learning.optimisers import make_optimiser
from voxtempo.learning.recipe import Recipe, file_sha256, input_kind
from voxtempo.learning.selection import select_voxels
from voxtempo.learning.statistics import refresher
from voxtempo.learning.tasks import ClassifyTask, LearningTask, SegmentTask
from voxtempo.learning.window_choices import keeps_time
from voxtempo.networks import networks, resolve_precision
from voxtempo.networks.local_weights import load_into
from voxtempo.networks.options import options_of
from voxtempo.prepare import PreparedCase


@dataclass(frozen=True)
class Trained:
    """A fitted network, how it can be built again, how the fitting went, and how its windows are weighed (if learned)."""

    model: Any
    recipe: Recipe
    progress: Progress
    pooling: AttentionPooling | None = None


def train_fold(
    study: Study,
    cohort: Cohort,
    sides: Sides,
    prepared: Mapping[str, PreparedCase],
    checkpoints: Path,
    watch: Watch | None = None,
) -> Trained:
    """Train the study's network on one fold; goes on from ``checkpoints`` where there are any.

    Parameters
    ----------
    study : complete (nothing left to plan).
    cohort : names classes and labels.
    sides : who trains and who selects; the test cases are not looked at.
    prepared : the prepared cases by id.
    checkpoints : folder.
    watch : progress callbacks.

    Raises
    ------
    StudyError : network, sample and task do not fit together.
    Interrupted : asked to stop; everything is saved.
    """
    assert study.sample is not None
    keras = backend.start(study.train.seed)
    from voxtempo.learning.deep_supervision import to_predict, to_train

    task = make_task(study, cohort, sides.training)
    example = _example([prepared[case.id] for case in sides.training])
    recipe = make_recipe(study, task, example)

    def batches(view: View, training: bool) -> Batches:
        augment = build_transforms(
            study.augment if training else "none",
            task=study.task,
            series=recipe.kind == "series",
            pictures=recipe.kind == "slice" and example.image.geometry.shape[2] == 1,
            flip=mirrored_axes(example.image.geometry, study.sample),  # type: ignore[arg-type]
            names=[*cohort.classes, *cohort.labels.values()],
        )
        return Batches(
            [feed_case(case, prepared[case.id], task) for case in view],
            make_sampler(
                study.sample,  # type: ignore[arg-type]
                example.image.geometry.shape,
                foreground=study.train.foreground or 0.0,
                overlap=0.0,
            ),
            batch=study.train.batch or 1,
            kind=recipe.kind,
            task=study.task,
            augment=augment if len(augment) else None,
            spare=augment.reach_in_time(recipe.input_shape[0]) if recipe.kind == "series" else 0,
            seed=study.train.seed,
            view=view,
        )

    training = batches(sides.training, training=True)
    network = recipe.build(supervised=True)
    if study.train.select_voxels is not None:
        select_voxels(network, batches(sides.training, training=False), study.task, study.train.select_voxels)
    model = to_train(network)
    model.compile(
        optimizer=make_optimiser(study.train),
        loss=_loss(study, task, training),
        jit_compile=backend.compile_whole_graph(),
    )
    model.optimizer.build(model.trainable_variables)
    saved = Checkpoints(checkpoints)
    if not recipe.python and recipe.options.get("weights") and saved.restore(model) is None:
        load_into(network, recipe.options)
    keras.utils.set_random_seed(study.train.seed)
    progress = fit(
        model,
        task,
        training,
        batches(sides.validation, training=False) if len(sides.validation) else None,
        study.train,
        saved,
        watch,
        refresher(model, batches(sides.training, training=False)),
    )
    network = to_predict(model)
    pooling = None
    if study.evaluate.windows == "attention":
        pooling = learn_pooling(network, task, batches(sides.training, training=False))
    return Trained(network, recipe, progress, pooling)


def _example(cases: Sequence[PreparedCase]) -> PreparedCase:
    """Return a training case that stands for all: the first one whose repetition time is known, if any is."""
    return next((case for case in cases if case.image.repetition_time), cases[0])


def make_recipe(study: Study, task: LearningTask, example: PreparedCase) -> Recipe:
    """Return the recipe of a study's network for prepared cases like ``example``."""
    assert study.sample is not None
    section, sample, shape = study.network, study.sample, example.image.geometry.shape
    kind = input_kind(sample, shape[2] == 1)
    box = sample.patch or shape
    if sample.across is not None:
        box = Plane(sample.across).turned(box)
    space = box[:2] if kind == "slice" else box
    window = sample.window
    time = (window.volumes,) if window is not None else ()
    derived = 1 + len(window.derivatives) if window is not None else 1
    name = section.name or section.python or ""
    return Recipe(
        name=name,
        options={**section.options, **_known_options(study, example)},
        input_shape=(*time, *space, len(example.image.channels) * derived * (2 * sample.beside + 1)),
        kind=kind,
        task=task.as_json(),
        dropout=study.train.dropout or 0.0,
        precision=resolve_precision(study.train.precision),
        seed=study.train.seed,
        python=section.python is not None,
        python_sha256=file_sha256(name) if section.python is not None else "",
        repetition_time=example.image.repetition_time if keeps_time(study) else None,
        select_voxels=study.train.select_voxels is not None,
    )


def _known_options(study: Study, example: PreparedCase) -> dict[str, Any]:
    """Return the options of a network that the data answer, where the network has them and the study leaves them out.

    ``repetition_time`` is the seconds between the frames of a window; ``coordinates`` are the centres (x, y, z in mm) of
    the regions that the step ``parcellate`` made.
    """
    section = study.network
    if section.name is None:
        return {}
    window = study.sample.window if study.sample is not None else None
    seconds = example.image.repetition_time if keeps_time(study) else None
    known: dict[str, Any] = {}
    if window is not None and seconds is not None:
        known["repetition_time"] = seconds * window.dilation
    for step, decision in zip(study.prepare or [], example.decisions, strict=False):
        if step.name == "parcellate" and decision.get("centres"):
            known["coordinates"] = [list(centre) for centre in decision["centres"]]
    options = (option.name for option in networks[section.name].options)
    open_options = {name for name in options if section.options.get(name) is None}
    return {name: value for name, value in known.items() if name in open_options}


def _loss(study: Study, task: LearningTask, train: Batches) -> Any:
    """Return the Keras loss the study asks for, or its task's own."""
    section = study.train.loss
    name, options = (section.name, section.options) if section is not None else (None, None)
    planned: dict[str, Any] = {}
    if isinstance(task, ClassifyTask):
        planned = {
            "label_smoothing": study.train.label_smoothing,
            "class_weights": _class_weights(study, task, train),
        }
    if isinstance(task, SegmentTask):
        planned = {
            "class_weights": label_weights(study, task, train),
            "ignore": IGNORED if task.ignore is not None else None,
            "regions": task.region_indices or None,
        }
        if name is not None and "sides" in [option.name for option in options_of(losses[name])]:
            planned["sides"] = _sides(train)
    return build_loss(study.task, name, options, **planned)


@fitted_on(TrainingView, "train")
def _sides(train: Batches) -> tuple[float, ...]:
    """Return the sides of the median training case's voxels along the axes of a sample, in the shortest one."""
    x, y, z = np.median([train.sampler.turned(case.spacing) for case in train.cases], axis=0)
    sides = (x, y) if train.kind == "slice" else (x, y, z)
    return tuple(round(float(side / min(sides)), 3) for side in sides)


@fitted_on(TrainingView, "train")
def _class_weights(study: Study, task: ClassifyTask, train: Batches) -> list[float] | None:
    """Return a weight for each class: balanced ones average 1 over the training samples."""
    wanted = study.train.class_weights
    if wanted == "none":
        return None
    if wanted == "balanced":
        truths = train.targets
        return _balanced([truths.count(place) for place in range(len(task.classes))])
    unknown = set(wanted) - set(task.classes)
    if unknown:
        raise StudyError(f"train.class_weights names {sorted(unknown)}, but the classes are {list(task.classes)}.")
    return [wanted.get(name, 1.0) for name in task.classes]


@fitted_on(TrainingView, "train")
def label_weights(study: Study, task: SegmentTask, train: Batches) -> list[float] | None:
    """Return a weight for each output of the network, the background first.

    Balanced ones average 1 over the voxels of the training cases that count.
    """
    wanted = study.train.class_weights
    if wanted == "none":
        return None
    names = tuple(name or "background" for name in task.outputs)
    if wanted != "balanced":
        return [wanted.get(name, 1.0) for name in names]
    counts = np.zeros(len(names), dtype=np.int64)
    for case in train.cases:
        if case.mask is not None:
            labels = case.mask.read()
            counts += np.bincount(labels[labels >= 0], minlength=len(names))
    return _balanced(counts.tolist())


def _balanced(counts: Sequence[int]) -> list[float]:
    """Return weights that give each class the same share and average 1 over what is counted; 0 for a class that is not there.

    >>> _balanced([6, 2, 0])
    [0.6666666666666666, 2.0, 0.0]
    """
    present = sum(count > 0 for count in counts)
    return [sum(counts) / (present * count) if count else 0.0 for count in counts]
