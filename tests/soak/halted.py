"""Each process of the daemon stopped with SIGSTOP, then a pause or a purge: ``python -m tests.soak.halted [RUNS]``.

Time runs from the start of the command, a whole process, to its end; after a pause no capture process may exist, and
after each act the store must verify. Withdrawal by every route is measured in ``tests.soak.consent``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time

from tests.people import Person
from tests.testbed import Server
from tests.withdrawals import alive, sign_again

ROLES = ("supervisor", "writer", "capture", "indicator")
ACTS = {"pause": ["pause"], "purge": ["purge", "--last", "15m"]}


def measure(person: Person, role: str, act: str) -> float:
    """Seconds of one command while one process is stopped."""
    person.start()
    pids = person.status()["pids"]
    os.kill(pids[role], signal.SIGSTOP)
    began = time.monotonic()
    person.ok(*ACTS[act])
    took = time.monotonic() - began
    if act == "pause":
        while alive(pids["capture"]) and time.monotonic() - began < 20:
            time.sleep(0.005)
        took = max(took, time.monotonic() - began)
    for pid in {*pids.values(), *person.status()["pids"].values()}:
        if pid is not None and alive(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert person.json("verify")["ok"]
    return took


def main(runs: int) -> int:
    """``runs`` of each act with each process stopped."""
    server = Server()
    try:
        with tempfile.TemporaryDirectory() as folder:
            person = Person(os.path.join(folder, "home"), server.display)
            sign_again(person)
            for act in ACTS:
                every = []
                for role in ROLES:
                    took = sorted(measure(person, role, act) for _ in range(runs))
                    every += took
                    print(f"{act} while the {role} is stopped: {runs} runs, worst {took[-1]:.2f} s", flush=True)
                every.sort()
                at = [every[int(part * (len(every) - 1))] for part in (0.5, 0.99)]
                print(f"{act}: {len(every)} runs, p50 {at[0]:.2f} s, p99 {at[1]:.2f} s", flush=True)
    finally:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 125))
