"""A process that is stopped with SIGSTOP at any moment: what another then does takes how long, and is the chain intact.

A writer, or a command that appends, is stopped in the middle of whatever it does, often while it holds the store. Then
another process withdraws (the marker) and purges, as the command line does it: what is recorded as running is killed
before the lock is taken. Times are those of the second process alone; the daemon's are measured with the commands.
"""

from __future__ import annotations

import os
import random
import signal
import time

from desktop_logger import store
from desktop_logger.ledger import Ledger
from tests.storage import Person
from tests.trials.kills import Child, note_forever, write_forever


def run(folder: str, runs: int, seed: int | None = None) -> dict[str, object]:
    """Stop, then act; the slowest and the 99th percentile of each act, in milliseconds."""
    chance = random.Random(seed)
    took: dict[str, list[float]] = {"withdraw": [], "purge": []}
    held = 0
    person = Person(os.path.join(folder, "stopped-0"))
    for number in range(runs):
        if number % 20 == 19:
            person = Person(os.path.join(folder, f"stopped-{number}"))
        os.makedirs(person.home.consent, mode=0o700, exist_ok=True)
        kept = person.record(1)
        children = [Child(write_forever(person, number)), Child(note_forever(person))]
        time.sleep(chance.uniform(0.001, 0.05))
        victim = chance.choice(children)
        os.kill(victim.pid, signal.SIGSTOP)
        for other in children:
            if other is not victim:
                other.kill()
        began = time.monotonic()
        with open(person.home.withdrawn, "wb"):
            pass
        took["withdraw"].append(time.monotonic() - began)
        began = time.monotonic()
        with open(person.home.store_lock, "rb") as file:
            held += file.read().strip() == str(victim.pid).encode()
        victim.kill()  # SIGKILL reaches a stopped process; then the lock is free
        store.recover(person.home, person.clock)
        store.purge(person.home, person.clock, [kept])
        took["purge"].append(time.monotonic() - began)
        os.unlink(person.home.withdrawn)
        Ledger(person.home, person.clock).verify()
    assert store.verify(person.home, kek=person.kek()[1]).ok
    figures: dict[str, object] = {"runs": runs, "while it held the store last": held}
    for act, times in took.items():
        times.sort()
        figures[f"{act} p99"] = f"{1000 * times[int(0.99 * (len(times) - 1))]:.0f} ms"
        figures[f"{act} worst"] = f"{1000 * times[-1]:.0f} ms"
    assert took["withdraw"][int(0.99 * (runs - 1))] <= 1.0
    assert took["purge"][int(0.99 * (runs - 1))] <= 2.0
    return figures
