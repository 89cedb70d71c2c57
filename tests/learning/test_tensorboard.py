from __future__ import annotations

import sys

import pytest

from voxtempo.errors import MissingExtraError
from voxtempo.learning.tensorboard import scalar_log


def test_history_rows_become_scalars(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard comes with the extra 'tensorboard'")
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    log = scalar_log(tmp_path)
    log({"epoch": 1.0, "train_loss": 0.5, "rate": 1e-3})
    log({"epoch": 2.0, "train_loss": 0.25, "rate": 1e-4})
    (file,) = tmp_path.glob("*tfevents*")
    values = {
        (value.tag, event.step): value.tensor.float_val[0]
        for event in EventFileLoader(str(file)).Load()
        for value in event.summary.value
    }
    assert values[("train_loss", 2)] == pytest.approx(0.25)
    assert values[("rate", 1)] == pytest.approx(1e-3)
    assert not any(tag == "epoch" for tag, _ in values)


def test_without_tensorboard_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    with pytest.raises(MissingExtraError, match=r"voxtempo\[tensorboard\]"):
        scalar_log(tmp_path)
