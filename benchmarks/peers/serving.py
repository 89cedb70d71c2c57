"""The other side of ``stopwatch.peers``: calls answered on stdin and stdout, one line of JSON each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def serve(offered: Mapping[str, tuple[Callable[..., Any], str]]) -> None:
    """Say what is offered (name -> function, libraries and versions), then answer [name, arguments ...] until stdin ends.

    A function's answer must be JSON. What libraries print goes to stderr.
    """
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps({name: what for name, (_, what) in offered.items()}), file=answers, flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(offered[name][0](*arguments)), file=answers, flush=True)


def installed(library: str) -> str | None:
    """Return name and version of a library, or None where it is not installed."""
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return None
