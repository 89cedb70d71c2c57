"""A process of its own that prepares cases: told what to do by lines of JSON, it answers by lines of JSON.

Started as ``python -m voxtempo.prepare.worker``. Plain subprocesses instead of ``multiprocessing``: the parent may hold
a deep-learning framework with threads of its own (forking it would hang), may be a notebook or a script without a main
guard (spawning it would run it again), and no pickle is involved.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import IO

from voxtempo.prepare.build import build_steps
from voxtempo.prepare.job import Job, attempt


def serve(orders: IO[str], answers: IO[str]) -> None:
    """Do jobs until ``orders`` ends.

    The first line is ``{"steps": [...], "modules": [...]}`` (modules that register further steps), each further one a
    job. Every line is answered: ``{"error": null}``, or what went wrong.
    """
    setup = json.loads(orders.readline())
    for module in setup["modules"]:
        importlib.import_module(module)
    steps = build_steps(setup["steps"])
    _say(answers, None)
    for line in orders:
        _say(answers, attempt(Job.from_json(json.loads(line)), steps))


def _say(answers: IO[str], error: str | None) -> None:
    answers.write(json.dumps({"error": error}) + "\n")
    answers.flush()


def main() -> None:
    """Serve standard input; what libraries print goes to standard error, so that answers stay clean."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
