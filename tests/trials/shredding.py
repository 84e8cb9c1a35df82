"""Shredding: a copy of bodies and keystore from before a purge, with both private keys, opens nothing purged."""

from __future__ import annotations

import os
import random
import shutil

from desktop_logger import keystore, store
from desktop_logger.errors import Unreadable
from desktop_logger.keystore import entries
from desktop_logger.keystore import keys as key_file
from desktop_logger.paths import Home
from desktop_logger.sealing import Kek
from desktop_logger.segments import format as form
from desktop_logger.segments import reading
from tests.bulk import fill
from tests.storage import Person


def opened(person: Person, copy: Home, segments: list[str]) -> int:
    """How many of these segments of the copy open with any key that still exists."""
    _, kek = person.kek()
    found = 0
    with open(os.path.join(copy.keystore, "keys"), "rb") as file:
        head, records = key_file.parse(file.read())
    with open(os.path.join(person.home.keystore, "keys"), "rb") as file:
        now, live = key_file.parse(file.read())
    for segment in segments:
        tries = [(head, records.get(segment)), (now, records.get(segment)), (now, live.get(segment))]
        for aad, wrapped in tries:
            try:
                if wrapped is None:
                    continue
                entry_key = Kek(kek.unwrap(wrapped, key_file._aad(aad, segment)))
                with open(keystore.entry_path(copy, segment), "rb") as file:
                    stanzas = entries.parse_entry(file.read(), segment, entry_key)
                with open(os.path.join(copy.segments, f"{segment}.{stanzas[0].stream}"), "rb") as file:
                    body = form.scan(file.read())
                for reader in (person.reader, person.admin):
                    reading.open_stanza(body, stanzas[0].role, stanzas[0].scope, stanzas[0].sealed, reader)
                    break
            except Unreadable:
                continue
            found += 1
            break
    return found


def run(folder: str, segments: int, seed: int | None = None) -> dict[str, int]:
    """Purge half of so many segments and try all of them from a copy made before."""
    chance = random.Random(seed)
    person = Person(os.path.join(folder, "home"))
    ids = fill(person, max(4, segments), frames=(1, 1))
    copy = Home(os.path.join(folder, "copy"), person.home.run)
    for name in ("segments", "keystore"):
        shutil.copytree(os.path.join(person.home.root, name), os.path.join(copy.root, name))
    before = opened(person, copy, ids)
    assert before == len(ids), "the copy must open before, or this shows nothing"
    purged = chance.sample(ids, len(ids) // 2)
    store.purge(person.home, person.clock, purged)
    after = opened(person, copy, purged)
    kept = [segment for segment in ids if segment not in set(purged)]
    assert after == 0
    assert opened(person, person.home, kept) == len(kept)
    report = store.verify(person.home, kek=person.kek()[1])
    assert report.ok
    return {
        "segments": len(ids),
        "opened before": before,
        "purged": len(purged),
        "open after": after,
        "kept": len(kept),
    }
