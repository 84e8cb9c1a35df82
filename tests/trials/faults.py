"""Any call of the system may fail: at the k-th call, once or from then on, until k is unreachable.

After each failure the store must recover, verify, and hold what was acknowledged before; the failure is said as an
error of ours or has changed nothing. Nothing is retried on the same file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from desktop_logger import store
from desktop_logger.errors import DesktopLoggerError
from desktop_logger.records.layout import KEY, RECORD, Redacted
from tests.crash import CALLS, Crash, counted, crash
from tests.storage import Person

NAMES = (*CALLS, "open", "pwrite")
ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EINTR": errno.EINTR}


def failing(number: int, *, once: bool) -> Callable[..., Any]:
    """The call fails with this error, and so do all later ones unless ``once``."""
    left = [1]

    def act(real: Callable[..., Any], _name: str, *arguments: Any, **named: Any) -> Any:
        if once and not left:
            return real(*arguments, **named)
        left.clear()
        raise OSError(number, os.strerror(number))

    return act


def short(*, once: bool) -> Callable[..., Any]:
    """A write takes half of what it is given, and so do all later ones unless ``once``; other calls do their work."""
    left = [1]

    def act(real: Callable[..., Any], name: str, *arguments: Any, **named: Any) -> Any:
        if name != "write" or (once and not left):
            return real(*arguments, **named)
        left.clear()
        return real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])

    return act


KINDS: dict[str, Callable[[], Callable[..., Any]]] = {
    **{
        f"{name} {'once' if once else 'from then on'}": lambda number=number, once=once: failing(number, once=once)  # type: ignore[misc]
        for name, number in ERRORS.items()
        for once in (True, False)
    },
    "short write once": lambda: short(once=True),
    "short write from then on": lambda: short(once=False),
    "crash": lambda: crash,
}


def write(person: Person, told: dict[str, Any]) -> None:
    segment = person.open()
    for frame in range(3):
        segment.append("own", Redacted(RECORD.pack(frame, KEY, 1, 0, 0, 0, frame)))
        segment.tick("own")
        told[segment.id] = frame + 1
    segment.tick("release")
    segment.seal()


def purge(person: Person, told: dict[str, Any]) -> None:
    kept = told.pop("kept")
    oldest = kept.pop(0)
    told["kept"] = kept
    told.pop(oldest, None)
    told["condemned"] = oldest
    store.purge(person.home, person.clock, [oldest])
    told["gone"] = oldest


def recover(person: Person, told: dict[str, Any]) -> None:
    """What is tried is the recovery itself: of a torn segment, a torn append and an unfinished purge."""
    del told
    store.recover(person.home, person.clock)


def tear(person: Person, told: dict[str, Any]) -> None:
    """Leave a torn segment, an unfinished purge and half an entry behind."""
    segment = person.open()
    segment.append("own", Redacted(RECORD.pack(0, KEY, 1, 0, 0, 0, 0)))
    segment.tick("own")
    told[segment.id] = 1
    with open(os.path.join(person.home.segments, f"{segment.id}.own"), "ab") as file:
        file.write(b"torn")
    segment.abandon()
    oldest = told["kept"].pop(0)
    told.pop(oldest, None)
    told["condemned"] = told["gone"] = oldest

    def stop(name: str) -> None:
        if name == "kek":
            raise Crash

    with suppress(Crash):
        store.purge(person.home, person.clock, [oldest], step=stop)
    with open(os.path.join(person.home.ledger, "ledger.jsonl"), "ab") as file:
        file.write(b'{"day":"')


def retention(person: Person, told: dict[str, Any]) -> None:
    for segment in told.pop("kept"):
        told.pop(segment, None)
    told["kept"] = []
    store.retention(person.home, person.clock, 3)


WORK: dict[str, tuple[Callable[..., None] | None, Callable[..., None]]] = {
    "write": (None, write), "purge": (None, purge), "recover": (tear, recover), "retention": (None, retention),
}  # fmt: skip


def prepared(root: str) -> tuple[Person, dict[str, Any]]:
    person = Person(root)
    kept = [person.record(1) for _ in range(3)]
    person.clock.time += 10 * 86_400
    return person, {"kept": kept}


def close_all_but(held: set[str]) -> None:
    """What a process that ended held open is closed, and its locks are given back."""
    for descriptor in set(os.listdir("/proc/self/fd")) - held:
        with suppress(OSError):
            os.close(int(descriptor))


def check(person: Person, told: dict[str, Any]) -> None:
    store.recover(person.home, person.clock)
    kek = person.kek()[1]
    report = store.verify(person.home, kek=kek)
    assert report.ok, report
    verdicts = {one.id: one.verdict for one in report.segments}
    for segment, frames in told.items():
        if segment in ("kept", "condemned", "gone"):
            continue
        numbers = [each[6] for each in RECORD.iter_unpack(person.read(segment)["keyboard"])]
        assert numbers[:frames] == list(range(frames)), (segment, frames, numbers)
        assert numbers == list(range(len(numbers)))
    for segment in told["kept"]:
        assert verdicts[segment] == "ok"
        assert person.read(segment)
    if "gone" in told:
        assert verdicts[told["gone"]] == "erased"


def run(folder: str, every: int = 1, offset: int = 0) -> dict[str, int]:
    """Each kind of failure at each call of each piece of work (or at every ``every``-th); returns the numbers tried."""
    figures: dict[str, int] = {}
    for what, (before, work) in WORK.items():
        for kind, make in KINDS.items():
            at = offset % every
            while True:
                root = os.path.join(folder, f"{what}-{kind.replace(' ', '-')}-{at}")
                person, told = prepared(root)
                if before is not None:
                    before(person, told)
                reached, said = True, False
                held = set(os.listdir("/proc/self/fd"))
                with counted(at, make(), NAMES) as calls:
                    try:
                        work(person, told)
                    except (DesktopLoggerError, Crash):
                        said = True
                    reached = len(calls) > at
                close_all_but(held)
                try:
                    check(person, told)
                    if not said:  # then the work was done in spite of it
                        person.record(1)
                        check(person, told)
                except BaseException:
                    print(f"{what}: {kind} at call {at}")
                    raise
                if not reached:
                    break
                figures[what] = figures.get(what, 0) + 1
                at += every
    return {**figures, "corrupt": 0, "silent": 0}
