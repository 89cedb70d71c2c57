from __future__ import annotations

import ast
from pathlib import Path

from numba.core import caching

import voxtempo
from voxtempo.compiled import compiled


def double(value):
    return value + value


def test_a_kernel_is_kept_on_disk_where_there_is_a_place():
    kernel = compiled()(double)
    assert kernel(2) == 4
    assert kernel.stats.cache_path is not None


def test_a_kernel_is_compiled_anew_where_nothing_can_be_kept(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    kernel = compiled(error_model="numpy")(double)
    assert kernel(3.0) == 6.0
    assert kernel.stats.cache_path is None


def test_no_kernel_goes_round_the_decorator():
    """A bare ``njit(cache=True)`` fails on import where there is no place for compiled code."""
    root = Path(voxtempo.__file__).parent
    names = {
        str(path.relative_to(root)): {
            name.name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in node.names
            if "numba" in (getattr(node, "module", None) or name.name)
        }
        for path in root.rglob("*.py")
    }
    assert {path for path, found in names.items() if found} == {"compiled.py"}
