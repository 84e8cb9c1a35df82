"""Each process of the daemon stopped with SIGSTOP, then an act of another: ``python -m tests.soak.halted [RUNS]``.

The acts are ``pause``, ``consent withdraw`` and ``purge``, each a whole process. Time runs from its start until no
capture process exists (withdrawal), until that and its end (pause), or until its end (purge). After each, the ledger
and the store must verify. RUNS of each act with each process stopped: 84 make 1,008. Withdrawal by every route is in
``tests.soak.consent``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time

from desktop_logger import control, store
from tests.people import LOGGER, Person
from tests.testbed import Server
from tests.withdrawals import Kept, alive, begin, end_all, home_of

ROLES = ("supervisor", "writer", "capture", "indicator")
ACTS = {"pause": ["pause"], "withdraw": ["consent", "withdraw", "--json"], "purge": ["purge", "--last", "15m"]}
WANTED_S = {"pause": 1.0, "withdraw": 1.0, "purge": 2.0}
"""What 99 of 100 may take at most."""


def measure(person: Person, role: str, act: str) -> float:
    """Seconds of one command while one process is stopped."""
    pids = begin(person)
    os.kill(pids[role], signal.SIGSTOP)
    began = time.monotonic()
    command = subprocess.Popen([*LOGGER, *ACTS[act]], env=person.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    if act != "withdraw":
        command.wait(60)
    while act != "purge" and alive(pids["capture"]) and time.monotonic() - began < 20:
        time.sleep(0.005)
    took = time.monotonic() - began
    command.communicate(timeout=60)
    assert command.returncode == 0
    home = home_of(person)
    end_all({*pids.values(), *control.recorded_pids(home).values()})
    report = store.verify(home)
    assert report.ok, report
    return took


def main(runs: int) -> int:
    """``runs`` of each act with each process stopped; 1 when one act takes longer than it may."""
    server, late = Server(), False
    try:
        with tempfile.TemporaryDirectory() as folder:
            person = Person(os.path.join(folder, "home"), server.display)
            kept = Kept(person, os.path.join(folder, "kept"))
            for act in ACTS:
                every = []
                for role in ROLES:
                    kept.put_back()
                    took = []
                    for _ in range(runs):
                        if act == "withdraw":
                            kept.put_back()
                        took.append(measure(person, role, act))
                    every += took
                    print(f"{act} while the {role} is stopped: {runs} runs, worst {max(took):.2f} s", flush=True)
                every.sort()
                half, most = (every[int(part * (len(every) - 1))] for part in (0.5, 0.99))
                late = late or most > WANTED_S[act]
                print(
                    f"{act}: {len(every)} runs, p50 {half:.2f} s, p99 {most:.2f} s, worst {every[-1]:.2f} s", flush=True
                )
    finally:
        server.stop()
    return int(late)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 84))
