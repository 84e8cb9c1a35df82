"""Release: which segments wait to leave, and how they leave, as exactly the bytes that were sealed for it.

A segment may leave when it is whole, recorded under the receipt in force, no finer than today's release terms, not
erased, not released before, and its cooling-off is over: opened minute + the longest life of a segment + the policy's
time (where the policy has none, as soon as it is closed). Under ``approved`` no admin stanza exists before the
subject's own key has made it.

Writing one bundle, under the store lock: 1. ``<bundle>.bundle.partial`` in the outbox, synced; 2. the ledger says
``released`` with the header's digest; 3. the file takes its name. A crash between 2 and 3 is finished by the next
run, one between 1 and 2 is undone, so that the chain of bundles never forks. Nothing is decrypted here.
"""

from __future__ import annotations

import os
import time
from base64 import b32encode
from contextlib import suppress
from typing import NamedTuple

from . import bundle, disk, keystore, store
from .bundle import SUFFIX, Manifest
from .clock import Clock, day
from .consent import identity
from .consent.grant import Grant
from .errors import DesktopLoggerError, IntegrityError, NoConsent, Refused
from .ledger import Entry, Ledger, bundle_before
from .paths import Home
from .records.profiles import PROFILES, SEGMENT_S
from .sealing import ReaderKey, hexdigest, random_id
from .segments.format import Header, scan
from .store.known import known_segments, unwritable

LONGEST_SEGMENT_S = SEGMENT_S + 60
"""A segment's last record is at most this much later than the minute in which it was opened."""

READY, COOLING, UNAPPROVED, HELD = "ready", "cooling off", "needs approval", "held back"
_SLOW_S, _LET_IN_S = 0.5, 0.1
"""From how long a bundle's writing takes the outbox is slow, and for how long others are let in then."""
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
            opened = (store.read_header(home, segment.id, "own").opened or 0) * 60
            header = store.read_header(home, segment.id, "release")
        except IntegrityError:
            continue  # gone or damaged: `verify` says so; nothing leaves
        ready = opened + LONGEST_SEGMENT_S + grant.cooling_off_s if grant.cooling_off_s else opened
        why = _held(header, grant)
        if why:
            state = HELD
        elif grant.release_mode == "approved":
            state = READY if segment.id in approved else UNAPPROVED
        else:
            state = READY if clock.now() >= ready else COOLING
        found.append(Waiting(segment.id, opened, ready, state, why))
    return sorted(found, key=lambda one: one.opened)


def _held(header: Header, grant: Grant) -> str:
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


def code(home: Home, clock: Clock, segments: list[str]) -> str:
    """A short code (40 bits) of exactly these sealed streams, as the ledger knows their last bytes.

    What ``--preview`` showed and what ``--approve`` asks for are the same streams when the codes are the same.
    """
    known = known_segments(Ledger(home, clock).entries())
    heads = [f"{name} {known[name].closed['release']['head']}" for name in sorted(segments) if name in known]
    text = b32encode(bytes.fromhex(hexdigest("\n".join(heads).encode()))[:5]).decode("ascii")
    return f"{text[:4]}-{text[4:]}"


def approve(home: Home, clock: Clock, grant: Grant, reader: ReaderKey, segments: list[str]) -> list[str]:
    """Make the admin stanzas of these segments with the subject's own key; returns those approved now.

    What was shown is what leaves: a closed stream never changes, and the ledger holds its head.
    """
    with store.locked(home):
        _, kek = keystore.load_kek(home)
        # asking again for one that is ready changes nothing, and mends an approval that a crash cut short
        able = {one.segment for one in waiting(home, clock, grant) if one.state in (UNAPPROVED, READY)}
        approved = [segment for segment in segments if segment in able]
        for segment in approved:
            store.approve(home, clock, kek, segment, reader=reader, grant=grant)
    return approved


def write(home: Home, clock: Clock, grant: Grant, *, hurry: bool = False) -> Released:
    """Write a bundle for every segment that may leave. ``hurry``: do not wait for the cooling-off (subject's wish).

    Raises ``Unavailable`` where the outbox cannot be written: bundles that are whole stay, the next run goes on.
    """
    done = Released([], [], [])
    while not _written(home, clock, grant, done, hurry=hurry):
        time.sleep(_LET_IN_S)
    return done


def _written(home: Home, clock: Clock, grant: Grant, done: Released, *, hurry: bool) -> bool:
    """Write what is ready; False when the outbox is slow, so that whoever waits for the store gets it in between."""
    with store.locked(home):
        ledger = Ledger(home, clock)
        entries = ledger.entries()
        finish(home, entries)
        states = (READY, COOLING) if hurry else (READY,)
        failed = {segment for segment, _ in done.failed}
        ready = [one for one in _waiting(home, clock, grant, entries) if one.state in states]
        ready = [one for one in ready if one.segment not in failed]
        if not ready:
            return True
        home.create(home.outbox)
        outgoing = _Outgoing(home, clock, grant, entries)
        for one in ready:
            began = clock.monotonic()
            try:
                done.bundles.append(outgoing.write(one.segment))
            except (IntegrityError, Refused) as error:
                done.failed.append((one.segment, error.message))
            else:
                done.segments.append(one.segment)
            if clock.monotonic() - began > _SLOW_S and one is not ready[-1]:
                return False
    return True


def finish(home: Home, entries: list[Entry]) -> None:
    """Finish or undo what a crash left in the outbox. The caller holds the store lock."""
    released = {digest for one in known_segments(entries).values() if not one.intended and not one.erased
                for digest in one.bundles}  # fmt: skip
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
        self.anchor = self.ledger.head()
        self.previous = bundle_before(entries)
        self.receipt, self.policy = _receipt(home, grant), _policy(home)
        self.kek = keystore.load_kek(home)[1]
        self.device = identity.device(home)
        if self.device.public != grant.device_public:
            raise NoConsent("the device key is not the one of this consent", "Run: desktop-logger consent sign")

    def write(self, segment: str) -> str:
        """One bundle; returns its path. Raises ``IntegrityError`` or ``Refused`` and leaves nothing behind."""
        grant = self.grant
        stream, stanzas = self._carried(segment)
        body = scan(stream)
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
            stanzas=[one.to_wire() for one in stanzas],
            stream=stream,
            bundle=made,
        )
        digest = bundle.parse(data).digest
        path = os.path.join(self.home.outbox, made + SUFFIX)
        # 1. the file under another name
        try:
            disk.replace(path + ".partial", data)
        except OSError as error:
            with suppress(OSError):
                os.unlink(path + ".partial.tmp")
            raise unwritable(error, f"the outbox {self.home.outbox}") from None
        # 2. the ledger
        self.anchor = self.ledger.append("released", segments=[segment], bundle=digest, file=made + SUFFIX)
        self.previous = digest
        # 3. its name
        os.rename(path + ".partial", path)
        disk.sync_folder(self.home.outbox)
        return path

    def _carried(self, segment: str) -> tuple[bytes, list[keystore.Stanza]]:
        """The stream as the ledger vouches for it, and the stanzas that the grant gives to their reader today."""
        stream, stanzas = store.for_release(self.home, self.kek, segment)
        granted = {who.fingerprint: set(who.scopes) & set(self.grant.scopes) for who in self.grant.admins}
        found = [one for one in stanzas if one.stream == "release" and one.scope in granted.get(one.reader, ())]
        if not found:
            raise Refused("it holds no key for anybody who may read it")
        return stream, found


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
