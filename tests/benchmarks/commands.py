"""How long the commands take that somebody waits for: whole processes, from nothing to the prompt."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence

from .processes import Desk, Ours
from .tables import table

ROUNDS = 20


def _median_ms(words: Sequence[str], env: Mapping[str, str], between: Sequence[str] = ()) -> tuple[float, float]:
    """Median and slowest of ``ROUNDS`` runs, milliseconds; ``between`` is run unmeasured after each."""
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        subprocess.run(words, env=env, check=True, stdout=subprocess.DEVNULL)
        taken.append(1000 * (time.perf_counter() - start))
        if between:
            subprocess.run(between, env=env, check=True, stdout=subprocess.DEVNULL)
    return statistics.median(taken), max(taken)


def run() -> None:
    """The table."""
    program = os.path.join(os.path.dirname(sys.executable), "desktop-logger")
    with tempfile.TemporaryDirectory(prefix="desktop-logger-") as folder:
        desk = Desk()
        ours = Ours(folder, desk)
        env = ours.person.env
        rows = []
        try:
            ours.start()
            for name, words, between in (
                ("python, doing nothing", [sys.executable, "-c", "pass"], []),
                ("status", [program, "status"], []),
                ("status --json", [program, "status", "--json"], []),
                ("pause", [program, "pause"], [program, "resume"]),
                ("resume", [program, "resume"], [program, "pause"]),
            ):
                if name == "resume":
                    subprocess.run([program, "pause"], env=env, check=True, stdout=subprocess.DEVNULL)
                median, slowest = _median_ms(words, env, between)
                rows.append([name, f"{median:.0f}", f"{slowest:.0f}"])
        finally:
            ours.stop()
            desk.close()
    table(
        f"Commands as whole processes, ms, {ROUNDS} runs each",
        ["command", "median", "slowest"],
        rows,
        "resume returns when capture truly runs again.",
    )
