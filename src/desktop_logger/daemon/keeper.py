"""The keeper: a short-lived process that does what the supervisor must not be able to do.

``start``  1. finish what a crash left (torn segments, an unfinished purge, a withdrawal that was only marked)
           2. validate the consent in full
           3. let retention delete what is over its time
           4. note the start in the ledger
           5. release what has waited long enough, if this policy releases by time; take in what the organisation says
              that it did with what left (neither holds recording up: `release`, `ledger --exports` say what is wrong)
           6. hand the key-encryption key and the grant to the writer, and the grant to the supervisor
``withdraw``  sign the withdrawal that was made at the recording sign, and enter it in the ledger
``purge``  delete the last fifteen minutes (the indicator's menu); the supervisor holds capture and writer meanwhile
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress

from desktop_logger import confine
from desktop_logger.clock import Clock
from desktop_logger.consent.grant import Grant
from desktop_logger.errors import DesktopLoggerError, NoConsent, Unavailable
from desktop_logger.paths import Home, home

LAST_S = 900


def start(place: Home, clock: Clock, key: int, report: int) -> None:
    """Prepare one writer's life. ``key`` is the pipe to the writer: epoch (4 bytes) ‖ KEK (32) ‖ grant."""
    import functools

    from desktop_logger import release, store
    from desktop_logger.consent import gate, withdrawing
    from desktop_logger.keystore import load_kek
    from desktop_logger.store import acknowledged

    place.check()
    store.recover(place, clock)
    withdrawing.record_pending(place, functools.partial(store.note_withdrawn, place, clock))
    grant = gate.check(place, clock)
    refuse_replayed(place, clock, grant)
    store.retention(place, clock, grant.retention_days, grant.disk_cap_bytes)
    store.note_started(place, clock, grant)
    if grant.release is not None:
        with suppress(Unavailable):
            release.write(place, clock, grant)
        with suppress(Unavailable):
            acknowledged.take_in(place, clock, [place.outbox])
    epoch, kek = load_kek(place)
    os.write(key, epoch.to_bytes(4, "little") + kek.secret() + grant.to_wire())
    os.close(key)
    _say(report, state="grant", grant=json.loads(grant.to_wire()))


def refuse_replayed(place: Home, clock: Clock, grant: Grant) -> None:
    """A receipt that the ledger says was withdrawn does not come back with its file, nor with another ledger.

    Raises ``NoConsent``.
    """
    from desktop_logger.consent import examining
    from desktop_logger.ledger import Ledger
    from desktop_logger.sealing import hexdigest

    ledger = Ledger(place, clock)
    examining.refuse_another_ledger(place, hexdigest(next(iter(ledger.lines()), b"")))
    for entry in ledger.entries():
        if entry["kind"] == "consent.withdrawn" and entry.get("receipt") == grant.receipt_id:
            raise NoConsent("this consent was withdrawn", "Run: desktop-logger consent sign", state="ConsentWithdrawn")


def purge(place: Home, clock: Clock) -> None:
    """Delete what was recorded in the last fifteen minutes, rounded outward to whole segments."""
    from desktop_logger import store

    now = clock.now()
    store.purge(place, clock, lambda: store.choose_range(place, now - LAST_S, now))


def withdraw(place: Home, clock: Clock) -> None:
    """Make the signed withdrawal; deleting is asked for by the person, not done here."""
    import functools

    from desktop_logger import store
    from desktop_logger.consent import withdrawing

    withdrawing.withdraw(place, clock)
    withdrawing.record_pending(place, functools.partial(store.note_withdrawn, place, clock))


def _say(report: int, **facts: object) -> None:
    os.write(report, json.dumps(facts).encode() + b"\n")


def main(argv: list[str]) -> int:
    """``python -I -m desktop_logger.daemon.keeper TASK [KEY] REPORT``: inherited descriptors, by number."""
    confine.keep_only(*argv[1:])
    confine.harden()
    task, report = argv[0], int(argv[-1])
    try:
        if task == "start":
            start(home(), Clock(), int(argv[1]), report)
        elif task == "withdraw":
            withdraw(home(), Clock())
        else:
            purge(home(), Clock())
    except NoConsent as error:
        _say(report, state="no-consent", error=error.message, hint=error.hint, status=error.exit_status)
        return error.exit_status
    except DesktopLoggerError as error:
        _say(report, state="failed", error=error.message, hint=error.hint, status=error.exit_status)
        return error.exit_status
    except OSError as error:
        _say(report, state="failed", error=f"the store cannot be used: {error.strerror}", status=5,
             hint="Run: desktop-logger doctor")  # fmt: skip
        return 5
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
