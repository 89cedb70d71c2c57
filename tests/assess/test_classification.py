"""Classification metrics against scikit-learn, and what happens to failures and absent classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from voxtempo.assess import (
    aggregate_by_subject,
    area_under_roc,
    classification_baseline,
    classification_metrics,
    roc_points,
)
from voxtempo.errors import VoxTempoError

FEW = 100  # resamples where the interval is not what is tested


def _made(n: int, k: int, seed: int = 0, skill: float = 1.5):
    rng = np.random.default_rng(seed)
    truth = np.r_[np.arange(k), rng.integers(0, k, n - k)]
    logits = rng.normal(size=(n, k)) + skill * np.eye(k)[truth]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return scores.round(2), truth, np.array([f"s{i % (n // 2)}" for i in range(n)])


@pytest.mark.parametrize(("n", "k"), [(60, 2), (200, 4), (37, 3)])
def test_equal_to_scikit_learn(n, k):
    scores, truth, subjects = _made(n, k)
    names = [f"class {i}" for i in range(k)]
    ours = classification_metrics(scores, truth, names, subjects, FEW)
    predicted = scores.argmax(axis=1)
    precision, recall, f1, _ = reference.precision_recall_fscore_support(
        truth, predicted, average=None, zero_division=0
    )
    table = reference.confusion_matrix(truth, predicted)
    assert ours["accuracy"].value == pytest.approx(reference.accuracy_score(truth, predicted))
    assert ours["balanced_accuracy"].value == pytest.approx(reference.balanced_accuracy_score(truth, predicted))
    assert ours["precision"].value == pytest.approx(precision.mean())
    assert ours["recall"].value == pytest.approx(recall.mean())
    assert ours["f1"].value == pytest.approx(f1.mean())
    assert ours["confusion"] == {"classes": names, "counts": table.tolist(), "failed": [0] * k}
    if k == 2:
        assert ours["auc"].value == pytest.approx(reference.roc_auc_score(truth, scores[:, 1]))
    for i, name in enumerate(names):
        own = ours["per_class"][name]
        negatives = table.sum() - table[i].sum()
        specificity = (negatives - (table[:, i].sum() - table[i, i])) / negatives
        assert own["precision"].value == pytest.approx(precision[i])
        assert own["recall"].value == pytest.approx(recall[i])
        assert own["f1"].value == pytest.approx(f1[i])
        assert own["specificity"].value == pytest.approx(specificity)
        assert own["auc"].value == pytest.approx(reference.roc_auc_score(truth == i, scores[:, i]))
    if k > 2:
        areas = [reference.roc_auc_score(truth == i, scores[:, i]) for i in range(k)]
        assert ours["auc"].value == pytest.approx(np.mean(areas))


def test_auc_over_several_classes_is_scikit_learns_one_against_the_rest():
    rng = np.random.default_rng(1)
    scores, truth = rng.dirichlet(np.ones(5), 150), rng.integers(0, 5, 150)
    ours = classification_metrics(scores, truth, list("abcde"), np.arange(150), FEW)["auc"].value
    assert ours == pytest.approx(reference.roc_auc_score(truth, scores, multi_class="ovr", average="macro"))


def test_every_resample_is_what_scikit_learn_says_of_it():
    scores, truth, _ = _made(50, 2, seed=3)
    weights = np.random.default_rng(0).integers(0, 4, (30, 50)).astype(float)
    ours = area_under_roc(scores[:, 1], truth == 1, weights)
    theirs = [reference.roc_auc_score(truth, scores[:, 1], sample_weight=row) for row in weights]
    np.testing.assert_allclose(ours, theirs)


def test_curve_is_scikit_learns():
    scores, truth, _ = _made(80, 2, seed=5)
    alarms, hits = roc_points(scores[:, 1], truth == 1)
    theirs_alarms, theirs_hits, _ = reference.roc_curve(truth, scores[:, 1], drop_intermediate=False)
    np.testing.assert_allclose(alarms, theirs_alarms)
    np.testing.assert_allclose(hits, theirs_hits)


def test_a_failed_case_is_wrong_everywhere():
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.8, 0.2]])
    truth = np.array([0, 1, 1, 0])
    perfect = classification_metrics(scores, truth, ["a", "b"], np.arange(4), FEW)
    scores[1] = np.nan
    failed = classification_metrics(scores, truth, ["a", "b"], np.arange(4), FEW)
    assert perfect["accuracy"].value == perfect["auc"].value == 1.0
    assert failed["accuracy"].value == 0.75
    assert failed["per_class"]["b"]["recall"].value == 0.5
    assert failed["per_class"]["a"]["specificity"].value == 0.5
    assert failed["auc"].value == 0.5  # one of the two positives ranks below both negatives
    assert failed["confusion"] == {"classes": ["a", "b"], "counts": [[2, 0], [0, 1]], "failed": [0, 1]}
    assert (failed["failed"], failed["cases"]) == (1, 4)


def test_all_failed_scores_nothing_and_drops_nobody():
    result = classification_metrics(np.full((6, 2), np.nan), [0, 1] * 3, ["a", "b"], np.arange(6), FEW)
    assert result["accuracy"].value == result["auc"].value == result["balanced_accuracy"].value == 0.0
    assert result["accuracy"].n == 6


def test_only_one_class_leaves_undefined_what_is_undefined():
    result = classification_metrics([[0.9, 0.1]] * 6, [0] * 6, ["a", "b"], np.arange(6), FEW)
    assert result["accuracy"].value == result["balanced_accuracy"].value == 1.0
    assert result["auc"].value is None
    assert result["per_class"]["b"]["recall"].value is None
    assert result["per_class"]["a"]["specificity"].value is None


def test_a_class_of_one_subject_is_absent_from_many_resamples_without_harm():
    scores, truth, _ = _made(40, 3)
    truth = np.where(np.arange(40) == 0, 2, truth % 2)
    result = classification_metrics(scores, truth, list("abc"), np.arange(40), 500)
    for name in ("accuracy", "balanced_accuracy"):
        figure = result[name]
        assert 0 <= figure.low <= figure.high <= 1
    assert result["balanced_accuracy"].approximate, "one subject of a class"
    assert not result["accuracy"].approximate
    assert result["per_class"]["c"]["recall"].n == 1
    assert result["auc"].value is not None
    assert result["auc"].low is None  # one subject does not tell how its class varies
    assert [result["per_class"][name]["cases"] for name in "abc"] == np.bincount(truth).tolist()
    assert result["per_class"]["c"]["recall"].low is not None


def test_names_or_positions_are_the_same_truth():
    scores, truth, subjects = _made(30, 3)
    names = np.array(["x", "y", "z"])
    by_name = classification_metrics(scores, names[truth], names.tolist(), subjects, FEW)
    assert by_name == classification_metrics(scores, truth, names.tolist(), subjects, FEW)


def test_unknown_truth_suggests_the_nearest_class():
    with pytest.raises(VoxTempoError, match=r"'femal'.*Did you mean 'female'"):
        classification_metrics([[1, 0]], ["femal"], ["male", "female"], ["s"], FEW)
    with pytest.raises(VoxTempoError, match="class number 2"):
        classification_metrics([[1, 0]], [2], ["male", "female"], ["s"], FEW)
    with pytest.raises(VoxTempoError, match="2 truth"):
        classification_metrics([[1, 0]], [1, 1], ["male", "female"], ["s"], FEW)


def test_baseline_answers_the_commonest_class_of_training():
    truth = ["a"] * 3 + ["b"] * 7
    own = classification_baseline(truth, ["a", "b"], np.arange(10), resamples=FEW)
    trained = classification_baseline(truth, ["a", "b"], np.arange(10), ["a", "a", "b"], FEW)
    assert own["accuracy"].value == 0.7
    assert trained["accuracy"].value == 0.3
    assert trained["balanced_accuracy"].value == trained["auc"].value == 0.5
    assert "'a'" in trained["method"]
    assert "training" in trained["method"]


def test_mean_probability_of_a_subject():
    scores = np.array([[0.6, 0.4], [np.nan, np.nan], [0.2, 0.8], [np.nan, np.nan], [0.1, 0.9]])
    result = aggregate_by_subject(scores, ["m", "m", "f", "f", "f"], ["s1", "s1", "s3", "s2", "s3"])
    assert result.subjects.tolist() == ["s1", "s2", "s3"]
    assert result.truth.tolist() == ["m", "f", "f"]
    np.testing.assert_allclose(result.probabilities, [[0.55, 0.45], [np.nan, np.nan], [0.15, 0.85]])


def test_mean_number_of_a_subject_is_over_what_did_not_fail():
    result = aggregate_by_subject([[10.0], [np.nan], [14.0], [np.nan]], [1, 1, 1, 2], ["a", "a", "a", "b"])
    np.testing.assert_allclose(result.probabilities, [[12.0], [np.nan]])


def test_a_subject_of_two_truths_cannot_be_joined():
    with pytest.raises(VoxTempoError, match=r"Subject 's1'.*'face' and 'house'"):
        aggregate_by_subject(np.ones((2, 2)), ["face", "house"], ["s1", "s1"])


@given(st.integers(0, 1000), st.integers(2, 5), st.floats(0, 0.4))
@settings(max_examples=40, deadline=None)
def test_bounds_and_order(seed, k, failing):
    rng = np.random.default_rng(seed)
    n = 25
    scores, truth = rng.dirichlet(np.ones(k), n), rng.integers(0, k, n)
    scores[rng.random(n) < failing] = np.nan
    subjects = rng.integers(0, 9, n)
    names = [str(i) for i in range(k)]
    one = classification_metrics(scores, truth, names, subjects, FEW)
    order = rng.permutation(n)
    two = classification_metrics(scores[order], truth[order], names, subjects[order], FEW)
    assert np.sum(one["confusion"]["counts"]) + np.sum(one["confusion"]["failed"]) == n
    assert one["confusion"] == two["confusion"]
    for name in ("accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "auc"):
        figure = one[name]
        if figure.value is None:
            assert two[name].value is None
            continue
        assert 0 <= figure.value <= 1
        assert figure.value == pytest.approx(two[name].value)
        if figure.low is not None:
            assert 0 <= figure.low <= figure.high <= 1
    relabelled = classification_metrics(scores[:, ::-1], k - 1 - truth, names, subjects, FEW)
    if not np.isnan(scores).any() and k > 2:
        assert relabelled["auc"].value == pytest.approx(one["auc"].value)
        assert relabelled["f1"].value == pytest.approx(one["f1"].value)


def test_averages_have_no_interval_where_a_class_is_never_predicted():
    rng = np.random.default_rng(2)
    truth = np.array([0] * 30 + [1] * 18 + [2] * 6)
    scores = rng.dirichlet([2, 2, 2], truth.size) + 2 * np.eye(3)[truth]
    scores[:, 2] = 0.0
    scores /= scores.sum(axis=1, keepdims=True)
    result = classification_metrics(scores, truth, list("abc"), np.arange(truth.size), FEW)
    for name in ("precision", "f1"):
        assert result[name].value is not None
        assert result[name].low is None, "its 0 for class c varies in no resample"
    assert result["balanced_accuracy"].low is not None
    assert not result["balanced_accuracy"].approximate
