"""Bytes on disk for an hour of office work, per profile, padding included, beside the usual script's lines.

The invented hour goes through the real redactor, the real writer and the real store; only the clock is ours, so that
the hour takes seconds. Frames have one length whatever is in them: an hour of nothing is nearly as large.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile

from desktop_logger import keystore, store
from desktop_logger.capture.replay import Reader
from desktop_logger.clock import Clock
from desktop_logger.consent import gate
from desktop_logger.consent.grant import Grant
from desktop_logger.paths import Home
from desktop_logger.records.events import Batch
from desktop_logger.records.layout import END, RECORD_BYTES, RELEASE_STREAM, START, Redacted, control
from desktop_logger.records.profiles import COARSE, PROFILES, SEGMENT_S, Profile
from desktop_logger.redaction import Redactor
from desktop_logger.sealing import ReaderKey, Signer, fingerprint
from desktop_logger.sink import Sink

from .office import HOUR_S, events, usual_bytes
from .tables import table

BATCH_S = 0.05
OPENED = 1_750_000_000.0


class Hour(Clock):
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        """Wall-clock seconds."""
        return OPENED + self.at

    def monotonic(self) -> float:
        """Seconds since the hour began."""
        return self.at


def a_grant(own: Profile, release: Profile | None) -> Grant:
    """A grant of both scopes, as a supervisor would hand it over."""
    reader = ReaderKey.generate().public
    admin = ReaderKey.generate().public
    recipients = [["steward", fingerprint(admin), _text(admin), ["keyboard", "pointer"]]] if release else []
    facts = {
        "receipt_id": "0" * 32, "receipt_hash": "0" * 64, "policy_hash": "0" * 64, "consent_digest": "0" * 64,
        "subject_reader": _text(reader), "device_public": _text(bytes(32)), "scopes": ["keyboard", "pointer"],
        "injected": "record", "backends": [],
        "named_commands": True, "own": own.name, "release": release.name if release else None,
        "release_mode": "cooling-off" if release else "none", "cooling_off_s": 0, "admins": recipients,
        "purposes": ["own-insight"], "retention_days": 7, "disk_cap_bytes": 1 << 30, "given": int(OPENED),
        "expires": int(OPENED + 2 * HOUR_S), "demo": False,
        "applications": ["all", []], "unanswered": "coarse", "categories": {}, "tasks": [],
        "schedule": None, "watched": [],
        "uid": os.getuid(),
    }  # fmt: skip
    return gate.inherit(json.dumps(facts).encode())


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _marked(records: Redacted) -> bytes:
    """Records as the release stream's go through the pipe."""
    marked = bytearray(records)
    for at in range(4, len(marked), RECORD_BYTES):
        marked[at] |= RELEASE_STREAM
    return bytes(marked)


def record_hour(root: str, replay: str | None, own: Profile, release: Profile | None) -> dict[str, int]:
    """Record the replay file (``None``: nothing at all) into a fresh home; bytes on disk by kind of file."""
    home, clock = Home(root, os.path.join(root, "run")), Hour()
    store.create(home, clock, Signer.generate(), "file")
    epoch, kek = keystore.load_kek(home)
    grant = a_grant(own, release)
    redactor, sink = Redactor(grant), Sink(home, clock, grant, kek, epoch)
    reader = Reader(replay) if replay else None
    waiting = [event for _, found in reader.lines() for event in found] if reader else []
    waiting.reverse()
    until = 0
    for step in range(int(HOUR_S / BATCH_S)):
        clock.at = step * BATCH_S
        until = round(clock.at * 1000)
        if step % int(SEGMENT_S / BATCH_S) == 0:
            if step:
                redactor.flush(until)
                _pass(redactor, sink, END)
            sink.take(control(START))
            redactor.begin(until)
        batch = []
        while waiting and waiting[-1][0] <= until:
            batch.append(waiting.pop())
        redactor.feed(Batch(batch, until))
        if step % int(1 / BATCH_S) == 0:
            redactor.advance(until)
            _pass(redactor, sink)
            sink.tick()
    redactor.flush(until)
    _pass(redactor, sink, END)
    sizes = {"own": 0, "release": 0}
    for name in os.listdir(home.segments):
        sizes[name.rpartition(".")[2]] += os.path.getsize(os.path.join(home.segments, name))
    for kind, folder in (("keys", home.keystore), ("ledger", home.ledger)):
        sizes[kind] = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)
    return sizes


def _pass(redactor: Redactor, sink: Sink, then: int | None = None) -> None:
    own, release = redactor.take()
    sink.take(own + _marked(release))
    if then is not None:
        sink.take(control(then))


def run() -> None:
    """The table."""
    hour = events()
    lines, count = usual_bytes(hour), len(hour)
    rows = [["usual script, JSON lines", f"{lines / 1024:,.0f}", "-", "-", f"{lines / count:.1f}", "-"]]
    with tempfile.TemporaryDirectory(prefix="desktop-logger-") as folder:
        replay = os.path.join(folder, "office.jsonl")
        with open(replay, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(event) + "\n" for event in hour)
        for name, profile in PROFILES.items():
            sizes = record_hour(os.path.join(folder, name), replay, profile, COARSE)
            rest = sizes["keys"] + sizes["ledger"]
            rows.append(
                [
                    f"ours, {name}", f"{sizes['own'] / 1024:,.0f}", f"{sizes['release'] / 1024:,.0f}",
                    f"{rest / 1024:,.0f}", f"{sizes['own'] / count:.1f}", f"{lines / sizes['own']:.1f}x",
                ]
            )  # fmt: skip
        still = record_hour(os.path.join(folder, "still"), None, PROFILES["events"], COARSE)
    rows.append(["ours, events, an hour of nothing", f"{still['own'] / 1024:,.0f}", f"{still['release'] / 1024:,.0f}",
                 f"{(still['keys'] + still['ledger']) / 1024:,.0f}", "-", "-"])  # fmt: skip
    table(
        f"KiB on disk for an hour of office work ({count:,} input events)",
        ["what", "own", "release (coarse)", "keys and ledger", "own, bytes an event", "lines / own"],
        rows,
        "Padding included. Frames have one size, full or empty: the file's growth does not tell when somebody types.",
    )
