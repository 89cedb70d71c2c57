"""What the losses of labels share: which labels count, and means over the axes of space."""

from __future__ import annotations

from voxtempo.networks.keras_seam import Tensor, keras


def counted(truth: Tensor, ignore: int | None) -> tuple[Tensor, Tensor | None]:
    """Return integer labels that are safe to look up, and a float mask of those that count (None: all do).

    Ignored labels become 0 and have mask 0.
    """
    labels = keras.ops.cast(truth, "int32")
    if ignore is None:
        return labels, None
    kept = keras.ops.not_equal(labels, ignore)
    return keras.ops.where(kept, labels, 0), keras.ops.cast(kept, "float32")


def mean_over_space(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean of each sample over all its voxels that count: (batch, ...) -> (batch,); 0 where none counts."""
    axes = list(range(1, len(values.shape)))
    if mask is None:
        return keras.ops.mean(values, axis=axes) if axes else values
    if not axes:
        return values * mask
    return keras.ops.sum(values * mask, axis=axes) / keras.ops.maximum(keras.ops.sum(mask, axis=axes), 1.0)
