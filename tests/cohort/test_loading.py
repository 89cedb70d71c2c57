"""Study files: what is read, what is refused, and whether the refusal helps."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from voxtempo.cohort import dump_study, load_study, study_schema, with_values
from voxtempo.errors import StudyError


def test_paths_become_absolute_from_the_study_folder(
    study_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory
):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    study = load_study(study_file)
    assert study.cohort.table == (study_file.parent / "cohort.csv").resolve()
    assert study.cohort.root == study_file.parent.resolve()


def test_python_network_is_resolved(study_file: Path):
    study = load_study(study_file, ["network.python=nets/mine.py:build", "network.width=8"])
    assert study.network.python == f"{(study_file.parent / 'nets' / 'mine.py').resolve()}:build"
    assert study.network.options == {"width": 8}


def test_overrides_reach_sections_lists_and_steps(study_file: Path):
    study_file.write_text(
        study_file.read_text(encoding="utf-8") + "prepare: [orient: RAS, normalise]\nnetwork: unet3d\n",
        encoding="utf-8",
    )
    study = load_study(
        study_file,
        ["train.epochs=5", "prepare.0.orient=LPS", "prepare.normalise.method=minmax", "network.width=8",
         "split.folds=3",
         "cohort.where.site=[A]", "sample.patch=[4, 4, 4]"],
    )  # fmt: skip
    assert study.train.epochs == 5
    assert study.split.folds == 3
    assert study.cohort.where == {"site": ["A"]}
    assert study.sample is not None
    assert study.sample.patch == (4, 4, 4)
    assert (study.network.name, study.network.options) == ("unet3d", {"width": 8})
    assert study.prepare is not None
    assert [(s.name, s.options) for s in study.prepare] == [("orient", "LPS"), ("normalise", {"method": "minmax"})]


def test_dump_is_short_yaml_that_loads_equal(study_file: Path):
    study = load_study(
        study_file, ["prepare=[{orient: RAS}, {normalise: {method: zscore}}]", "network={name: x, width: 4}"]
    )
    text = dump_study(study)
    assert yaml.safe_load(text)["prepare"] == [{"orient": "RAS"}, {"normalise": {"method": "zscore"}}]
    again = study_file.with_name("again.yaml")
    again.write_text(text, encoding="utf-8")
    assert load_study(again) == study


def test_every_published_study_loads_and_round_trips(real_studies: Path, tmp_path: Path):
    files = sorted(real_studies.glob("*.yaml"))
    assert len(files) >= 7
    for path in files:
        study = load_study(path)
        again = tmp_path / path.name
        again.write_text(dump_study(study), encoding="utf-8")
        assert load_study(again) == study


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("task: classify", "task: clasify"), ["'task' (line 2)", "'clasify'", "Did you mean 'classify'?"]),
        (("  table:", "  tabel:"), ["'cohort.tabel' (line 4)", "Did you mean 'table'?"]),
        (("split: {folds: 4", "split: {fold: 4"), ["'split.fold'", "Did you mean 'folds'?"]),
        (("split: {folds: 4", "split: {folds: 1"), ["'split.folds' (line 8) is 1", "at least 2"]),
        (("split: {folds: 4", "split: {folds: many"), ["'many'", "a whole number"]),
        (("split: {folds: 4, seed: 3}", "augment: defalt"), ["'augment'", "'default' or 'none' or a list"]),
        (("split: {folds: 4, seed: 3}", "sample: {patch: [4, 4]}"), ["'sample.patch'", "more values"]),
        (("split: {folds: 4, seed: 3}", "sample: {window: {length: 4}, patch: [1, 1, 1]}"), ["exactly one"]),
        (("  target: {column: sex}\n", ""), ["'cohort.target' is required"]),
        (("  target: {column: sex}\n", "  target: {mask: m}\n"), ["task 'classify' needs a target with 'column'"]),
        (("name: small", "name: 'bad name'"), ["'name' (line 1)", "letters, digits"]),
        (("split: {folds: 4, seed: 3}", "train: {loss: {a: 1, b: 2}}"), ["'train.loss"]),
        (("name: small\n", "name: small\nname: twice\n"), ["'name' is given twice", "lines 1 and 2"]),
        (("split: {folds: 4", "split: {folds: [4"), ["not valid YAML", "line 8"]),
        (("  scans: {t1:", "  where: {site: yes}\n  scans: {t1:"), ["cohort.where.site"]),
    ],
)  # fmt: skip
def test_a_fault_is_one_helpful_paragraph(study_file: Path, change: tuple[str, str], expected: list[str]):
    text = study_file.read_text(encoding="utf-8")
    assert change[0] in text
    study_file.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(StudyError) as caught:
        load_study(study_file)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(study_file))
    for words in expected:
        assert words in message


def test_several_faults_are_all_told(study_file: Path):
    study_file.write_text(
        study_file.read_text(encoding="utf-8").replace("classify", "x").replace("folds: 4", "folds: 0"),
        encoding="utf-8",
    )
    with pytest.raises(StudyError, match=r"has 2 faults.*\(1\).*\(2\)"):
        load_study(study_file)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("train.epochs", "expected KEY=VALUE"),
        ("train.epoch=3", "Did you mean 'epochs'"),
        ("prepare.2.orient=RAS", "picks no item"),
        ("train.epochs=[", "not valid YAML"),
    ],
)
def test_bad_overrides_are_named(study_file: Path, setting: str, words: str):
    study_file.write_text(study_file.read_text(encoding="utf-8") + "prepare: [orient: RAS]\n", encoding="utf-8")
    with pytest.raises(StudyError, match=words.replace("(", r"\(")):
        load_study(study_file, [setting])


@pytest.mark.parametrize("content", [b"", b"- 1\n- 2\n", b"\xff\xfe\x00", b"just text"])
def test_files_that_are_no_study(tmp_path: Path, content: bytes):
    path = tmp_path / "s.yaml"
    path.write_bytes(content)
    with pytest.raises(StudyError, match=r"s\.yaml"):
        load_study(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(StudyError, match=r"no study file at .*nothing\.yaml"):
        load_study(tmp_path / "nothing.yaml")


def test_yaml_cannot_make_python_objects(tmp_path: Path):
    path = tmp_path / "s.yaml"
    path.write_text("name: !!python/object/apply:os.getcwd []\n", encoding="utf-8")
    with pytest.raises(StudyError, match="not valid YAML"):
        load_study(path)


def test_aliases_do_not_explode(tmp_path: Path):
    path = tmp_path / "s.yaml"
    lines = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40))]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(StudyError):
        load_study(path)


def test_numbers_stand_for_text_in_tables(study_file: Path):
    study = load_study(study_file, ["cohort.where={run: 1}", "cohort.series=501", "cohort.target.classes=[0, 1]"])
    assert study.cohort.where == {"run": "1"}
    assert study.cohort.series == "501"
    assert study.cohort.target.classes == ["0", "1"]


def test_schema_allows_the_short_forms():
    schema = study_schema()
    assert {"name", "task", "cohort"} <= set(schema["properties"])
    assert {"type": "string"} in schema["$defs"]["Named"]["anyOf"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("setting", ["prepare.normalise.within=foreground", "prepare.normalise.method=robust"])
def test_a_bare_value_is_not_lost_by_setting_another_option(study_file: Path, setting: str):
    bare = "prepare=[{orient: RAS}, {normalise: minmax}]"
    with pytest.raises(StudyError, match=r"gives 'prepare\.normalise' the bare value minmax, which could be lost"):
        load_study(study_file, [bare, setting])
    whole = load_study(study_file, ["prepare=[orient, normalise]", setting])
    assert whole.prepare is not None
    assert whole.prepare[1].options == yaml.safe_load("{" + setting.split(".")[2].replace("=", ": ") + "}")


def test_another_loss_may_be_named_with_its_options(study_file: Path):
    study = load_study(study_file, ["train.loss=focal", "train.loss.cross_entropy.label_smoothing=0.1"])
    assert study.train.loss is not None
    assert (study.train.loss.name, study.train.loss.options) == ("cross_entropy", {"label_smoothing": 0.1})


def test_another_loss_may_be_named_alone(study_file: Path):
    study = load_study(study_file, ["train.loss=focal", "train.loss.name=dice"])
    assert study.train.loss is not None
    assert (study.train.loss.name, study.train.loss.options) == ("dice", None)
    assert with_values(study, {"train.loss.name": "dice_ce"}).train.loss == type(study.train.loss)(name="dice_ce")
