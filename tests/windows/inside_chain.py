"""Inside Windows: an organisation and a person, from keys to an export, an erasure and verified books.

Argument: an empty folder, which keeps what is made. Output: one JSON object of what was seen.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from desktop_logger import disk, keystore, store
from desktop_logger.inspection import own
from tests.organisation import HeldClock, Organisation, Subject


def rows(person: Subject) -> list[dict[str, Any]]:
    """What the person reads of what was recorded."""
    _, kek = keystore.load_kek(person.home)
    wanted = own.Wanted(scopes=frozenset({"keyboard", "pointer"}))
    parts = own.opened(person.home, kek, person.identity.reader, own.RELEASE, wanted)
    return [row for part in parts for row in part.rows()]


def lock_is_seen(path: str) -> tuple[bool, bool]:
    """What somebody else sees of a lock: while it is held, and after."""
    descriptor = disk.reopen(path, os.O_RDONLY)
    try:
        with disk.locked(path):
            held = disk.is_locked(descriptor)
        return held, disk.is_locked(descriptor)
    finally:
        os.close(descriptor)


def main(root: str) -> dict[str, Any]:
    """The chain. Whatever does not hold raises."""
    clock = HeldClock()
    organisation = Organisation(root, clock)
    person = Subject(os.path.join(root, "person"), organisation)
    segments = [person.record(40), person.record(200)]
    shown = rows(person)
    person.release()
    report = organisation.export(os.path.join(root, "export"), person.outbox)
    seen = {
        "segments": segments, "shown": len(shown), "exported": report.rows, "refused": len(report.refused),
        "lock": lock_is_seen(person.home.store_lock), "whole": store.verify(person.home).ok,
    }  # fmt: skip
    store.purge(person.home, clock, segments[:1])
    erased = organisation.erase(person.outbox)
    assert next(one["kind"] for one in organisation.folder.ledger.entries()) == "created"
    return seen | {
        "left": [one.id for one in store.segments(person.home)], "requests": len(erased.requests),
        "erased": [one["rows"] for one in erased.exports], "still_whole": store.verify(person.home).ok,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
