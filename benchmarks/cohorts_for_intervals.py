"""Simulated cohorts whose true figures are known, for ``coverage_of_intervals.py``: one function a group of figures.

Every function takes a generator, a number of subjects and a number of cases of each, which share a part of what makes them
hard, and returns a ``Drawn``.

- *two classes*, *three classes*: scores of classifiers (60 and 40 %; 50, 30 and 20 %), with a prevalence of 10 % elsewhere, and
  the same for always answering the shares of the classes.
- *regression*: errors whose spread differs between subjects (log-normal, 0.25); *heavy tails*: 0.5. The line of the corrected
  gap comes from elsewhere.
- *overlaps*: Dice of skewed quality; *failures*: 3 % of the cases have 0.
- *volumes*: of structures, log-normal (0.4), found 5 % too small with an error of 10 %, and distances that are log-normal
  (0.6); *outliers*: in 1 % of the cases the error is 50 %.
- *lesions*: numbers that differ between cases as a negative binomial's do (mean 6), four fifths found.
- *restoration*: similarities near 1, decibels, errors.
- *calibration*: logits 1.5 times too large; the truth is that of as many bins as the cohort has.
- *uncertainty*: of classes (*errors*, 0 or 1) and of values (*sizes*), which knows half of what there is to know.
- *promises*: of 90 %; shares of structures held; sizes of sets, intervals and outer masks.
- *net benefit*: at thresholds of 0.1 to 0.7.
- *drops*: between two cohorts of different people; *pairs*: of two runs on the same cases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from voxtempo.assess import (
    Figure,
    classification_metrics,
    corrected_metrics,
    decision_curve,
    lesion_figures,
    mean_figures,
    restoration_metrics,
    volume_agreement,
    weighted_figures,
)
from voxtempo.assess.answer_intervals import answer_figures
from voxtempo.assess.areas import areas_of
from voxtempo.assess.calibration import calibration_metrics, equal_mass_bins
from voxtempo.assess.classification import classification_statistic, predicted_codes
from voxtempo.assess.coverage import coverage_metrics
from voxtempo.assess.independent import difference_of
from voxtempo.assess.intervals import mean_statistic
from voxtempo.assess.paired import difference, resample
from voxtempo.assess.regression import gap_statistic, regression_statistic
from voxtempo.assess.resampling import units_of
from voxtempo.assess.selective import selective_metrics

Rng = np.random.Generator
Statistic = Callable[[np.ndarray], dict[str, np.ndarray]]
Values = dict[str, float]

RESAMPLES = 400
"""Of the figures whose own interval is a bootstrap."""


@dataclass(frozen=True)
class Drawn:
    """One cohort.

    Parameters
    ----------
    figures : what gives its figures with their default intervals.
    values : from the number of subjects of the cohorts judged to the figures alone: the truths, of a large cohort.
    statistic : from weights to the figures for which bootstraps are compared.
    own : truths that depend on which cases were drawn.
    """

    figures: Callable[[], Mapping[str, Figure]]
    values: Callable[[int], Values]
    statistic: Statistic | None = None
    own: Values = field(default_factory=dict)


def people(n: int, m: int) -> np.ndarray:
    """Return whom each case comes from."""
    return np.repeat(np.arange(n), m)


def alike(rng: Rng, n: int, m: int) -> np.ndarray:
    """Return standard normal numbers (n * m,), half of whose variance a subject's cases share."""
    return (np.sqrt(0.5) * (rng.normal(size=(n, 1)) + rng.normal(size=(n, m)))).ravel()


def once(statistic: Statistic, n: int) -> Values:
    """Return the figures of n cases that count once each."""
    return {name: float(values[0]) for name, values in statistic(np.ones((1, n))).items()}


def classes_of(rng: Rng, n: int, m: int, prior: tuple[float, ...], skill: float):
    """Return scores (n * m, k) and true classes, one a subject."""
    truth = rng.choice(len(prior), n, p=prior)
    own, shared = rng.normal(size=(n, m, len(prior))), rng.normal(size=(n, 1, len(prior)))
    scores = np.exp(skill * np.eye(len(prior))[truth][:, None] + np.sqrt(0.5) * (own + shared)).reshape(n * m, -1)
    return scores / scores.sum(axis=1, keepdims=True), np.repeat(truth, m)


def classifier(rng: Rng, n: int, m: int, prior: tuple[float, ...], skill: float) -> Drawn:
    """Draw a classifier; its baseline answers the shares of the classes."""
    scores, truth = classes_of(rng, n, m, prior, skill)
    names, classes = people(n, m), [str(i) for i in range(len(prior))]
    constant = np.tile(prior, (n * m, 1))
    every, chance = classification_statistic(scores, truth), classification_statistic(constant, truth)

    def statistic(weights: np.ndarray) -> dict[str, np.ndarray]:
        rates = every(weights)
        return {name: values for (name, i), values in rates.items() if i is None} | {"recall": rates["recall", 1]}

    def values(_: int) -> Values:
        baseline = once(lambda weights: {f"{name}, baseline": v for (name, _), v in chance(weights).items()}, n * m)
        calls, positive = predicted_codes(scores) == 1, truth == 1
        hits, spared = float(calls[positive].mean()), float((~calls)[~positive].mean())
        at_threshold = {
            "sensitivity": hits,
            "specificity": spared,
            "youden": hits + spared - 1,
            "positive_predictive_value": float(positive[calls].mean()),
            "negative_predictive_value": float((~positive)[~calls].mean()),
            "positive_predictive_value_at_prevalence": 0.1 * hits / (0.1 * hits + 0.9 * (1 - spared)),
            "negative_predictive_value_at_prevalence": 0.9 * spared / (0.9 * spared + 0.1 * (1 - hits)),
        }
        return baseline | once(statistic, n * m) | (at_threshold if len(prior) == 2 else {})

    def figures() -> dict[str, Figure]:
        judged = classification_metrics(scores, truth, classes, names, prevalence=0.1)
        baseline = classification_metrics(constant, truth, classes, names)
        given = {f"{name}, baseline": baseline[name] for name in ("accuracy", "brier", "log_loss")}
        return given | judged | judged.get("at_threshold", {}) | {"recall": judged["per_class"]["1"]["recall"]}

    return Drawn(figures, values, statistic)


def regression(rng: Rng, n: int, m: int, unlike: float) -> Drawn:
    """Draw a regression; ``unlike`` is by how much the logarithm of subjects' spread differs."""
    truth = np.repeat(rng.normal(50, 15, n), m)
    errors = np.repeat(5 * np.exp(unlike * rng.normal(size=n)), m) * alike(rng, n, m)
    line = 50 + 0.8 * (truth - 50)
    statistic = regression_statistic(line + errors, truth)
    corrected = gap_statistic(errors, truth)

    def values(_: int) -> Values:
        return once(statistic, n * m) | {f"{name}, corrected": v for name, v in once(corrected, n * m).items()}

    def figures() -> dict[str, Figure]:
        given = corrected_metrics(line + errors, truth, line, people(n, m))
        given = {f"{'mae' if name == 'mae_given_truth' else name}, corrected": each for name, each in given.items()}
        return given | weighted_figures(statistic, people(n, m))

    return Drawn(figures, values, statistic)


def means(
    columns: dict[str, np.ndarray], n: int, m: int, given: Callable[[], Mapping[str, Figure]] | None = None
) -> Drawn:
    """Return a cohort whose figures are means over cases."""
    statistic = mean_statistic(columns)
    return Drawn(given or (lambda: mean_figures(columns, people(n, m))), lambda _: once(statistic, n * m), statistic)


def overlaps(rng: Rng, n: int, m: int, failing: float) -> Drawn:
    """Draw the Dice of every case."""
    values = np.clip(rng.beta(16, 2.5, size=(n, 1)) + 0.03 * rng.normal(size=(n, m)), 0, 1)
    return means({"dice": np.where(rng.random((n, m)) < failing, 0.0, values).ravel()}, n, m)


def volumes(rng: Rng, n: int, m: int, odd: float) -> Drawn:
    """Draw true and found volumes, and distances."""
    real = np.repeat(3 * np.exp(0.4 * rng.normal(size=n)), m)
    found = real * 0.95 * np.exp(np.where(rng.random(n * m) < odd, 0.5, 0.1) * alike(rng, n, m))
    error, distance = found - real, 2 * np.exp(0.6 * alike(rng, n, m))
    columns = {"hausdorff_95": distance, "volume": found, "volume_error": error, "absolute_volume_error": np.abs(error)}

    def values(_: int) -> Values:
        spread = 1.959964 * error.std()
        shared = 2 * np.cov(found, real, ddof=0)[0, 1] / (found.var() + real.var() + error.mean() ** 2)
        limits = {"volume_lower_limit": error.mean() - spread, "volume_upper_limit": error.mean() + spread}
        return once(mean_statistic(columns), n * m) | limits | {"volume_concordance": shared}

    def figures() -> dict[str, Figure]:
        return mean_figures(columns, people(n, m)) | volume_agreement(found, real, people(n, m))

    return Drawn(figures, values)


def lesions(rng: Rng, n: int, m: int) -> Drawn:
    """Draw the counts of lesions of every case."""
    burden = np.repeat(rng.gamma(1.5, 4, n), m)
    real = rng.poisson(burden)
    found = rng.binomial(real, np.repeat(rng.beta(8, 2, n), m))
    false = rng.poisson(np.repeat(rng.gamma(1.0, 1.0, n), m))
    matched = rng.binomial(found, 0.8)
    iou = matched * 0.7 + 0.1 * np.sqrt(matched) * rng.normal(size=n * m)
    counts = (real, found, found + false, false, matched, iou)
    keys = ("true_lesions", "found_lesions", "predicted_lesions", "false_lesions", "matched_lesions", "matched_iou")

    def values(_: int) -> Values:
        a, b, c, d, e, f = (float(each.sum()) for each in counts)
        quality = {
            "panoptic_quality": 2 * f / (a + c),
            "recognition_quality": 2 * e / (a + c),
            "segmentation_quality": f / e,
        }
        sensitivity, precision = b / a, 1 - d / c
        f1 = 2 * sensitivity * precision / (sensitivity + precision)
        rates = {"lesion_sensitivity": sensitivity, "lesion_precision": precision, "lesion_f1": f1}
        return rates | {"false_lesions": d / (n * m)} | quality

    def figures() -> dict[str, Figure]:
        rows = [{"lesion": dict(zip(keys, map(float, row), strict=True))} for row in zip(*counts, strict=True)]
        given = lesion_figures(rows, ["lesion"], "mean", people(n, m))
        return {name: each["lesion"] for name, each in given.items()}

    return Drawn(figures, values)


def restoration(rng: Rng, n: int, m: int) -> Drawn:
    """Draw how well images were restored."""
    noise = alike(rng, n, m)
    columns = {
        "psnr": 30 + 3 * noise + rng.normal(size=n * m),
        "ssim": 1 - 0.08 * np.exp(0.5 * noise),
        "ms_ssim": 1 - 0.03 * np.exp(0.6 * noise),
        "nrmse": 0.12 * np.exp(0.35 * noise),
    }
    rows = [dict(zip(columns, map(float, row), strict=True)) for row in zip(*columns.values(), strict=True)]
    return means(columns, n, m, lambda: restoration_metrics(rows, people(n, m)))


def calibration(rng: Rng, n: int, m: int, factor: float = 1.5) -> Drawn:
    """Draw a classifier that is too sure."""
    logits = 1.5 * alike(rng, n, m)
    real, second = 1 / (1 + np.exp(-logits)), 1 / (1 + np.exp(-factor * logits))
    truth = (rng.random(n * m) < real).astype(np.intp)
    scores = np.stack([1 - second, second], axis=1)
    confidence, right = np.maximum(second, 1 - second), np.maximum(real, 1 - real)

    def error(told: np.ndarray, true: np.ndarray, subjects: int) -> float:
        bins = equal_mass_bins(told, subjects)
        gaps = np.bincount(bins, true - told) / np.bincount(bins)
        return float(np.sqrt(np.average(gaps**2, weights=np.bincount(bins))))

    def values(subjects: int) -> Values:
        return {
            "calibration_error": error(confidence, right, subjects),
            "class_wise_calibration_error": error(second, real, subjects),
        }

    def figures() -> dict[str, Figure]:
        judged = calibration_metrics(scores, truth, ["0", "1"], people(n, m), resamples=RESAMPLES)
        surest, highest = judged["reliability"]["likeliest"][-1], judged["reliability"]["1"][-1]
        return judged | {"frequency, likeliest": surest["frequency"], "frequency, class": highest["frequency"]}

    def share(told: np.ndarray, true: np.ndarray) -> float:
        bins = equal_mass_bins(told, n)
        return float(true[bins == bins.max()].mean())

    own = {"frequency, likeliest": share(confidence, right), "frequency, class": share(second, real)}
    return Drawn(figures, values, own=own)


def uncertainty(rng: Rng, n: int, m: int, wrong: bool) -> Drawn:
    """Draw errors and uncertainties."""
    hard = alike(rng, n, m)
    told = np.sqrt(0.5) * (hard + rng.normal(size=n * m))
    flags = hard + rng.normal(size=n * m) > 1.2
    errors = flags.astype(float) if wrong else np.exp(0.5 * hard) * np.abs(rng.normal(size=n * m))

    def values(_: int) -> Values:
        def area(order: np.ndarray) -> float:
            return float(np.mean(np.cumsum(errors[order]) / np.arange(1, n * m + 1)))

        aurc, best = area(np.argsort(told)), area(np.argsort(errors))
        found = {"aurc": aurc, "excess_aurc": aurc - best, "ause": (aurc - best) / errors.mean()}
        if wrong:
            found["error_auroc"] = float(areas_of([told], [flags], units_of(np.arange(n * m))).values[0])
        return found

    return Drawn(
        lambda: selective_metrics(told, errors, people(n, m), flags if wrong else None, resamples=RESAMPLES), values
    )


def promises(rng: Rng, n: int, m: int) -> Drawn:
    """Draw what conformal sets, intervals and outer masks held."""
    hard, noise = alike(rng, n, m), alike(rng, n, m)
    covered = hard < 1.2816
    size = np.clip(np.round(1.5 + noise), 1, 4)
    width = 10 * np.exp(0.3 * noise)
    columns = {"coverage": 1 - 0.1 * np.exp(0.8 * hard - 0.32), "outer_volume": 4 * np.exp(0.4 * noise)}

    def values(_: int) -> Values:
        sizes = {"set_size": float(size.mean()), "interval_width": float(width.mean())}
        masks = {f"{name}, masks": value for name, value in once(mean_statistic(columns), n * m).items()}
        return {"coverage": float(covered.mean())} | sizes | masks

    def figures() -> dict[str, Figure]:
        sets = coverage_metrics(covered, {"set_size": size, "interval_width": width}, people(n, m), {})
        return sets | {f"{name}, masks": each for name, each in mean_figures(columns, people(n, m)).items()}

    return Drawn(figures, values)


def net_benefit(rng: Rng, n: int, m: int) -> Drawn:
    """Draw a classifier and what acting on it is worth."""
    scores, truth = classes_of(rng, n, m, (0.6, 0.4), 1.3)
    limits, positive = (0.1, 0.3, 0.5, 0.7), truth == 1

    def values(_: int) -> Values:
        found = {}
        for limit in limits:
            called, odds = scores[:, 1] >= limit, limit / (1 - limit)
            found[f"net benefit at {limit}"] = float((called & positive).mean() - odds * (called & ~positive).mean())
            found[f"net benefit at {limit}, everybody"] = float(positive.mean() - odds * (~positive).mean())
        return found

    def figures() -> dict[str, Figure]:
        curve = decision_curve(scores[:, 1], positive, people(n, m), limits)
        own = {f"net benefit at {limit}": each for limit, each in zip(limits, curve.model, strict=True)}
        everybody = {f"net benefit at {limit}, everybody": e for limit, e in zip(limits, curve.treat_all, strict=True)}
        return own | everybody

    return Drawn(figures, values)


def answers(rng: Rng, n: int, m: int, skill: float) -> Drawn:
    """Draw a classifier of two classes, of which accuracy and area alone are judged."""
    scores, truth = classes_of(rng, n, m, (0.6, 0.4), skill)
    predicted, every = predicted_codes(scores), classification_statistic(scores, truth)

    def figures() -> dict[str, Figure]:
        given = answer_figures(scores, truth, predicted, people(n, m))
        return {name: given[name, None] for name in ("accuracy", "auc") if (name, None) in given}

    return Drawn(figures, lambda _: once(lambda w: {name: v for (name, i), v in every(w).items() if i is None}, n * m))


def drops(rng: Rng, n: int, m: int) -> Drawn:
    """Draw a cohort, and another of as many other people of whom the network knows less."""
    inside = [answers(rng, n, m, 1.3), regression(rng, n, m, 0.25), overlaps(rng, n, m, 0.0)]
    outside = [answers(rng, n, m, 0.8), regression(rng, n, m, 0.5), overlaps(rng, n, m, 0.03)]
    chosen = ("accuracy", "auc", "mae", "dice")

    def values(subjects: int) -> Values:
        pairs = [(a.values(subjects), b.values(subjects)) for a, b in zip(inside, outside, strict=True)]
        return {name: a[name] - b[name] for a, b in pairs for name in chosen if name in a}

    def figures() -> dict[str, Figure]:
        pairs = [(a.figures(), b.figures()) for a, b in zip(inside, outside, strict=True)]
        return {name: difference_of(a[name], b[name]) for a, b in pairs for name in chosen if name in a and name in b}

    return Drawn(figures, values)


def pairs(rng: Rng, n: int, m: int) -> Drawn:
    """Draw two runs that answer the same cases, of which one knows less."""
    scores, truth = classes_of(rng, n, m, (0.6, 0.4), 1.3)
    worse = scores * np.exp(0.7 * rng.normal(size=scores.shape))
    errors, dice = 5 * alike(rng, n, m), rng.beta(16, 2.5, n * m)
    answers = [(scores, errors, dice), (worse, errors + 3 * alike(rng, n, m), dice * rng.beta(20, 1, n * m))]

    def statistic_of(place: int) -> Statistic:
        given, off, overlap = answers[place]
        every = classification_statistic(given / given.sum(axis=1, keepdims=True), truth)
        of_means = mean_statistic({"mae": np.abs(off), "dice": overlap})

        def statistic(weights: np.ndarray) -> dict[str, np.ndarray]:
            rates = every(weights)
            return {"accuracy": rates["accuracy", None], "auc": rates["auc", None], **of_means(weights)}

        return statistic

    def values(_: int) -> Values:
        first, second = (once(statistic_of(place), n * m) for place in (0, 1))
        return {name: first[name] - second[name] for name in first}

    def figures() -> dict[str, Figure]:
        first, second = resample([statistic_of(0), statistic_of(1)], people(n, m), 100)
        found = {name: difference(first, second, name) for name in first.whole}
        return {name: Figure(each.value, each.low, each.high, each.n, each.over) for name, each in found.items()}

    return Drawn(figures, values)


@dataclass(frozen=True)
class Group:
    """What is drawn, which figures are counted, and those of them for which bootstraps are compared."""

    draw: Callable[[Rng, int, int], Drawn]
    metrics: tuple[str, ...]
    compared: tuple[str, ...] = ()


RATES = ("sensitivity", "specificity", "youden", *(f"{sign}_predictive_value" for sign in ("positive", "negative")))
PROBABILITIES = ("mcc", "kappa", "average_precision", "brier", "log_loss")
REGRESSION = ("mae", "rmse", "r2", "correlation")
GAPS = ("bias", "gap_sd", "gap_correlation", *(f"{name}, corrected" for name in ("mae", "gap_sd", "gap_correlation")))
AREAS = ("aurc", "excess_aurc", "ause")
LIMITS = tuple(f"net benefit at {limit}{who}" for limit in (0.1, 0.3, 0.5, 0.7) for who in ("", ", everybody"))

VOLUMES = (
    *("volume_error", "absolute_volume_error"),
    *("volume_lower_limit", "volume_upper_limit", "volume_concordance"),
)

GROUPS: dict[str, Group] = {
    "two classes": Group(
        lambda rng, n, m: classifier(rng, n, m, (0.6, 0.4), 1.3),
        (
            *("accuracy", "recall", "balanced_accuracy", "auc", *PROBABILITIES, *RATES),
            *(f"{name}_at_prevalence" for name in RATES[3:]),
            *(f"{name}, baseline" for name in ("accuracy", "brier", "log_loss")),
        ),
        ("accuracy", "recall", "balanced_accuracy", "auc"),
    ),
    "three classes": Group(
        lambda rng, n, m: classifier(rng, n, m, (0.5, 0.3, 0.2), 1.6),
        ("f1", "balanced_accuracy", "precision", "specificity", "auc", *PROBABILITIES, "top_2_accuracy"),
        ("f1",),
    ),
    "regression": Group(lambda rng, n, m: regression(rng, n, m, 0.25), REGRESSION + GAPS, REGRESSION),
    "heavy tails": Group(lambda rng, n, m: regression(rng, n, m, 0.5), REGRESSION + GAPS, REGRESSION),
    "overlaps": Group(lambda rng, n, m: overlaps(rng, n, m, 0.0), ("dice",), ("dice",)),
    "failures": Group(lambda rng, n, m: overlaps(rng, n, m, 0.03), ("dice",), ("dice",)),
    "volumes": Group(lambda rng, n, m: volumes(rng, n, m, 0.0), ("hausdorff_95", "volume", *VOLUMES)),
    "outliers": Group(lambda rng, n, m: volumes(rng, n, m, 0.01), VOLUMES),
    "lesions": Group(
        lesions,
        (
            *("lesion_sensitivity", "lesion_precision", "lesion_f1", "false_lesions"),
            *("panoptic_quality", "recognition_quality", "segmentation_quality"),
        ),
    ),
    "restoration": Group(restoration, ("psnr", "ssim", "ms_ssim", "nrmse")),
    "calibration": Group(
        calibration,
        ("calibration_error", "class_wise_calibration_error", "frequency, likeliest", "frequency, class"),
    ),
    "errors": Group(lambda rng, n, m: uncertainty(rng, n, m, True), (*AREAS, "error_auroc")),
    "sizes": Group(lambda rng, n, m: uncertainty(rng, n, m, False), AREAS),
    "promises": Group(promises, ("coverage", "set_size", "interval_width", "coverage, masks", "outer_volume, masks")),
    "net benefit": Group(net_benefit, LIMITS),
    "drops": Group(drops, ("accuracy", "auc", "mae", "dice")),
    "pairs": Group(pairs, ("accuracy", "auc", "mae", "dice")),
}
