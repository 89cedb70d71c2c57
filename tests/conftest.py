"""Shared fixtures: where real data lies, if it lies anywhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take minutes: two workers that share files then end at about the same time."""
    items.sort(key=lambda item: "workflow" not in item.path.parts)


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """Return a function from a data set's name to its folder; the test skips where the set is absent."""
    base = Path(os.environ.get("VOXTEMPO_DATA", ROOT.parent / "shared" / "data"))

    def find(name: str) -> Path:
        folder = base / name
        if not folder.exists():
            pytest.skip(f"real data '{name}' is not at {base} (set VOXTEMPO_DATA to its folder)")
        return folder

    return find
