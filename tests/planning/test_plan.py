from __future__ import annotations

import pytest

from voxtempo.cohort import Study
from voxtempo.cohort.case import Case, Cohort, Event
from voxtempo.errors import StudyError
from voxtempo.planning import complete, foresee
from voxtempo.planning.machine import Machine
from voxtempo.scans import Geometry


def study(task: str = "classify", **more) -> Study:
    target = {"mask": "m/{id}.nii", "labels": {1: "a"}} if task == "segment" else {"column": "y"}
    cohort = {"table": "t.csv", "scans": {"t1": "{id}.nii"}, "target": more.pop("target", target)}
    return Study.model_validate({"name": "s", "task": task, "cohort": cohort, **more})


def plan(the_study: Study, shapes, volumes: int = 1, events: int = 0):
    cases = tuple(
        Case(f"c{i}", f"c{i}", {}, target="a", events=tuple(Event(10.0 * k, 5.0, "a") for k in range(events)))
        for i in range(len(shapes))
    )
    geometries = [Geometry.from_spacing(shape) for shape in shapes]
    return complete(
        the_study, Cohort(cases, classes=("a", "b")), geometries, [volumes] * len(shapes), machine=Machine()
    )


def test_whole_volumes_take_memory_while_they_wait():
    large = plan(study(budget={"memory": 16}), [(256, 256, 180)] * 60)
    assert large.study.train.batch == 4
    assert large.estimate.memory_mb > 1900  # measured: about 2.3 GB
    small = plan(study(budget={"memory": 1.5}), [(256, 256, 180)] * 60)
    assert small.study.train.batch < 4
    assert small.estimate.memory_mb < 1536


@pytest.mark.parametrize(
    ("task", "cases", "shape", "updates"),
    [("segment", 12, (64, 64, 1), 5000), ("classify", 40, (32, 32, 32), 1000), ("segment", 10, (32, 32, 32), 5000)],
)
def test_small_cohorts_get_the_updates_that_are_promised(task, cases, shape, updates):
    made = plan(study(task, budget={"minutes": 10000}), [shape] * cases)
    train = made.study.train
    assert train.epochs == 100
    assert train.steps is not None
    assert updates <= train.epochs * train.steps <= 1.01 * updates + 100
    (told,) = (reason for reason in made.reasons if " epochs of " in reason)
    assert f"({train.epochs * train.steps} updates)" in told


def test_minutes_are_no_reason_for_epochs_that_the_study_gives():
    made = plan(study("segment", train={"epochs": 500}, budget={"minutes": 5}), [(64, 64, 64)] * 40)
    assert not any("minutes allow" in reason for reason in made.reasons if "epochs of" in reason)


def test_a_crop_to_the_voxels_is_followed_by_one_shape_where_samples_need_one():
    made = plan(study(prepare=["foreground_crop", "normalise"]), [(96, 112, 96)] * 20)
    assert [step.name for step in made.study.prepare] == ["foreground_crop", "normalise", "crop_pad"]
    assert any("shapes follow the voxels" in reason for reason in made.reasons)
    own = plan(study(prepare=["foreground_crop", {"crop_pad": [64, 64, 64]}, "normalise"]), [(96, 112, 96)] * 20)
    assert [step.name for step in own.study.prepare] == ["foreground_crop", "crop_pad", "normalise"]
    patches = plan(study("segment", prepare=["foreground_crop"], sample={"patch": [32, 32, 32]}), [(96, 112, 96)] * 20)
    assert [step.name for step in patches.study.prepare] == ["foreground_crop"]


def test_slices_of_other_voxel_sizes_are_resampled():
    geometries = [Geometry.from_spacing((256, 256, 1), (size, size, 5.0)) for size in (1.0, 0.5) * 20]
    cases = tuple(Case(f"c{i}", f"c{i}", {}) for i in range(40))
    made = complete(study("segment"), Cohort(cases), geometries, [1] * 40, machine=Machine())
    (options,) = (step.options for step in made.study.prepare if step.name == "resample")
    assert options == [0.75, 0.75, 5.0]


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"name": "unet3d", "depth": 6}, "levels does not fit an input of 24 x 24 x 24"),
        ({"name": "unet3d", "depth": 3, "widths": [8, 16]}, "different numbers of levels"),
        ({"name": "unetpp3d", "depth": 6}, "levels does not fit an input of 24 x 24 x 24"),
    ],
)
def test_levels_that_do_not_fit_are_refused_before_anything_is_prepared(network, message):
    with pytest.raises(StudyError, match=message):
        plan(study("segment", sample={"patch": [24, 24, 24]}, network=network), [(24, 24, 24)] * 20)


def test_nothing_is_left_open_and_every_choice_has_a_reason():
    made = plan(study("segment"), [(40, 50, 40)] * 20)
    train = made.study.train
    assert made.study.prepare is not None
    assert made.study.sample is not None
    assert made.study.network.name == "unet3d"
    assert None not in (train.epochs, train.batch, train.rate, train.weight_decay, train.patience, train.dropout)
    for section in ("prepare", "sample", "network", "train"):
        assert any(reason.startswith(section + ":") for reason in made.reasons), section


def test_what_the_study_says_is_kept():
    own = study(
        "segment",
        prepare=[{"orient": "LPS"}],
        sample={"patch": [16, 16, 16]},
        network={"name": "unet3d", "width": 8},
        train={"epochs": 3, "batch": 5, "rate": 0.5},
    )
    made = plan(own, [(64, 64, 64)] * 4).study
    assert [step.name for step in made.prepare] == ["orient"]
    assert made.sample == own.sample
    assert (made.network.name, made.network.options["width"]) == ("unet3d", 8)
    assert (made.train.epochs, made.train.batch, made.train.rate) == (3, 5, 0.5)


def test_planning_a_complete_study_changes_nothing():
    once = plan(study("regress"), [(30, 30, 30)] * 8).study
    assert plan(once, [(30, 30, 30)] * 8).study == once


@pytest.mark.parametrize(
    ("task", "shape", "volumes", "network", "kind"),
    [
        ("classify", (64, 64, 1), 1, "resnet2d", "volume"),
        ("regress", (32, 32, 32), 1, "resnet3d", "volume"),
        ("segment", (64, 64, 1), 1, "unet2d", "volume"),
        ("segment", (200, 200, 150), 1, "unet3d", "patch"),
        ("classify", (20, 20, 10), 40, "cnn_lstm", "window"),
    ],
)
def test_network_and_sample_follow_task_and_dimensions(task, shape, volumes, network, kind):
    made = plan(study(task), [shape] * 10, volumes).study
    assert (made.network.name, made.sample.kind) == (network, kind)


def test_volumes_of_several_shapes_are_padded_to_the_largest_and_it_is_said():
    made = plan(study("classify"), [(30, 30, 30), (32, 28, 30)])
    last = made.study.prepare[-1]
    assert (last.name, last.options) == ("crop_pad", {"shape": [32, 30, 30]})
    assert any("crop_pad" in reason for reason in made.reasons)


def test_patches_need_no_common_shape():
    made = plan(study("segment"), [(100, 90, 80), (90, 100, 90)])
    assert "crop_pad" not in [step.name for step in made.study.prepare]


@pytest.mark.parametrize(
    ("task", "cases", "keep"),
    [("classify", 60, "last"), ("classify", 500, "best"), ("segment", 60, "last"), ("segment", 100, "best")],
)
def test_few_validation_subjects_do_not_choose_the_epoch(task, cases, keep):
    made = plan(study(task, train={"schedule": "constant"}), [(32, 32, 32)] * cases)
    assert made.study.train.keep == keep
    assert (made.study.train.patience == made.study.train.epochs) == (keep == "last")
    assert any("validation subjects" in reason for reason in made.reasons) == (keep == "last")


def test_label_maps_keep_the_weights_of_the_end_of_a_falling_rate():
    made = plan(study("segment"), [(32, 32, 32)] * 100)
    assert (made.study.train.keep, made.study.train.patience) == ("last", made.study.train.epochs)
    assert any("the rate has fallen" in reason for reason in made.reasons)


def test_who_asks_for_patience_gets_the_weights_of_the_best_epoch():
    made = plan(study("segment", train={"patience": 15, "epochs": 300}), [(32, 32, 32)] * 100)
    assert (made.study.train.keep, made.study.train.patience) == ("best", 15)
    assert any("15 epochs without a better one" in reason for reason in made.reasons)
    asked = plan(study("segment", train={"patience": 15, "keep": "last"}), [(32, 32, 32)] * 100)
    assert asked.study.train.keep == "last"


def test_events_give_one_window_each():
    made = plan(study("classify", target={"events": "e", "column": "k"}), [(20, 20, 10)] * 4, 60, events=5)
    assert made.study.sample.window.align == "events"
    assert [step.name for step in made.study.prepare] == ["orient", "temporal_filter", "normalise"]


@pytest.mark.parametrize(
    ("task", "sample", "volumes", "message"),
    [
        ("classify", {"window": {"length": 5}}, 1, "every scan of this cohort has one volume"),
        ("classify", {"patch": [8, 8, 8]}, 20, "no time axis"),
        ("segment", {"window": {"length": 5}}, 20, "series can be classified or regressed"),
        ("classify", {"window": {"length": 50}}, 20, "shortest series has 20"),
    ],
)
def test_samples_that_do_not_fit_the_scans_are_refused(task, sample, volumes, message):
    with pytest.raises(StudyError, match=message):
        plan(study(task, sample=sample), [(16, 16, 16)] * 3, volumes)


def test_foreseen_shapes_follow_the_steps():
    own = study("segment", prepare=[{"orient": "PSR"}, {"resample": [2, 2, 2]}])
    seen = foresee(own.prepare, [Geometry.from_spacing((40, 50, 60))], [1], 1)
    assert seen.shapes == ((25, 30, 20),)


def test_the_estimate_grows_with_the_work():
    small = plan(study("segment"), [(40, 50, 40)] * 20).estimate
    wide = plan(study("segment", network={"name": "unet3d", "width": 32}), [(40, 50, 40)] * 20).estimate
    assert 3.5 < wide.gflop / small.gflop < 4.2
    assert wide.minutes > small.minutes
    assert wide.memory_mb > small.memory_mb


def series(window: dict, network: dict | str = "cnn_lstm", volumes: int = 40, events: int = 0, **more):
    target = {"events": "e", "column": "k"} if events else {"column": "y"}
    own = study("classify", target=target, sample={"window": window}, network=network, **more)
    return plan(own, [(32, 32, 24)] * 10, volumes, events)


@pytest.mark.parametrize(
    ("window", "samples"),
    [
        ({"length": 8}, 7 * 5),
        ({"length": 8, "stride": 4}, 7 * 9),
        ({"length": 8, "dilation": 2}, 7 * 3),
        ({"frames": [0, 9, 3]}, 7),
    ],
)
def test_a_pass_takes_the_windows_that_lie_in_a_series(window, samples):
    assert series(window).estimate.samples == samples


def test_windows_inside_events_are_counted_from_headers():
    cases = tuple(Case(f"c{i}", f"c{i}", {}, events=(Event(0.0, 20.0, "a"), Event(30.0, 8.0, "b"))) for i in range(10))
    own = study("classify", target={"events": "e", "column": "k"}, sample={"window": {"length": 4, "labels": "pure"}})
    geometries = [Geometry.from_spacing((8, 8, 8))] * 10
    made = complete(own, Cohort(cases, classes=("a", "b")), geometries, [30] * 10, [2.0] * 10)
    assert made.estimate.samples == 7 * 4  # volumes 0 to 9 hold 3 windows of 4, volumes 15 to 18 one


def test_the_estimate_knows_volumes_derivatives_and_the_network():
    base = series({"length": 10}).estimate
    assert series({"length": 20}).estimate.gflop == pytest.approx(2 * base.gflop)
    assert series({"frames": [1] * 10}).estimate.gflop == pytest.approx(base.gflop)
    derived = series({"length": 10, "derivatives": ["difference", "from_mean"]}).estimate
    assert base.gflop < derived.gflop < 3 * base.gflop
    wide = series({"length": 10}, {"name": "cnn_lstm", "widths": [32, 64, 128]}).estimate
    assert 3 < wide.gflop / base.gflop < 4
    pictures = series({"length": 10}, "framewise_2d").estimate
    assert pictures.gflop == pytest.approx(3 * 382.4 / 2, rel=0.05)  # counted for 20 volumes, forwards
    assert pictures.gflop > 50 * base.gflop
    strided = series({"length": 10}, "resnet4d").estimate
    assert strided.gflop == pytest.approx(3 * 50_000 * 32 * 32 * 24 * 10 / 8 / 1e9, rel=0.05)


def test_a_network_of_ones_own_is_reckoned_by_its_widths():
    own = {"python": "own.py:build"}
    assert series({"length": 10}, own).estimate.gflop > 0
    assert series({"length": 20}, own).estimate.gflop == pytest.approx(2 * series({"length": 10}, own).estimate.gflop)


def test_without_validation_the_last_epoch_is_kept_and_it_is_said():
    made = plan(study("classify", split={"test": 0.3, "validation": 0}), [(32, 32, 32)] * 60)
    assert made.study.train.keep == "last"
    assert any("every case beside the test trains" in reason for reason in made.reasons)


def test_foreseen_time_follows_the_steps():
    own = study("classify", prepare=[{"resample_time": {"repetition_time": 1.0}}])
    seen = foresee(own.prepare, [Geometry.from_spacing((4, 4, 4))] * 2, [40, 30], 1, [2.0, 1.5])
    assert (seen.volumes, seen.repetition_times) == ((80, 45), (1.0, 1.0))
