"""Non-interference from outside: pairs of texts through the real capture and writer processes, joined by a pipe.

Compared is everything that anybody could observe: the records that the person can open, the size of every file of
the store, every line that either process reported, what they printed, and how they ended. ``python -m
tests.processes 50`` runs as many pairs as it is told; the default tests run a few.

Two runs begin at moments of their own, so inputs stand on whole seconds and times are compared from the first
record. Under ``counts`` the noise of the two runs differs as it must: there the shape of the records is compared.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from desktop_logger.records.layout import ACTIONS, COARSE_FORM, GAP, PRESSES, RECORD, SWITCHES, TARGETS
from desktop_logger.records.profiles import PROFILES, SCOPES
from tests.storage import Person

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:!?"
STREAMS = [("events", "coarse"), ("bursts", "coarse"), ("coarse", "coarse"), ("bursts", "counts"), ("counts", "counts")]
NOISY = (PRESSES, ACTIONS, SWITCHES, TARGETS)
Observed = dict[str, Any]


def texts(chance: random.Random) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Two inputs that are equal after classification and gridding, with times in whole seconds.

    The middle second is spent in something that does not say whether it is secure, so it is veiled.
    """
    sides: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
    for second in (0, 1, 2):
        where = {"focus": chance.choice(("thunderbird", "firefox", "nobody.knows")), "secure": False}
        for side in sides:
            side.append({"t": second, **where, "answered": second != 1})
        for _ in range(chance.randrange(4, 12)):
            for side in sides:
                name = chance.choice(LETTERS)
                side += [{"t": second, "key": name, "down": down} for down in (True, False)]
        clicked = {"button": 1, "down": True, "role": chance.choice(("link", "button")), "click": "single"}
        shared: dict[str, Any] = chance.choice(
            [{"key": "Return", "down": True}, clicked, {"key": "BackSpace", "down": True}]
        )
        for side in sides:
            side += [{"t": second, **shared}, {"t": second, "task": 1, "outcome": "ok" if second else "begin"}]
        whole, part = chance.randrange(200, 900), chance.randrange(1, 100)
        sides[0].append({"t": second, "move": [whole, 0]})
        sides[1].extend([{"t": second, "move": [part, 0]}, {"t": second, "move": [whole - part, 0]}])
    return sides


class Chain:
    """A capture process and a writer process, as the supervisor would start them."""

    def __init__(self, lines: list[dict[str, Any]], own: str, release: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.person = Person(os.path.join(self.folder.name, "home"))
        path = os.path.join(self.folder.name, "input.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        grant = json.dumps(self.person.wire(own=own, release=release, scopes=SCOPES, admin_scopes=SCOPES)).encode()
        epoch, kek = self.person.kek()
        records_out, records_in = os.pipe()
        grant_out, beat_out, key_out = (self._given(data) for data in (grant, None, None))
        self.reports = [os.pipe(), os.pipe()]
        env = {"DESKTOP_LOGGER_HOME": self.person.home.root}
        argv = [sys.executable, "-I", "-m"]
        os.write(self.ends[1], b".")
        given = (grant_out, records_in, beat_out, beat_out, self.reports[0][1])  # a file needs no attention pipe
        self.source = subprocess.Popen(
            [*argv, "desktop_logger.source", "--backend", f"replay:{path}", *map(str, given)],
            pass_fds={*given}, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        os.write(self.ends[2], epoch.to_bytes(4, "little") + kek.secret() + grant)
        os.close(self.ends[2])
        theirs = (records_out, key_out, self.reports[1][1])
        self.sink = subprocess.Popen(
            [*argv, "desktop_logger.sink", *map(str, theirs)],
            pass_fds=theirs, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        for descriptor in {*given, *theirs}:
            os.close(descriptor)
        os.set_blocking(self.reports[0][0], False)

    def _given(self, data: bytes | None) -> int:
        """A pipe's reading end; with ``data`` the writing end is filled and closed, else kept in ``ends``."""
        if not hasattr(self, "ends"):
            self.ends: dict[int, int] = {}
        out, put = os.pipe()
        if data is None:
            self.ends[len(self.ends) + 1] = put
        else:
            os.write(put, data)
            os.close(put)
        return out

    def observe(self) -> Observed:
        """Beat until the file is played, stop in the ordinary way, and look at everything."""
        said, deadline = b"", time.monotonic() + 60
        while b"finished" not in said and self.source.poll() is None and time.monotonic() < deadline:
            os.write(self.ends[1], b".")
            time.sleep(0.1)
            try:
                said += os.read(self.reports[0][0], 65536)
            except BlockingIOError:
                continue
        if self.source.poll() is None:
            os.write(self.ends[1], b"q")
        status = [self.source.wait(60), self.sink.wait(60)]
        written = b""
        while chunk := os.read(self.reports[1][0], 65536):
            written += chunk
        printed = [process.stdout.read() for process in (self.source, self.sink) if process.stdout]
        home = self.person.home.root
        sizes = sorted(
            os.path.getsize(os.path.join(folder, name))
            for folder, _, names in os.walk(os.path.join(home, "segments"))
            for name in names
        )
        streams = {}
        (segment,) = {name.partition(".")[0] for name in os.listdir(os.path.join(home, "segments"))}
        for stream in ("own", "release"):
            if os.path.exists(os.path.join(home, "segments", f"{segment}.{stream}")):
                streams[stream] = {scope: _shifted(data) for scope, data in self.person.read(segment, stream).items()}
        reports = [line for line in (said + b"\n" + written).splitlines() if line and b'"alive"' not in line]
        return {"status": status, "printed": printed, "reports": reports, "sizes": sizes, "streams": streams}

    def close(self) -> None:
        for process in (self.source, self.sink):
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        for descriptor in (self.ends[1], self.reports[0][0], self.reports[1][0]):
            os.close(descriptor)
        self.folder.cleanup()


def _shifted(data: bytes) -> list[tuple[int, ...]]:
    """Records from the first one's time; of noisy counts only which there are, since noise is drawn anew.

    A veiled record bears the start of its minute as its time, which is the same in both runs. How long after the
    segment's start the first record of either form came is a matter of the run, not of the input.
    """
    records = [record for record in RECORD.iter_unpack(data) if record[1] != GAP]
    first: dict[bool, int] = {}
    found: list[tuple[int, ...]] = []
    for t, kind, code, a, b, c, d in records:
        if kind in NOISY:
            found.append((t, kind, code))
            continue
        veiled = kind >= COARSE_FORM
        since = d if veiled in first else 0
        base = first.setdefault(veiled, t)
        found.append((t if veiled else t - base, kind, code, a, b, c, since))
    return found


def observed(lines: list[dict[str, Any]], terms: tuple[str, str]) -> Observed:
    """One run from start to end."""
    chain = Chain(lines, *terms)
    try:
        return chain.observe()
    finally:
        chain.close()


def differing(pairs: int, seed: int = 1) -> list[str]:
    """What differs, in words that hold no input.

    A process that the machine stalls for a second holds late input at the time it has reached, whatever the input
    is; so a pair that differs is run again, and counts only when it differs three times.
    """
    chance = random.Random(seed)
    found = []
    with ThreadPoolExecutor(2) as both:
        for number in range(pairs):
            terms, sides = STREAMS[number % len(STREAMS)], texts(chance)
            for _ in range(3):
                one, other = both.map(observed, sides, (terms, terms))
                unlike = [f"pair {number} ({terms[0]}, {terms[1]}): {key}" for key in one if one[key] != other[key]]
                if one["status"] != [0, 0] or not one["streams"]["own"]["keyboard"]:
                    unlike.append(f"pair {number}: ended with {one['status']}: {one['reports']}")
                if not unlike:
                    break
            found += unlike
    return found


assert {name for terms in STREAMS for name in terms} == set(PROFILES)

if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    unlike = differing(count)
    print(f"{count} pairs of whole processes, {len(unlike)} differences", *unlike, sep="\n")
    sys.exit(bool(unlike))
