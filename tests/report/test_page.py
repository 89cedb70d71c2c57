"""What the report says: the verdict, what is missing, what is damaged, and that it stays small and the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from voxtempo.errors import RunError
from voxtempo.report import read_run, write_report
from voxtempo.report.comparison import comparison_page
from voxtempo.report.method_account import limits
from voxtempo.report.verdict import verdict_of


def _text(path: Path) -> str:
    """Return the words of the report as a reader meets them."""
    drawn = r"<style>.*?</style>|<svg(?! class=\"chart wide flow-chart\").*?</svg>"
    html = re.sub(drawn, " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    return words.replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _shrink(folder: Path, **metrics: object) -> Path:
    """Make a bare classification run whose metrics are given."""
    folder.mkdir(exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    (folder / "study.yaml").write_text("name: x\ntask: classify\n", encoding="utf-8")
    return folder


def _figure(value, low, high, n=32, over="subjects"):
    return {"value": value, "low": low, "high": high, "n": n, "over": over}


def test_the_verdict_is_one_sentence_with_interval_denominator_and_chance(tmp_path: Path):
    folder = _shrink(
        tmp_path, test={"accuracy": _figure(0.84, 0.76, 0.91)}, baseline={"accuracy": _figure(0.5, 0.3, 0.7)}
    )
    verdict = verdict_of(read_run(folder))
    assert verdict.sentence == "Test accuracy 0.84 [0.76, 0.91] over 32 subjects; chance 0.50."
    assert verdict.judgement == "The whole 95 % interval is better than chance."
    assert verdict.sentence in _text(write_report(folder))


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        (_figure(0.55, 0.4, 0.7), "contains chance"),
        (_figure(0.3, 0.2, 0.4), "worse than chance"),
        (_figure(1.0, 1.0, 1.0), "no width"),
        (_figure(1.0, None, None, 1, "cases"), "nothing to resample"),
        (_figure(0.9, None, None, 4), "too few, or too alike"),
    ],
)
def test_the_verdict_is_honest_about_weak_results(tmp_path: Path, figure, words):
    folder = _shrink(tmp_path, test={"accuracy": figure}, baseline={"accuracy": 0.5})
    assert words in verdict_of(read_run(folder)).judgement


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (_figure(0.08, 0.02, 0.14), "On the same cases it is better than chance by 0.08 [0.02, 0.14]."),
        (_figure(0.08, -0.02, 0.18), "by this figure they do not show that the network has learned"),
        (_figure(-0.08, -0.12, -0.02), "On the same cases it is worse than chance"),
    ],
)
def test_the_verdict_is_of_the_same_cases_where_that_is_known(tmp_path: Path, gain, words):
    baseline = {"accuracy": _figure(0.64, 0.5, 0.75), "gain": {"accuracy": gain}}
    folder = _shrink(tmp_path, test={"accuracy": _figure(0.72, 0.58, 0.83)}, baseline=baseline)
    verdict = verdict_of(read_run(folder))
    assert words in verdict.judgement
    assert (verdict.judgement in limits(read_run(folder))) == (gain["low"] <= 0), "the model card says it too"


@pytest.mark.parametrize(
    ("files", "train", "words"),
    [
        ({}, "last", "which chose nothing: the last weights were kept"),
        ({}, "best", "which chose the weights and so flatter the network"),
        (
            {"postprocess": {"operations": [{"fill_holes": {}}], "chosen_on": "validation"}},
            "last",
            "which chose operations on label maps and so flatter the network",
        ),
        ({"postprocess": {"operations": [], "chosen_on": "validation"}}, "last", "which chose nothing"),
        (
            {"mirror": {"axes": ["x"], "chosen_on": "validation"}},
            "best",
            "which chose the weights and mirror images and so flatter the network",
        ),
    ],
)
def test_validation_cases_that_chose_something_are_said_to(tmp_path: Path, files, train, words):
    folder = _shrink(
        tmp_path, test={"accuracy": _figure(0.8, 0.7, 0.9)}, validation={"accuracy": _figure(0.9, 0.8, 0.95)}
    )
    (folder / "study.yaml").write_text(f"name: x\ntask: classify\ntrain: {{keep: {train}}}\n", encoding="utf-8")
    for name, record in files.items():
        (folder / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
    assert words in _text(write_report(folder))


def test_validation_is_named_where_there_is_no_test(tmp_path: Path):
    folder = _shrink(tmp_path, test={}, validation={"accuracy": _figure(0.84, 0.76, 0.91)})
    assert verdict_of(read_run(folder)).sentence.startswith("Validation accuracy 0.84")


def test_verdicts_of_the_other_tasks(runs: Callable[[str], Path]):
    age = verdict_of(read_run(runs("regress")))
    assert re.fullmatch(
        r"Test mean absolute error of age [\d.]+ \[[\d., ]+\] over 80 subjects; "
        r"predicting the training mean gives [\d.]+\.",
        age.sentence,
    )
    assert "better than what the training mean reaches" in age.judgement
    parts = verdict_of(read_run(runs("segment")))
    assert parts.sentence.startswith("Test Dice, mean of anterior and posterior, 0.")
    assert parts.sentence.endswith("over 26 subjects.")
    assert "sub-085" in parts.judgement
    words = verdict_of(read_run(runs("events")))
    assert words.sentence.endswith("over 64 cases; chance 0.125.")


def test_numbers_are_those_of_the_metrics_file(runs: Callable[[str], Path]):
    folder = runs("segment")
    text = _text(write_report(folder))
    dice = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["test"]["dice"]
    for label in ("anterior", "posterior", "mean"):
        assert f"{dice[label]['value']:.2f} [{dice[label]['low']:.2f}, {dice[label]['high']:.2f}]" in text
    assert "ran out of memory at 14.9 GB" in text
    assert "1 failed and counts as the worst possible" in text


def test_every_part_the_run_has_is_told(runs: Callable[[str], Path]):
    text = _text(write_report(runs("classify")))
    for said in (
        "184 cases", "Left out 3 cases of 2 subjects", "Training 96 cases", "sex: F", "resnet3d", "1,412,306",
        "normalise method zscore",
        "half of the free memory", "differs from the cohort's", "AMD EPYC 7763", "18 min", "2.3 GB", "3.15.1",
        "voxtempo train study.yaml --fold 0", "Seed 1.", "180 input files", "truth female, predicted male (0.93)",
        "always 'female'", "sub-124.nii.gz ends after 1,048,576 of 7,864,320 bytes", "Subgroups",
    ):  # fmt: skip
        assert said in text, said


def test_intervals_without_width_are_explained(tmp_path: Path):
    metrics = {"accuracy": _figure(1.0, 1.0, 1.0), "per_class": {"a": {"recall": _figure(1.0, 0.9, 1.0), "cases": 3}}}
    text = _text(write_report(_shrink(tmp_path, test=metrics)))
    assert "every resample gave the same value" in text
    assert "Its cases a 1.00 [0.90, 1.00] 3" in text
    metrics["accuracy"] = _figure(0.9, 0.8, 1.0)
    assert "every resample gave the same value" not in _text(write_report(_shrink(tmp_path, test=metrics)))


def test_folds_are_told_apart_and_together(runs: Callable[[str], Path]):
    text = _text(write_report(runs("events")))
    for said in ("0: run 1", "3: run 4", "all folds together", "One line a fold, 4 folds", "--fold all", "4 folds"):
        assert said in text, said


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("metrics.json", "no metrics.json"),
        ("predictions.csv", "no predictions.csv"),
        ("history.csv", "no history.csv"),
        ("cohort.json", "no cohort.json"),
        ("manifest.json", "no manifest.json"),
        ("study.yaml", "no study.yaml"),
        ("examples/examples.json", "no examples/examples.json"),
        ("network.json", ""),
        ("prepare.json", ""),
        ("split.csv", ""),
    ],
)
def test_a_missing_part_is_left_out_with_a_sentence(fresh: Callable[[str], Path], name, sentence):
    folder = fresh("classify")
    (folder / name).unlink()
    assert sentence in _text(write_report(folder))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.json", '{"test": {"accuracy": '),
        ("metrics.json", "[1, 2]"),
        ("manifest.json", "\x00\x01"),
        ("study.yaml", "name: [unclosed"),
        ("study.yaml", "!!python/object/apply:os.system ['true']"),
        ("history.csv", "epoch,train_loss\n1,0.5,7\n"),
        ("predictions.csv", 'id,role\n"unclosed,test\n'),
        ("cohort.json", "no json"),
        ("examples/examples.json", '{"id": 1}'),
        ("examples/examples.json", '[{"id": "a", "kind": "image"}]'),
        ("examples/examples.json", '[{"id": "a", "kind": "image", "files": {"image": "examples/none.npy"}}]'),
        ("examples/examples.json", '[{"id": "a", "kind": "image", "files": {"image": "../../secret.npy"}}]'),
        ("examples/sub-120_image.npy", "not an array"),
        ("metrics.json", '{"test": {"confusion": {"classes": ["a", "b"], "counts": [[1, 2], [3]]}}}'),
        (
            "examples/examples.json",
            '[{"id": "a", "kind": "image", "files": {"image": "examples/sub-120_image.npy"}, "spacing": [1, 1]}]',
        ),
    ],
)
def test_a_damaged_part_is_an_error_that_names_the_file(fresh: Callable[[str], Path], name, content):
    folder = fresh("classify")
    np.save(folder.parent / "secret.npy", np.zeros((2, 2, 2)))
    (folder / name).write_bytes(content.encode())
    with pytest.raises(RunError, match=re.escape(Path(name).name)):
        write_report(folder)


def test_arrays_with_objects_are_never_loaded(fresh: Callable[[str], Path]):
    folder = fresh("classify")
    np.save(folder / "examples" / "sub-120_image.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(RunError, match=r"sub-120_image\.npy is damaged"):
        write_report(folder)


def test_no_run_folder(tmp_path: Path):
    with pytest.raises(RunError, match="is not a folder"):
        write_report(tmp_path / "none")
    with pytest.raises(RunError, match="is not a run folder"):
        write_report(tmp_path)


def test_slices_and_predicted_numbers_over_time_are_shown(fresh: Callable[[str], Path]):
    folder = fresh("regress")
    (folder / "examples").mkdir()
    np.save(folder / "examples" / "a.npy", np.eye(20, dtype=np.float16))
    (folder / "examples" / "b.csv").write_text("time,value,truth\n0,1.5,2\n2,1.7,2\n4,2.5,\n", encoding="utf-8")
    examples = [
        {"id": "a", "kind": "image", "note": "largest error", "files": {"image": "a.npy"}, "spacing": [1.0, 2.0]},
        {"id": "b", "kind": "course", "note": "", "files": {"course": "b.csv"}},
    ]
    (folder / "examples" / "examples.json").write_text(json.dumps(examples), encoding="utf-8")
    html = write_report(folder).read_text(encoding="utf-8")
    assert 'viewBox="0 0 20 40"' in html
    assert "Predicted value over time" in html


def test_the_same_run_gives_the_same_file(runs: Callable[[str], Path]):
    folder = runs("segment")
    assert write_report(folder).read_bytes() == write_report(folder).read_bytes()


def test_large_pictures_are_thinned_to_keep_the_page_small(fresh: Callable[[str], Path], monkeypatch):
    folder = fresh("segment")
    whole = write_report(folder).stat().st_size
    monkeypatch.setattr("voxtempo.report.page.LARGEST", whole - 1)
    path = write_report(folder)
    assert path.stat().st_size < whole
    assert "3 of 4 examples are shown here" in _text(path)


def test_names_that_look_like_formulas_or_markup_are_only_names(fresh: Callable[[str], Path]):
    folder = fresh("four-classes")
    for name in ("predictions.csv", "metrics.json"):
        path = folder / name
        path.write_text(
            path.read_text(encoding="utf-8").replace("glioma", r"$\frac{$").replace("pituitary", "{{ 7 * 7 }}"),
            encoding="utf-8",
        )
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(r"$\frac{", r"$\\frac{") if name.endswith("json") else text, encoding="utf-8")
    html = write_report(folder).read_text(encoding="utf-8")
    assert html.count(r"$\frac{$") > 3
    assert r">$\frac{$ " in html  # in the chart's legend
    assert "{{ 7 * 7 }}" in html


def test_all_pages_have_one_head_that_loads_nothing(runs: Callable[[str], Path]):
    report = write_report(runs("classify")).read_text(encoding="utf-8")
    tables = {name: [["a"], ["<1>"]] for name in ("ranks", "pairs", "figures")}
    comparison = comparison_page({"title": "Two <runs>", "sentences": ["one"], "notes": ["n"], **tables})
    heads = [re.sub(r"<title>.*</title>", "", page[: page.index("<h1>")]) for page in (report, comparison)]
    assert heads[0].replace("VoxTempo report", "VoxTempo comparison") == heads[1]
    assert "default-src 'none'" in heads[0]
    for page in (report, comparison):
        assert page.count("<!doctype html>") == page.count("<main>") == page.count("</html>") == 1
        links = set(re.findall(r'<li><a href="#([\w-]+)">', page))
        assert links
        assert links <= set(re.findall(r'<section id="([\w-]+)">', page))
    assert "<title>Two &lt;runs&gt; · VoxTempo</title>" in comparison
    assert "<td>&lt;1&gt;</td>" in comparison
