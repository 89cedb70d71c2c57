"""A run folder opened: what was studied, and the network(s) ready to be asked."""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

from voxtempo.cohort import load_study
from voxtempo.cohort.study import Study
from voxtempo.errors import RunError, StudyError
from voxtempo.inference.calibration import NEUTRAL, Calibration, calibration_in
from voxtempo.inference.lens import HARMONISE, Lens, read_lens
from voxtempo.inference.network import Network
from voxtempo.inference.postprocess import Operation, read_operations
from voxtempo.inference.predictor import Predictor
from voxtempo.inference.record import RESTORE, read_record
from voxtempo.learning import backend
from voxtempo.learning.attention_pooling import AttentionPooling
from voxtempo.learning.recipe import Recipe
from voxtempo.learning.tasks import LearningTask, SegmentTask
from voxtempo.learning.weights import read_weights
from voxtempo.prepare import Step, build_steps
from voxtempo.scans import content_hash

STUDY, NETWORK, WEIGHTS, MANIFEST = "study.yaml", "network.json", "weights.safetensors", "manifest.json"
POOLING, PREPARE, POSTPROCESS = "pooling.safetensors", "prepare.json", "postprocess.json"
MIRROR = "mirror.json"


class Run:
    """A finished run.

    Parameters
    ----------
    folder : a run folder, or one of all folds (``fold-0``, ``fold-1``, ...), whose networks then answer together. A fold may
        have several networks itself.

    Raises
    ------
    RunError : the folder is not a finished run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            found = "is a file, expected a run folder" if self.folder.exists() else "does not exist"
            raise RunError(f"The run folder {self.folder} {found}. 'voxtempo train' writes one.")
        if not (self.folder / STUDY).is_file():
            raise RunError(f"{self.folder} is no run folder: it has no {STUDY}. 'voxtempo train' writes one.")
        folds = [path for path in self.folder.glob("fold-*") if path.name[5:].isdecimal()]
        self.members = tuple(sorted(folds, key=lambda path: int(path.name[5:]))) or (self.folder,)
        self.networks = tuple(networks_in(member) for member in self.members)
        for network in chain.from_iterable(self.networks):
            for name in (NETWORK, WEIGHTS):
                if not (network / name).is_file():
                    raise RunError(
                        f"{network} is not a finished run: it has no {name}. Start the same 'voxtempo train' again to go on."
                    )

    def refuse_unfinished(self) -> None:
        """Raise a ``RunError`` for a run that is yet to be judged, or some of whose folds are yet to be trained.

        What is decided on validation cases (a threshold, mirror images, a calibration) is decided after the training.
        """
        if (self.folder / MANIFEST).is_file():
            return
        if self.members == (self.folder,):
            raise RunError(
                f"{self.folder} is not a finished run: its network is trained, but not judged (there is no {MANIFEST}). Start "
                "the same 'voxtempo train' again to go on."
            )
        raise RunError(
            f"{self.folder} is not a finished run: {len(self.members)} of its folds are trained, but there is no "
            f"{MANIFEST}. Start the same 'voxtempo train' again to go on, or use one fold: {self.members[0]}."
        )

    @cached_property
    def weights_sha256(self) -> str:
        """A digest of the weights of all networks: what tells this run from another in the same folder."""
        each = [content_hash(network / WEIGHTS) for network in chain.from_iterable(self.networks)]
        return each[0] if len(each) == 1 else sha256("".join(each).encode()).hexdigest()

    @cached_property
    def study(self) -> Study:
        """The study as it was run, nothing left open.

        Raises
        ------
        RunError : the file is damaged, or parts of it are gone.
        """
        try:
            study = load_study(self.folder / STUDY)
        except StudyError as error:
            raise RunError(f"{error}{RESTORE}") from None
        if study.prepare is None or study.sample is None or study.train.batch is None:
            raise RunError(f"{self.folder / STUDY} is not complete: a part of it is gone.{RESTORE}")
        return study

    @cached_property
    def recipes(self) -> tuple[Recipe, ...]:
        """How each network is built."""
        try:
            return tuple(Recipe.loads(network / NETWORK) for network in chain.from_iterable(self.networks))
        except RunError as error:
            raise RunError(f"{error}{RESTORE}") from None

    @property
    def task(self) -> LearningTask:
        """The task, with its classes or labels."""
        return self.recipes[0].learning_task

    @property
    def steps(self) -> tuple[Step, ...]:
        """The preparation that the networks expect."""
        return build_steps(self.study.prepare or [])

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What is done to predicted label maps, as the run's ``postprocess.json`` says."""
        return operations_in(self.folder, self.task)

    def refuse_changed_files(self) -> None:
        """Raise a ``RunError`` where a file that the preparation needs beside the scans (an atlas) is no longer the same."""
        for name, digest in (read_record(self.folder / PREPARE, _files) or {}).items():
            if not Path(name).is_file() or content_hash(name) != digest:
                raise RunError(
                    f"The preparation of this run needs the file {name}, which has changed or is gone since training. Put the "
                    "old file back, or train again."
                )

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of ``metrics.json``."""
        found = read_record(self.folder / "metrics.json", dict)
        if found is None:
            raise RunError(f"{self.folder} has no metrics.json. 'voxtempo evaluate {self.folder}' writes it.")
        return found

    @cached_property
    def lenses(self) -> tuple[Lens, ...]:
        """How the networks of each fold see a prepared case; none where the study harmonises nothing.

        Raises
        ------
        RunError : what a fold has learned of the sites is damaged or gone.
        """
        if not self.study.harmonise:
            return ()
        found = [read_lens(member) for member in self.members]
        for member, each in zip(self.members, found, strict=True):
            if each is None:
                raise RunError(f"{member / HARMONISE} is gone, without which scans cannot be harmonised.{RESTORE}")
        return tuple(each[0] for each in found if each is not None)

    @cached_property
    def predictor(self) -> Predictor:
        """The network(s) with their weights (the framework is loaded now)."""
        backend.start(self.study.train.seed)
        weighed = self.study.evaluate.windows == "attention"
        lenses = self.lenses or (None,) * len(self.networks)
        seen = [(folder, lens) for lens, fold in zip(lenses, self.networks, strict=True) for folder in fold]
        networks = [
            Network(_load(folder, recipe), recipe, AttentionPooling.load(folder / POOLING) if weighed else None, lens)
            for (folder, lens), recipe in zip(seen, self.recipes, strict=True)
        ]
        predictor = Predictor(networks, self.study, self.operations, mirror_in(self.folder))
        return predictor.with_calibrations(self.calibrations)

    @property
    def calibrations(self) -> tuple[Calibration, ...]:
        """The calibration of each network, that of its fold; none where no fold has one."""
        found = [calibration_in(member) for member in self.members]
        if not any(found):
            return ()
        return tuple(each or NEUTRAL for each, networks in zip(found, self.networks, strict=True) for _ in networks)


def networks_in(fold: Path) -> tuple[Path, ...]:
    """Return the folders of a fold's networks: the fold's own for the first, ``network-1``, ``network-2``, ... for more."""
    more = [path for path in fold.glob("network-*") if path.name[8:].isdecimal()]
    return fold, *sorted(more, key=lambda path: int(path.name[8:]))


def operations_in(folder: Path, task: LearningTask) -> tuple[Operation, ...]:
    """Return the operations on label maps that a folder records; none where it has no such record.

    Raises
    ------
    RunError : the record is damaged.
    """
    return read_operations(folder / POSTPROCESS, task) if isinstance(task, SegmentTask) else ()


def mirror_in(folder: Path) -> tuple[str, ...]:
    """Return the axes that a folder's networks are asked about mirrored along; none where it has no such record.

    Raises
    ------
    RunError : the record is damaged.
    """

    def read(record: dict[str, Any]) -> tuple[str, ...]:
        axes = record["axes"]
        if not isinstance(axes, list) or not set(axes) <= set("xyz"):
            raise ValueError(f"'axes' is {axes}")
        return tuple(axes)

    return read_record(folder / MIRROR, read) or ()


def _files(record: dict[str, Any]) -> dict[str, str]:
    return dict(record.get("files", {}))


def _load(member: Path, recipe: Recipe) -> Any:
    """Return one network with its weights.

    Raises
    ------
    RunError : a file of the run is damaged, or belongs to another run.
    """
    try:
        model = recipe.build()
    except (StudyError, KeyError, TypeError, ValueError) as error:
        reason = str(error) if isinstance(error, StudyError) else f"{type(error).__name__}: {error}."
        raise RunError(f"{member / NETWORK} does not describe a network that can be built: {reason}{RESTORE}") from None
    try:
        read_weights(model, member / WEIGHTS)
    except RunError as error:
        raise RunError(f"{error}{RESTORE}") from None
    return model
