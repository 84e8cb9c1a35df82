"""A store with real keys, and grants for it as the supervisor hands them over."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

from desktop_logger import keystore, store
from desktop_logger.clock import Clock
from desktop_logger.consent import gate
from desktop_logger.consent.grant import Grant
from desktop_logger.paths import Home
from desktop_logger.records.classes import Reason
from desktop_logger.records.layout import CLICK, GAP, KEY, RECORD, Redacted
from desktop_logger.sealing import ReaderKey, Signer, fingerprint
from desktop_logger.segments.reading import unpack

SCOPES = ("keyboard", "pointer")


class HeldClock(Clock):
    """A clock whose wall time a test sets."""

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time


class Person:
    """Somebody who has signed: a home, their keys, and an admin's key that their policy names."""

    def __init__(self, root: str, *, place: str = "file") -> None:
        self.home = Home(root, os.path.join(root, "run"))
        self.clock = HeldClock()
        self.identity, self.device = Signer.generate(), Signer.generate()
        self.reader, self.admin = ReaderKey.generate(), ReaderKey.generate()
        store.create(self.home, self.clock, self.identity, place)

    def grant(self, **changes: Any) -> Grant:
        return gate.inherit(json.dumps(self.wire(**changes)).encode())

    def wire(
        self, *, own: str = "bursts", release: str | None = "coarse", mode: str = "cooling-off",
        scopes: tuple[str, ...] = SCOPES, admin_scopes: tuple[str, ...] = SCOPES,
    ) -> dict[str, Any]:  # fmt: skip
        def text(data: bytes) -> str:
            return base64.b64encode(data).decode()

        return {
            "receipt_id": "1" * 32, "receipt_hash": "a" * 64, "policy_hash": "b" * 64, "consent_digest": "c" * 64,
            "subject_reader": text(self.reader.public), "device_public": text(self.device.public),
            "scopes": list(scopes), "injected": "record", "backends": [],
            "named_commands": False, "own": own, "release": release,
            "release_mode": mode if release else "none", "cooling_off_s": 0,
            "admins": [["admin", fingerprint(self.admin.public), text(self.admin.public), list(admin_scopes)]],
            "purposes": [], "retention_days": 30, "disk_cap_bytes": 1 << 30, "given": 0, "expires": 2**40,
            "demo": False,
        "applications": ["all", []], "unanswered": "coarse", "categories": {}, "tasks": [],
        "schedule": None, "watched": [], "uid": os.getuid(),
        }  # fmt: skip

    def kek(self) -> tuple[int, Any]:
        return keystore.load_kek(self.home)

    def open(self, **changes: Any) -> store.Segment:
        epoch, kek = self.kek()
        return store.open_segment(self.home, self.clock, self.grant(**changes), kek, epoch)

    def record(self, count: int = 3, **changes: Any) -> str:
        """One sealed segment of ``count`` frames, a few records in each; returns its id."""
        segment = self.open(**changes)
        for number in range(count):
            for stream in segment.streams:
                segment.append(stream, keys(number, 5, changes.get("scopes", SCOPES)))
                segment.tick(stream)
        segment.seal()
        return segment.id

    def read(self, segment: str, stream: str = "own") -> dict[str, bytes]:
        """Scope → all records, opened with this person's key."""
        found: dict[str, bytes] = {}
        for scope, _, part in store.open_stream(self.home, self.kek()[1], segment, stream, self.reader):
            found[scope] = found.get(scope, b"") + unpack(part).tobytes()
        return found

    def verdicts(self, **named: Any) -> dict[str, str]:
        return {each.id: each.verdict for each in store.verify(self.home, **named).segments}


def keys(t: int, count: int, scopes: tuple[str, ...] = SCOPES) -> Redacted:
    """``count`` key records, and as many clicks where the pointer is granted."""
    kinds = [kind for kind, scope in ((KEY, "keyboard"), (CLICK, "pointer")) if scope in scopes]
    return Redacted(b"".join(RECORD.pack(t, kind, 1, 0, 0, 0, n) for n in range(count) for kind in kinds))


def gap_record(seconds: int) -> Redacted:
    return Redacted(RECORD.pack(0, GAP, Reason.PAUSED, 0, 0, 0, seconds))
