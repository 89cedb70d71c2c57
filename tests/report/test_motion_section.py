"""Motion in the report: the right cases, honest scales, and nothing where nothing is known."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest

from voxtempo.errors import RunError
from voxtempo.report import read_run, write_report
from voxtempo.report.motion import FIRST, motion_section
from voxtempo.report.motion_chart import motion_chart


def table(path, rows):
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def courses(volumes=30, size=1.0, **more):
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(size=(volumes, 6)), axis=0) * size
    names = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
    found = {"volume": np.arange(volumes, dtype=float), "time": 2.0 * np.arange(volumes)}
    found |= dict(zip(names, walk.T, strict=True))
    return found | {"framewise_displacement": np.abs(walk[:, 0]), "dvars": np.abs(walk[:, 1])} | more


def moved(folder, means):
    """Give a run folder the motion of as many series as there are means (mm)."""
    rows = []
    for i, mean in enumerate(means):
        each = courses()
        table(
            folder / "motion" / f"s{i}.csv",
            [dict(zip(each, row, strict=True)) for row in zip(*each.values(), strict=True)],
        )
        rows.append({"id": f"<s{i}>", "file": f"s{i}.csv", "volumes": 30, "mean_framewise_displacement": mean,
                     "max_framewise_displacement": 3 * mean, "displaced_volumes": 2, "mean_dvars": 1.5})  # fmt: skip
    table(folder / "motion" / "summary.csv", rows)
    (folder / "study.yaml").write_text("name: x\ntask: classify\n", encoding="utf-8")
    return folder


def test_who_moved_most_in_the_middle_and_least_is_drawn_and_all_are_listed(tmp_path):
    means = [0.01 * (1 + (7 * i) % 25) for i in range(25)]
    section = motion_section(read_run(moved(tmp_path, means)))
    ranked = sorted(range(25), key=lambda i: -means[i])
    cards = section.content["cards"]
    assert [card["id"] for card in cards] == [f"<s{ranked[i]}>" for i in (0, 12, 24)]
    assert [card["note"] for card in cards] == ["moved most", "in the middle", "moved least"]
    listed = [row[0] for row in (*section.content["first"], *section.content["rest"])]
    assert listed == [f"<s{i}>" for i in ranked]
    assert len(section.content["first"]) == FIRST
    assert section.content["first"][0] == [f"<s{ranked[0]}>", "0.250", "0.75", "2", "1.50"]
    assert "25 series moved by 0.13 mm" in section.content["sentence"]
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert "&lt;s3&gt;" in page
    assert "<s3>" not in page
    assert page.index('id="studied"') < page.index('id="motion"') < page.index('id="method"')


@pytest.mark.parametrize("count", [1, 2])
def test_few_series_are_each_drawn_once(tmp_path, count):
    section = motion_section(read_run(moved(tmp_path, [0.1, 0.2][:count])))
    assert [card["id"] for card in section.content["cards"]] == [f"<s{i}>" for i in reversed(range(count))]
    assert section.content["rest"] == []


def test_without_motion_there_is_no_section(tmp_path):
    (tmp_path / "study.yaml").write_text("name: x\ntask: classify\n", encoding="utf-8")
    assert motion_section(read_run(tmp_path)) is None
    assert 'id="motion"' not in write_report(tmp_path).read_text(encoding="utf-8")


def test_motion_of_folds_is_found_in_the_first_that_has_it(tmp_path):
    (tmp_path / "study.yaml").write_text("name: x\ntask: classify\n", encoding="utf-8")
    (tmp_path / "fold-0").mkdir()
    moved(tmp_path / "fold-0", [0.2, 0.3])
    assert motion_section(read_run(tmp_path)).content["cards"][0]["id"] == "<s1>"


def test_a_missing_or_foreign_file_is_named(tmp_path):
    run = read_run(moved(tmp_path, [0.1, 0.2]))
    (tmp_path / "motion" / "s1.csv").unlink()
    with pytest.raises(RunError, match=r"motion/s1\.csv"):
        motion_section(run)


def heights(chart):
    """The distinct vertical places of the first drawn line, in pixels."""
    path = re.search(r'<g id="[^"]*line2d[^"]*">\s*<path d="([^"]*)" clip-path[^>]*style="[^"]*--blue', chart)[1]
    return np.array([float(pair.split()[1]) for pair in re.findall(r"[ML] ([\d.]+ [\d.]+)", path)])


def test_little_motion_is_drawn_little():
    far, still = heights(motion_chart(courses(), "a")), heights(motion_chart(courses(size=1e-3), "b"))
    assert np.ptp(far) > 20 * np.ptp(still)


def test_what_is_missing_is_left_out_and_what_is_not_known_breaks_nothing():
    only = {"volume": np.arange(5.0), "framewise_displacement": np.array([np.nan, 0.1, 0.9, 0.2, np.nan])}
    chart = motion_chart(only, "a")
    assert "Framewise displacement" in chart
    assert "0.5 mm" in chart
    assert "Translation" not in chart
    assert "volume" in chart
    assert motion_chart({"volume": np.arange(5.0)}, "b") is None
    both = courses(dvars_before=np.ones(30))
    assert {"before", "after"} <= set(re.findall(r">(before|after)<", motion_chart(both, "c")))
