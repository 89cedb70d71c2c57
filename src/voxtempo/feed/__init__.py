"""Cases to tensors: what one sample is, how it is read straight from the cache, and batches made ahead of time."""

from voxtempo.feed.batches import Batch, Batches
from voxtempo.feed.plane import Plane
from voxtempo.feed.sampler import Position, Sampler
from voxtempo.feed.samplers import PatchSampler, SliceSampler, VolumeSampler, make_sampler
from voxtempo.feed.source import FeedCase, FeedEvent, LabelMap, Voxels, read_box
from voxtempo.feed.windows import WindowSampler

__all__ = [
    "Batch",
    "Batches",
    "FeedCase",
    "FeedEvent",
    "LabelMap",
    "PatchSampler",
    "Plane",
    "Position",
    "Sampler",
    "SliceSampler",
    "VolumeSampler",
    "Voxels",
    "WindowSampler",
    "make_sampler",
    "read_box",
]
