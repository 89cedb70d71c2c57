"""What a study and a prepared case make of a network's description."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from voxtempo.cohort import Study
from voxtempo.learning.recipe import Recipe, other_time
from voxtempo.learning.tasks import ClassifyTask
from voxtempo.learning.train import make_recipe
from voxtempo.networks import networks
from voxtempo.networks.card import Features, network
from voxtempo.prepare import PreparedCase
from voxtempo.prepare.store import save_case
from voxtempo.scans import Geometry, Scan

TASK = ClassifyTask(("a", "b"))
CENTRES = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


@pytest.fixture
def clocked(monkeypatch):
    """A network that has both options which the data answer."""
    list(networks)  # loads those of the zoo
    monkeypatch.setattr(networks, "_entries", dict(networks._entries))

    @network("clocked", input="series", tasks=("classify",), summary="Knows the time.", source="none")
    def build(
        inputs, *, repetition_time: float | None = None, coordinates: tuple[tuple[float, ...], ...] | None = None
    ):
        return Features(vector=inputs)


def prepared(folder: Path, decisions=(), seconds: float | None = 2.0, channels: int = 2) -> PreparedCase:
    geometry = Geometry.from_spacing((4, 3, 2))
    scan = Scan(np.zeros((12, 4, 3, 2, channels), np.float32), geometry, repetition_time=seconds)
    save_case(folder, scan, None, geometry, list(decisions), None)
    return PreparedCase.open_case(folder, "c")


def study(window: dict, network="clocked", **more) -> Study:
    cohort = {"table": "t.csv", "scans": {"a": "x", "b": "y"}, "target": {"column": "y"}}
    return Study.model_validate(
        {"name": "s", "task": "classify", "cohort": cohort, "sample": {"window": window}, "network": network, **more}
    )


@pytest.mark.parametrize(
    ("window", "shape"),
    [
        ({"length": 5}, (5, 4, 3, 2, 2)),
        ({"length": 3, "dilation": 4}, (3, 4, 3, 2, 2)),
        ({"frames": [0, 9]}, (2, 4, 3, 2, 2)),
        ({"length": 5, "derivatives": ["difference", "motion_energy"]}, (5, 4, 3, 2, 6)),
    ],
)
def test_the_network_gets_the_windows_volumes_and_a_channel_for_each_derivative(tmp_path, clocked, window, shape):
    assert make_recipe(study(window), TASK, prepared(tmp_path)).input_shape == shape


def test_the_seconds_between_frames_are_told_to_a_network_that_asks(tmp_path, clocked):
    case = prepared(tmp_path)
    dilated = make_recipe(study({"length": 3, "dilation": 4}), TASK, case)
    assert dilated.options == {"repetition_time": 8.0}
    assert dilated.repetition_time == 2.0
    named = {"name": "clocked", "repetition_time": 1.5}
    assert make_recipe(study({"length": 3}, named), TASK, case).options == {"repetition_time": 1.5}
    empty = {"name": "clocked", "repetition_time": None}
    assert make_recipe(study({"length": 3}, empty), TASK, case).options == {"repetition_time": 2.0}
    assert make_recipe(study({"length": 3}, "cnn_lstm"), TASK, case).options == {}


def test_what_has_no_repetition_time_has_none_in_its_recipe(tmp_path, clocked):
    frames = make_recipe(study({"frames": [0, 9]}), TASK, prepared(tmp_path / "a"))
    assert (frames.options, frames.repetition_time) == ({}, None)
    unknown = make_recipe(study({"length": 3}), TASK, prepared(tmp_path / "b", seconds=None))
    assert (unknown.options, unknown.repetition_time) == ({}, None)


def test_the_centres_of_regions_come_from_the_step_that_made_them(tmp_path, clocked):
    steps = [{"normalise": {"method": "zscore"}}, {"parcellate": {"atlas": "a.nii"}}]
    case = prepared(tmp_path, [{"mean": 0.0}, {"regions": ["p", "q"], "centres": CENTRES}])
    found = make_recipe(study({"length": 3}, prepare=steps), TASK, case)
    assert found.options == {"repetition_time": 2.0, "coordinates": CENTRES}
    networks["clocked"].validate(found.options)
    own = {"name": "clocked", "coordinates": [[0, 0, 0]]}
    assert make_recipe(study({"length": 3}, own, prepare=steps), TASK, case).options["coordinates"] == [[0, 0, 0]]


def test_a_recipe_survives_its_file_and_an_older_one_has_no_repetition_time(tmp_path, clocked):
    made = make_recipe(study({"length": 3}), TASK, prepared(tmp_path / "case"))
    path = tmp_path / "network.json"
    path.write_text(made.dumps(), encoding="utf-8")
    assert Recipe.loads(path) == made
    record = json.loads(made.dumps())
    del record["repetition_time"]
    path.write_text(json.dumps(record), encoding="utf-8")
    assert Recipe.loads(path).repetition_time is None


@pytest.mark.parametrize(
    ("trained", "found", "differs"),
    [
        (2.0, 2.0, False),
        (2.0, 2.019, False),
        (2.0, 2.021, True),
        (2.0, 1.97, True),
        (None, 2.0, False),
        (2.0, None, False),
    ],
)
def test_one_per_cent_of_a_repetition_time_is_the_same(trained, found, differs):
    assert other_time(trained, found) is differs
