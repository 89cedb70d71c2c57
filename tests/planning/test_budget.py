"""A segmentation is planned within memory and minutes, from what its cohort is like."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from pydantic import ValidationError

from voxtempo.cohort import Study
from voxtempo.cohort.case import Case, Cohort
from voxtempo.planning import Fingerprint, complete
from voxtempo.planning.fingerprint import Intensities
from voxtempo.planning.machine import Machine
from voxtempo.scans import Geometry

MACHINE = Machine(cores=2, memory=16.0, bfloat16=False)
SEEN = Fingerprint(
    cases=40, spacing=((1, 1, 1),) * 3, shape=((9, 9, 9),) * 3, volumes=(1, 1, 1), intensities={}, structures=(),
    foreground=0.05,
)  # fmt: skip


def plan(shape=(160, 192, 160), spacing=(1.0, 1.0, 1.0), cases=40, seen=SEEN, machine=MACHINE, **more):
    study = Study.model_validate(
        {
            "name": "s",
            "task": "segment",
            "cohort": {
                "table": "t.csv",
                "scans": {"t1": "{id}.nii"},
                "target": {"mask": "m/{id}.nii", "labels": {1: "a"}},
            },
            **more,
        }
    )
    cohort = Cohort(tuple(Case(f"c{i}", f"c{i}", {}) for i in range(cases)))
    spacings = spacing if isinstance(spacing, list) else [spacing] * cases
    grids = [Geometry.from_spacing(shape, each) for each in spacings]
    return complete(study, cohort, grids, [1] * cases, fingerprint=seen, machine=machine)


def updates(made) -> int:
    train = made.study.train
    return train.epochs * (train.steps or math.ceil(made.estimate.samples / train.batch))


@pytest.mark.parametrize("memory", [1.2, 2, 4, 12])
@pytest.mark.parametrize("minutes", [5, 60, 600])
def test_what_is_planned_stays_within_memory_and_minutes(memory, minutes):
    made = plan(budget={"memory": memory, "minutes": minutes})
    assert made.estimate.memory_mb <= 1024 * memory * 1.01
    assert made.estimate.minutes <= minutes * 1.1
    assert 500 <= updates(made) <= 5100


def test_more_of_either_buys_more_context_and_nothing_less():
    volumes = [math.prod(plan(budget={"memory": m, "minutes": 600}).study.sample.patch) for m in (1.2, 2, 4, 8)]
    assert volumes == sorted(volumes)
    assert volumes[0] < volumes[-1]
    volumes = [math.prod(plan(budget={"memory": 8, "minutes": t}).study.sample.patch) for t in (10, 60, 600)]
    assert volumes == sorted(volumes)
    assert volumes[0] < volumes[-1]


def test_a_budget_is_written_as_people_write_it():
    assert plan(budget={"memory": "1500MB"}).study.budget.memory == pytest.approx(1500 / 1024)
    with pytest.raises(ValidationError, match="write it as 4GB"):
        plan(budget={"memory": "much"})


def test_huge_scans_do_not_make_endless_epochs():
    made = plan(shape=(512, 512, 300), spacing=(0.5, 0.5, 0.5))
    assert made.study.train.steps is not None
    assert made.estimate.minutes <= 66
    assert any("as many as 60 minutes allow" in reason or "epochs of" in reason for reason in made.reasons)


def test_thick_slices_get_flat_kernels_and_no_halving_across_them():
    network = plan(shape=(256, 256, 24), spacing=(1.0, 1.0, 6.0)).study.network.options
    assert network["kernels"][0] == [3, 3, 1]
    assert network["strides"][0] == [2, 2, 1]
    assert network["kernels"][-1] == [3, 3, 3]
    assert network["deep_supervision"] is True


def test_levels_that_the_study_names_are_left_alone():
    network = plan(network={"name": "unet3d", "depth": 3}).study.network.options
    assert network == {"depth": 3}


def test_several_voxel_sizes_are_brought_to_one():
    made = plan(spacing=[(1.0, 1.0, 1.0)] * 30 + [(1.0, 1.0, 1.4)] * 10)
    assert [step.name for step in made.study.prepare] == ["orient", "resample", "normalise"]
    assert made.study.prepare[1].options == [1.0, 1.0, 1.0]
    assert any("voxel sizes of the cases differ" in reason for reason in made.reasons)
    assert "resample" not in [step.name for step in plan().study.prepare]


def test_a_cut_out_background_does_not_count_in_the_statistics():
    air = replace(SEEN, intensities={"t1": Intensities(0.6, 0.0, 900.0, 100.0, 50.0)})
    assert plan(seen=air).study.prepare[-1].options == {"method": "zscore", "within": "mask"}
    assert plan().study.prepare[-1].options == {"method": "zscore"}


@pytest.mark.parametrize(("share", "foreground"), [(0.001, 0.67), (0.05, 0.5), (0.3, 0.33), (1 + 1e-15, 0.33)])
def test_rare_labels_are_shown_more_often(share, foreground):
    assert plan(seen=replace(SEEN, foreground=share)).study.train.foreground == foreground
    assert plan(seen=replace(SEEN, foreground=share), train={"foreground": 0.1}).study.train.foreground == 0.1


def test_two_dimensions_and_a_half():
    flat = plan(sample="2d", spacing=(1.0, 3.0, 1.0))
    assert (flat.study.sample.across, flat.study.sample.beside, flat.study.network.name) == (1, 0, "unet2d")
    assert len(flat.study.network.options["strides"][0]) == 2
    beside = plan(sample="2.5d")
    assert (beside.study.sample.across, beside.study.sample.beside, beside.study.network.name) == (2, 1, "unet2d")
    assert any("neighbour on either side" in reason for reason in beside.reasons)
    assert plan(sample="3d").study.sample == plan().study.sample


def test_a_few_slices_are_no_volume():
    made = plan(shape=(200, 200, 5), spacing=(1.0, 1.0, 8.0)).study
    assert (made.sample.across, made.sample.beside) == (2, 1)


def test_the_network_that_the_study_names_says_what_a_sample_is():
    thin = {"shape": (200, 200, 5), "spacing": (1.0, 1.0, 8.0)}
    assert plan(**thin, network="segresnet3d").study.sample.across is None
    assert plan(network="deeplabv3plus2d").study.sample.across == 2


def test_a_processor_with_bfloat16_uses_it_unless_the_study_says_otherwise():
    fast = replace(MACHINE, bfloat16=True)
    assert plan(machine=fast).study.train.precision == "bfloat16"
    assert plan(machine=fast, train={"precision": "float32"}).study.train.precision == "float32"
    assert plan().study.train.precision == "auto"


def test_large_slices_get_smaller_batches_where_memory_is_short():
    wide = plan(shape=(640, 640, 1), budget={"memory": 2})
    assert wide.study.train.batch < 16
    assert any("would take more than 2 GB" in reason for reason in wide.reasons)


@pytest.mark.parametrize("sample", [None, "2d", "2.5d"])
def test_planning_what_was_planned_changes_nothing(sample):
    once = plan(**({"sample": sample} if sample else {}))
    cohort = Cohort(tuple(Case(f"c{i}", f"c{i}", {}) for i in range(40)))
    grids = [Geometry.from_spacing((160, 192, 160))] * 40
    again = complete(once.study, cohort, grids, [1] * 40, fingerprint=SEEN, machine=Machine(64, 512.0, True))
    assert again.study == once.study
