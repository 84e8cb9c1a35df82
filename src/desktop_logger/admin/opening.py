"""One bundle, from a file to records: every check that stands between a bundle and a dataset, in order.

``accept``  1. the format: bounds, digests, canonical form (``bundle.parse``)
            2. addressed to this admin, and opens
            3. the receipt: complete, signed by the person's identity, and the one the manifest names
            4. the policy: signed by this controller, and the one the receipt names or a later one
            5. the person: registered here in person; not a demonstration
            6. the device that the receipt names signed the bundle
            7. not erased, not past its day
            8. the purpose: granted in the receipt; the profile: the one that was asked for, if one was
            9. keys: for readers and scopes that the receipt names only; those for this admin, each opening
``read``   10. the stream: the one the manifest names, whole, of a profile no finer than what was signed; each key
               fits its commitment
           11. every part of every frame opens

``accept`` needs the admin's key, and runs in the processes of one command only; ``read`` needs only the keys of this
segment's granted scopes, so that it can run elsewhere. That every record is in the vocabulary is checked where columns
are made of them (``tasks``). A bundle that fails says why and stops no other. Nothing here knows the subject's machine
or the store.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from desktop_logger import bundle as format_
from desktop_logger import disk, keystore, policy
from desktop_logger.bundle import Bundle, Manifest
from desktop_logger.consent import notices
from desktop_logger.consent import receipt as receipts
from desktop_logger.consent.receipt import Receipt
from desktop_logger.dataset.arrow import Session
from desktop_logger.errors import IntegrityError, Refused, Unreadable
from desktop_logger.inspection.columns import ordered
from desktop_logger.policy import Policy
from desktop_logger.records.profiles import PROFILES, SCOPES, may_become
from desktop_logger.sealing import Reader, fingerprint, hexdigest, reader_from
from desktop_logger.segments import format as segment_format
from desktop_logger.segments import reading

from . import places
from .ledger import Known

MOST_RECORDS = 1 << 20
"""A segment lasts ten minutes; this is 1,700 records a second."""


class Accepted(NamedTuple):
    """A bundle that may be read for one purpose; small, so that many fit in memory."""

    path: str
    id: str
    digest: str
    prev: str
    manifest: Manifest
    device: str
    """The device key in hex."""
    subject: str
    """The fingerprint of the person's identity."""
    receipt: str
    scopes: tuple[str, ...]
    """Scopes granted to this admin."""
    terms: tuple[str, ...]
    """Profiles that may leave, by receipt and by policy."""
    purpose_text: str
    policy: Policy
    keys: dict[str, bytes]
    """The scope keys of this one stream."""


class Readable(NamedTuple):
    """What reading one bundle takes, wherever it is done: no key of a person's or of the admin's."""

    path: str
    digest: str
    segment: str
    stream: str
    state: str
    profile: str
    carried: tuple[str, ...]
    """Scopes in the stream."""
    receipt: str
    terms: tuple[str, ...]
    keys: dict[str, bytes]
    session: int
    group: int


def load(path: str) -> Bundle:
    """Check 1. Raises ``IntegrityError``."""
    return format_.parse(contents_of(path, format_.FILE_LIMIT))


def contents_of(path: str, limit: int) -> bytes:
    """The bytes of a plain file: an outbox is anybody's folder, and may hold links, pipes and devices too."""
    try:
        if places.is_remote(path):
            return places.read(path, limit)
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise IntegrityError("not a plain file")
        return disk.read(path, limit)
    except OSError as error:
        raise IntegrityError(f"cannot be read: {error.strerror or 'it is not there'}") from None


class Expected(NamedTuple):
    """What bundles are checked against, in a form that another process of this command can be given."""

    seeds: tuple[bytes, ...]
    """Of the admin's reader key, or of both holders'."""
    controller: bytes
    """The public key that signs policies here."""
    known: Known
    purpose: str
    today: str
    demo: bool = False
    """Accept receipts of the demonstration, and nothing else."""
    profile: str = ""
    """Accept this profile, and nothing else; empty for all."""

    @property
    def reader(self) -> Reader:
        """The key that opens."""
        return _reader(self.seeds)


def accept(path: str, expected: Expected) -> Accepted:
    """Checks 1 to 9."""
    known, reader = expected.known, expected.reader
    # 1. format
    bundle = load(path)
    # 2. addressed to us
    me = fingerprint(reader.public)
    contents = format_.open_contents(bundle, me, reader)
    manifest = format_.manifest_of(contents["manifest"])
    if manifest.bundle != bundle.id:
        raise IntegrityError("the manifest is another bundle's")
    # 3. the receipt
    text = _bytes(contents["receipt"], "receipt")
    receipt, text_digest = _verified(text)
    if text_digest != manifest.receipt:
        raise IntegrityError("the receipt is not the one that the manifest names")
    # 4. the policy
    signed, payload_digest = _opened(_bytes(contents["policy"], "policy"))
    _check_policy(signed, payload_digest, receipt, expected.controller)
    # 5. the person
    subject = receipt.parties.subject
    if (receipt.processing.notice.id == notices.DEMO) != expected.demo:
        raise Refused("a receipt of the demonstration" if not expected.demo else "not a receipt of the demonstration")
    if subject.identity_fingerprint not in known.subjects:
        raise Refused(
            f"from somebody who is not registered ({subject.identity_fingerprint})",
            "Let the person read out their fingerprint, then: desktop-logger admin subjects add",
        )
    # 6. the device
    device = receipts.unbase64(subject.device, 32, "parties.subject.device")
    format_.check_signature(bundle, device)
    # 7. not erased, not over
    if (device.hex(), manifest.segment) in known.erased or (device.hex(), bundle.digest) in known.gone:
        raise Refused("erased at the person's request")
    if expected.today > manifest.delete_after:
        raise Refused(f"its time was over on {manifest.delete_after}: delete it")
    # 8. the purpose
    granted = {one.id: one.text for one in receipt.processing.purposes if one.granted}
    if expected.purpose not in granted or expected.purpose not in manifest.purposes:
        raise Refused(
            f"the person did not agree to the purpose {expected.purpose}",
            f"They agreed to: {', '.join(sorted(granted)) or 'none'}. Purposes are named by their ids.",
        )
    if expected.profile and manifest.profile != expected.profile:
        raise Refused(f"recorded as {manifest.profile}; this export is of {expected.profile}")
    readers = {one.fingerprint: frozenset(one.scopes) for one in receipt.processing.recipients}
    scopes = tuple(one for one in SCOPES if one in readers.get(me, ()))
    if not scopes:
        raise Refused("the receipt grants nothing to this admin's key")
    profiles = tuple(one.profile for one in (receipt.processing.release, signed.release) if one is not None)
    if len(profiles) < 2:
        raise Refused("the person agreed to no release")
    return Accepted(
        path=path,
        id=bundle.id,
        digest=bundle.digest,
        prev=bundle.prev,
        manifest=manifest,
        device=device.hex(),
        subject=subject.identity_fingerprint,
        receipt=manifest.receipt,
        scopes=scopes,
        terms=profiles,
        purpose_text=granted[expected.purpose],
        policy=signed,
        keys=_scope_keys(bundle, manifest, readers, me, reader),
    )


def _scope_keys(
    bundle: Bundle, manifest: Manifest, readers: Mapping[str, Collection[str]], me: str, reader: Reader
) -> dict[str, bytes]:
    """Check 9. The stanzas are bound to the stream's header: a key of another stream does not open.

    Keys for other readers stay closed; that there is one for somebody whom the receipt does not name is refused.
    """
    found: dict[str, bytes] = {}
    granted = readers[me]
    if set(bundle.sealed) - set(readers):
        raise IntegrityError("addressed to a reader whom the receipt does not name")
    header_digest = bytes.fromhex(manifest.stream)
    for stanza in map(keystore.stanza_from_wire, bundle.stanzas):
        if stanza.reader not in readers:
            raise IntegrityError("a stanza for a reader whom the receipt does not name")
        if (stanza.stream, stanza.role) != ("release", "admin") or stanza.scope not in readers[stanza.reader]:
            raise IntegrityError(f"a stanza for {stanza.scope}, which was not granted to its reader")
        if stanza.reader != me:
            continue
        info = segment_format.stanza_info("admin", stanza.scope, header_digest)
        try:
            found[stanza.scope] = reader.open(stanza.sealed, info)
        except Unreadable:
            raise Unreadable(
                f"the key for {stanza.scope} is not the one of the stream that the manifest names"
            ) from None
    if set(found) != set(granted) & set(manifest.scopes):
        raise IntegrityError("stanzas of granted scopes are missing")
    return found


# Thousands of bundles share a few receipts and policies: each is checked once and kept once.


@lru_cache(maxsize=4)
def _reader(seeds: tuple[bytes, ...]) -> Reader:
    return reader_from(seeds)


@lru_cache(maxsize=512)
def _verified(text: bytes) -> tuple[Receipt, str]:
    return receipts.verify(text), hexdigest(text)


@lru_cache(maxsize=64)
def _opened(text: bytes) -> tuple[Policy, str]:
    signed, payload = policy.open_signed(text, "the bundle's policy")
    return signed, hexdigest(payload)


def _check_policy(signed: Policy, payload_digest: str, receipt: Receipt, controller: bytes) -> None:
    if signed.controller is None or receipts.unbase64(signed.controller.public, 32, "controller.public") != controller:
        raise Refused("under the policy of another organisation")
    if receipt.processing.meaning.controller != signed.controller.public:
        raise IntegrityError("the receipt is for another organisation than the policy")
    shown = receipt.processing.policy
    # the policy in force may be a later one of ours that asks for less: the person did not sign again for it
    if shown.id != signed.id or (shown.sha256 != payload_digest and signed.version <= shown.version):
        raise IntegrityError("the policy is neither the one that the person was shown nor a later one")


def read(one: Readable) -> Session:
    """Checks 10 and 11: all records of the bundle's granted scopes, in order."""
    stream = format_.stream_of(contents_of(one.path, format_.FILE_LIMIT), one.digest)
    # 10. the stream
    body = segment_format.scan(stream)
    header = body.header
    named = (header.segment, body.header_digest.hex(), header.profile, header.scopes, header.receipt, header.stream)
    if named != (one.segment, one.stream, one.profile, one.carried, one.receipt, "release"):
        raise IntegrityError("the stream is not the one that the manifest names")
    if not all(may_become(PROFILES[name], PROFILES[header.profile]) for name in one.terms):
        raise Refused(f"recorded as {header.profile}: finer than what was signed")
    if body.rest or body.final != (one.state == "sealed"):
        raise IntegrityError("the stream is truncated or altered")
    # 11. the parts
    sealed: dict[str, list[bytes]] = {}
    for scope, _, part in reading.parts(body, one.keys):
        sealed.setdefault(scope, []).append(part)
    parts = {scope: [reading.unpack_all(found, MOST_RECORDS)] for scope, found in sealed.items()}
    records, scopes = ordered(parts)
    return Session(one.session, one.group, header.profile, records, scopes)


def _bytes(text: Any, what: str) -> bytes:
    if not isinstance(text, str):
        raise IntegrityError(f"the bundle's {what} is malformed")
    return text.encode()
