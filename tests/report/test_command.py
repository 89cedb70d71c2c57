"""``voxtempo report``: parse, write, print."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from voxtempo.cli import report


def test_the_verb_writes_the_report_and_prints_where(fresh: Callable[[str], Path], capsys, monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    parser = argparse.ArgumentParser()
    report.add(parser.add_subparsers())
    folder = fresh("regress")
    args = parser.parse_args(["report", str(folder)])
    assert args.run(args) == 0
    assert capsys.readouterr().out.strip() == str(folder / "report.html")
    assert (folder / "report.html").exists()
    assert opened == []
    args = parser.parse_args(["report", str(folder), "--open"])
    assert args.run(args) == 0
    assert opened == [(folder / "report.html").resolve().as_uri()]
