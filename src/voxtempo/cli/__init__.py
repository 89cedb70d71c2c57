"""The front door: one file a verb, each of which parses, calls and prints.

Modules of verbs import what is heavy inside their functions, so that ``voxtempo --help`` answers at once.
"""

from voxtempo.cli.main import main

__all__ = ["main"]
