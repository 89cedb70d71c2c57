"""What a segmentation's weights and losses may be, and the weights that balance its labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fold_sides import named, sides

from voxtempo.cohort import Case, Cohort, GeometryReport, Study
from voxtempo.cohort.study import NetworkSection, Sample
from voxtempo.feed import Batches, FeedCase, LabelMap, Voxels, make_sampler
from voxtempo.learning.choices import check_choices, check_fit
from voxtempo.learning.losses import build_loss
from voxtempo.learning.tasks import SegmentTask
from voxtempo.learning.train import _loss, label_weights
from voxtempo.scans import Geometry
from voxtempo.scans.header import Header

LABELS = {1: "liver", 2: "lesion"}


def study(train: dict, **target) -> Study:
    target = {"mask": "m", "labels": LABELS, **target}
    cohort = {"table": "t", "scans": {"a": "a"}, "target": target}
    return Study.model_validate(
        {"name": "s", "task": "segment", "cohort": cohort, "sample": {"patch": [4, 4, 4]}, "train": train}
    )


@pytest.mark.parametrize(
    ("train", "target", "where", "message"),
    [
        ({"class_weights": {"kidney": 2}}, {}, "train.class_weights", "there is no class kidney"),
        ({"class_weights": "balanced", "loss": "boundary"}, {}, "train.class_weights", "has no class weights"),
        ({"class_weights": "balanced"}, {"regions": {"all": [1, 2], "lesion": [2]}}, "train.class_weights", "overlap"),
        ({"label_smoothing": 0.1}, {}, "train.label_smoothing", "'task: classify'"),
        ({"loss": {"dice": {"ignore": 9}}}, {"ignore": 255}, "train.loss", "a place among the network's answers"),
        ({"loss": {"dice_ce": {"ignore": 255}}}, {}, "train.loss", "in 'cohort.target.ignore'"),
    ],
)
def test_what_cannot_be_weighed_is_refused(train, target, where, message):
    cohort = Cohort((), labels=LABELS, ignore=target.get("ignore"))
    (problem,) = check_choices(study(train, **target), cohort)
    assert problem.where == where
    assert message in problem.message


@pytest.mark.parametrize(
    ("task", "network", "message"),
    [
        ("segment", {"name": "mednext3d", "kernel": 4}, "an even number has no middle voxel"),
        ("segment", {"name": "deepmedic3d", "factors": [5, 3]}, "numbers above 1 that rise"),
        ("segment", {"name": "deepmedic3d", "factors": [1, 3]}, "numbers above 1 that rise"),
        ("classify", {"name": "unet3d", "deep_supervision": True}, "cannot help to classify"),
    ],
)
def test_options_that_no_network_can_be_built_with_are_refused(task, network, message):
    target = {"mask": "m", "labels": LABELS} if task == "segment" else {"column": "y"}
    asked = {
        "name": "s",
        "task": task,
        "cohort": {"table": "t", "scans": {"mr": "mr"}, "target": target},
        "network": network,
    }
    (problem,) = check_choices(Study.model_validate(asked), Cohort((), labels=LABELS))
    assert (problem.where, message in problem.message) == ("network", True)


@pytest.mark.parametrize(
    ("weights", "target"),
    [
        ("balanced", {}), ({"background": 0.5, "lesion": 3}, {}), ({"all": 2}, {"regions": {"all": [1, 2], "lesion": [2]}}),
    ],
)  # fmt: skip
def test_labels_and_regions_can_be_weighed(weights, target):
    assert check_choices(study({"class_weights": weights}, **target), Cohort((), labels=LABELS)) == ()


@pytest.mark.parametrize(
    ("sample", "shape", "where"),
    [
        ({"patch": [8, 8, 4]}, (20, 20, 1), "sample.patch"),
        ({"patch": [1, 8, 8]}, (20, 20, 1), "sample.patch"),
        ({"slices": {"axis": "x"}}, (20, 20, 1), "sample.slices"),
        ({"patch": [8, 8, 1]}, (20, 20, 1), None),
        ({"patch": [8, 8, 1], "neighbours": 1}, (20, 20, 1), None),
        ({"slices": {"axis": "z"}}, (20, 20, 1), None),
        ({"patch": [1, 8, 8]}, (20, 20, 20), None),
        ({"slices": {"axis": "x"}}, (20, 20, 20), None),
    ],
)
def test_samples_have_no_depth_where_scans_have_none(sample, shape, where):
    """A patch of four slices of a scan of one would be padding, and the network would learn from that."""
    asked = study({}).model_copy(
        update={"sample": Sample.model_validate(sample), "prepare": [], "network": NetworkSection(name="unet2d")}
    )
    cohort = Cohort((Case("c", "c", {"a": "x"}),), labels=LABELS)
    header = Header(Geometry.from_spacing(shape), 1, 1, None, "int16", "c")
    report = GeometryReport({"c": {"a": header}}, {}, {}, {"c": None}, ())
    assert [problem.where for problem in check_fit(asked, cohort, report)] == [where] * (where is not None)


def batches() -> Batches:
    cases = []
    for name, counts in (("a", (40, 20, 4)), ("b", (56, 8, 0))):
        labels = np.repeat([0, 1, 2], counts).astype(np.int16)
        labels[:4] = -1 if name == "a" else 0
        mask = LabelMap(labels.reshape(1, 4, 4, 4, 1))
        cases.append(FeedCase(name, Voxels(np.zeros((1, 4, 4, 4, 1), np.float32)), (1, 1, 1), mask))
    asked = study({})
    assert asked.sample is not None
    view = sides(named(case.id for case in cases)).training
    return Batches(cases, make_sampler(asked.sample, (4, 4, 4)), batch=1, kind="volume", task="segment", view=view)


def test_balanced_weights_are_inverse_frequencies_of_voxels_that_count():
    task = SegmentTask(LABELS, ignore=255)
    weights = np.array(label_weights(study({"class_weights": "balanced"}), task, batches()))
    voxels = np.array([36 + 56, 28, 4])
    np.testing.assert_allclose(weights * voxels, voxels.sum() / 3)
    np.testing.assert_allclose((weights * voxels).sum() / voxels.sum(), 1.0)


@pytest.mark.parametrize(("spacing", "expected"), [((2, 2, 2), (1.0, 1.0, 1.0)), ((0.5, 0.5, 3), (1.0, 1.0, 6.0))])
def test_losses_of_distance_know_the_voxels_of_the_training_cases(spacing, expected):
    fed = batches()
    fed.cases = tuple(replace(case, spacing=spacing) for case in fed.cases)
    task = SegmentTask(LABELS)
    rng = np.random.default_rng(0)
    truth, logits = rng.integers(0, 3, (1, 4, 4, 4)), rng.normal(size=(1, 4, 4, 4, 3)).astype(np.float32)

    def value(loss) -> float:
        return float(loss(truth, logits))

    planned = value(_loss(study({"loss": "boundary"}), task, fed))
    assert planned == pytest.approx(value(build_loss("segment", "boundary", {"sides": expected})))
    assert (planned == value(build_loss("segment", "boundary"))) == (expected == (1.0, 1.0, 1.0))
    own = _loss(study({"loss": {"boundary": {"sides": [1, 2, 3]}}}), task, fed)
    assert value(own) == pytest.approx(value(build_loss("segment", "boundary", {"sides": [1, 2, 3]})))


def test_weights_that_are_named_are_in_the_order_of_the_outputs_and_others_are_one():
    given = study({"class_weights": {"lesion": 4.0, "background": 0.5}})
    assert label_weights(given, SegmentTask(LABELS), batches()) == [0.5, 1.0, 4.0]
    regions = SegmentTask(LABELS, regions={"all": (1, 2), "lesion": (2,)})
    assert label_weights(given, regions, batches()) == [1.0, 4.0]
    assert label_weights(study({}), SegmentTask(LABELS), batches()) is None


def test_a_label_that_no_training_voxel_has_gets_no_weight():
    task = SegmentTask({**LABELS, 9: "absent"}, ignore=255)
    weights = np.array(label_weights(study({"class_weights": "balanced"}), task, batches()))
    np.testing.assert_allclose(
        weights[:3], label_weights(study({"class_weights": "balanced"}), SegmentTask(LABELS), batches())
    )
    assert weights[3] == 0
