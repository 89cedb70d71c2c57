"""Learning curves for TensorBoard, on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from voxtempo.errors import MissingExtraError


def scalar_log(folder: Path) -> Callable[[Mapping[str, float]], None]:
    """Return a function that writes a history row as scalars.

    Raises
    ------
    MissingExtraError : TensorBoard is not installed.
    """
    try:
        from tensorboard.summary import Writer
    except ImportError:
        raise MissingExtraError("tensorboard", "tensorboard", "train.tensorboard") from None
    writer = Writer(str(folder))

    def log(row: Mapping[str, float]) -> None:
        for name, value in row.items():
            if name != "epoch":
                writer.add_scalar(name, value, int(row["epoch"]))
        writer.flush()

    return log
