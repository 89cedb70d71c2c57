"""Cases to tensors: what one sample is, how it is read straight from the cache, and batches made ahead of time."""

from voxtempo.feed.batches import Batch, Batches
from voxtempo.feed.samplers import (
    PatchSampler,
    Position,
    Sampler,
    SliceSampler,
    VolumeSampler,
    WindowSampler,
    make_sampler,
)
from voxtempo.feed.source import FeedCase, FeedEvent, Voxels, read_box

__all__ = [
    "Batch",
    "Batches",
    "FeedCase",
    "FeedEvent",
    "PatchSampler",
    "Position",
    "Sampler",
    "SliceSampler",
    "VolumeSampler",
    "Voxels",
    "WindowSampler",
    "make_sampler",
    "read_box",
]
