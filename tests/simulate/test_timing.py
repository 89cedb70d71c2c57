"""Cohorts whose truth is in time alone: no static view tells it, and a look at time does."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import yaml
from scipy import stats
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from voxtempo.cohort import load_study
from voxtempo.errors import StudyError
from voxtempo.scans import content_hash, read_scan
from voxtempo.simulate import simulations
from voxtempo.simulate.courses import GAP, TRUTHS, cycle_volumes
from voxtempo.simulate.haemodynamics import block_response
from voxtempo.simulate.timing import Timing

SMALL = {"subjects": 60, "voxel": 16.0}
SEEDS = (0, 1, 2)
GROUPED = [name for name, truth in TRUTHS.items() if truth.groups]
NUMBERS = [name for name, truth in TRUTHS.items() if not truth.groups]
SECONDS = np.arange(40) * 2.0
VIEWS = {
    "mean image": lambda data: data.mean(axis=0),
    "deviation": lambda data: data.std(axis=0),
    "signal-to-noise ratio": lambda data: data.mean(axis=0) / data.std(axis=0),
    "first volume": lambda data: data[0],
    "volume in a block": lambda data: data[8],
    "brightest value": lambda data: data.max(axis=0),
}


@pytest.fixture(scope="module")
def cohort():
    """Return a function from a truth and a seed to what is made: series (n, t, x, y, z), truths (n,), and everything made."""
    known = {}

    def make(truth, seed=0):
        if (truth, seed) not in known:
            options = Timing(truth=truth, seed=seed, **SMALL)
            people = options.people()
            made = [options.simulate(value, number) for number, value in enumerate(people.values())]
            data = np.stack([one.scan.data[..., 0] for one in made]).astype(np.float32)
            known[truth, seed] = data, np.array(list(people.values())), made
        return known[truth, seed]

    return make


def halves(data, truth, view):
    seen = np.stack([VIEWS[view](series).ravel() for series in data])
    half = len(seen) // 2
    return seen[:half], truth[:half], seen[half:], truth[half:]


CLASSIFIERS = {
    "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300)),
    "nearest mean": lambda: make_pipeline(StandardScaler(), NearestCentroid()),
}


def right_answers(many, view, classifier):
    """Return right answers and answers in all over cohorts of which one half teaches and the other is judged."""
    right = total = 0
    for data, truth in many:
        train, train_truth, test, test_truth = halves(data, truth, view)
        predicted = CLASSIFIERS[classifier]().fit(train, train_truth).predict(test)
        right, total = right + int((predicted == test_truth).sum()), total + len(test)
    return right, total


@pytest.mark.parametrize("classifier", CLASSIFIERS)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("truth", GROUPED)
def test_no_static_view_tells_the_groups_apart(truth, view, classifier, cohort):
    right, total = right_answers([cohort(truth, seed)[:2] for seed in SEEDS], view, classifier)
    low, high = stats.binom.interval(0.9999, total, 0.5)
    assert low <= right <= high, f"{right} of {total}"


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_the_static_views_would_see_a_difference_in_mean_or_variance(classifier):
    """The same judges on cohorts where half the people have twice the effect, or regions that are brighter at rest."""
    weak, strong = (Timing(truth="pattern", effect=effect, **SMALL) for effect in (3.0, 6.0))
    people = list(weak.people().values())
    group = np.arange(60) % 2
    data = [(strong if group[n] else weak).simulate(value, n).scan.data[..., 0] for n, value in enumerate(people)]
    data = np.stack(data).astype(np.float32)
    right, total = right_answers([(data, group)], "deviation", classifier)
    assert right > stats.binom.interval(0.9999, total, 0.5)[1]
    quiet = data.copy()
    quiet[group == 1] *= 1.2
    assert right_answers([(quiet, group)], "mean image", classifier)[0] > 24


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("truth", NUMBERS)
def test_no_static_view_tells_the_numbers(truth, view, cohort):
    guesses, truths = [], []
    for seed in SEEDS:
        train, train_truth, test, test_truth = halves(*cohort(truth, seed)[:2], view)
        model = make_pipeline(StandardScaler(), Ridge(1e3)).fit(train, train_truth)
        guesses.append(stats.zscore(model.predict(test)))
        truths.append(stats.zscore(test_truth))
    found = stats.pearsonr(np.concatenate(guesses), np.concatenate(truths))
    assert found.pvalue > 1e-4, found.statistic


def regional(made):
    """Return the course (t,) of each region, weighted by its map, in per cent of its mean."""
    data = made.scan.data[..., 0].astype(np.float64)
    courses = {}
    for name, map_ in made.maps.items():
        course = (data * (map_ / map_.sum())).sum(axis=(1, 2, 3))
        courses[name] = 100 * (course / course.mean() - 1)
    return courses


def power(course, hertz):
    return np.abs(np.exp(-2j * np.pi * np.multiply.outer(hertz, SECONDS)) @ course) ** 2


def test_the_sign_of_the_largest_step_tells_the_pattern(cohort):
    _, truth, made = cohort("pattern")
    steps = [np.diff(regional(one)["visual"]) for one in made]
    drops = np.array([-step.min() > step.max() for step in steps])
    np.testing.assert_array_equal(drops, truth == "rising")


def test_correlation_with_a_lag_tells_the_order(cohort):
    _, truth, made = cohort("order")
    lag = round(GAP / 2.0)
    for one, group in zip(made, truth, strict=True):
        visual, motor = (regional(one)[name] for name in ("visual", "motor"))
        forward, backward = visual[:-lag] @ motor[lag:], motor[:-lag] @ visual[lag:]
        assert (forward > backward) == (group == "visual_first")


def test_the_spectrum_tells_frequency_and_rate(cohort):
    _, truth, made = cohort("frequency")
    for one, group in zip(made, truth, strict=True):
        slow, fast = power(regional(one)["frontal"], np.array([0.05, 0.1]))
        assert (slow > fast) == (group == "slow")
    _, truth, made = cohort("rate")
    hertz = np.arange(0.02, 0.13, 0.0005)
    found = np.array([hertz[power(regional(one)["visual"], hertz).argmax()] for one in made])
    assert 1 - ((found - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum() > 0.98


def test_the_known_design_tells_the_amplitude(cohort):
    _, truth, made = cohort("amplitude")
    found = []
    for one in made:
        blocks = one.activity.blocks
        answer = block_response([b.onset for b in blocks], [b.duration for b in blocks], SECONDS)
        design = np.stack([answer / answer.std(), np.ones(40), SECONDS / 80], axis=1)
        found.append(np.linalg.lstsq(design, regional(one)["visual"], rcond=None)[0][0])
    assert stats.pearsonr(found, truth).statistic ** 2 > 0.9


@pytest.mark.parametrize("truth", TRUTHS)
def test_courses_have_one_mean_and_one_variance(truth):
    kind = TRUTHS[truth]
    for value in kind.groups or np.linspace(*kind.span, 5):
        for seed in range(10):
            activity = kind.make(np.random.default_rng(seed), SECONDS, value)
            for course in activity.courses.values():
                assert course.shape == (40,)
                assert course.mean() == pytest.approx(0, abs=1e-12)
                assert course.std() == pytest.approx(1, abs=1e-12)


class Chance:
    """A generator that draws one share of every range."""

    def __init__(self, share):
        self.share = share

    def uniform(self, low=0.0, high=1.0):
        return low + self.share * (high - low)


@pytest.mark.parametrize("share", [0.03, 0.13, 0.52, 0.77])
def test_the_second_group_is_the_first_one_played_backwards(share):
    pattern, order = TRUTHS["pattern"].make, TRUTHS["order"].make
    rising, falling = (pattern(Chance(share), SECONDS, group).courses["motor"] for group in ("rising", "falling"))
    later = pattern(Chance((0.1 - share) % 1), SECONDS, "falling").courses["motor"]
    np.testing.assert_allclose(later, rising[::-1], atol=1e-9)
    assert not np.allclose(falling, rising)
    one = order(Chance(share), SECONDS, "visual_first").courses
    other = order(Chance((68 / 40 - share) % 1), SECONDS, "motor_first").courses
    for region in ("visual", "motor"):
        np.testing.assert_allclose(other[region], one[region][::-1], atol=1e-9)
    first = order(Chance(0.5), SECONDS, "visual_first").courses
    assert (int(first["visual"].argmax()), int(first["motor"].argmax())) == (10, 15)


def test_regions_at_rest_differ_between_people_by_more_than_what_happens_there(monkeypatch):
    options = Timing(truth="amplitude", subjects=40, voxel=16.0, noise=0.0)
    people = list(options.people().values())
    real = [options.simulate(value, number) for number, value in enumerate(people)]
    monkeypatch.setattr("voxtempo.simulate.timing.TISSUE", 0.0)
    alike = [options.simulate(value, number) for number, value in enumerate(people)]
    ratios = []
    for one, other in zip(real, alike, strict=True):
        peak = np.unravel_index(one.maps["motor"].argmax(), one.maps["motor"].shape)
        ratios.append(one.scan.data[:, *peak].mean() / other.scan.data[:, *peak].mean())
    assert np.std(ratios) > 2 * options.effect / 100


def test_half_the_people_are_in_each_group_and_numbers_fill_their_span():
    for seed in range(3):
        groups = list(Timing(truth="order", subjects=21, seed=seed).people().values())
        assert sorted((groups.count("visual_first"), groups.count("motor_first"))) == [10, 11]
        rates = np.array(list(Timing(truth="rate", subjects=90, seed=seed).people().values()))
        counts, _ = np.histogram(rates, bins=9, range=(0.03, 0.12))
        assert (np.abs(counts - 10) <= 1).all()
        amplitudes = list(Timing(truth="amplitude", subjects=90, seed=seed, effect=2.0).people().values())
        assert 0.2 <= min(amplitudes) < 0.25
        assert 1.85 < max(amplitudes) <= 1.9
    assert list(Timing(truth="order", seed=0).people().values()) != list(
        Timing(truth="order", seed=1).people().values()
    )


@pytest.mark.parametrize("truth", TRUTHS)
def test_what_is_written(truth, tmp_path):
    options = Timing(truth=truth, subjects=6, voxel=18.0, seed=4)
    studies = options.write(tmp_path)
    assert [path.name for path in studies] == [f"{truth}.yaml"]
    study = load_study(studies[0])
    assert study.task == ("classify" if truth in GROUPED else "regress")
    assert study.augment == "none"
    with (tmp_path / "participants.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    column = study.cohort.target.column
    assert list(rows[0]) == ["participant_id", column]
    assert {row["participant_id"]: row[column] for row in rows} == {k: str(v) for k, v in options.people().items()}
    func = tmp_path / "sub-03" / "func"
    scan = read_scan(func / "sub-03_task-timing_bold.nii.gz")
    made = options.simulate(list(options.people().values())[2], 2)
    np.testing.assert_array_equal(scan.data, made.scan.data)
    assert scan.repetition_time == 2.0
    assert json.loads((func / "sub-03_task-timing_bold.json").read_text(encoding="utf-8")) == {
        "TaskName": "timing",
        "RepetitionTime": 2.0,
    }
    assert (func / "sub-03_task-timing_events.tsv").exists() == (truth == "amplitude")
    derived = tmp_path / "derivatives" / "truth" / "sub-03" / "func"
    courses = np.loadtxt(derived / "sub-03_task-timing_desc-courses_timeseries.tsv", skiprows=1)
    np.testing.assert_allclose(courses.T, list(made.activity.courses.values()), atol=1e-6)
    map_ = read_scan(derived / "sub-03_task-timing_desc-visual_statmap.nii.gz").volume()
    np.testing.assert_allclose(map_, made.maps["visual"], rtol=1e-5)
    again = tmp_path / "again"
    options.write(again)
    for folder in ("sub-03", "derivatives"):
        assert content_hash(again / folder) == content_hash(tmp_path / folder)


@pytest.mark.parametrize(("repetition_time", "volumes"), [(2.0, 40), (2.0, 47), (3.0, 40), (0.8, 100), (2.5, 16)])
def test_windows_of_the_response_begin_with_a_cycle(repetition_time, volumes, tmp_path):
    options = Timing(truth="amplitude", subjects=2, voxel=20.0, repetition_time=repetition_time, volumes=volumes)
    window = yaml.safe_load(options.write(tmp_path)[0].read_text(encoding="utf-8"))["sample"]["window"]
    cycle = cycle_volumes(repetition_time)
    assert window["stride"] == cycle
    assert window["draw"] == "tiled"
    assert (volumes - window["length"]) % cycle == 0
    assert cycle <= window["length"] <= volumes


@pytest.mark.parametrize(
    "options",
    [{"truth": "shape"}, {"subjects": 1}, {"noise": -1.0}, {"effect": 0.0}, {"voxel": 1.0}, {"volumes": 12}, {"volumes": 1},
     {"drift": float("nan")}, {"repetition_time": 4.0}],
)  # fmt: skip
def test_impossible_options(options):
    with pytest.raises(StudyError, match="simulate timing"):
        Timing(**options)


def test_registered():
    assert simulations["timing"] is Timing


def voxtempo(*words, cache):
    command = [sys.executable, "-m", "voxtempo.cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "VOXTEMPO_CACHE": str(cache)})
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("truth", TRUTHS)
def test_a_network_of_time_learns_it_and_the_mean_image_does_not(truth, tmp_path):
    """The whole way, by the command line (one to two minutes a truth)."""
    data, cache = tmp_path / "data", tmp_path / "cache"
    voxtempo("simulate", "timing", "--truth", truth, "--out", data, cache=cache)
    figures = {}
    static = (
        "prepare=[temporal_mean, {normalise: zscore}]",
        "sample=volume",
        "network={name: resnet3d, widths: [8, 16]}",
    )
    for name, settings in (("time", ()), ("static", static)):
        overrides = [word for setting in settings for word in ("--set", setting)]
        voxtempo("train", data / f"{truth}.yaml", "--out", tmp_path / name, *overrides, cache=cache)
        test = json.loads((tmp_path / name / "metrics.json").read_text(encoding="utf-8"))["test"]
        figures[name] = test["accuracy" if truth in GROUPED else "r2"]["value"]
    assert figures["time"] >= (0.9 if truth in GROUPED else 0.8)
    highest = stats.binom.interval(0.999, 24, 0.5)[1] / 24 if truth in GROUPED else 0.3
    assert figures["static"] <= highest
