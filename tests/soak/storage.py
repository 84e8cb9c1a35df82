"""The store's promises in their long form: ``python -m tests.soak.storage [PART OF THE FULL AMOUNT, 1 by default]``.

1. kills · 2. losses of power · 3. failing calls of the system · 4. tampering · 5. shredding · 6. stopped processes ·
7. arbitrary input, by mutation · 8. the same guided by coverage, where atheris is installed. About two hours
on two cores; every figure is printed as it is reached, and the first broken promise ends the run.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping

from tests.trials import faults, fuzzing, kills, power, shredding, stopped, tampering

GUIDED = 500_000
"""Executions of each parser under atheris."""


def say(promise: str, run: Callable[[], Mapping[str, object]]) -> None:
    """Run one trial and print what it found."""
    began = time.monotonic()
    figures = run()
    shown = ", ".join(f"{n} {value:,}" if isinstance(value, int) else f"{n} {value}" for n, value in figures.items())
    print(f"{promise}: {shown} ({time.monotonic() - began:.0f} s)", flush=True)


def guided(folder: str, executions: int) -> dict[str, int]:
    """Each parser under atheris in a process of its own, since it ends the process."""
    for name in fuzzing.PARSERS:
        done = subprocess.run(
            [sys.executable, "-m", "tests.trials.guided", name, str(executions)],
            capture_output=True, text=True, check=False, cwd=folder,
            env={**os.environ, "PYTHONPATH": os.getcwd(), "TMPDIR": folder},
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(f"{name}: {done.stderr[-2000:]}")
    return {"parsers": len(fuzzing.PARSERS), "executions": executions * len(fuzzing.PARSERS), "crashes": 0}


def main(part: float) -> int:
    """Every trial, each with ``part`` of its full amount."""

    def amount(full: int) -> int:
        return max(1, int(full * part))

    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory() as disk, tempfile.TemporaryDirectory(dir=memory) as quick:

        def room(place: str, name: str) -> str:
            """A folder of its own for each trial: a home that another made is nobody else's."""
            path = os.path.join(place, name)
            os.mkdir(path, 0o700)
            return path

        say("kill -9", lambda: kills.run(room(disk, "kills"), amount(20_000)))
        say("loss of power", lambda: power.run(room(quick, "power"), amount(100_000)))
        say("failing calls", lambda: faults.run(room(quick, "faults"), every=max(1, round(1 / part))))
        say("tampering", lambda: tampering.run(room(quick, "tampering"), values=amount(255)))
        say("shredding", lambda: shredding.run(room(quick, "shredding"), amount(1000)))
        say("stopped lock holder", lambda: stopped.run(room(disk, "stopped"), amount(1000)))
        say("arbitrary input", lambda: fuzzing.run(amount(11_000_000)))
        if importlib.util.find_spec("atheris") is None:
            print("NOT RUN: arbitrary input guided by coverage, because atheris is not installed (pip install atheris)")
        else:
            say("guided input", lambda: guided(room(quick, "guided"), amount(GUIDED)))
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0))
