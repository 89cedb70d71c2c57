"""The reference of study files: a table for each section of the schema."""

from __future__ import annotations

import inspect
from typing import Any, get_args

from generate_words import bounded, cell, prose, read_doc, shown, table, words
from pydantic import BaseModel

SCHEMA = "study.schema.json"
INTRODUCTION = f"""
One YAML file says everything about a study. Every key below may be left out unless it is *required*; what is then
marked *planned* is decided from the data, printed with its reason by `voxtempo check` and `voxtempo train`, and written
into the run folder's `study.yaml`.

- Unknown keys are errors that name the line and suggest the nearest known key; so is a key that is given twice.
- Paths are relative to the study file. `--set a.b=c` on the command line overrides any value; for a list the number of
  the item or the name of the step picks it: `--set prepare.normalise.method=minmax`.
- Editors complete and check study files with the [JSON schema](../{SCHEMA}), which `voxtempo check --schema` prints
  too. For editors that use the YAML language server, the first line of a study file can be
  `# yaml-language-server: $schema=study.schema.json`.
- *Registered things* (steps, transforms, losses, operations) are written `name`, `{{name: value}}` where the value
  stands for the main option, or `{{name: {{option: value}}}}`. See [steps](steps.md), [transforms](transforms.md),
  [losses](losses.md), [operations](operations.md) and [networks](networks.md).
"""

# What a key of this type means where the schema only names the section.
SECTION_MEANING = {
    "cohort": "who is in the study, where their files are, what is to be learned",
    "target": "what is to be learned",
    "sample": "what one training example is (planned)",
    "budget": "what training one network may cost (planned)",
    "split": "who trains, who selects, who judges",
    "network": "which network, and its options (planned)",
    "train": "how the network is fitted",
    "evaluate": "how the result is judged",
    "slices": "samples are whole slices across one axis",
    "window": "samples are windows of consecutive volumes",
}
LEAVES = {
    "Study.name": "letters, digits, `.`, `_` and `-`; the run folder is `runs/<name>` by default",
    "Study.task": "what is learned",
    "Study.augment": "training-time variation: planned for the task, none, or a list of transforms",
    "Slices.axis": "the axis that is cut across, after preparation",
    "Split.seed": "of the split and of the bootstrap",
    "Train.optimiser": "AdamW, or SGD with Nesterov momentum; weight decay is decoupled in both",
    "Train.schedule": "cosine and polynomial fall to a hundredth of the peak rate; plateau multiplies the rate by 0.3 "
    "after every third of the patience without improvement",
    "Train.label_smoothing": "share of a classifier's truth that is spread evenly over all classes",
    "Train.seed": "of the weights, the order of samples, patches, augmentation and dropout",
    "Train.tensorboard": "write logs for TensorBoard into the run folder (extra `tensorboard`)",
}
SHORT = {
    "Sample": "`sample: volume` is short for `sample: {volume: whole}`, and `sample: 2d`, `2.5d` or `3d` for "
    "`sample: {dimensions: 2d}` and so on.",
    "NetworkSection": "`network: unet3d` is short for `network: {name: unet3d}`. Every further key is an option of the "
    "network.",
}


def study_page() -> str:
    """Return the reference of study files, a table for each section of the schema."""
    from voxtempo.cohort.study import Study

    parts = ["# Study file", INTRODUCTION.strip(), "## The whole file", _model_table(Study)]
    for path, model in _sections(Study, ""):
        title = f"## `{path}` {{#{model.__name__.lower()}}}"
        text = prose(read_doc(model).text)
        parts += [title, *([text] if text else []), _model_table(model)]
        if model.__name__ in SHORT:
            parts.append(SHORT[model.__name__])
    return "\n\n".join(parts) + "\n"


def _sections(model: type[BaseModel], path: str) -> list[tuple[str, type[BaseModel]]]:
    """Return every section below a model with its place in the file, depth first."""
    found: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is not None and inner.__name__ != "Named":
            place = f"{path}.{name}" if path else name
            found += [(place, inner), *_sections(inner, place)]
    return found


def _model_in(hint: Any) -> type[BaseModel] | None:
    if inspect.isclass(hint) and issubclass(hint, BaseModel):
        return hint
    return next((inner for each in get_args(hint) if (inner := _model_in(each)) is not None), None)


def _model_table(model: type[BaseModel]) -> str:
    rows = []
    for name, field in model.model_fields.items():
        kind = bounded(words(field.annotation), field.metadata).replace(" or nothing", "")
        default = field.default if field.default_factory is None else field.default_factory()
        rows.append((f"`{name}`", kind, shown(default), cell(meaning(model, name))))
    return table(("key", "type", "default", "meaning"), rows)


def meaning(model: type[BaseModel], name: str) -> str:
    """Return what a key means: as the schema says it, else as this file does."""
    said = model.model_fields[name].description
    return said or LEAVES.get(f"{model.__name__}.{name}") or SECTION_MEANING.get(name, "")
