"""Tampering with a small store: every byte of every file × all values, every truncation, frames and lines moved about.

Each mutant goes through the functions that judge it, with the ledger and keys as they were. "Accepted" is a good
verdict, or opened data, from anything but the original; an exception that is not one of ours ends the trial.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

from desktop_logger import keystore, store
from desktop_logger.errors import DesktopLoggerError, IntegrityError
from desktop_logger.keystore import entries, keys
from desktop_logger.ledger import chain
from desktop_logger.ledger.book import Ledger
from desktop_logger.sealing import Kek, Signer
from desktop_logger.store.known import known_now
from desktop_logger.store.reading import judge
from tests.storage import Person

Accepts = Callable[[bytes], bool]


def targets(person: Person, segment: str) -> dict[str, tuple[bytes, Accepts]]:
    """File → its bytes, and whether a mutant of it would be taken for good."""
    known = known_now(person.home)[segment]
    ledger = Ledger(person.home, person.clock)
    lines = ledger.lines()
    secret = _read(person.home.ledger, "signer")
    signers = [Signer.from_bytes(secret).public]
    kek = person.kek()[1]
    stanzas = {stanza.digest for stanza in keystore.read_entry(person.home, kek, segment)}
    key_file = _read(person.home.keystore, "keys")
    head, records = keys.parse(key_file)
    entry_key = Kek(kek.unwrap(records[segment], keys._aad(head, segment)))

    def stream(name: str) -> Accepts:
        return lambda data: judge(known, name, data)[0] == "ok"

    def book(data: bytes) -> bool:
        chain.check(data[: data.rfind(b"\n") + 1].split(b"\n")[:-1], None, signers)
        return True

    def signer(data: bytes) -> bool:
        chain.check(lines, None, [Signer.from_bytes(data).public])
        return True

    def wrapped(data: bytes) -> bool:
        head, records = keys.parse(data)
        return segment in records and bool(kek.unwrap(records[segment], keys._aad(head, segment)))

    def entry(data: bytes) -> bool:
        return {stanza.digest for stanza in entries.parse_entry(data, segment, entry_key)} == stanzas

    return {
        "own": (_read(person.home.segments, f"{segment}.own"), stream("own")),
        "release": (_read(person.home.segments, f"{segment}.release"), stream("release")),
        "ledger": (_read(person.home.ledger, "ledger.jsonl"), book),
        "signer": (secret, signer),
        "keys": (key_file, wrapped),
        "entry": (_read(person.home.keystore, f"{segment}.key"), entry),
    }


def _read(*path: str) -> bytes:
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def bytes_changed(data: bytes, values: int, offset: int = 0) -> Iterator[bytes]:
    """Every byte to ``values`` of its 255 other values (255: all of them)."""
    for at, old in enumerate(data):
        for number in range(values):
            new = (old + 1 + (offset + number * 255 // values) % 255) % 256
            yield data[:at] + bytes([new]) + data[at + 1 :]


def truncated(data: bytes) -> Iterator[bytes]:
    for size in range(len(data)):
        yield data[:size]


def rearranged(parts: list[bytes], head: bytes = b"") -> Iterator[bytes]:
    """Pieces dropped, doubled, swapped and moved: all pairs."""
    whole = range(len(parts))
    for a in whole:
        yield head + b"".join(parts[:a] + parts[a + 1 :])
        yield head + b"".join(parts[: a + 1] + parts[a:])
    for a, b in itertools.combinations(whole, 2):
        swapped = list(parts)
        swapped[a], swapped[b] = swapped[b], swapped[a]
        yield head + b"".join(swapped)
        yield head + b"".join([*parts[:a], *parts[a + 1 : b + 1], parts[a], *parts[b + 1 :]])


def accepted(mutants: Iterator[bytes], original: bytes, accepts: Accepts) -> tuple[int, int]:
    """(tried, taken for good)."""
    tried = taken = 0
    for mutant in mutants:
        if mutant == original:
            continue
        tried += 1
        try:
            taken += accepts(mutant)
        except DesktopLoggerError:
            continue
    return tried, taken


def small_store(root: str) -> tuple[Person, str]:
    person = Person(root)
    segment = person.open(scopes=("keyboard",), admin_scopes=("keyboard",))
    for stream in ("own", "release"):
        segment.tick(stream)
    segment.seal()
    return person, segment.id


def run(folder: str, values: int = 255) -> dict[str, int]:
    """All mutants; ``values`` of the 255 changes of each byte."""
    person, segment = small_store(os.path.join(folder, "home"))
    figures = {"bytes": 0, "truncations": 0, "rearranged": 0, "accepted": 0}
    for number, (data, accepts) in enumerate(targets(person, segment).values()):
        assert accepts(data)
        for what, mutants in (("bytes", bytes_changed(data, values, number * 37)), ("truncations", truncated(data))):
            tried, taken = accepted(mutants, data, accepts)
            figures[what] += tried
            figures["accepted"] += taken
    many = person.record(8)
    other = person.record(8)
    for name in ("own", "release"):
        data, accepts = targets(person, many)[name]
        size = person_frame(data)
        head, frames = (
            data[: len(data) % size],
            [data[at : at + size] for at in range(len(data) % size, len(data), size)],
        )
        foreign = targets(person, other)[name][0]
        spliced = [head + b"".join([*frames[:n], foreign[-size * (len(frames) - n) :]]) for n in range(len(frames))]
        after_final = [data + frame for frame in frames]
        mutants = itertools.chain(rearranged(frames, head), spliced, [foreign], after_final)
        tried, taken = accepted(mutants, data, accepts)
        figures["rearranged"] += tried
        figures["accepted"] += taken
    data, accepts = targets(person, many)["ledger"]
    lines = data.splitlines(keepends=True)
    # an older ledger without the keys that followed, and lines of another person's in ours
    stranger = Person(os.path.join(folder, "stranger"))
    stranger.record(1)
    theirs = _read(stranger.home.ledger, "ledger.jsonl").splitlines(keepends=True)
    rolled_back = [b"".join(lines[:n]) for n in range(len(lines))]
    mixed = [b"".join([*lines[:n], *theirs[n:]]) for n in range(1, len(theirs))]
    tried, taken = accepted(itertools.chain(rearranged(lines), rolled_back, mixed), data, accepts)
    figures["rearranged"] += tried
    figures["accepted"] += taken
    assert store.verify(person.home, kek=person.kek()[1]).ok
    return figures


def person_frame(data: bytes) -> int:
    from desktop_logger.segments.format import parse_header

    try:
        return parse_header(data)[0].frame_bytes
    except IntegrityError:
        raise AssertionError("the original does not read") from None
