"""The model card: what was made, from whom, how well it does on whom, and what must be known before it is used.

After Mitchell et al. 2019, "Model cards for model reporting" (FAT* 2019, arXiv:1810.03993). What a run cannot know is left as a
question; answers are kept when the card is written again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voxtempo.report import data_account as data
from voxtempo.report import method_account as method
from voxtempo.report.compute import compute_facts
from voxtempo.report.findings import leaks_of, looks_text
from voxtempo.report.markdown import answer_text, render
from voxtempo.report.numbers import interval_text, is_figure, number, units_text, value_of
from voxtempo.report.result_tables import Grid, class_grid, label_grid, metric_lines
from voxtempo.report.run_files import RunFiles, mapping
from voxtempo.report.settings import steps_of
from voxtempo.report.subgroups import gap_lines, subgroup_grids
from voxtempo.report.verdict import verdict_of

KINDS = {"slice": "single slices", "volume": "volumes", "series": "series of volumes over time"}


def card_text(run: RunFiles, answers: Mapping[str, str]) -> str:
    """Return ``model_card.md``.

    Parameters
    ----------
    run : its files.
    answers : heading -> what its author wrote below it.
    """
    manifest = method.manifest_of(run)
    grids = subgroup_grids(run)
    return render(
        "model_card.md",
        name=run.name,
        answered=lambda heading: answer_text(answers, heading),
        verdict=verdict_of(run),
        judged=bool(run.judged),
        what=method.what(run),
        network=method.network(run),
        training=method.training(run),
        selection=method.selection(run),
        together=method.together(run),
        made=" ".join(str(manifest.get("created") or "").split("T")[:1]),
        software=method.software(run),
        inputs=_inputs(run),
        output=_output(run),
        source=data.source(run),
        flow=data.flow_text(run),
        division=data.division(run),
        table=_cohort_table(run),
        lines=metric_lines(run, run.judged),
        role=run.role,
        baseline=str(mapping(run.metrics.get("baseline")).get("method", "")),
        details=_details(run),
        subgroups=[(column, grid, gap_lines(run, column)) for column, grid in grids.items()],
        calibration=calibration_lines(run),
        external=method.external(run),
        disjoint=data.disjoint(run),
        leaks=leaks_of(run),
        looks=looks_text(run),
        limits=method.limits(run),
        compute=compute_facts(run),
        folder=run.folder.resolve().name,
        scans=",".join(f"{name.upper()}.nii.gz" for name in _channels(run)) or "SCAN.nii.gz",
        harmonised=bool(run.harmonise or any(fold.harmonise for fold in run.folds)),
    )


def _channels(run: RunFiles) -> list[str]:
    return list(mapping(mapping(run.study.get("cohort")).get("scans")))


def _inputs(run: RunFiles) -> list[tuple[str, str]]:
    """Return what a scan must be, and what is done to it before the network sees it."""
    steps = dict(steps_of(run.study.get("prepare")))
    native = mapping(run.plan.get("fingerprint")).get("spacing")
    facts = [
        ("Scans, in this order", ", ".join(_channels(run))),
        ("The network reads", KINDS.get(str(run.network.get("kind")), "")),
        ("Orientation", f"any; turned to {steps['orient'].removeprefix('axes ')}" if "orient" in steps else ""),
        ("Voxels of the cohort", _spacing(native)),
        ("Voxels of the network", steps.get("resample", "")),
        ("Repetition time", f"{run.network['repetition_time']:g} s" if run.network.get("repetition_time") else ""),
        ("Preparation", f"{data.preparation(run)} Prediction does all of it." if data.preparation(run) else ""),
        ("Seen at once", data.sample(run)),
    ]
    return [(title, text) for title, text in facts if text]


def _spacing(ranges: Any) -> str:
    """Return median native voxel sides (mm) of ranges (least, median, greatest) along x, y and z."""
    if not isinstance(ranges, list) or [len(each) for each in ranges if isinstance(each, list)] != [3, 3, 3]:
        return ""
    least, median, greatest = (" × ".join(f"{each[i]:.3g}" for each in ranges) for i in range(3))
    return f"{median} mm" if least == greatest else f"{median} mm (from {least} to {greatest})"


def _output(run: RunFiles) -> str:
    target = mapping(mapping(run.study.get("cohort")).get("target"))
    if run.task == "segment":
        names = ", ".join(str(name) for name in mapping(target.get("labels")).values()) or ", ".join(run.labels)
        return f"A label map on each scan's own grid ({names}), and the volume of each label in ml."
    if run.task == "classify":
        return f"A probability for each class ({', '.join(run.classes)}), and the likeliest class."
    return f"A number, '{target.get('column', 'value')}', in the unit of the training table."


def _cohort_table(run: RunFiles) -> dict[str, Any] | None:
    table = mapping(run.cohort.get("table"))
    if not table.get("rows"):
        return None
    return {"columns": table.get("columns") or [], "rows": table["rows"]}


def _details(run: RunFiles) -> Grid | None:
    if run.task == "classify":
        return class_grid(run.judged, run.classes)
    return label_grid(run.judged, run.labels, run.averaged) if run.task == "segment" else None


def calibration_lines(run: RunFiles) -> list[tuple[str, str]]:
    """Return how far probabilities and promises hold on the test cases: what was fitted, and the figures."""
    recorded, promised = (mapping(run.metrics.get(name)) for name in ("calibration", "conformal"))
    lines = [("Scaling of the probabilities", str(recorded["method"]))] if recorded.get("method") else []
    figures = {name: figure for name, figure in mapping(recorded.get("test")).items() if is_figure(figure)}
    lines += [(line.title, f"{line.value} {line.interval}, over {line.units}") for line in metric_lines(run, figures)]
    if isinstance(promised.get("wanted"), float) and is_figure(promised.get("coverage")):
        held = promised["coverage"]
        text = f"{number(value_of(held), 3)} {interval_text(held, 3)}, over {units_text(held)}"
        lines.append((f"Truth inside the predicted set, of {100 * promised['wanted']:.4g}% promised", text))
    return lines
