"""From a YAML file (and ``--set`` overrides) to a checked ``Study`` with absolute paths, and back to YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from voxtempo.cohort.complaints import Place, explain_errors
from voxtempo.cohort.sections.sample import DIMENSIONS
from voxtempo.cohort.study import Named, Section, Study
from voxtempo.errors import StudyError

LARGEST = 1_000_000
FILES = (".nii", ".nii.gz", ".csv", ".tsv", ".safetensors", ".h5", ".keras")  # that an option may name


def load_study(path: str | Path, overrides: Sequence[str] = ()) -> Study:
    """Return the study a YAML file describes, with every path absolute.

    Parameters
    ----------
    path : the study file; relative paths inside it (and in the overrides) start at its folder.
    overrides : "a.b=c" settings on top of the file. The value is YAML; a number picks an item of a list, and so
        does the name of a step: ``prepare.normalise.method=minmax``.

    Raises
    ------
    StudyError : the file is missing, is not YAML, or says something that cannot be done; each fault is a sentence
        with the key's path, its line, and the nearest known key.
    """
    path = Path(path)
    document, lines = _read(path)
    for override in overrides:
        document = _override(document, override)
    try:
        study = Study.model_validate(document)
    except ValidationError as error:
        raise StudyError(explain_errors(error, document, Study, str(path), lines)) from None
    return _absolute(study, path.resolve().parent)


OPTIONS = ("prepare.", "augment.", "train.loss.", "evaluate.postprocess.")
"""Keys whose items may have a bare value for their main option."""


def with_values(study: Study, values: Mapping[str, Any]) -> Study:
    """Return the study with other values, key path -> value; paths in it are absolute already.

    Raises
    ------
    StudyError : a value that the study cannot have.
    """
    document: Any = _plain(study)
    for key, value in values.items():
        document = _put(document, key.split("."), value, key)
    try:
        return Study.model_validate(document)
    except ValidationError as error:
        raise StudyError(explain_errors(error, document, Study, study.name, {})) from None


def dump_study(study: Study) -> str:
    """Return the study as YAML in the short form people write; loading it again gives an equal study."""
    return yaml.safe_dump(_plain(study), sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


def study_schema() -> dict[str, Any]:
    """Return the JSON schema of study files, for editors that complete and check YAML."""
    schema = Study.model_json_schema()
    named = schema["$defs"]["Named"]
    schema["$defs"]["Named"] = {
        "description": "A registered thing: 'name', {name: value} or {name: {option: value}}.",
        "anyOf": [{"type": "string"}, {"type": "object", "minProperties": 1, "maxProperties": 1}, named],
    }
    network = schema["$defs"]["NetworkSection"]
    schema["$defs"]["NetworkSection"] = {"anyOf": [{"type": "string"}, network]}
    sample = schema["$defs"]["Sample"]
    schema["$defs"]["Sample"] = {"anyOf": [{"enum": ["volume", *DIMENSIONS]}, sample]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "VoxTempo study"}


def _read(path: Path) -> tuple[dict[str, Any], dict[Place, int]]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise StudyError(f"There is no study file at {path}. 'voxtempo new' writes one.") from None
    except OSError as error:
        raise StudyError(f"The study file {path} cannot be read: {error.strerror or error}.") from None
    if len(raw) > LARGEST:
        raise StudyError(f"{path} is {len(raw):,} bytes long: a study file is a short YAML text.")
    try:
        text = raw.decode("utf-8-sig")
        document = yaml.safe_load(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise StudyError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise StudyError(f"{path} is not valid YAML: {place}{error.problem or error.context}.") from None
    except yaml.YAMLError as error:
        raise StudyError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(document, dict):
        found = "nothing" if document is None else f"a {type(document).__name__}"
        raise StudyError(f"{path} should hold keys such as 'name', 'task' and 'cohort', found {found}.")
    lines: dict[Place, int] = {}
    _note_lines(node, (), lines, set(), str(path))
    return document, lines


def _note_lines(node: Any, place: Place, lines: dict[Place, int], seen: set[int], path: str) -> None:
    """Collect the line of every key; a key given twice is an error, since YAML would silently keep the last."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*place, str(index))] = item.start_mark.line + 1
            _note_lines(item, (*place, str(index)), lines, seen, path)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*place, str(key.value))
            line = key.start_mark.line + 1
            if here in lines and key.value != "<<":
                raise StudyError(f"{path}: '{'.'.join(here)}' is given twice, in lines {lines[here]} and {line}.")
            lines[here] = line
            _note_lines(value, here, lines, seen, path)


def _override(document: dict[str, Any], setting: str) -> Any:
    key, equals, text = setting.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise StudyError(f"--set {setting}: expected KEY=VALUE, such as train.epochs=5.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise StudyError(f"--set {setting}: the value '{text}' is not valid YAML.") from None
    if parts[0] == "network" and len(parts) > 1 and isinstance(document.get("network"), str):
        document = {**document, "network": {"name": document["network"]}}
    if parts[0] in ("prepare", "augment") and len(parts) > 1 and not isinstance(document.get(parts[0]), list):
        example = f"{{{parts[1]}: {{{parts[2]}: {text}}}}}" if len(parts) > 2 else f"{{{parts[1]}: {text}}}"
        first = "{orient: RAS}, " if parts[0] == "prepare" else ""
        raise StudyError(
            f"--set {setting}: the study file lists no steps under '{parts[0]}', so none of them can be changed. Give the "
            f"whole list, such as --set '{parts[0]}=[{first}{example}]'."
        )
    return _put(document, parts, value, setting)


def _put(node: Any, parts: Sequence[str], value: Any, setting: str) -> Any:
    """Return ``node`` with ``value`` at ``parts``; sections on the way that do not exist yet are made."""
    if not parts:
        return value
    head, rest = parts[0], parts[1:]
    if isinstance(node, list):
        index = _index(node, head, setting)
        return [
            _put(item, rest if head.isdecimal() else parts, value, setting) if i == index else item
            for i, item in enumerate(node)
        ]
    if not isinstance(node, dict):
        _refuse_short_form(node, parts, value, setting)
        node = {}
    known = {str(k): k for k in node}
    return {**node, known.get(head, head): _put(node.get(known.get(head, head)), rest, value, setting)}


def _refuse_short_form(node: Any, parts: Sequence[str], value: Any, setting: str) -> None:
    """Refuse to give one option to a step whose main option is a bare value: that value could be lost.

    Which option is the main one is not known here. Another name replaces what was there, as it is meant to.
    """
    key = setting.partition("=")[0].strip()
    if node is None or parts[0] in (node, "name") or len(parts) > 1 or not key.startswith(OPTIONS):
        return
    step, bare = key.rsplit(".", 1)[0], yaml.safe_dump(node, default_flow_style=True).removesuffix("...\n").strip()
    raise StudyError(
        f"{key}: the study gives '{step}' the bare value {bare}, which could be lost. If '{parts[0]}' is the option "
        f"that it stands for, say {step}={value}; if not, give both: {step}={{{parts[0]}: {value}, ...}}, with {bare} under "
        "the name of its option."
    )


def _index(items: list[Any], head: str, setting: str) -> int:
    names = [
        item if isinstance(item, str) else next(iter(item), "") if isinstance(item, dict) else "" for item in items
    ]
    if head.isdecimal() and int(head) < len(items):
        return int(head)
    if names.count(head) == 1:
        return names.index(head)
    listed = ", ".join(f"{i} ({name})" if name else str(i) for i, name in enumerate(names))
    raise StudyError(f"--set {setting}: '{head}' picks no item of that list. It holds: {listed or 'nothing'}.")


def _absolute(study: Study, folder: Path) -> Study:
    section = study.cohort
    found: dict[str, Path] = {
        field: _resolve(folder, value)
        for field in ("table", "bids", "root")
        if (value := getattr(section, field)) is not None
    }
    if "root" not in found:
        found["root"] = found["bids"] if "bids" in found else found["table"].parent
    network = study.network
    if network.python is not None:
        file, colon, function = network.python.rpartition(":")
        if colon:
            network = network.model_copy(update={"python": f"{_resolve(folder, file)}:{function}"})
    network = network.model_copy(update=_with_files(folder, network.options))
    prepare = study.prepare
    if prepare is not None:
        prepare = [item.model_copy(update={"options": _with_files(folder, item.options)}) for item in prepare]
    update = {"cohort": section.model_copy(update=found), "network": network, "prepare": prepare}
    return study.model_copy(update=update)


def _with_files(folder: Path, value: Any) -> Any:
    """Return the options of a registered thing with absolute paths: a text that ends as a file of ``FILES`` does is one."""
    if isinstance(value, str):
        return str(_resolve(folder, value)) if value.lower().endswith(FILES) else value
    if isinstance(value, Mapping):
        return {key: _with_files(folder, item) for key, item in value.items()}
    return [_with_files(folder, item) for item in value] if isinstance(value, list | tuple) else value


def _resolve(folder: Path, path: str | Path) -> Path:
    return (folder / Path(path).expanduser()).resolve()


def _plain(value: Any) -> Any:
    """Return YAML values; what is None by default (planned later) is left out, registered things take their short form."""
    if isinstance(value, Named):
        return value.name if value.options is None else {value.name: _plain(value.options)}
    if isinstance(value, Section):
        pairs = {**{name: getattr(value, name) for name in type(value).model_fields}, **(value.model_extra or {})}
        defaults = {name: field.default for name, field in type(value).model_fields.items()}
        plain = {
            name: _plain(item) for name, item in pairs.items() if item is not None or defaults.get(name) is not None
        }
        return {name: item for name, item in plain.items() if item != {} or not isinstance(pairs[name], Section)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
