"""Consent's promises over many runs: ``python -m tests.soak.consent [WITHDRAWALS A ROUTE] [MUTATIONS A KIND]``.

1. mutations of receipts, narrowings and policies: none may be accepted · 2. the end of the signed hours, to the second
(waits for the next full minute) · 3. withdrawals by each route on a real display: how long capture lives on
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import time

from desktop_logger.errors import DesktopLoggerError
from desktop_logger.paths import Home
from tests.mutations import mutations
from tests.people import Person
from tests.signing import Organisation
from tests.testbed import Server, wait_until
from tests.unit.test_mutations import documents
from tests.withdrawals import ROUTES, Kept, alive, measure, sign_again


def refused(folder: str, count: int) -> dict[str, int]:
    """Kind → mutations that were accepted, of ``count`` each."""
    found = {}
    for kind, (first, second, check) in documents(folder).items():
        accepted = 0
        for made in itertools.islice(mutations(first, second, seed=7), count):
            try:
                check(made)
            except DesktopLoggerError:
                continue
            accepted += 1
        found[kind] = accepted
        print(f"mutations of a {kind}: {count} tried, {accepted} accepted", flush=True)
    return found


def withdrawn(folder: str, display: str, count: int) -> dict[str, list[float]]:
    """Route → seconds that capture lived on, sorted."""
    person = Person(os.path.join(folder, "home"), display)
    kept = Kept(person, os.path.join(folder, "kept"))
    found: dict[str, list[float]] = {route: [] for route in ROUTES}
    for number in range(1, count + 1):
        for route, took in found.items():
            took.append(measure(person, route, kept))
        if number % 100 == 0 or number == count:
            for route, took in found.items():
                took.sort()
                half, most = took[len(took) // 2], took[int((len(took) - 1) * 0.99)]
                print(
                    f"withdrawal by {route}: {number} runs, p50 {half:.2f} s, p99 {most:.2f} s, worst {took[-1]:.2f} s"
                )
    return found


def hours_end(folder: str, display: str) -> float:
    """Seconds between the end of capture and the end of the signed hours; negative would be too late."""
    person = Person(os.path.join(folder, "hours"), display)
    home = Home(person.home, os.path.join(person.home, "run"))
    while time.time() % 60 > 40 or time.gmtime().tm_hour == 23:  # room to start before the minute ends
        time.sleep(1)
    end = int(time.time() // 60 + 1) * 60
    days = '"mon", "tue", "wed", "thu", "fri", "sat", "sun"'
    edge = time.strftime("%H:%M", time.gmtime(end))
    schedule = f'[schedule]\nweekdays = [{days}]\nstart = "00:00"\nend = "{edge}"\nzone = "UTC"\n'
    Organisation().adopt(home, ("\n[dpo]", f"\n{schedule}\n[dpo]"))
    sign_again(person)
    person.start()
    capture = person.status()["pids"]["capture"]
    wait_until(lambda: not alive(capture), 75, "the end of capture")
    left = end - time.time()
    reason = person.status()["reason"]
    person.stop()
    print(f"the signed hours: capture ended {left:.2f} s before they did, reason {reason}", flush=True)
    return left


def main(argv: list[str]) -> int:
    """Print the figures; 1 when a promise does not hold."""
    count = int(argv[0]) if argv else 1000
    many = int(argv[1]) if len(argv) > 1 else 10_000
    server = Server()
    try:
        with tempfile.TemporaryDirectory() as folder:
            accepted = refused(os.path.join(folder, "mutations"), many)
            early = hours_end(folder, server.display)
            took = withdrawn(folder, server.display, count)
    finally:
        server.stop()
    late = any(times[int((len(times) - 1) * 0.99)] > 1 for times in took.values())
    return int(any(accepted.values()) or early <= 0 or late)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
