"""Losses against scikit-learn, numpy and answers known on paper; gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_values import gradient, per_sample, softmax
from sklearn.metrics import log_loss

from voxtempo.errors import StudyError
from voxtempo.learning.losses import DEFAULTS, build_loss, choose_loss, losses
from voxtempo.networks.keras_seam import keras

LABELS = 3
EVERY = [(name, task) for name in losses for task in losses[name].tasks]


def example(task: str, seed: int = 0, batch: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and logits."""
    rng = np.random.default_rng(seed)
    if task == "regress":
        return rng.normal(size=(batch, 1)).astype(np.float32), rng.normal(size=(batch, 1)).astype(np.float32)
    space = () if task == "classify" else (3, 2, 2)
    return rng.integers(0, LABELS, (batch, *space)), rng.normal(size=(batch, *space, LABELS)).astype(np.float32)


def perfect(task: str, truth: np.ndarray) -> np.ndarray:
    return truth if task == "regress" else 20.0 * np.eye(LABELS, dtype=np.float32)[truth]


def numpy_dice(truth: np.ndarray, logits: np.ndarray, smooth: float) -> float:
    """Dice loss pooled over everything given, without the background, label by label in a loop."""
    p, scores = softmax(logits.astype(np.float64)), []
    for k in range(1, LABELS):
        t = truth == k
        scores.append((2 * p[..., k][t].sum() + smooth) / (p[..., k].sum() + t.sum() + smooth))
    return 1 - float(np.mean(scores))


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_one_finite_number_a_sample(name: str, task: str) -> None:
    truth, logits = example(task)
    values = per_sample(name, task, truth, logits)
    assert values.shape == (4,)
    assert np.isfinite(values).all()
    assert (values > 0).all()


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_a_perfect_answer_costs_nothing(name: str, task: str) -> None:
    truth, _ = example(task)
    # The length of the true contour is all that a perfect answer may cost, and one loss is there to shorten it.
    options = {"length_weight": 0.0} if name == "active_contour" else {}
    assert per_sample(name, task, truth, perfect(task, truth), **options).max() < 1e-3


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_extreme_logits_stay_finite(name: str, task: str) -> None:
    truth, logits = example(task)
    x = keras.Variable(logits * 1e4)
    assert np.isfinite(per_sample(name, task, truth, logits * 1e4)).all()
    assert np.isfinite(gradient(name, task, truth, x)).all()


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_permuting_samples_permutes_losses(name: str, task: str) -> None:
    truth, logits = example(task)
    order = np.array([2, 0, 3, 1])
    there = per_sample(name, task, truth[order], logits[order])
    np.testing.assert_allclose(there, per_sample(name, task, truth, logits)[order], rtol=1e-5)


@pytest.mark.parametrize(("name", "task"), EVERY)
def test_gradient_is_the_finite_difference(name: str, task: str) -> None:
    truth, logits = example(task, seed=3, batch=2)
    found = gradient(name, task, truth, keras.Variable(logits))
    rng = np.random.default_rng(0)
    for _ in range(4):
        direction = rng.normal(size=logits.shape).astype(np.float32)
        direction /= np.linalg.norm(direction)
        step = 0.02 * direction
        ahead, behind = (per_sample(name, task, truth, logits + s * step).mean() for s in (1, -1))
        assert (found * direction).sum() == pytest.approx((ahead - behind) / 0.04, abs=3e-4)


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_cross_entropy_is_scikit_learns(seed: int) -> None:
    truth, logits = example("classify", seed, batch=6)
    expected = log_loss(truth, softmax(logits.astype(np.float64)), labels=range(LABELS))
    assert per_sample("cross_entropy", "classify", truth, logits).mean() == pytest.approx(expected, rel=1e-4)


def test_class_weights_weigh_the_classes() -> None:
    truth, logits = example("classify")
    weights = np.array([0.5, 1.0, 3.0])
    for name in ("cross_entropy", "focal"):
        plain = per_sample(name, "classify", truth, logits)
        weighted = per_sample(name, "classify", truth, logits, class_weights=list(weights))
        np.testing.assert_allclose(weighted, plain * weights[truth], rtol=1e-5)
    with pytest.raises(StudyError, match="2 class weights for 3 classes"):
        per_sample("cross_entropy", "classify", truth, logits, class_weights=[1.0, 1.0])


def test_smoothing_mixes_the_truth_with_the_uniform_one() -> None:
    truth, logits = example("segment")
    log_p = np.log(softmax(logits.astype(np.float64)))
    soft = 0.9 * np.eye(LABELS)[truth] + 0.1 / LABELS
    expected = -(soft * log_p).sum(-1).mean((1, 2, 3))
    found = per_sample("cross_entropy", "segment", truth, logits, label_smoothing=0.1)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_focal_is_its_formula_and_cross_entropy_at_gamma_zero() -> None:
    truth, logits = example("classify")
    p = softmax(logits.astype(np.float64))[np.arange(4), truth]
    found = per_sample("focal", "classify", truth, logits, gamma=1.5)
    np.testing.assert_allclose(found, -((1 - p) ** 1.5) * np.log(p), rtol=1e-4)
    at_zero = per_sample("focal", "classify", truth, logits, gamma=0)
    np.testing.assert_allclose(at_zero, per_sample("cross_entropy", "classify", truth, logits), rtol=1e-5)


@pytest.mark.parametrize("smooth", [1.0, 1e-5])
def test_dice_is_the_loop_over_labels(smooth: float) -> None:
    truth, logits = example("segment")
    each = [numpy_dice(truth[i], logits[i], smooth) for i in range(4)]
    by_sample = per_sample("dice", "segment", truth, logits, over="sample", smooth=smooth)
    np.testing.assert_allclose(by_sample, each, rtol=1e-4)
    pooled = per_sample("dice", "segment", truth, logits, over="batch", smooth=smooth)
    np.testing.assert_allclose(pooled, numpy_dice(truth, logits, smooth), rtol=1e-4)


def test_dice_on_paper() -> None:
    # Four voxels, two of label 1; half of them found, nothing else: 2 * 1 / (1 + 2) = 2/3 (s -> 0). Label 2 is nowhere.
    truth = np.array([[1, 1, 0, 0]])
    logits = 50.0 * np.eye(LABELS, dtype=np.float32)[np.array([[1, 0, 0, 0]])]
    found = per_sample("dice", "segment", truth, logits, smooth=1e-6)
    assert found[0] == pytest.approx(1 - (2 / 3 + 1) / 2, abs=1e-4)
    with_background = per_sample("dice", "segment", truth, logits, smooth=1e-6, background=True)
    assert with_background[0] == pytest.approx(1 - (2 / 3 + 1 + 4 / 5) / 3, abs=1e-4)


def test_a_small_label_counts_as_much_as_a_large_one() -> None:
    truth = np.zeros((1, 1000), int)
    truth[0, :900], truth[0, 900:910] = 1, 2
    only_large = 50.0 * np.eye(LABELS, dtype=np.float32)[np.where(truth == 2, 0, truth)]
    assert per_sample("dice", "segment", truth, only_large)[0] == pytest.approx(0.5, abs=0.05)


def test_dice_and_cross_entropy_add_up() -> None:
    truth, logits = example("segment")
    parts = [per_sample(name, "segment", truth, logits) for name in ("dice", "cross_entropy")]
    found = per_sample("dice_ce", "segment", truth, logits, dice_weight=0.5, ce_weight=2.0)
    np.testing.assert_allclose(found, 0.5 * parts[0] + 2 * parts[1], rtol=1e-5)


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "dice", "dice_ce"])
def test_ignored_voxels_are_as_good_as_not_there(name: str) -> None:
    truth, logits = example("segment")
    truth[:, 0] = 255
    found = per_sample(name, "segment", truth, logits, ignore=255)
    np.testing.assert_allclose(found, per_sample(name, "segment", truth[:, 1:], logits[:, 1:]), rtol=1e-5)


def test_values_on_paper() -> None:
    truth, found = np.array([[1.0], [2.0]], np.float32), np.array([[1.5], [-1.0]], np.float32)
    np.testing.assert_allclose(per_sample("mse", "regress", truth, found), [0.25, 9.0])
    np.testing.assert_allclose(per_sample("mae", "regress", truth, found), [0.5, 3.0])
    np.testing.assert_allclose(per_sample("huber", "regress", truth, found), [0.125, 2.5])
    np.testing.assert_allclose(per_sample("huber", "regress", truth, found, delta=2.0), [0.125, 4.0])
    np.testing.assert_allclose(per_sample("mae", "regress", truth[:, 0], found), [0.5, 3.0])


def test_keras_compiles_and_weighs_them() -> None:
    truth, logits = example("classify")
    loss = build_loss("classify")
    assert isinstance(loss, keras.losses.Loss)
    values = per_sample("cross_entropy", "classify", truth, logits)
    assert float(loss(truth, logits)) == pytest.approx(values.mean(), rel=1e-5)
    weights = np.array([0.0, 1.0, 2.0, 0.0], np.float32)
    assert float(loss(truth, logits, sample_weight=weights)) == pytest.approx((values * weights).mean(), rel=1e-5)


def test_a_studys_words_become_a_loss() -> None:
    assert choose_loss("segment").name == DEFAULTS["segment"] == "dice_ce"
    assert choose_loss("classify", "focal", 3).gamma == 3.0
    assert choose_loss("classify", label_smoothing=0.1, class_weights=[1, 2]).class_weights == (1.0, 2.0)
    assert choose_loss("classify", None, {"label_smoothing": 0.2}, label_smoothing=0.0).label_smoothing == 0.2
    assert choose_loss("regress", "mae", label_smoothing=0.0, class_weights=None).name == "mae"


@pytest.mark.parametrize(
    ("task", "name", "options", "planned", "message"),
    [
        ("regress", "dice", None, {}, "cannot regress. Losses that can: huber, mae, mse"),
        ("segment", "dise", None, {}, "Did you mean 'dice'"),
        ("segment", "dice", {"smoth": 1}, {}, "Did you mean 'smooth'"),
        ("segment", "dice", {"over": "patient"}, {}, "batch | sample"),
        ("regress", "mse", 3, {}, "takes no single value"),
        ("classify", "focal", None, {"label_smoothing": 0.1}, "has no label smoothing"),
    ],
)
def test_wrong_words_are_explained(task: str, name: str, options: object, planned: dict, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        choose_loss(task, name, options, **planned)
