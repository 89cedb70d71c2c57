"""The model card and the checklist: numbers of the run with their denominators, words that stay words, answers that stay."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from voxtempo.errors import RunError
from voxtempo.report import read_run, write_report
from voxtempo.report.checklist import PARTS, checklist_text
from voxtempo.report.data_account import division
from voxtempo.report.markdown import escaped
from voxtempo.report.model_card import card_text

KINDS = ["classify", "four-classes", "regress", "segment", "events"]
ATTACK = "<img src=x onerror=alert(1)> | [a](javascript:x) `b` *c*"


def _papers(folder: Path) -> tuple[str, str]:
    """Return card and checklist as they would be written."""
    run = read_run(folder)
    return card_text(run, {}), checklist_text(run, {})


def _written(folder: Path) -> tuple[str, str]:
    write_report(folder)
    return tuple((folder / name).read_text(encoding="utf-8") for name in ("model_card.md", "checklist.md"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_run_has_a_card_and_a_checklist(runs: Callable[[str], Path], kind):
    card, checklist = _papers(runs(kind))
    headings = re.findall(r"^## (.*)$", card, flags=re.MULTILINE)
    assert headings == [
        "What it is", "Use", "Input", "Output", "How to use it", "Training data", "Who it was tested on", "Figures",
        "By subgroup", "Calibration", "Known limits", "Compute", "Versions",
    ]  # fmt: skip
    numbers = [int(n) for n in re.findall(r"^### (\d+)\. ", checklist, flags=re.MULTILINE)]
    assert numbers == list(range(1, 43))
    for text in (card, checklist):
        assert "\n\n\n" not in text
        assert "None" not in text
        assert "{" not in text.replace("{id}", "")


@pytest.mark.parametrize("kind", KINDS)
def test_tables_of_the_card_are_whole(runs: Callable[[str], Path], kind):
    card = _papers(runs(kind))[0]
    tables = re.findall(r"(?:^\|.*\|\n)+", card, flags=re.MULTILINE)
    assert len(tables) >= 2
    for table in tables:
        lines = table.splitlines()
        assert re.fullmatch(r"(\|-+:?)+\|", lines[1])
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, table
        before = card[: card.index(table)]
        assert before.endswith("\n\n")  # else it is no table but a paragraph


def test_figures_have_intervals_and_denominators(runs: Callable[[str], Path]):
    card = _papers(runs("segment"))[0]
    recorded = json.loads((runs("segment") / "metrics.json").read_text(encoding="utf-8"))
    mean = recorded["test"]["dice"]["mean"]
    assert f"| Dice | {mean['value']:.2f} | [{mean['low']:.2f}, {mean['high']:.2f}] | 26 subjects |" in card
    gap = recorded["gaps"]["site"]["dice"]["mean"]
    assert f"| Dice | {gap['worst']} | {gap['best']} | {gap['difference']['value']:.2f} | " in card
    assert "1 failed: sub-085: ran out of memory at 14.9 GB." in _papers(runs("segment"))[1]


def test_what_the_run_knows_is_told(runs: Callable[[str], Path]):
    card, checklist = _papers(runs("classify"))
    for said in (
        "resnet3d, 1,412,306 parameters", "voxtempo predict", "A probability for each class (female, male)",
        "| sex: F | 44 (55 %) | 27 (56 %) |", "always 'female', the commonest class in training", "Not assessed.",
        "keras 3.15.1", "not a medical device", "Licence of the data", "judged on no cohort from elsewhere",
        "sub-017: Spacing 0.94 x 0.94 x 1.2 mm differs",
    ):  # fmt: skip
        assert said in card, said
    for said in (
        "A share of 0.2 drawn as the test, the rest in 5 folds",
        "300 bootstrap",
        "By sex:",
        "Random weights, seed 1.",
    ):
        assert said in checklist, said


def test_leaks_are_said_first(fresh: Callable[[str], Path]):
    folder = fresh("classify")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    leak = {
        "fold": "fold 0",
        "leak": "subjects on two sides",
        "count": 7,
        "test": 9,
        "of": 60,
        "such_as": ["<b>a</b>", "b"],
    }
    (folder / "metrics.json").write_text(json.dumps(metrics | {"leaks": [leak]}), encoding="utf-8")
    card, checklist = _papers(folder)
    assert card.index("leaks.**") < card.index("Test accuracy")
    assert "7 subjects on two sides, 9 of 60 test cases with them (such as &lt;b&gt;a&lt;/b&gt;, b)" in card
    assert "This run leaks" in checklist
    assert "would have been refused" not in checklist


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"column": "run"}, "One value of the column 'run' is the test at a time, and 0.15 of"),
        ({"column": "part", "only": ["Testing"]}, "One value of the column 'part' (of Testing) is the test at a time"),
    ],
)
def test_a_division_by_a_column_is_said(fresh: Callable[[str], Path], split, words):
    run = read_run(fresh("classify"))
    assert words in division(replace(run, study={**run.study, "split": split}))


def test_answers_are_kept(fresh: Callable[[str], Path]):
    folder = fresh("regress")
    card, checklist = _written(folder)
    told = "Three hospitals.\n\n- one **A**\n- two `B`"
    heading = "### 7. Sources"
    place = checklist.index("Answer:", checklist.index(heading)) + len("Answer:")
    (folder / "checklist.md").write_text(f"{checklist[:place]} {told}{checklist[place:]}", encoding="utf-8")
    place = card.index("Answer:", card.index("### What it is for")) + len("Answer:")
    (folder / "model_card.md").write_text(f"{card[:place]}\nFor research.\n{card[place:]}", encoding="utf-8")
    for _ in range(2):
        card, checklist = _written(folder)
    assert f"Answer: {told}\n\n### 8." in checklist
    assert checklist.count("Three hospitals") == 1
    assert "Answer: For research.\n\n### What it is not for" in card
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "Three hospitals." in html
    open_ = int(re.search(r"(\d+) questions are left", html)[1])
    assert open_ == sum(bool(item.question) for items in PARTS.values() for item in items) - 1 + _unknown(checklist)


def _unknown(checklist: str) -> int:
    return checklist.count("The run does not know")


def test_a_file_that_is_no_text_is_refused_and_left_alone(fresh: Callable[[str], Path]):
    folder = fresh("regress")
    (folder / "checklist.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match=r"checklist\.md cannot be read"):
        write_report(folder)
    assert (folder / "checklist.md").read_bytes() == b"\xff\xfe\x00"


def test_words_of_a_run_stay_words(fresh: Callable[[str], Path]):
    folder = fresh("four-classes")
    for name in ("predictions.csv", "metrics.json", "study.yaml", "cohort.json", "manifest.json"):
        path = folder / name
        text = path.read_text(encoding="utf-8")
        text = (
            text.replace("glioma", ATTACK)
            .replace("sub-120", ATTACK)
            .replace("resnet3d", "a\\n# b" if "json" in name else "a")
        )
        path.write_text(text.replace("site: Guys", ATTACK), encoding="utf-8")
    for text in _papers(folder):
        assert ATTACK.split(" |")[0] not in text
        assert "](javascript" not in text.replace("\\[a](javascript", "")
        assert "\n# b" not in text
        assert escaped(ATTACK) in text


def test_a_word_of_the_command_cannot_leave_it(fresh: Callable[[str], Path], tmp_path: Path):
    folder = fresh("regress").rename(tmp_path / "a; rm -rf `x`")
    study = (folder / "study.yaml").read_text(encoding="utf-8")
    (folder / "study.yaml").write_text(
        study.replace("  table: cohort.csv", '  table: cohort.csv\n  scans: {t1: x, "y\'z": x}'), encoding="utf-8"
    )
    card = _papers(folder)[0]
    assert "voxtempo predict 'a; rm -rf `x`' 'T1.nii.gz,Y'\"'\"'Z.nii.gz' --out predicted\n" in card


def test_the_same_run_gives_the_same_papers(runs: Callable[[str], Path]):
    assert _written(runs("regress")) == _papers(runs("regress"))
