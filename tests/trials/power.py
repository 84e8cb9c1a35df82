"""Power loss, simulated: what was not synced is kept, lost, zeroed, garbage or out of order; what was stays.

A session of the real store runs once under a recorder of its system calls. Then the power is cut at points of the
recording: of every file's bytes since its last sync each sector is kept, left as before, zeroed or filled with
garbage; of every folder's changes since its last sync a random part has happened. The store must recover from each.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from desktop_logger import store
from desktop_logger.keystore import keys as key_file
from desktop_logger.ledger import Ledger
from desktop_logger.paths import Home
from desktop_logger.records.layout import KEY, RECORD, Redacted
from desktop_logger.store import known
from tests.storage import Person

SECTORS = (512, 4096)


class Event(NamedTuple):
    """One change, in the order in which the program made it."""

    what: str
    path: str = ""
    file: int = 0
    at: int = 0
    data: bytes = b""
    fact: Any = None


class Tape:
    """Every change to the disk below ``root``, and what was acknowledged between them."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.events: list[Event] = []
        self.files: dict[str, int] = {}
        self.begun: dict[str, int] = {}
        self.open: dict[int, tuple[str, int]] = {}
        self.count = 0

    def note(self, fact: Any) -> None:
        self.events.append(Event("ack", fact=fact))

    def _new(self, path: str) -> int:
        self.count += 1
        self.files[path] = self.count
        return self.count

    @contextmanager
    def recording(self) -> Iterator[None]:
        """All changes through ``os`` are recorded; they happen too."""
        real = {
            name: getattr(os, name)
            for name in ("open", "close", "write", "pwrite", "fsync", "fdatasync", "ftruncate", "replace", "rename",
                         "unlink", "mkdir", "rmdir")
        }  # fmt: skip
        add = self.events.append

        def opened(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            new = bool(flags & os.O_CREAT) and not os.path.lexists(path)
            descriptor: int = real["open"](path, flags, *rest, **named)
            name = str(path)
            if name.startswith(self.root):
                if new:
                    add(Event("link", name, self._new(name)))
                self.open[descriptor] = (name, self.files.get(name, 0))
            return descriptor

        def closed(descriptor: int) -> None:
            self.open.pop(descriptor, None)
            real["close"](descriptor)

        def written(descriptor: int, data: Any) -> int:
            place = self.open.get(descriptor)
            at = os.fstat(descriptor).st_size if place else 0
            if place and not real_is_append(descriptor):
                at = os.lseek(descriptor, 0, os.SEEK_CUR)
            done: int = real["write"](descriptor, data)
            if place:
                add(Event("write", file=place[1], at=at, data=bytes(data)[:done]))
            return done

        def placed(descriptor: int, data: bytes, at: int) -> int:
            done: int = real["pwrite"](descriptor, data, at)
            if descriptor in self.open:
                add(Event("write", file=self.open[descriptor][1], at=at, data=bytes(data)))
            return done

        def synced(name: str) -> Callable[[int], None]:
            def call(descriptor: int) -> None:
                real[name](descriptor)
                if descriptor in self.open:
                    path, file = self.open[descriptor]
                    add(Event("sync", file=file) if file else Event("sync-folder", path))

            return call

        def cut(descriptor: int, size: int) -> None:
            real["ftruncate"](descriptor, size)
            if descriptor in self.open:
                add(Event("cut", file=self.open[descriptor][1], at=size))

        def moved(source: str, target: str) -> None:
            real["replace"](source, target)
            file = self.files.pop(source)
            self.files[target] = file
            add(Event("move", source, file, fact=target))

        def removed(path: str) -> None:
            real["unlink"](path)
            self.files.pop(path, None)
            add(Event("unlink", path))

        new = {"open": opened, "close": closed, "write": written, "pwrite": placed, "fsync": synced("fsync"),
               "fdatasync": synced("fdatasync"), "ftruncate": cut, "replace": moved, "rename": moved,
               "unlink": removed}  # fmt: skip
        try:
            for name, function in new.items():
                setattr(os, name, function)
            yield
        finally:
            for name, function in real.items():
                setattr(os, name, function)


def real_is_append(descriptor: int) -> bool:
    import fcntl

    return bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND)


class Disk:
    """What is on the medium for certain, and what waits."""

    def __init__(self, tape: Tape, start: dict[str, bytes]) -> None:
        self.names: dict[str, int] = {}
        self.sure: dict[int, bytes] = {}
        self.waiting: dict[int, list[Event]] = {}
        self.folders: dict[str, list[Event]] = {}
        for path, data in start.items():
            self.names[path] = tape.begun[path]
            self.sure[tape.begun[path]] = data

    def play(self, event: Event) -> None:
        if event.what in ("write", "cut"):
            self.waiting.setdefault(event.file, []).append(event)
        elif event.what == "sync":
            self.sure[event.file] = apply(self.sure.get(event.file, b""), self.waiting.pop(event.file, []))
        elif event.what == "sync-folder":
            for change in self.folders.pop(event.path, []):
                rename(self.names, change)
        elif event.what != "ack":
            self.folders.setdefault(os.path.dirname(event.path), []).append(event)

    def after_a_cut(self, chance: random.Random) -> dict[str, bytes]:
        """One of the disks that a loss of power may leave."""
        names = dict(self.names)
        for changes in self.folders.values():
            keep = len(changes) if chance.random() < 0.3 else chance.randrange(len(changes) + 1)
            shuffled = chance.random() < 0.5
            for number, change in enumerate(changes):
                if chance.random() < 0.5 if shuffled else number < keep:
                    rename(names, change)
        return {path: self._content(file, chance) for path, file in names.items()}

    def _content(self, file: int, chance: random.Random) -> bytes:
        sure, waiting = self.sure.get(file, b""), self.waiting.get(file, [])
        if not waiting:
            return sure
        hoped, sector = apply(sure, waiting), chance.choice(SECTORS)
        out = bytearray(hoped)
        old = sure.ljust(len(hoped), b"\0")
        for at in range(0, len(hoped), sector):
            if hoped[at : at + sector] == sure[at : at + sector]:
                continue
            size = len(hoped[at : at + sector])
            fate = chance.randrange(5)
            first = next((n for n in range(at, at + size) if n >= len(sure) or hoped[n] != sure[n]), at)
            # a sector is written as a whole; what was in it before and did not change is what it was
            if fate == 0:
                out[at : at + size] = old[at : at + size]
            elif fate == 1:
                out[first : at + size] = bytes(at + size - first)
            elif fate == 2:
                out[first : at + size] = chance.randbytes(at + size - first)
        if len(hoped) > len(sure) and chance.random() < 0.5:
            del out[chance.randrange(len(sure), len(hoped) + 1) :]
        return bytes(out)


def apply(data: bytes, changes: list[Event]) -> bytes:
    out = bytearray(data)
    for change in changes:
        if change.what == "cut":
            del out[change.at :]
        else:
            out[len(out) :] = bytes(max(0, change.at - len(out)))
            out[change.at : change.at + len(change.data)] = change.data
    return bytes(out)


def rename(names: dict[str, int], change: Event) -> None:
    if change.what == "link":
        names[change.path] = change.file
    elif change.what == "unlink":
        names.pop(change.path, None)
    else:
        names.pop(change.path, None)
        names[change.fact] = change.file


def record(folder: str, seed: int) -> tuple[Person, Tape, dict[str, bytes]]:
    """A session with frames, seals, notes and a purge, on tape."""
    chance = random.Random(seed)
    person = Person(os.path.join(folder, "home"))
    tape = Tape(person.home.root)
    start = {}
    for where, _, files in os.walk(person.home.root):
        for name in files:
            path = os.path.join(where, name)
            with open(path, "rb") as file:
                start[path] = file.read()
            tape._new(path)
    tape.begun = dict(tape.files)
    with tape.recording():
        kept: list[str] = []
        for number in range(4):
            segment = person.open()
            tape.note(("opened", segment.id))
            for frame in range(chance.randrange(1, 5)):
                segment.append("own", Redacted(RECORD.pack(frame, KEY, 1, 0, 0, 0, frame)))
                segment.tick("own")
                tape.note(("frame", segment.id, frame + 1))
            if number == 2:
                segment.abandon()
                store.recover(person.home, person.clock)
                continue
            segment.seal()
            kept.append(segment.id)
            tape.note(("sealed", segment.id))
            tape.note(("head", store.note(person.home, person.clock, "stopped", gaps={"paused": number})))
            if number == 1:
                tape.note(("purging", kept[0]))
                store.purge(person.home, person.clock, [kept[0]])
                tape.note(("purged", kept[0]))
    return person, tape, start


def lay_out(disk: dict[str, bytes], old: str, new: str) -> None:
    """The files of a simulated disk, under another root."""
    shutil.rmtree(new, ignore_errors=True)
    for name in ("", "ledger", "segments", "keystore", "kek", "outbox"):
        os.makedirs(os.path.join(new, name), mode=0o700, exist_ok=True)
    for path, data in disk.items():
        with open(new + path[len(old) :], "wb") as file:
            file.write(data)
    known._read = key_file._read = None  # the caches know files by name, time and size, and these are all alike


def check(person: Person, told: list[Any]) -> None:
    """The store recovers, verifies, and holds all that was acknowledged."""
    home = person.home
    store.recover(home, person.clock)
    report = store.verify(home, kek=person.kek()[1])
    assert report.ok, report
    gone = {segment for what, segment, *_ in told if what in ("purging", "purged")}
    frames: dict[str, int] = {}
    for what, value, *rest in told:
        if what == "frame":
            frames[value] = rest[0]
        elif what == "head":
            Ledger(home, person.clock).verify(value)
        elif what == "sealed" and value not in gone:
            assert {one.id: one.verdict for one in report.segments}[value] == "ok"
        elif what == "purged":
            assert {one.id: one.verdict for one in report.segments}[value] == "erased"
    for segment, count in frames.items():
        if segment in gone:
            continue
        numbers = [each[6] for each in RECORD.iter_unpack(person.read(segment)["keyboard"])]
        assert numbers[:count] == list(range(count)), (segment, count, numbers)
        assert numbers == list(range(len(numbers))), "something that was never written was kept"


def run(folder: str, states: int, seed: int = 0) -> dict[str, int]:
    """Cut the power ``states`` times; returns how many frames had to be there, over all of them."""
    chance = random.Random(seed)
    done = frames = sessions = 0
    while done < states:
        sessions += 1
        place = os.path.join(folder, f"session-{seed}-{sessions}")
        person, tape, start = record(place, chance.randrange(2**32))
        new = os.path.join(place, "after")
        elsewhere = Person.__new__(Person)
        elsewhere.__dict__.update(person.__dict__)
        elsewhere.home = Home(new, os.path.join(new, "run"))
        disk, told = Disk(tape, start), []
        a_point = max(1, min(40, (states - done) // max(1, len(tape.events)) + 1))
        for event in tape.events:
            disk.play(event)
            if event.what == "ack":
                told.append(event.fact)
                continue
            for _ in range(a_point):
                if done >= states:
                    break
                done += 1
                lay_out(disk.after_a_cut(chance), person.home.root, new)
                check(elsewhere, told)
                frames += sum(what == "frame" for what, *_ in told)
        shutil.rmtree(place)
    return {"states": done, "sessions": sessions, "frames": frames, "lost": 0}
