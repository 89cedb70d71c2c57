"""Graphs, nothing else: blocks, heads, and the zoo with one file an architecture family.

Importing this package does not load a deep-learning framework; building a network does (see ``keras_seam``).
"""

from voxtempo.networks.build import Precision, build_features, build_network, building, resolve_precision
from voxtempo.networks.card import Card, Features, network, networks
from voxtempo.networks.heads import Classify, Head, Regress, Segment, head_for
from voxtempo.networks.user import build_user_network

__all__ = [
    "Card",
    "Classify",
    "Features",
    "Head",
    "Precision",
    "Regress",
    "Segment",
    "build_features",
    "build_network",
    "build_user_network",
    "building",
    "head_for",
    "network",
    "networks",
    "resolve_precision",
]
