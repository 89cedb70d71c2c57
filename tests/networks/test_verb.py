"""``voxtempo networks``."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys

import pytest

from voxtempo.cli import networks as verb
from voxtempo.errors import StudyError
from voxtempo.networks import networks


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    verb.add(parser.add_subparsers())
    args = parser.parse_args(["networks", *words])
    return int(args.run(args))


def test_lists_every_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    text = capsys.readouterr().out
    for name in networks:
        assert name in text
        assert networks[name].summary in text


def test_shows_options_with_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("unet3d") == 0
    text = capsys.readouterr().out
    assert re.search(r"upsampling +nearest +nearest \| linear", text)
    assert "References" in text


def test_builds_for_a_shape(capsys: pytest.CaptureFixture[str]) -> None:
    shape = ["--shape", "16", "16", "8", "1"]
    assert run("unet3d", *shape, "--task", "segment", "--classes", "3", "--option", "widths=[2, 4]") == 0
    text = capsys.readouterr().out
    assert "level 1           8 x 8 x 4 x 4" in text
    assert "output (segment)  16 x 16 x 8 x 3" in text
    assert "parameters" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["unett3d"], "Did you mean 'unet3d'"),
        (["--shape", "8", "8", "1"], "need the name"),
        (["unet3d", "--task", "segment"], "need --shape"),
        (["unet3d", "--shape", "8", "8", "8", "1", "--option", "width"], "expected NAME=VALUE"),
        (["unet3d", "--shape", "8", "8", "1"], "takes a volume"),
        (["cnn_lstm", "--shape", "4", "8", "8", "8", "1", "--task", "segment"], "cannot segment"),
    ],
)
def test_wrong_words_are_explained(words: list[str], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        run(*words)


def test_the_list_loads_no_framework() -> None:
    code = (
        "import sys; from voxtempo.cli import networks as v; v.listing(); v.card_text('unet3d');"
        "assert not {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
