"""The golden store of this format version: made once, never again, and every later release must read it.

``python -m tests.vectors.golden`` refuses where ``golden-v1`` exists: a new format makes ``golden-v2`` beside it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile

from desktop_logger import store
from desktop_logger.sealing import hexdigest
from tests.storage import Person

FOLDER = os.path.join(os.path.dirname(__file__), "golden-v1")
KEPT = ("ledger", "segments", "keystore", "kek")


def fill(person: Person) -> None:
    """A folded past, an erased segment, a sealed one, one that a crash tore, and one with a single scope."""
    start = person.clock.time
    for day in range(3):
        person.clock.time = start + day * 86_400
        store.note_stopped(person.home, person.clock, {"paused": 60 * day})
    erased = person.record(1)
    person.record(3)
    torn = person.open()
    torn.tick("own")
    with open(os.path.join(person.home.segments, f"{torn.id}.own"), "ab") as file:
        file.write(b"torn")
    torn.abandon()
    person.record(2, scopes=("pointer",), admin_scopes=("pointer",))
    store.recover(person.home, person.clock)
    store.purge(person.home, person.clock, [erased])
    store.retention(person.home, person.clock, 1)


def facts(person: Person) -> dict[str, object]:
    """What a reader must find."""
    report = store.verify(person.home, kek=person.kek()[1])
    found = {}
    for one in report.segments:
        streams = ("own", "release") if one.verdict in ("ok", "recovered") else ()
        found[one.id] = {
            "verdict": one.verdict,
            "records": {
                stream: {scope: hexdigest(data) for scope, data in person.read(one.id, stream).items()}
                for stream in streams
            },
        }
    return {"ok": report.ok, "head": report.head, "entries": report.entries, "segments": found}


def main() -> int:
    if os.path.exists(FOLDER):
        print(f"{FOLDER} is there and stays as it is", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        person = Person(os.path.join(folder, "home"))
        fill(person)
        expected = {**facts(person), "reader_seed": person.reader.seed().hex()}
        for name in KEPT:
            shutil.copytree(os.path.join(person.home.root, name), os.path.join(FOLDER, name))
    with open(os.path.join(FOLDER, "expected.json"), "w", encoding="ascii") as file:
        json.dump(expected, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
