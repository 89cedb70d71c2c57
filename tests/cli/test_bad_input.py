"""What a careless user does: every mistake is told in one clear paragraph, with the right exit code, and costs nothing.

Cohorts are made once a module and never changed by a test; a test that damages files works on a copy.
"""

from __future__ import annotations

import csv
import gzip
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cohorts import blinks, disks, spheres
from PIL import Image

from voxtempo import open_run
from voxtempo.cli.main import main
from voxtempo.errors import RunError

Say = Callable[..., str]
Maker = Callable[..., Path]


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOXTEMPO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One study of each kind: label maps of volumes, classes of slices, events of series."""
    folder = tmp_path_factory.mktemp("cohorts")
    return {maker.__name__: maker(folder / maker.__name__) for maker in (spheres, disks, blinks)}


@pytest.fixture
def own(studies: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that gives a copy of a study and its cohort, to be damaged."""

    def copy(kind: str) -> Path:
        return Path(shutil.copytree(studies[kind].parent, tmp_path / kind)) / "study.yaml"

    return copy


@pytest.fixture
def tells(capsys: pytest.CaptureFixture[str]) -> Say:
    """Return a function that runs a command and returns what it says on the error stream, or under "Problems"."""

    def run(code: int, *arguments: object) -> str:
        capsys.readouterr()
        try:
            found = main([str(argument) for argument in arguments])
        except SystemExit as stopped:  # argparse
            found = stopped.code  # type: ignore[assignment]
        shown = capsys.readouterr()
        assert found == code, f"exit {found}: {shown.out}\n{shown.err}"
        assert "Traceback" not in shown.out + shown.err
        if code == 1 and "Problems\n" in shown.out:
            problems = shown.out[shown.out.index("Problems\n") :]
            assert "ERROR " in problems
            return problems
        assert code == 0 or shown.err.strip()
        return shown.err if code else shown.out

    return run


def settings(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--set", pair)]


def change(path: Path, how: Callable[[np.ndarray], np.ndarray], affine: np.ndarray | None = None) -> None:
    """Write a NIfTI file again with other voxels, or on another grid."""
    image = nib.load(path)
    data = how(np.array(image.dataobj))
    changed = nib.Nifti1Image(data, image.affine if affine is None else affine)
    if data.ndim == 4:
        period = (*image.header.get_zooms(), 2.0)[3]
        changed.header.set_xyzt_units("mm", "sec")
        changed.header.set_zooms((*changed.header.get_zooms()[:3], period))
    nib.save(changed, path)


def halve(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("text", "telling"),
    [
        ("name: x\n task: [1,\n", "is not valid YAML: line 2"),
        ("name: x\ntask:\tsegment\n\tcohort: 1\n", "is not valid YAML: line 2"),
        ("", "should hold keys such as 'name', 'task' and 'cohort', found nothing"),
        ("- a\n", "found a list"),
        ("name: x\nname: y\n", "'name' is given twice, in lines 1 and 2"),
        ("name: x\n", "'cohort' is required"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
    ],
)
def test_study_files_that_are_none(text: str | bytes, telling: str, tmp_path: Path, tells: Say):
    path = tmp_path / "study.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    said = tells(2, "check", path)
    assert telling in said
    assert str(path) in said


def test_a_study_file_that_is_not_there(tmp_path: Path, tells: Say):
    for verb in ("check", "prepare", "train"):
        assert "There is no study file at" in tells(2, verb, tmp_path / "none.yaml")
    assert "cannot be read" in tells(2, "check", tmp_path)


@pytest.mark.parametrize(
    ("setting", "telling"),
    [
        ("trian.epochs=3", "'trian' is not a key of a study file. Did you mean 'train'?"),
        ("train.epoch=3", "is not a key of 'train'. Did you mean 'epochs'?"),
        ("train.epochs=many", "is 'many', expected a whole number"),
        ("train.epochs=0", "is 0, expected at least 1"),
        ("task=segmentation", "Did you mean 'segment'?"),
        ("task=classify", "task 'classify' needs a target with 'column'"),
        ("train", "--set train: expected KEY=VALUE"),
        ("train.epochs=[", "the value '[' is not valid YAML"),
        ("sample={volume: whole, patch: [4,4,4]}", "give exactly one of volume, patch, slices, window"),
        ("cohort.target.labels={ball: 1}", "the key 'ball' should be a whole number"),
        ("cohort.target.labels={0: nothing, 1: ball}", "0 is always the background"),
        ("cohort.table=none.csv", "There is no table at"),
        ("cohort.table=images/s0.nii.gz", "is not UTF-8 text"),
        ("cohort.root=none", "12 of 12 cases lack files: s0 (mr: "),
        ("cohort.scans.mr=images/{ids}.nii.gz", "names the column 'ids', which"),
        ("cohort.scans.mr=images/{id.nii.gz", "unmatched braces"),
        ("cohort.id=idd", "Did you mean 'id'?"),
        ("cohort.site=scanner", "'cohort.site' names the column 'scanner'"),
        ("split.stratify=[sex]", "'split.stratify' names the column 'sex'"),
        ("cohort.where={id: nobody}", "has id = nobody. It holds: s0, s1"),
        ("prepare.normalise.method=minmax", "--set 'prepare=[{orient: RAS}, {normalise: {method: minmax}}]'"),
        ("augment.gamma.probability=1", "--set 'augment=[{gamma: {probability: 1}}]'"),
    ],
)
def test_settings_that_cannot_be_read(setting: str, telling: str, studies: dict[str, Path], tells: Say):
    assert telling in tells(2, "check", studies["spheres"], *settings(setting))


@pytest.mark.parametrize(
    ("kind", "setting", "telling"),
    [
        ("spheres", "network.name=unet3", "There is no network called 'unet3'. Did you mean 'unet3d'?"),
        ("spheres", "network=cnn_lstm", "'cnn_lstm' cannot segment: it can classify, regress"),
        ("spheres", "sample=2d", "'unet3d' takes volumes, but this study's samples are slices"),
        ("spheres", "network={name: unet3d, widht: 3}", "no option 'widht'. Did you mean 'width'?"),
        ("spheres", "network={name: unet3d, width: wide}", "option 'width' is 'wide', which does not fit its type"),
        ("disks", "network={widths: wide}", "option 'widths' is 'wide', which does not fit its type"),
        ("spheres", "network={python: 'net.py:build'}", "network.python: there is no file"),
        ("spheres", "network={python: net.py}", "expected 'path/to/file.py:function'"),
        ("spheres", "prepare=[normalize]", "no preparation step called 'normalize'. Did you mean 'normalise'?"),
        ("spheres", "augment=[gama]", "no augmentation called 'gama'. Did you mean 'gamma'?"),
        ("spheres", "augment=[{gamma: {strength: 1}}]", "gamma has no option 'strength'"),
        ("spheres", "train.loss=dyce", "no loss called 'dyce'. Did you mean 'dice'?"),
        ("spheres", "train.class_weights={bal: 2}", "there is no class bal. Did you mean 'ball'?"),
        ("spheres", "train.label_smoothing=0.1", "train.label_smoothing: this is for 'task: classify'"),
        ("spheres", "evaluate.postprocess=[{fill_holes: cor}]", "no label or region 'cor'. Did you mean 'core'?"),
        ("spheres", "sample={window: {length: 4}}", "'window' needs series, but every scan of this cohort has one volume"),
        ("spheres", "cohort.target.labels={1: ball}", "'labels' does not name: 3 (in 12 maps); it names 1 (ball)"),
        ("spheres", "cohort.target.labels={1: a, 3: b, 7: ghost}", "no map holds label 7 (ghost)"),
        ("spheres", "cohort.where={id: s0}", "at least 3 independent subjects, found 1 (p0)"),
        ("disks", "network=resnet3d", "'resnet3d' takes volumes, but this study's samples are slices"),
        ("disks", "train.loss=dice", "'dice' cannot classify. Losses that can: cross_entropy"),
        ("disks", "train.class_weights={disk: 1, rimg: 2}", "there is no class rimg. Did you mean 'ring'?"),
        ("blinks", "network=resnet3d", "'resnet3d' takes volumes, but this study's samples are series"),
        ("blinks", "sample.window.length=40", "is 40 volumes, but the shortest series has 24"),
        ("blinks", "sample.window.length=24", "events that leave no window of 24 volumes inside the scan: p0 (2 of 4"),
        ("blinks", "sample={window: {length: 4}}", "use 'align: events'"),
    ],
)  # fmt: skip
def test_choices_that_cannot_be_trained_are_found_by_check_and_before_training(
    kind: str, setting: str, telling: str, studies: dict[str, Path], tmp_path: Path, tells: Say
):
    assert telling in tells(1, "check", studies[kind], *settings(setting))
    said = tells(2, "train", studies[kind], "--out", tmp_path / "run", *settings(setting))
    assert telling.removeprefix("ERROR ") in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "telling"),
    [
        ("cohort.target.column=kindd", "Did you mean 'kind'?"),
        ("cohort.target.classes=[disk, ring, square]", "no case is square. The cohort holds: disk, ring"),
        ("cohort.target.classes=[disk]", "leaves out ring, which 'kind' holds"),
        ("cohort.where={kind: disk}", "Classifying needs two classes or more"),
        ("task=regress", "'regress' needs numbers in 'kind', but 32 cases hold others: p0_0 ('ring')"),
        ("train.class_weights=balance", "Did you mean 'balanced'?"),
        ("split.column=sex", "'column' leaves one value out at a time"),
    ],
)
def test_truths_that_cannot_be_learned(setting: str, telling: str, studies: dict[str, Path], tells: Say):
    assert telling in tells(2, "check", studies["disks"], *settings(setting))


@pytest.mark.parametrize(
    "setting",
    ["augment=none", "sample=volume", "network.width=8", "prepare.normalise.method=minmax", "prepare.0.normalise.method=zscore",
     "train.loss=cross_entropy", "augment=[gamma]", "split.test=0.2"],
)  # fmt: skip
def test_set_reaches_every_part(setting: str, own: Callable[[str], Path], tells: Say):
    study = own("disks")
    study.write_text(study.read_text(encoding="utf-8").replace("lightweight_cnn", "unet2d"), encoding="utf-8")
    key, _, value = setting.partition("=")
    shown = tells(0, "check", "--quick", study, *settings(setting))
    assert value.strip("[]").replace("volume", "volume: whole") in shown, key


@pytest.mark.parametrize(
    ("damage", "telling"),
    [
        (lambda scan, label: scan.unlink(), None),
        (lambda scan, label: halve(scan), "the gzip stream is truncated"),
        (lambda scan, label: scan.write_bytes(b""), "the file is empty (0 bytes)"),
        (lambda scan, label: scan.write_bytes(gzip.compress(b"no scan at all" * 99)), "does not start with a NIfTI"),
        (lambda scan, label: change(label, lambda a: a[:-1]), "'mask' lies on another grid than 'mr': 19 x 12 x 18"),
        (lambda scan, label: change(label, lambda a: a, np.diag([1.0, 1.0, 2.0, 1.0])), "'mask' lies on another grid"),
        (lambda scan, label: change(label, lambda a: a * np.float32(0.5)), "a label map holds whole numbers, found 0.5"),
        (lambda scan, label: change(label, lambda a: np.where(a == 1, 9, a)), "'labels' does not name: 9 (in 1 maps)"),
        (lambda scan, label: change(scan, lambda a: np.where(a == a.max(), np.nan, a)), "s3 (1 voxels). Put the step"),
        (lambda scan, label: change(scan, lambda a: np.stack([a, a], -1)), "mixed: 1 scans are a series: s3"),
        (lambda scan, label: change(scan, lambda a: a.astype(np.complex64)), "complex numbers) is not supported"),
    ],
    ids=["missing", "truncated", "empty", "text", "shape", "affine", "fractions", "unnamed", "nan", "series", "complex"],
)  # fmt: skip
def test_damaged_scans_and_label_maps(
    damage: Callable[[Path, Path], object], telling: str | None, own: Callable[[str], Path], tmp_path: Path, tells: Say
):
    study = own("spheres")
    damage(study.parent / "images" / "s3.nii.gz", study.parent / "labels" / "s3.nii.gz")
    if telling is None:
        assert "1 of 12 cases lack files: s3" in tells(2, "check", study)
        assert "WARNING cohort.missing: Left out" in tells(0, "check", study, *settings("cohort.missing=skip"))
        return
    problems = tells(1, "check", study)
    assert telling in problems
    assert problems.count("ERROR") == 1
    assert telling in tells(2, "train", study, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nan_is_no_error_where_a_step_fills_it(own: Callable[[str], Path], tells: Say):
    study = own("spheres")
    change(study.parent / "images" / "s3.nii.gz", lambda a: np.where(a == a.max(), np.nan, a))
    assert "none" in tells(0, "check", study, *settings("prepare=[fill_nan, orient, normalise]"))


def test_scans_of_one_value_are_told(own: Callable[[str], Path], tells: Say):
    study = own("spheres")
    change(study.parent / "images" / "s3.nii.gz", lambda a: a * 0 + 7)
    assert "WARNING scans: 1 images hold one value only: s3." in tells(0, "check", study)


def test_label_maps_without_a_label(own: Callable[[str], Path], tells: Say):
    study = own("spheres")
    for path in (study.parent / "labels").iterdir():
        change(path, lambda a: a * 0)
    problems = tells(1, "check", study)
    assert "no map holds label 1 (ball)" in problems
    assert "12 of 12 maps hold no named label" in problems
    assert "every label map is empty" in tells(2, "check", study, *settings("cohort.target.labels=null"))


@pytest.mark.parametrize(
    ("edit", "telling"),
    [
        (lambda text: text.replace("s4,", "s3,"), "must be unique, but 1 values repeat: s3"),
        (lambda text: text + "s99\n", "1 rows do not have 2 cells as the header does: line 14 (1)"),
        (lambda text: "", "it is empty"),
        (lambda text: "id,subject\n", "has no rows under its header"),
        (lambda text: text.replace("id,subject", "id,id"), "names id more than once"),
    ],
)
def test_tables_that_cannot_be_used(edit: Callable[[str], str], telling: str, own: Callable[[str], Path], tells: Say):
    study = own("spheres")
    table = study.parent / "cohort.csv"
    table.write_text(edit(table.read_text(encoding="utf-8")), encoding="utf-8")
    said = tells(2, "check", study)
    assert telling in said
    assert str(table) in said


@pytest.mark.parametrize(
    ("events", "code", "telling"),
    [
        ("abc\t8\tleft\n", 2, "numbers of seconds; found line 2: onset 'abc'"),
        ("", 2, "has no rows under its header"),
        ("500\t8\tleft\n", 1, "1 of 1 events start outside the scan (0 to 48 s): left at 500 s"),
        ("2\t8\tleft\n46\t1\tright\n", 1, "leave no window of 4 volumes inside the scan: p1 (1 of 2: right at 46 s)"),
        ("2\t8\tleft\n-90\t1\tright\n", 1, "leave no window of 4 volumes inside the scan: p1 (1 of 2: right at -90 s)"),
    ],
)
def test_events_that_cannot_be_used(
    events: str, code: int, telling: str, own: Callable[[str], Path], tmp_path: Path, tells: Say
):
    study = own("blinks")
    (study.parent / "p1.tsv").write_text("onset\tduration\ttrial_type\n" + events, encoding="utf-8")
    assert telling in tells(code, "check", study)
    assert tells(2, "train", study, "--out", tmp_path / "run")
    if "no window" in telling:
        shown = tells(0, "check", study, *settings("cohort.missing=skip"))
        assert "WARNING cohort.missing: Left out: events that leave no window of 4 volumes inside the scan" in shown


def test_repetition_times_that_differ(own: Callable[[str], Path], tmp_path: Path, tells: Say):
    study = own("blinks")
    path = study.parent / "p1.nii.gz"
    image = nib.load(path)
    image.header.set_zooms((3, 3, 3, 1.0))
    nib.save(nib.Nifti1Image(np.array(image.dataobj), image.affine, image.header), path)
    assert "repetition times differ" in tells(1, "check", study)
    assert "2 s is usual, but not in p1 (1 s)" in tells(2, "train", study, "--out", tmp_path / "run")


@pytest.mark.parametrize(
    ("arguments", "code", "telling"),
    [
        (["networks", "resnet"], 2, "There is no network called 'resnet'"),
        (["networks", "resnet2d", "--task", "classify"], 2, "need --shape"),
        (["networks", "resnet2d", "--shape", "24", "0", "1"], 2, "--shape: expected a whole number of 1 or more"),
        (["networks", "resnet2d", "--shape", "24", "24", "1", "--classes", "-1"], 2, "--classes: expected"),
        (["simulate", "bald", "--out", "x"], 2, "no simulation called 'bald'. Did you mean 'bold'?"),
        (["simulate", "bold", "--out", "x", "--subjects", "1"], 2, "'subjects' lies between 2 and 9999, found 1"),
        (["simulate", "bold"], 2, "required: --out"),
        (["new", "nowhere"], 2, "neither a table nor a folder"),
    ],
)
def test_other_verbs(arguments: list[str], code: int, telling: str, tells: Say):
    assert telling in tells(code, *arguments)


def test_nothing_is_written_where_it_cannot_be(studies: dict[str, Path], tmp_path: Path, tells: Say):
    file = tmp_path / "file"
    file.write_text("mine", encoding="utf-8")
    assert "cannot be written" in tells(2, "new", studies["disks"].parent, "--out", file / "study.yaml")
    assert "Not a directory" in tells(2, "simulate", "bold", "--out", file / "there", "--subjects", 2)
    assert "is a file, expected a folder" in tells(2, "simulate", "bold", "--out", file)
    assert "exists already" in tells(2, "new", studies["disks"].parent, "--out", file)
    assert file.read_text(encoding="utf-8") == "mine"


def test_new_says_what_is_missing_for_a_study(tmp_path: Path, tells: Say):
    for name in "abc":
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / f"{name}.png")
    said = tells(2, "new", tmp_path, "--out", tmp_path / "study.yaml")
    assert "found 3 scans but no truth" in said
    assert "'id,subject,path,label'" in said


# --- run folders -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(studies: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of one epoch for each study."""
    folder = tmp_path_factory.mktemp("runs")
    for kind, study in studies.items():
        command = ["train", str(study), "--out", str(folder / kind), "--set", "train.epochs=1", "--workers", "1"]
        assert main(command) == 0
    return {kind: folder / kind for kind in studies}


@pytest.fixture
def scans(studies: dict[str, Path]) -> dict[str, Path]:
    """One scan of each study."""
    names = {"spheres": "images/s0.nii.gz", "disks": "p0_0.png", "blinks": "p0.nii.gz"}
    return {kind: studies[kind].parent / name for kind, name in names.items()}


def test_folds_that_are_none(studies: dict[str, Path], tmp_path: Path, tells: Say):
    train = ("train", studies["disks"], "--out", tmp_path / "run", "--fold")
    assert "--fold is 'abc'; give a number from 0, or 'all'" in tells(2, *train, "abc")
    assert "There is no fold 9: this study has folds 0 to 1" in tells(2, *train, "9")
    assert not (tmp_path / "run").exists()


def test_training_never_writes_into_a_foreign_folder(studies: dict[str, Path], tmp_path: Path, tells: Say):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "study.yaml").write_text("mine", encoding="utf-8")
    for out in (folder, folder / "study.yaml"):
        assert "is no run folder: nothing in it was touched" in tells(2, "train", studies["disks"], "--out", out)
    early = tells(2, "train", studies["disks"], "--out", folder, *settings("cohort.table=none.csv"))
    assert "is no run folder" in early  # before anything is read
    assert [path.name for path in folder.iterdir()] == ["study.yaml"]
    assert (folder / "study.yaml").read_text(encoding="utf-8") == "mine"
    assert "cannot be written" in tells(2, "train", studies["disks"], "--out", folder / "study.yaml" / "run")


def test_another_study_is_refused_by_what_differs(studies: dict[str, Path], runs: dict[str, Path], tells: Say):
    train = ("train", studies["disks"], "--out", runs["disks"], *settings("train.epochs=1"))
    assert "already finished" in tells(0, *train)
    assert "(train.rate: 0.005 there, 0.1 now)" in tells(2, *train, *settings("train.rate=0.1"))
    assert "fold: fold 0 there, fold 1 now" in tells(2, *train, "--fold", 1)


@pytest.mark.parametrize(
    ("code", "telling"),
    [
        ("import nothing_like_this\n", "fails when imported: ModuleNotFoundError"),
        ("def build(input_shape, outputs)\n", "fails when imported: SyntaxError"),
        ("import sys\nsys.exit(5)\n", "fails when imported: SystemExit: 5"),
        ("def other(): ...\n", "has no function 'build'"),
        ("def build(input_shape, outputs):\n    raise ValueError('boom')\n", "failed: ValueError: boom"),
        ("def build(input_shape, outputs):\n    return 3\n", "returned int; expected a keras.Model"),
        (
            "import keras\ndef build(input_shape, outputs):\n    x = keras.Input(input_shape)\n"
            "    return keras.Model(x, keras.layers.Dense(7)(keras.layers.Flatten()(x)))\n",
            "gives (7,) a sample; to classify here it must be (2,)",
        ),
        (
            "import keras\nclass Broken(keras.layers.Layer):\n    def call(self, x):\n"
            "        return keras.ops.matmul(x, keras.ops.ones((3, 4)))\n    def compute_output_shape(self, shape):\n"
            "        return shape\ndef build(input_shape, outputs):\n    x = keras.Input(input_shape)\n"
            "    return keras.Model(x, keras.layers.Dense(outputs)(keras.layers.Flatten()(Broken()(x))))\n",
            "was built but cannot be trained: ValueError",
        ),
    ],
    ids=["import", "syntax", "exit", "name", "raises", "int", "output", "training"],
)
def test_a_network_of_ones_own_that_fails(
    code: str, telling: str, own: Callable[[str], Path], tmp_path: Path, tells: Say
):
    study = own("disks")
    (study.parent / "net.py").write_text(code, encoding="utf-8")
    command = ("train", study, "--out", tmp_path / "run", *settings("train.epochs=1"), "--workers", 1)
    said = tells(2, *command, *settings("network={python: 'net.py:build'}"))
    assert telling in said
    assert "\x1b" not in said
    assert "run " in tells(0, *command)  # what failed before its first update gives way to the corrected study


def test_a_rate_that_explodes(studies: dict[str, Path], tmp_path: Path, tells: Say):
    command = ("train", studies["disks"], "--out", tmp_path / "run", "--workers", 1)
    said = tells(2, *command, *settings("train.rate=1e30", "train.clip=null", "train.epochs=1"))
    assert "The loss became nan in epoch 1" in said
    assert "Lower 'train.rate' (now 1e+30)" in said


def test_folders_that_are_no_run(studies: dict[str, Path], scans: dict[str, Path], tmp_path: Path, tells: Say):
    for verb in (("predict", "--out", tmp_path / "o"), ("evaluate",)):
        arguments = [scans["disks"]] if verb[0] == "predict" else []
        assert "does not exist" in tells(2, *verb, tmp_path / "none", *arguments)
        assert "is a file, expected a run folder" in tells(2, *verb, studies["disks"], *arguments)
        assert "is no run folder: it has no study.yaml" in tells(2, *verb, tmp_path, *arguments)
        assert "is not a finished run: it has no network.json" in tells(2, *verb, studies["disks"].parent, *arguments)
    assert tells(2, "report", tmp_path / "none")
    assert not (tmp_path / "o").exists()


def _json(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "damage", "telling"),
    [
        ("weights.safetensors", halve, "is no valid safetensors file"),
        ("weights.safetensors", Path.unlink, "is not a finished run: it has no weights.safetensors"),
        ("network.json", halve, "is not the description of a network"),
        ("network.json", lambda path: path.write_text("[1, 2]", encoding="utf-8"), "is not the description of a network"),
        ("network.json", lambda path: _json(path, name="resnet99"), "no network called 'resnet99'"),
        ("network.json", lambda path: _json(path, task={"task": "dance"}), "does not describe a network that can be built"),
        ("network.json", lambda path: _json(path, input_shape=[24, "x", 1]), "does not describe a network that can be built"),
        ("study.yaml", halve, "study.yaml"),
    ],
)  # fmt: skip
def test_damaged_runs(
    name: str, damage: Callable[[Path], object], telling: str, runs: dict[str, Path], scans: dict[str, Path],
    tmp_path: Path, tells: Say,
):  # fmt: skip
    run = Path(shutil.copytree(runs["disks"], tmp_path / "run"))
    damage(run / name)
    for command in (("predict", run, scans["disks"], "--out", tmp_path / "o"), ("evaluate", run)):
        said = tells(2, *command)
        assert telling in said
        assert str(run) in said


def test_a_run_without_its_split_cannot_be_judged_again(runs: dict[str, Path], tmp_path: Path, tells: Say):
    run = Path(shutil.copytree(runs["disks"], tmp_path / "run"))
    (run / "split.csv").unlink()
    assert "does not say which cases were its test" in tells(2, "evaluate", run)
    (run / "metrics.json").write_text("{", encoding="utf-8")
    assert "metrics.json" in tells(2, "report", run)


def test_a_run_of_all_folds_that_is_not_finished(
    runs: dict[str, Path], scans: dict[str, Path], tmp_path: Path, tells: Say
):
    run = tmp_path / "run"
    shutil.copytree(runs["disks"], run / "fold-0")
    shutil.copy(runs["disks"] / "study.yaml", run)
    said = tells(2, "predict", run, scans["disks"], "--out", tmp_path / "o")
    assert "1 of its folds are trained" in said
    assert "Start the same 'voxtempo train' again" in said


def test_scans_that_have_moved(runs: dict[str, Path], tmp_path: Path, tells: Say):
    run = Path(shutil.copytree(runs["disks"], tmp_path / "run"))
    text = (run / "study.yaml").read_text(encoding="utf-8")
    (run / "study.yaml").write_text(text.replace("cohort.csv", "gone.csv"), encoding="utf-8")
    said = tells(2, "evaluate", run)
    assert "There is no table at" in said
    assert "correct the paths there" in said


def test_external_cohorts_that_do_not_fit(studies: dict[str, Path], runs: dict[str, Path], tmp_path: Path, tells: Say):
    assert "There is no study file" in tells(2, "evaluate", runs["disks"], "--on", tmp_path / "none.yaml")
    assert "was trained to classify" in tells(2, "evaluate", runs["disks"], "--on", studies["spheres"])
    assert "cases of the external cohort were trained on" in tells(
        2, "evaluate", runs["disks"], "--on", studies["disks"]
    )


@pytest.mark.parametrize(
    ("run", "scan", "telling"),
    [
        ("disks", "blinks", "the network takes slices, but the scan is a series of 24 volumes"),
        ("disks", "spheres", "the network takes 24 x 24 x 1 voxels, but after the run's preparation the scan has 20 x 12 x 18"),
        ("spheres", "blinks", "the network takes volumes, but the scan is a series of 24 volumes"),
        ("spheres", "disks", "the network takes volumes, but the scan is a single slice"),
        ("blinks", "spheres", "this is a single volume"),
        ("blinks", "short", "the network takes windows of 4 volumes, but the scan is a series of 3 volumes"),
        ("blinks", "small", "the network takes 8 x 6 x 1 voxels, but after the run's preparation the scan has 5 x 6 x 1"),
        ("spheres", "nan", "1 of 4320 voxels are NaN or infinite"),
        ("spheres", "half", "the gzip stream is truncated"),
    ],
)  # fmt: skip
def test_scans_of_another_kind(
    run: str, scan: str, telling: str, runs: dict[str, Path], scans: dict[str, Path], tmp_path: Path, tells: Say
):
    made = tmp_path / f"{scan}.nii.gz"
    if scan in ("short", "small"):
        shutil.copy(scans["blinks"], made)
        change(made, lambda a: a[..., :3] if scan == "short" else a[:5])
    elif scan in ("nan", "half"):
        shutil.copy(scans["spheres"], made)
        if scan == "nan":
            change(made, lambda a: np.where(a == a.max(), np.nan, a))
        else:
            halve(made)
    said = tells(2, "predict", runs[run], scans.get(scan, made), "--out", tmp_path / "o")
    assert "FAILED" in said
    assert telling in said
    assert telling in (tmp_path / "o" / "predictions.csv").read_text(encoding="utf-8")


def test_arguments_that_are_no_scans(runs: dict[str, Path], scans: dict[str, Path], tmp_path: Path, tells: Say):
    predict = ("predict", runs["disks"], "--out", tmp_path / "o")
    scan = scans["disks"]
    assert "none.png: no such file or folder. Nothing was predicted" in tells(2, *predict, scan, tmp_path / "none.png")
    assert "names 2 files, but the network takes 1 channel: mr" in tells(2, *predict, f"{scan},{scan}")
    assert "names 0 files" in tells(2, *predict, "")
    assert "required: SCAN" in tells(2, *predict)
    assert not (tmp_path / "o").exists()
    assert "holds no DICOM image" in tells(2, *predict, runs["disks"])


def test_one_failure_among_others_exits_with_1(
    runs: dict[str, Path], scans: dict[str, Path], tmp_path: Path, tells: Say
):
    said = tells(1, "predict", runs["disks"], scans["blinks"], scans["disks"], "--out", tmp_path)
    assert said.count("FAILED") == 1


def test_predicting_loses_nothing(runs: dict[str, Path], own: Callable[[str], Path], tmp_path: Path, tells: Say):
    folder = own("spheres").parent / "images"
    before = (folder / "s0.nii.gz").read_bytes()
    said = tells(2, "predict", runs["spheres"], folder / "s0.nii.gz", "--out", folder)
    assert "the prediction would take the place of this scan" in said
    assert "holds files that no prediction wrote" in tells(
        2, "predict", runs["spheres"], folder / "s0.nii.gz", "--out", folder.parent
    )
    assert (folder / "s0.nii.gz").read_bytes() == before
    own_predictions = (runs["spheres"] / "predictions.csv").read_bytes()
    assert "is a run folder" in tells(2, "predict", runs["spheres"], folder / "s0.nii.gz", "--out", runs["spheres"])
    assert (runs["spheres"] / "predictions.csv").read_bytes() == own_predictions
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    assert "is a file" in tells(2, "predict", runs["spheres"], folder / "s0.nii.gz", "--out", tmp_path / "file")
    assert "cannot be written to" in tells(
        2, "predict", runs["spheres"], folder / "s0.nii.gz", "--out", tmp_path / "file" / "x"
    )
    for _ in range(2):  # a prediction may be made again where it was
        tells(0, "predict", runs["spheres"], folder / "s0.nii.gz", "--out", tmp_path / "o")
    tells(0, "predict", runs["spheres"], folder / "s1.nii.gz", "--out", tmp_path / "o")
    rows = (tmp_path / "o" / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[0] for row in rows] == ["id", "s0", "s1"]
    (tmp_path / "elsewhere").mkdir()
    namesake = tmp_path / "elsewhere" / "s0.nii.gz"
    namesake.write_bytes(before)
    said = tells(2, "predict", runs["spheres"], namesake, "--out", tmp_path / "o")
    assert "as 's0', which is also the name of" in said
    (tmp_path / "o" / "predictions.json").write_text('{"run": 1}', encoding="utf-8")
    assert "is damaged" in tells(2, "predict", runs["spheres"], folder / "s0.nii.gz", "--out", tmp_path / "o")


def test_predictions_of_another_run_are_kept(runs: dict[str, Path], scans: dict[str, Path], tmp_path: Path, tells: Say):
    tells(0, "predict", runs["disks"], scans["disks"], "--out", tmp_path)
    before = (tmp_path / "predictions.csv").read_bytes()
    said = tells(2, "predict", runs["spheres"], scans["spheres"], "--out", tmp_path)
    assert "holds predictions of another run" in said
    assert (tmp_path / "predictions.csv").read_bytes() == before


def test_earlier_predictions_are_known_from_wherever_they_are_asked_for(
    runs: dict[str, Path], scans: dict[str, Path], tmp_path: Path, tells: Say, monkeypatch: pytest.MonkeyPatch
):
    run, out = runs["disks"], tmp_path / "o"
    suffix = "".join(scans["disks"].suffixes)
    for name in "ab":
        (tmp_path / name).mkdir()
        shutil.copy(scans["disks"], tmp_path / name / f"t1{suffix}")
    monkeypatch.chdir(tmp_path / "a")
    tells(0, "predict", run, f"t1{suffix}", "--out", out)
    monkeypatch.chdir(tmp_path / "b")
    before = (out / "predictions.csv").read_bytes()
    said = tells(2, "predict", run, f"t1{suffix}", "--out", out)
    assert "as 't1', which is also the name of" in said
    assert (out / "predictions.csv").read_bytes() == before
    monkeypatch.chdir(tmp_path)
    tells(0, "predict", run, f"a/t1{suffix}", "--out", out)  # the same scan, named from elsewhere
    tells(0, "predict", run, f"a/t1{suffix}", f"b/t1{suffix}", "--out", out)
    rows = list(csv.DictReader((out / "predictions.csv").open(encoding="utf-8")))
    assert [row["id"] for row in rows] == ["a_t1", "b_t1"], "no scan is listed twice"
    assert "files" not in rows[0]


def test_a_run_that_was_trained_anew_is_another_run(
    runs: dict[str, Path], scans: dict[str, Path], tmp_path: Path, tells: Say
):
    shutil.copytree(runs["disks"], tmp_path / "run")
    tells(0, "predict", tmp_path / "run", scans["disks"], "--out", tmp_path / "o")
    summary = json.loads((tmp_path / "o" / "predictions.json").read_text(encoding="utf-8"))
    (tmp_path / "o" / "predictions.json").write_text(json.dumps({**summary, "weights_sha256": "0"}), encoding="utf-8")
    said = tells(2, "predict", tmp_path / "run", scans["disks"], "--out", tmp_path / "o")
    assert "holds predictions of another run" in said


def test_a_run_that_was_killed_before_it_was_judged_predicts_nothing(
    runs: dict[str, Path], scans: dict[str, Path], tmp_path: Path, tells: Say
):
    shutil.copytree(runs["disks"], tmp_path / "run")
    (tmp_path / "run" / "manifest.json").unlink()
    said = tells(2, "predict", tmp_path / "run", scans["disks"], "--out", tmp_path / "o")
    assert "its network is trained, but not judged" in said
    assert not (tmp_path / "o").exists()
    with pytest.raises(RunError, match="trained, but not judged"):
        open_run(tmp_path / "run").predict(scans["disks"])


def test_the_command_is_remembered_as_a_shell_takes_it(runs: dict[str, Path]):
    record = json.loads((runs["disks"] / "manifest.json").read_text(encoding="utf-8"))
    words = shlex.split(record["command"])
    assert words[:2] == ["voxtempo", "train"]
    assert words[words.index("--out") + 1] == str(runs["disks"])
