"""Many jobs at once: worker processes, each led by a thread, whose loss costs one case and not the others."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from voxtempo.errors import VoxTempoError
from voxtempo.prepare.build import step_records
from voxtempo.prepare.job import Job, attempt
from voxtempo.prepare.step import Step

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
Outcome = tuple[Job, str | None]


def run_jobs(jobs: Sequence[Job], steps: Sequence[Step], workers: int) -> Iterator[Outcome]:
    """Yield every job as it ends, with None or what went wrong.

    One worker, or steps defined in the user's own script (which no other process knows), run in this process. When the
    caller stops (an interrupt), the workers are stopped too; what they had finished is complete on disk.
    """
    workers = min(workers, len(jobs))
    if workers <= 1 or any(type(step).__module__ == "__main__" for step in steps):
        for job in jobs:
            yield job, attempt(job, steps)
        return
    waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    ended: queue.SimpleQueue[Outcome | VoxTempoError] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    for _ in range(workers):
        waiting.put(None)
    setup = {
        "steps": step_records(steps),
        "modules": sorted({m for m in (type(s).__module__ for s in steps) if not m.startswith("voxtempo.")}),
    }
    crew = [_Worker(setup) for _ in range(workers)]
    for worker in crew:
        threading.Thread(target=worker.lead, args=(waiting, ended), daemon=True).start()
    try:
        for _ in jobs:
            outcome = ended.get()
            if isinstance(outcome, VoxTempoError):
                raise outcome
            yield outcome
    finally:
        for worker in crew:
            worker.stop()


class _Worker:
    """A process and the thread that tells it what to do; a lost process is replaced."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self._setup = setup
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False

    def lead(self, waiting: queue.SimpleQueue[Job | None], ended: queue.SimpleQueue[Outcome | VoxTempoError]) -> None:
        """Hand out jobs until there are none left."""
        while not self._stopped and (job := waiting.get()) is not None:
            if self._process is None and not self._start():
                ended.put(
                    VoxTempoError("a worker process for the preparation could not be started; try with one worker")
                )
                return
            answer = self._ask(asdict(job))
            if answer is None:
                code = None if self._process is None else self._process.wait()
                self._process = None
                ended.put((job, f"{job.sources[0][1]}: its worker process was lost (exit {code}); "
                                "most often the memory did not suffice. Use fewer workers."))  # fmt: skip
            else:
                ended.put((job, answer["error"]))
        self.stop()

    def stop(self) -> None:
        """End the process at once; an unfinished case stays unfinished on disk."""
        self._stopped = True
        if self._process is not None:
            self._process.kill()

    def _start(self) -> bool:
        path = os.pathsep.join(filter(None, sys.path))
        environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "PYTHONPATH": path}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "voxtempo.prepare.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment,
            process_group=0,  # an interrupt at the terminal reaches this process alone, which then stops its workers
        )
        return self._ask(self._setup) is not None

    def _ask(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer, or None if the process is gone."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
            if line:
                return dict(json.loads(line))
        return None
