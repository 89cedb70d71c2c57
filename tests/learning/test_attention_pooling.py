"""Windows weighed by learned attention: finds the windows that know, and falls back to the mean where none does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voxtempo.errors import RunError
from voxtempo.inference.windows import join_windows
from voxtempo.learning.attention_pooling import AttentionPooling, Bag, describer, fit_pooling, softmax_weights
from voxtempo.networks import build_network, head_for


def bags(count: int, seed: int, knowing: bool = True) -> list[Bag]:
    """Return bags of ten windows; in two of them, told by the first feature, the answer is right, elsewhere it is noise."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        truth = int(rng.integers(2))
        features = rng.normal(size=(10, 4))
        chances = rng.uniform(0.05, 0.95, 10)
        if knowing:
            chosen = rng.choice(10, 2, replace=False)
            features[chosen, 0] += 4
            chances[chosen] = 0.8 if truth else 0.2
        made.append(Bag(features, np.stack([1 - chances, chances], axis=1), truth))
    return made


def accuracy(pooling: AttentionPooling | None, of: list[Bag]) -> float:
    right = []
    for bag in of:
        scores = None if pooling is None else pooling.scores(bag.features)[:, None]
        said = join_windows(bag.answers.astype(np.float32), "attention" if pooling else "mean", scores)
        right.append(said.argmax() == bag.truth)
    return float(np.mean(right))


def test_the_windows_that_know_are_believed() -> None:
    fresh = bags(300, 1)
    pooling = fit_pooling(bags(60, 0), classify=True)
    assert accuracy(None, fresh) < 0.85
    assert accuracy(pooling, fresh) > 0.95


def test_where_no_window_knows_more_the_weights_stay_even() -> None:
    pooling = fit_pooling(bags(60, 0, knowing=False), classify=True, penalty=0.5)
    weights = softmax_weights(pooling.scores(bags(1, 2, knowing=False)[0].features))
    np.testing.assert_allclose(weights, 0.1, atol=0.01)


def test_values_are_weighed_too() -> None:
    rng = np.random.default_rng(0)
    made = []
    for _ in range(80):
        truth, features = float(rng.normal()), rng.normal(size=(8, 3))
        answers = rng.normal(size=(8, 1))
        features[0, 1] += 5
        answers[0] = truth
        made.append(Bag(features, answers, truth))
    pooling = fit_pooling(made[:60], classify=False)
    errors = [
        join_windows(b.answers.astype(np.float32), "attention", pooling.scores(b.features)[:, None])[0] - b.truth
        for b in made[60:]
    ]
    plain = [b.answers.mean() - b.truth for b in made[60:]]
    assert np.abs(errors).mean() < 0.5 * np.abs(plain).mean()


def test_it_comes_back_from_its_file_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    pooling = fit_pooling(bags(10, 0), classify=True)
    pooling.save(tmp_path / "p.safetensors")
    features = bags(1, 5)[0].features
    np.testing.assert_array_equal(
        AttentionPooling.load(tmp_path / "p.safetensors").scores(features), pooling.scores(features)
    )
    (tmp_path / "p.safetensors").write_bytes(b"damaged")
    with pytest.raises(RunError, match="no valid safetensors"):
        AttentionPooling.load(tmp_path / "p.safetensors")


def test_features_are_what_the_last_layer_sees() -> None:
    model = build_network(
        "cnn_lstm", (3, 6, 5, 4, 1), head_for("classify", 3), {"widths": [4], "units": 5}, dropout=0.3
    )
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 5, 4, 1)).astype(np.float32)
    features, logits = describer(model)(x, 2)
    kernel, bias = (np.asarray(w) for w in model.get_layer("logits").get_weights())
    assert features.shape == (2, 5)
    np.testing.assert_allclose(features @ kernel + bias, logits, atol=1e-5)
    np.testing.assert_allclose(model.predict_on_batch(x), logits, atol=1e-6)


def test_votes_are_counted_and_ties_decided_by_probability() -> None:
    tie = np.array([[0.9, 0.1], [0.45, 0.55]], np.float32)
    said = join_windows(tie, "vote")
    assert said.argmax() == 0
    assert said.sum() == pytest.approx(1)
