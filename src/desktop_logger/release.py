"""Release: which segments wait to leave, and how they leave, as exactly the bytes that were sealed for it.

A segment may leave when it is whole, recorded under the receipt in force, no finer than today's release terms, not
erased, not released before, and its cooling-off is over: opened minute + the longest life of a segment + the policy's
time. Under ``approved`` no admin stanza exists before the subject's own key has made it.

Writing one bundle, under the store lock: 1. ``<bundle>.bundle.partial`` in the outbox, synced; 2. the ledger says
``released`` with the header's digest; 3. the file takes its name. A crash between 2 and 3 is finished by the next
run, one between 1 and 2 is undone, so that the chain of bundles never forks. Nothing is decrypted here.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple

from . import bundle, disk, keystore
from .bundle import FIRST, SUFFIX, Manifest
from .clock import Clock, day
from .consent import identity
from .consent.grant import Grant
from .errors import DesktopLoggerError, IntegrityError, NoConsent, Refused
from .ledger import Entry, Ledger
from .paths import Home
from .records.profiles import PROFILES
from .sealing import ReaderKey, hexdigest, random_id
from .segments import format as segment_format
from .segments import reading
from .store.known import Known, known_segments, locked, stream_path
from .store.writing import admin_stanzas

LONGEST_SEGMENT_S = 660
"""A segment's last record is at most this much later than the minute in which it was opened."""

READY, COOLING, UNAPPROVED, HELD = "ready", "cooling off", "needs approval", "held back"
_LARGEST_RECEIPT = 256 << 10
_LARGEST_POLICY = 512 << 10


class Waiting(NamedTuple):
    """One segment that has not left."""

    segment: str
    opened: int
    """Unix seconds, a whole minute."""
    ready: int
    """Unix seconds at which its cooling-off is over."""
    state: str
    why: str = ""
    """Why it is held back."""


class Released(NamedTuple):
    """What one run did."""

    segments: list[str]
    bundles: list[str]
    """Files in the outbox."""
    failed: list[tuple[str, str]]
    """(segment, reason): these stay; the rest went on."""


def waiting(home: Home, clock: Clock, grant: Grant) -> list[Waiting]:
    """Every closed segment with a release stream that has not left, oldest first."""
    return _waiting(home, clock, grant, Ledger(home, clock).entries())


def _waiting(home: Home, clock: Clock, grant: Grant, entries: list[Entry]) -> list[Waiting]:
    found = []
    approved = {entry["segment"] for entry in entries if entry["kind"] == "approved"}
    for segment in known_segments(entries).values():
        closed = segment.how != "open" and "release" in segment.opened
        if not closed or segment.bundles or segment.erased or segment.intended:
            continue
        try:
            opened = (_header(home, segment.id, "own").opened or 0) * 60
            header = _header(home, segment.id, "release")
        except (OSError, IntegrityError):
            continue  # gone or damaged: `verify` says so; nothing leaves
        ready = opened + LONGEST_SEGMENT_S + grant.cooling_off_s
        why = _held(header, grant)
        if why:
            state = HELD
        elif grant.release_mode == "approved":
            state = READY if segment.id in approved else UNAPPROVED
        else:
            state = READY if clock.now() >= ready else COOLING
        found.append(Waiting(segment.id, opened, ready, state, why))
    return sorted(found, key=lambda one: one.opened)


def _held(header: segment_format.Header, grant: Grant) -> str:
    """Why a stream may not leave under this grant, or nothing."""
    if grant.release is None or not grant.admins or not grant.purposes:
        return "the consent in force lets nothing leave"
    if header.receipt != grant.receipt_hash:
        return "recorded under an earlier consent"
    if PROFILES[header.profile].rank < grant.release.rank:
        return f"recorded as {header.profile}, finer than what may leave now"
    if not set(header.scopes) & {scope for who in grant.admins for scope in who.scopes}:
        return "nobody may read what it holds"
    return ""


def approve(home: Home, clock: Clock, grant: Grant, reader: ReaderKey, segments: list[str]) -> list[str]:
    """Make the admin stanzas of these segments with the subject's own key; returns those approved now.

    Each approval pins the bytes that were shown: the ledger carries the digest of the release file.
    """
    approved = []
    with locked(home):
        epoch, kek = keystore.load_kek(home)
        able = {one.segment for one in waiting(home, clock, grant) if one.state == UNAPPROVED}
        for segment in segments:
            if segment not in able:
                continue
            data = disk.read(stream_path(home, segment, "release"), segment_format.LARGEST_FILE)
            body = segment_format.scan(data)
            stanzas = keystore.read_entry(home, kek, segment)
            mine = next((one for one in stanzas if (one.stream, one.role) == ("release", "subject")), None)
            if mine is None:
                raise IntegrityError(f"segment {segment} has no key for you", "Run: desktop-logger verify")
            root = reading.open_stanza(body, "subject", "*", mine.sealed, reader)
            keys = {scope: bytearray(key) for scope, key in reading.scope_keys(body, root).items()}
            made = admin_stanzas(grant, body.header_digest, keys)
            keystore.replace_entry(home, kek, epoch, segment, [*stanzas, *made])
            Ledger(home, clock).append(
                "approved", segment=segment, stanzas=[one.digest for one in made], stream=hexdigest(data)
            )
            approved.append(segment)
    return approved


def write(home: Home, clock: Clock, grant: Grant, *, hurry: bool = False) -> Released:
    """Write a bundle for every segment that may leave. ``hurry``: do not wait for the cooling-off (subject's wish)."""
    done = Released([], [], [])
    with locked(home):
        ledger = Ledger(home, clock)
        entries = ledger.entries()
        finish(home, entries)
        states = (READY, COOLING) if hurry else (READY,)
        ready = [one for one in _waiting(home, clock, grant, entries) if one.state in states]
        if not ready:
            return done
        home.create(home.outbox)
        outgoing = _Outgoing(home, clock, grant, entries)
        for one in ready:
            try:
                done.bundles.append(outgoing.write(one.segment))
            except (IntegrityError, Refused) as error:
                done.failed.append((one.segment, error.message))
            else:
                done.segments.append(one.segment)
    return done


def finish(home: Home, entries: list[Entry]) -> None:
    """Finish or undo what a crash left in the outbox. The caller holds the store lock."""
    released = {entry["bundle"] for entry in entries if entry["kind"] == "released"}
    with suppress(FileNotFoundError):
        for name in os.listdir(home.outbox):
            if not name.endswith(SUFFIX + ".partial"):
                continue
            path = os.path.join(home.outbox, name)
            try:
                known = bundle.parse(disk.read(path, bundle.FILE_LIMIT)).digest in released
            except (DesktopLoggerError, OSError):
                known = False
            if known:
                os.rename(path, path.removesuffix(".partial"))
            else:
                os.unlink(path)
        disk.sync_folder(home.outbox)


class _Outgoing:
    """One run of writing bundles: everything that is the same for all of them, and the chain's end."""

    def __init__(self, home: Home, clock: Clock, grant: Grant, entries: list[Entry]) -> None:
        self.home, self.clock, self.grant = home, clock, grant
        self.ledger = Ledger(home, clock)
        self.known = known_segments(entries)
        self.anchor = self.ledger.head()
        self.previous = next((entry["bundle"] for entry in reversed(entries) if entry["kind"] == "released"), FIRST)
        self.shown = {entry["segment"]: entry["stream"] for entry in entries if entry["kind"] == "approved"}
        self.receipt, self.policy = _receipt(home, grant), _policy(home)
        self.kek = keystore.load_kek(home)[1]
        self.device = identity.device(home)
        if self.device.public != grant.device_public:
            raise NoConsent("the device key is not the one of this consent", "Run: desktop-logger consent sign")

    def write(self, segment: str) -> str:
        """One bundle; returns its path. Raises ``IntegrityError`` or ``Refused`` and leaves nothing behind."""
        grant = self.grant
        body, stream = self._stream(self.known[segment])
        made = random_id()
        manifest = Manifest(
            bundle=made,
            segment=segment,
            stream=body.header_digest.hex(),
            state="sealed" if body.final else "recovered",
            profile=body.header.profile,
            scopes=body.header.scopes,
            purposes=grant.purposes,
            receipt=grant.receipt_hash,
            policy=grant.policy_hash,
            delete_after=day(self.clock.now() + grant.retention_days * 86400),
        )
        data = bundle.write(
            self.device,
            prev=self.previous,
            anchor=self.anchor,
            recipients={who.fingerprint: who.public for who in grant.admins},
            contents={"manifest": manifest.to_wire(), "receipt": self.receipt, "policy": self.policy},
            stanzas=[one.to_wire() for one in self._stanzas(segment)],
            stream=stream,
            bundle=made,
        )
        digest = bundle.parse(data).digest
        path = os.path.join(self.home.outbox, made + SUFFIX)
        # 1. the file under another name
        disk.replace(path + ".partial", data)
        # 2. the ledger
        self.anchor = self.ledger.append(
            "released", segments=[segment], bundle=digest, readers=[who.fingerprint for who in grant.admins]
        )
        self.previous = digest
        # 3. its name
        os.rename(path + ".partial", path)
        disk.sync_folder(self.home.outbox)
        return path

    def _stream(self, known: Known) -> tuple[segment_format.Body, bytes]:
        """The release stream, checked against what the ledger says was sealed and what the subject approved."""
        data = disk.read(stream_path(self.home, known.id, "release"), segment_format.LARGEST_FILE)
        body = segment_format.scan(data)
        closed = known.closed.get("release", {})
        if body.rest == "altered" or (closed.get("head"), closed.get("frames")) != (body.head.hex(), len(body.frames)):
            raise IntegrityError("its release stream is not what was sealed", "Run: desktop-logger verify")
        if self.grant.release_mode == "approved" and self.shown.get(known.id) != hexdigest(data):
            raise IntegrityError("its release stream is not what was approved")
        return body, data[: body.good_bytes]

    def _stanzas(self, segment: str) -> list[keystore.Stanza]:
        """Admin stanzas of scopes that the grant gives to their reader today."""
        granted = {who.fingerprint: set(who.scopes) & set(self.grant.scopes) for who in self.grant.admins}
        found = [
            one
            for one in keystore.read_entry(self.home, self.kek, segment)
            if (one.stream, one.role) == ("release", "admin") and one.scope in granted.get(one.reader, ())
        ]
        if not found:
            raise Refused("it holds no key for anybody who may read it")
        return found


def _header(home: Home, segment: str, stream: str) -> segment_format.Header:
    with open(stream_path(home, segment, stream), "rb") as file:
        return segment_format.parse_header(file.read(2 * segment_format.LARGEST_HEADER))[0]


def _receipt(home: Home, grant: Grant) -> str:
    data = disk.read(home.receipt, _LARGEST_RECEIPT)
    if hexdigest(data) != grant.receipt_hash:
        raise NoConsent("the receipt has changed", "Run: desktop-logger consent status", state="ConsentInvalidated")
    return data.decode()


def _policy(home: Home) -> str:
    try:
        return disk.read(home.policy, _LARGEST_POLICY).decode()
    except (OSError, UnicodeDecodeError):
        raise Refused("there is no policy of an organisation, so nothing can be released to one") from None
