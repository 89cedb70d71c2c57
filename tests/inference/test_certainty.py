"""Several answers of a run: how they are joined and calibrated, how far they are apart, and what is promised of them."""

from __future__ import annotations

import numpy as np
import pytest
from fold_sides import named, sides
from scipy import stats
from sklearn.isotonic import IsotonicRegression

from voxtempo.cohort import Case
from voxtempo.errors import LeakageError
from voxtempo.feed import FeedCase, Voxels
from voxtempo.inference import Judged
from voxtempo.inference.calibration import NEUTRAL, Calibration, fit_calibration, restore
from voxtempo.inference.certainty import map_certainty
from voxtempo.inference.judge import answer_columns, told_again
from voxtempo.inference.network import Network
from voxtempo.inference.outer_masks import LIMITS, Misses, Outer, promise_masks
from voxtempo.inference.predictor import Predictor
from voxtempo.inference.promise import Promise, promise_sets, with_sets
from voxtempo.learning.recipe import Recipe
from voxtempo.learning.tasks import ClassifyTask, RegressTask, SegmentTask
from voxtempo.scans import Geometry, Scan, write_scan

from .test_predictor import MeanSignal, Pointwise, study

CLASSES = ClassifyTask(("a", "b", "c"))
COUNT = 120
VIEW = sides(named("t"), named(f"c{i}" for i in range(COUNT))).validation


class Fixed:
    """A stand-in that gives the same logits for every sample."""

    def __init__(self, *logits: float) -> None:
        self.logits = np.array(logits, np.float32)

    def predict_on_batch(self, images):
        return np.tile(self.logits, (len(images), 1))


def asked(models, task, kind="volume", sample=None, calibrations=()) -> Predictor:
    recipe = Recipe("x", {}, (4, 4, 4, 1), kind, task.as_json())
    own = study(task.name, sample or {"volume": "whole"})
    return Predictor([Network(model, recipe) for model in models], own).with_calibrations(calibrations)


def case(data=None) -> FeedCase:
    return FeedCase("c", Voxels(np.ones((1, 4, 4, 4, 1), np.float32) if data is None else data), (1, 1, 1))


def overconfident(seed=0, k=3):
    """Return what a network says that is surer than it is right (n, k), and the truths."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (COUNT, k))
    truth = np.array([rng.choice(k, p=row) for row in _softmax(logits)])
    return _softmax(2.5 * logits), truth


def _softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def fitted(method, p, truth, groups=None):
    ids = [f"c{i}" for i in range(len(p))]
    return fit_calibration(VIEW, method, p, truth, ids, groups or ids)


def nll(p, truth):
    return -np.log(p[np.arange(len(p)), truth]).mean()


@pytest.mark.parametrize("method", ["temperature", "vector", "isotonic"])
def test_a_map_makes_new_answers_likelier_and_comes_back_from_its_record(method):
    found = fitted(method, *overconfident())
    new, truth = overconfident(1)
    said = found.apply(new)
    np.testing.assert_allclose(said.sum(axis=1), 1)
    assert nll(said, truth) < nll(new, truth) - 0.1
    np.testing.assert_allclose(restore(found.as_json()).apply(new), said)
    np.testing.assert_allclose(NEUTRAL.apply(new), new, atol=1e-6)


def test_the_temperature_is_the_one_the_network_was_heated_by():
    found = [fitted("temperature", *overconfident(seed)).values["temperature"] for seed in range(20)]
    assert np.mean(found) == pytest.approx(2.5, rel=0.1)


def test_temperature_and_isotonic_keep_the_order_of_cases():
    p, truth = overconfident(k=2)
    for method in ("temperature", "isotonic"):
        said = fitted(method, p, truth).apply(p)
        order = np.argsort(p[:, 1])
        assert (np.diff(said[order, 1]) >= -1e-12).all()


def test_the_curve_of_two_classes_is_that_of_scikit_learn():
    p, truth = overconfident(k=2)
    found = fitted("isotonic", p, truth)
    reference = IsotonicRegression(out_of_bounds="clip").fit(p[:, 1], truth).predict(p[:, 1])
    np.testing.assert_allclose(found.apply(p)[:, 1], (COUNT * reference + 1) / (COUNT + 2), atol=1e-9)


def test_every_subject_weighs_the_same_in_a_fit():
    p, truth = overconfident()
    one = fitted("temperature", p, truth)
    places = np.r_[np.arange(COUNT), [0] * 50]
    copies = fit_calibration(
        VIEW, "temperature", p[places], truth[places], [f"c{i}" for i in places], [f"c{i}" for i in places]
    )
    assert copies.values["temperature"] == pytest.approx(one.values["temperature"], abs=1e-4)


def test_cases_of_another_side_are_refused():
    p, truth = overconfident()
    with pytest.raises(LeakageError, match="t"):
        fit_calibration(VIEW, "temperature", p[:1], truth[:1], ["t"], ["t"])


def test_each_folds_networks_are_calibrated_together_before_folds_are_averaged():
    cold, hot = (Calibration("temperature", {"temperature": t}) for t in (0.5, 4.0))
    models = [Fixed(0, 1, 2), Fixed(1, 1, 0), Fixed(2, 0, 0)]
    made = asked(models, CLASSES, calibrations=[cold, cold, hot])
    answer = made.answer(case())
    raw = _softmax(np.array([model.logits for model in models]))
    first = _softmax(np.log(raw[:2].mean(axis=0)) / 0.5)
    expected = (2 * first + _softmax(np.log(raw[2]) / 4.0)) / 3
    np.testing.assert_allclose(answer.units["c"], expected, atol=1e-5)
    np.testing.assert_allclose(answer.said["c"][:, 0], raw, atol=1e-5)
    np.testing.assert_allclose(made.only(0, 2).answer(case()).units["c"], first, atol=1e-5)
    np.testing.assert_allclose(made.with_calibrations(()).answer(case()).units["c"], raw.mean(axis=0), atol=1e-5)


def test_the_spread_of_answers_is_told():
    models = [Fixed(0, 0, 3), Fixed(0, 3, 0)]
    told = asked(models, CLASSES).answer(case()).certainty["c"]
    p = _softmax(np.array([model.logits for model in models]))
    assert told["uncertainty"] == pytest.approx(stats.entropy(p.mean(axis=0)), abs=1e-5)
    assert told["mutual_information"] == pytest.approx(
        stats.entropy(p.mean(axis=0)) - stats.entropy(p.T).mean(), abs=1e-5
    )
    assert set(asked(models[:1], CLASSES).answer(case()).certainty["c"]) == {"uncertainty"}
    values = asked([MeanSignal(1), Fixed(3.0)], RegressTask(0.0, 2.0)).answer(case())
    assert values.certainty["c"]["uncertainty"] == pytest.approx(np.std([2.0, 6.0], ddof=1))
    assert asked([MeanSignal(1)], RegressTask(0.0, 2.0)).answer(case()).certainty["c"] == {}


def test_what_was_said_is_told_again_without_asking():
    made = asked([Fixed(0, 1, 2), Fixed(1, 1, 0)], CLASSES)
    answer = made.answer(case())
    row = {"id": "c", "status": "ok", "threshold": 0.5} | answer_columns(CLASSES, answer.units["c"])
    failed = {"id": "d", "status": "broken", "predicted": ""}
    nothing = np.full((1, 1, 3), np.nan, np.float32)
    judged = Judged((row, failed), said=(answer.said["c"], nothing))
    same = told_again(judged, made)
    assert same.rows[0]["p_a"] == row["p_a"]
    warm = made.with_calibrations([Calibration("temperature", {"temperature": 100.0})] * 2)
    warmer = told_again(judged, warm)
    assert warmer.rows[0]["p_a"] == pytest.approx(1 / 3, abs=0.01)
    assert warmer.rows[0]["uncertainty"] == pytest.approx(np.log(3), abs=0.01)
    assert warmer.rows[1] == failed


def test_label_maps_of_several_networks_are_averaged_and_their_spread_is_told():
    image = np.random.default_rng(0).normal(0, 2, (1, 4, 4, 4, 1)).astype(np.float32)
    task = SegmentTask({1: "a"})
    made = asked([Pointwise(1.0), Pointwise(-1.0)], task)
    answer = made.answer(case(image))
    np.testing.assert_allclose(answer.probabilities, 0.5, atol=1e-6)
    p = 1 / (1 + np.exp(-image[0, ..., 0]))
    single = stats.entropy(np.stack([p, 1 - p]))
    np.testing.assert_allclose(answer.expected_entropy, single, atol=1e-5)
    told = answer.certainty["c"]
    assert told["mutual_information"] == pytest.approx(np.log(2) - single.mean(), abs=1e-5)
    assert told["disagreement"] == pytest.approx(1.0)
    agree = asked([Pointwise(1.0)] * 3, task).answer(case(image)).certainty["c"]
    assert agree["disagreement"] == pytest.approx(0.0)
    assert agree["mutual_information"] == pytest.approx(0.0, abs=1e-5)
    alone = asked([Pointwise(1.0)], task).answer(case(image))
    assert set(alone.certainty["c"]) == {"uncertainty", "entropy"}
    assert alone.expected_entropy is None
    assert alone.certainty["c"]["uncertainty"] == pytest.approx(agree["uncertainty"], abs=1e-5)


def test_surer_maps_are_less_uncertain_and_regions_are_asked_one_by_one():
    image = np.random.default_rng(0).normal(0, 1, (8, 8, 8))
    task = SegmentTask({1: "a"})
    told = []
    for gain in (0.5, 2.0, 8.0):
        p = 1 / (1 + np.exp(-gain * image))
        both = np.stack([1 - p, p], axis=-1).astype(np.float32)
        told.append(map_certainty(task, both, task.judged(both)))
        regions = SegmentTask({1: "a"}, regions={"a": (1,)})
        alone = map_certainty(regions, both[..., 1:], regions.judged(both[..., 1:]))
        assert alone == pytest.approx(told[-1], abs=1e-5)
    assert told[0]["uncertainty"] > told[1]["uncertainty"] > told[2]["uncertainty"]
    assert told[0]["entropy"] > told[1]["entropy"] > told[2]["entropy"]


def judged_classes(seed=0):
    p, truth = overconfident(seed)
    rows = [
        {"id": f"c{i}", "group": f"c{i}", "truth": CLASSES.classes[y], "status": "ok"} | answer_columns(CLASSES, each)
        for i, (each, y) in enumerate(zip(p.astype(np.float32), truth, strict=True))
    ]
    return Judged(tuple(rows), said=tuple(p.astype(np.float32)[:, None, None]))


def test_sets_hold_what_they_were_made_from_and_a_failed_case_holds_nothing():
    judged = judged_classes()
    made = promise_sets(VIEW, judged, CLASSES, 0.9, "lac")
    held = [row["truth"] in row["set"].split("|") for row in with_sets(judged, made, CLASSES).rows]
    assert 0.9 <= np.mean(held) <= 0.9 + 2 / COUNT
    broken = Judged(
        tuple(row | {"status": "broken"} if i < 13 else row for i, row in enumerate(judged.rows)),
        said=tuple(np.full_like(each, np.nan) if i < 13 else each for i, each in enumerate(judged.said)),
    )
    assert promise_sets(VIEW, broken, CLASSES, 0.9, "lac").quantile == np.inf
    assert with_sets(broken, made, CLASSES).rows[0]["set"] == ""
    with pytest.raises(LeakageError):
        promise_sets(sides(named("t"), named("u")).validation, judged, CLASSES, 0.9, "lac")


@pytest.mark.parametrize("conformity", ["absolute", "normalised"])
def test_intervals_are_as_wide_as_is_needed(conformity):
    rng = np.random.default_rng(0)
    task, spread = RegressTask(0.0, 1.0), rng.uniform(0.1, 2, COUNT)
    rows = tuple(
        {"id": f"c{i}", "group": f"c{i}", "truth": float(rng.normal(0, each)), "predicted": 0.0, "uncertainty": each}
        | {"status": "ok"}
        for i, each in enumerate(spread)
    )  # fmt: skip
    judged = Judged(rows, said=(np.zeros((1, 1, 1), np.float32),) * COUNT)
    made = with_sets(judged, promise_sets(VIEW, judged, task, 0.9, conformity), task).rows
    assert 0.9 <= np.mean([row["low"] <= row["truth"] <= row["high"] for row in made]) <= 0.9 + 2 / COUNT
    widths = np.array([row["high"] - row["low"] for row in made])
    assert (np.ptp(widths) < 1e-9) == (conformity == "absolute")


def test_outer_masks_miss_as_little_as_was_wanted(tmp_path):
    """Faint structures: a network that gives their voxels 0.05 to 0.6 misses most of them at one half."""
    task, geometry = SegmentTask({1: "a", 2: "absent"}), Geometry.from_spacing((6, 6, 6))
    truth = np.zeros((6, 6, 6), np.uint8)
    truth[1:5, 1:5, 1:5] = 1
    write_scan(Scan(truth[None, ..., None], geometry, kind="label"), tmp_path / "m.nii.gz")
    cases = [Case(f"c{i}", f"c{i}", {}, mask=tmp_path / "m.nii.gz") for i in range(30)]
    view = sides(named("t"), cases).validation
    prepared = {each.id: _prepared(geometry) for each in cases}
    misses = Misses(task, prepared)
    answers = {each.id: _faint(each.id, i, truth) for i, each in enumerate(cases)}
    for each in cases:
        misses(each, answers[each.id], None)
    made = promise_masks(view, misses, task, 0.9)
    assert set(made.thresholds) == {"a"}
    outer = Outer(task, prepared, made)
    for each in cases:
        outer(each, answers[each.id], None)
    rows = outer.beside(Judged(tuple({"id": each.id} for each in cases))).rows
    missed = np.mean([row["outer_missed_a"] for row in rows])
    assert 0.1 - 3 / 31 <= missed <= 0.1
    assert all(row["outer_volume_a"] > 0 for row in rows)
    failed, without = outer.beside(Judged(({"id": "x", "true_volume_a": 2.0}, {"id": "y", "true_volume_a": 0.0}))).rows
    assert np.isnan(without["outer_missed_a"]), "there was nothing to miss"
    assert failed["outer_missed_a"] == 1.0
    lost = Misses(task, prepared)
    lost.found = {each.id: misses.found[each.id] for each in cases[4:]}  # four failed, and missed all
    assert promise_masks(view, lost, task, 0.9).thresholds.get("a", 0.0) == 0.0
    assert Promise(0.9).thresholds == {}
    assert LIMITS[0] == 0
    assert LIMITS[-1] == 0.5


def _prepared(geometry):
    from types import SimpleNamespace

    return SimpleNamespace(image=SimpleNamespace(geometry=geometry), native=geometry)


def _faint(name, seed, truth):
    from voxtempo.inference import Answer

    rng = np.random.default_rng(seed)
    p = np.zeros((*truth.shape, 3), np.float32)
    p[..., 1] = np.where(truth == 1, rng.uniform(0.05, 0.6, truth.shape), 0.01)
    p[..., 0] = 1 - p[..., 1]
    return Answer(name, probabilities=p)
