"""Charts and pictures: outlines where the labels are, true proportions, theme colours, awkward values."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from voxtempo.report.chart import VARIABLES, new_chart, svg
from voxtempo.report.classification_charts import roc_chart
from voxtempo.report.course_chart import _runs, course_chart
from voxtempo.report.learning_curves import learning_charts
from voxtempo.report.overlay import planes
from voxtempo.report.regression_charts import bland_altman_chart, scatter_chart
from voxtempo.report.segmentation_charts import strip_chart


def _points(picture: str, kind: str) -> np.ndarray:
    path = re.search(rf'class="{kind}" d="([^"]+)"', picture)[1]
    return np.array([pair.split() for pair in re.findall(r"[ML]([^MLZ]+)", path)], dtype=float)


def _pixels(picture: str) -> np.ndarray:
    data = re.search(r"base64,([^\"]+)", picture)[1]
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))))


def test_an_outline_lies_on_the_edge_of_its_voxels_in_millimetres():
    image, labels = np.zeros((20, 30, 1), np.float32), np.zeros((20, 30, 1), np.uint8)
    labels[4:10, 4:24, 0] = 1
    (plane,) = planes(image, (2.0, 1.0, 5.0), truth=labels)
    assert 'viewBox="0 0 40 30"' in plane.picture
    points = _points(plane.picture, "truth")
    # x from 4 to 10 voxels of 2 mm; y is drawn downwards, so rows 4 to 24 of 30 are 6 to 26 mm from the top.
    assert points[:, 0].min() == pytest.approx(8.0)
    assert points[:, 0].max() == pytest.approx(20.0)
    assert points[:, 1].min() == pytest.approx(6.0)
    assert points[:, 1].max() == pytest.approx(26.0)
    assert len(points) <= 9  # four sides and four cut corners


def test_outline_and_picture_agree():
    labels = np.zeros((16, 12, 1), np.uint8)
    labels[2:5, 7:11, 0] = 1
    (plane,) = planes(labels.astype(np.float32), (1.0, 1.0, 1.0), predicted=labels)
    bright = np.argwhere(_pixels(plane.picture) > 128)  # rows from the top, columns from the left
    points = _points(plane.picture, "predicted")
    assert points[:, 0].min() == bright[:, 1].min()
    assert points[:, 0].max() == bright[:, 1].max() + 1
    assert points[:, 1].min() == bright[:, 0].min()
    assert points[:, 1].max() == bright[:, 0].max() + 1


def test_planes_go_through_the_truth_and_enlarge_what_is_small():
    image, truth = np.zeros((60, 60, 60), np.float32), np.zeros((60, 60, 60), np.uint8)
    truth[40:44, 10:14, 30:34] = 1
    shown = planes(image, (1.0, 1.0, 1.0), truth=truth, oriented=True)
    assert [plane.name for plane in shown] == ["axial", "coronal", "sagittal"]
    for plane in shown:
        assert 'class="truth"' in plane.picture
        assert 'viewBox="0 0 27 27"' in plane.picture  # 45 % of 60 mm


def test_volumes_without_labels_show_their_middle():
    image = np.zeros((8, 8, 8), np.float32)
    image[:, :, 4] = 1.0
    shown = planes(image, (1.0, 1.0, 1.0))
    assert [plane.name for plane in shown] == ["x y", "x z", "y z"]
    assert _pixels(shown[0].picture).min() == 255


@pytest.mark.parametrize("image", [np.full((6, 6, 2), np.nan), np.full((6, 6, 2), 7.0), np.zeros((1, 6, 6))])
def test_pictures_of_nothing_much(image):
    assert planes(image.astype(np.float32), (1.0, 1.0, 1.0))


def test_charts_use_only_the_colours_of_the_page():
    rng = np.random.default_rng(0)
    y = rng.normal(50, 10, 60)
    charts = [
        scatter_chart(y + rng.normal(0, 3, 60), y, "age"),
        bland_altman_chart(y + rng.normal(0, 3, 60), y, "age"),
        strip_chart({"a": rng.random(30), "b": rng.random(30)}, "dice"),
        roc_chart(rng.dirichlet([1, 1, 1], 60), rng.choice(list("abc"), 60).tolist(), list("abc")),
        course_chart(np.arange(100.0), rng.random((100, 2)), ["a"] * 40 + [""] * 60, ["a", "b"], "course"),
    ]
    for chart in charts:
        assert not re.findall(r"#[0-9a-f]{6}\b", chart.replace("#000000", ""))
        used = set(re.findall(r"var\(--(\w+)\)", chart))
        assert used <= set(VARIABLES.values())
        assert "font-family" not in chart


def test_dollar_signs_in_names_are_not_formulas():
    name = r"$\frac{$"
    charts = [
        strip_chart({name: np.array([0.5, 0.7])}, "dice"),
        course_chart(np.arange(3.0), np.ones((3, 1)), [name] * 3, [name], "course"),
        scatter_chart(np.arange(3.0), np.arange(3.0), name),
        roc_chart(np.array([[0.2, 0.8], [0.7, 0.3]]), [name, "a"], ["a", name]),
    ]
    for chart in charts:
        assert name in chart


def test_ids_of_two_charts_differ():
    ids = []
    for name in ("one", "two"):
        figure, axes = new_chart(100, 100)
        axes.plot([0, 1], [0, 1])
        ids.append(set(re.findall(r'\bid="([^"]+)"', svg(figure, name, "x"))))
    assert not ids[0] & ids[1]


def test_charts_of_nothing_are_left_out():
    empty = np.array([np.nan, np.nan])
    assert scatter_chart(empty, empty) is None
    assert bland_altman_chart(np.array([1.0]), np.array([1.0])) is None
    assert strip_chart({"a": empty}, "dice") is None
    assert roc_chart(np.ones((3, 2)), ["a"] * 3, ["a", "b"]) is None
    assert learning_charts([[]]) == []


def test_constant_and_single_values_still_draw():
    assert scatter_chart(np.full(5, 3.0), np.full(5, 3.0)) is not None
    assert bland_altman_chart(np.full(5, 3.0), np.full(5, 3.0)) is not None
    assert strip_chart({"a": np.array([1.0])}, "dice") is not None
    assert course_chart(np.array([0.0]), np.array([[0.3, 0.7]]), ["b"], ["a", "b"], "one") is not None
    assert (
        len(learning_charts([[{"epoch": "1", "train_loss": "nan", "validation_loss": "", "validation_dice": "0.5"}]]))
        == 2
    )


def test_true_periods_are_unbroken_runs():
    time = np.array([0.0, 1, 2, 3, 10, 11])
    true = np.array([False, True, True, False, True, True])
    assert _runs(time, true, 1.0) == [(0.5, 2.5), (9.5, 11.5)]
    assert _runs(time, np.ones(6, dtype=bool), 1.0) == [(-0.5, 3.5), (9.5, 11.5)]


def test_many_points_become_a_picture():
    rng = np.random.default_rng(0)
    few, many = rng.normal(size=(2, 500)), rng.normal(size=(2, 20_000))
    assert "<image" not in scatter_chart(*few)
    chart = scatter_chart(*many)
    assert "<image" in chart
    assert len(chart) < 400_000
