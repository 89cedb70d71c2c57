"""Libraries and backends in processes and environments of their own, since each brings what changes the others."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parents[1]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


class Peers:
    """A script of ``benchmarks/peers`` at work, asked over pipes; a question and its answer take some 0.1 ms.

    ``names`` says what it offers: name -> libraries and versions. What it writes to stderr is kept, and told if it ends.

    Parameters
    ----------
    python : interpreter of its environment.
    script : in ``benchmarks/peers``, without ".py"; it may import ``stopwatch``.
    arguments : of the script.
    threads : that OpenMP and the like may use.
    variables : of the environment, besides.
    """

    def __init__(
        self,
        python: Path,
        script: str,
        *arguments: object,
        threads: int = 1,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        paths = [str(BENCHMARKS), os.environ.get("PYTHONPATH", "")]
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (until close)
        self._process = subprocess.Popen(
            [python, BENCHMARKS / "peers" / f"{script}.py", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ
            | dict.fromkeys(THREADS, str(threads))
            | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
            | dict(variables or {}),
        )
        self.names: dict[str, str] = self._answer()

    def ask(self, name: str, *arguments: Any) -> Any:
        """Let one of ``names`` work and return what it answers.

        Raises
        ------
        RuntimeError : the process ended; the message has the last line that it wrote to stderr.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the other process."""
        self._process.communicate()
        self._errors.close()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            self._errors.seek(0)
            written = self._errors.read().strip().splitlines()
            raise RuntimeError(f"the peers ended with status {status}: {written[-1] if written else 'no reason given'}")
        return json.loads(line)


def start_peers(
    script: str, *arguments: object, threads: int = 1, libraries: Sequence[str] = ("monai", "torchio")
) -> Peers | None:
    """Return a script at work in the environment that VOXTEMPO_PEERS names, or say what is left out, and why."""
    wanted = " and ".join(libraries)
    where = os.environ.get("VOXTEMPO_PEERS")
    if where is None:
        print(f"{wanted} are left out: VOXTEMPO_PEERS names no environment that has them (see this script)")
        return None
    python = Path(where) / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.is_file():
        print(f"{wanted} are left out: there is no {python}")
        return None
    peers = Peers(python, script, *arguments, threads=threads)
    missing = [name for name in libraries if not any(name in what for what in peers.names.values())]
    if missing:
        print(f"left out, not installed in {where}: {', '.join(missing)}")
    return peers
