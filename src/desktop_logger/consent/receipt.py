"""The consent receipt: what one person agreed to, in the structure of ISO/IEC TS 27560, signed by that person.

RFC 8785 canonical JSON; Ed25519 by the subject's identity over everything but ``signature``. Four sections as in the
standard (header, processing, parties, event), plus the ledger's place and the signature.

Invariants: bytes that are not exactly the canonical form of a complete receipt are refused; every field is of a closed
type; a state is exactly one of the W3C DPV's. The JSON Schema in ``consent/receipt.schema.json`` is made from here.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from desktop_logger import sealing
from desktop_logger.errors import IntegrityError
from desktop_logger.paths import rewrite
from desktop_logger.policy import (
    CategoryName,
    Contact,
    Line,
    Model,
    Name,
    Pattern,
    ProfileName,
    Reference,
    Schedule,
    Scope,
)

FORMAT: Literal["desktop-logger/receipt/1"] = "desktop-logger/receipt/1"
LARGEST = 256 * 1024
LONGEST_S = 366 * 86_400
"""A consent ends after a year at most; a day's grace for rounding up to the end of a day."""
_CONTEXT = "receipt"

Sha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Fingerprint = Annotated[str, StringConstraints(pattern=r"^([A-Z2-7]{4}-){7}[A-Z2-7]{4}$")]
Base64 = Annotated[str, StringConstraints(min_length=4, max_length=2000, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
Time = Annotated[int, Field(ge=0, le=1 << 40)]
Count = Annotated[int, Field(ge=0, le=1 << 31)]
Language = Literal["en", "de", "fr"]
Mode = Literal["cooling-off", "approved"]


class Header(Model):
    """Which record this is."""

    format: Literal["desktop-logger/receipt/1"]
    structure: Literal["ISO/IEC TS 27560:2023"]
    id: Id
    previous: Sha | None
    """SHA-256 of the receipt before this one."""
    language: Language
    program: Line
    """Version of the program that held the ceremony."""


class NoticeShown(Model):
    """The exact text that was shown."""

    id: Name
    version: Count
    language: Language
    sha256: Sha


class PolicyShown(Model):
    """The exact policy that was shown."""

    id: Name
    version: Count
    sha256: Sha


class NoticeMeant(Model):
    """The notice, apart from its language."""

    id: Name
    version: Count


class Terms(Model):
    """When and how finely data leaves."""

    profile: ProfileName
    mode: Mode
    cooling_off_hours: Count


class Applications(Model):
    """Which applications are recorded."""

    mode: Literal["all", "allow", "deny"]
    names: tuple[Pattern, ...]


class Categories(Model):
    """How applications become categories: the policy's own table, and the digest of the one that was shipped."""

    own: dict[Pattern, CategoryName]
    shipped: Sha


class Meaning(Model):
    """What the consent digest covers (see ``digest``)."""

    notice: NoticeMeant
    registry: Sha
    classes: Sha
    profiles: Sha
    scopes: tuple[Scope, ...]
    applications: Applications
    unanswered: Literal["coarse", "nothing"]
    categories: Categories
    tasks: dict[Name, Sha]
    schedule: Schedule | None
    backends: dict[Name, Sha]
    injected: Literal["record", "exclude"]
    named_commands: bool
    remote_sessions: bool
    ceiling: ProfileName
    release: Terms | None
    controller: Base64 | None
    countersigner: Base64 | None
    recipients: dict[Fingerprint, tuple[Scope, ...]]
    purposes: dict[Name, Sha]
    retention_days: Count
    onward_transfer: tuple[Line, ...]
    forbidden_uses: tuple[Name, ...]


class ScopeAnswer(Model):
    """One scope that was asked about."""

    id: Scope
    granted: bool


class PurposeAnswer(Model):
    """One purpose that was asked about, in the words that were shown."""

    id: Name
    text: Line
    granted: bool


class Reader(Model):
    """Somebody who can read what is released, for the granted scopes."""

    name: Line
    fingerprint: Fingerprint
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]


class Processing(Model):
    """What may be done."""

    notice: NoticeShown
    policy: PolicyShown
    meaning: Meaning
    consent_digest: Sha
    scopes: Annotated[tuple[ScopeAnswer, ...], Field(min_length=1)]
    purposes: Annotated[tuple[PurposeAnswer, ...], Field(min_length=1)]
    profile: ProfileName
    named_commands: bool
    release: Terms | None
    recipients: tuple[Reader, ...]
    retention_days: Count
    storage_location: Literal["this computer"]
    legal_basis: Line | None
    dpia: Reference | None
    works_agreement: Reference | None
    rights: tuple[Literal["access", "portability", "erasure", "restriction", "withdrawal", "complaint"], ...]
    withdrawal: Literal["desktop-logger consent withdraw"]
    refusal_consequences: Literal["none"]


class Subject(Model):
    """Who signed, and on which account and machine."""

    identity: Base64
    identity_fingerprint: Fingerprint
    reader: Base64
    reader_fingerprint: Fingerprint
    device: Base64
    uid: Count
    machine: Sha | None
    """HMAC of the machine id under this receipt's id; ``None`` where the machine has none."""


class ControllerNamed(Contact):
    """Who answers for the processing."""

    fingerprint: Fingerprint


class Parties(Model):
    """Between whom."""

    subject: Subject
    controller: ControllerNamed | None
    dpo: Contact | None


class Event(Model):
    """The act of consenting. Times in Unix seconds."""

    state: Literal["ConsentGiven", "RenewedConsentGiven"]
    type: Literal["ExplicitlyExpressedConsent"]
    method: Literal["code typed on a terminal"]
    code: Annotated[str, StringConstraints(pattern=r"^[A-Z2-7]{4}-[A-Z2-7]{4}$")]
    given: Time
    expires: Time


class LedgerPlace(Model):
    """Which ledger the consent stands in, and its head just before."""

    id: Sha
    head: Sha


class Signature(Model):
    """Ed25519 by the subject's identity over the canonical receipt without this member."""

    by: Fingerprint
    algorithm: Literal["Ed25519"]
    value: Base64


class Receipt(Model):
    """A signed consent."""

    header: Header
    processing: Processing
    parties: Parties
    event: Event
    ledger: LedgerPlace
    signature: Signature

    @property
    def granted_scopes(self) -> tuple[str, ...]:
        """Scopes that were answered yes."""
        return tuple(one.id for one in self.processing.scopes if one.granted)

    @property
    def granted_purposes(self) -> tuple[str, ...]:
        """Purposes that were answered yes."""
        return tuple(one.id for one in self.processing.purposes if one.granted)


def code_of(processing: dict[str, Any], parties: dict[str, Any], event: dict[str, Any]) -> str:
    """The short code of exactly this document: 40 bits of its SHA-256, base32, as ``ABCD-EFGH``.

    ``event`` without ``code``; header, ledger and signature say nothing about what is agreed to.
    """
    covered = {"processing": processing, "parties": parties, "event": {k: v for k, v in event.items() if k != "code"}}
    from base64 import b32encode

    text = b32encode(sealing.digest(sealing.canonical(covered))[:5]).decode()
    return f"{text[:4]}-{text[4:]}"


def sign(document: dict[str, Any], signer: sealing.Signer) -> bytes:
    """The canonical bytes of a whole receipt from its unsigned members. Raises ``IntegrityError`` if incomplete."""
    value = signer.sign(_CONTEXT, sealing.canonical(document))
    signature = {
        "by": sealing.fingerprint(signer.public), "algorithm": "Ed25519", "value": b64encode(value).decode(),
    }  # fmt: skip
    data = sealing.canonical({**document, "signature": signature})
    verify(data)
    return data


def verify(data: bytes) -> Receipt:
    """The receipt in exactly these bytes, its signature and its inner agreement checked. Raises ``IntegrityError``."""
    if len(data) > LARGEST:
        raise IntegrityError("receipt: too large")
    try:
        document = sealing.parse_canonical(data)
        receipt = Receipt.model_validate_json(data)
    except IntegrityError:
        raise IntegrityError("receipt: not in canonical form, so somebody or something changed it") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "receipt"
        raise IntegrityError(f"receipt: {where}: {first['msg']}") from None
    subject = receipt.parties.subject
    identity = unbase64(subject.identity, 32, "parties.subject.identity")
    signature = unbase64(receipt.signature.value, sealing.SIGNATURE_BYTES, "signature.value")
    _agree(receipt.signature.by == sealing.fingerprint(identity), "signature.by")
    del document["signature"]
    sealing.verify(identity, _CONTEXT, sealing.canonical(document), signature)
    _check_inside(receipt, document)
    return receipt


def _check_inside(receipt: Receipt, document: dict[str, Any]) -> None:
    """A receipt that its own parts contradict was not made by a ceremony."""
    processing, subject, event = receipt.processing, receipt.parties.subject, receipt.event
    reader = unbase64(subject.reader, sealing.READER_BYTES, "parties.subject.reader")
    unbase64(subject.device, 32, "parties.subject.device")
    _agree(
        subject.identity_fingerprint == document_fingerprint(subject.identity), "parties.subject.identity_fingerprint"
    )
    _agree(subject.reader_fingerprint == sealing.fingerprint(reader), "parties.subject.reader_fingerprint")
    meaning = document["processing"]["meaning"]
    _agree(processing.consent_digest == sealing.hexdigest(sealing.canonical(meaning)), "processing.consent_digest")
    _agree(
        event.code == code_of(document["processing"], document["parties"], document["event"]), "event.code"
    )  # fmt: skip
    _agree(event.given < event.expires <= event.given + LONGEST_S, "event.expires")
    granted = set(receipt.granted_scopes)
    _agree(bool(granted) and granted <= set(processing.meaning.scopes), "processing.scopes")
    _agree(set(receipt.granted_purposes) <= processing.meaning.purposes.keys(), "processing.purposes")
    for one in processing.recipients:
        allowed = set(processing.meaning.recipients.get(one.fingerprint, ())) & granted
        _agree(set(one.scopes) <= allowed and bool(receipt.granted_purposes), "processing.recipients")
    _agree(bool(processing.recipients) == (processing.release is not None), "processing.release")
    controller = receipt.parties.controller
    named = document_fingerprint(processing.meaning.controller) if processing.meaning.controller else None
    _agree((controller.fingerprint if controller else None) == named, "parties.controller.fingerprint")
    _agree(processing.meaning.notice.id == processing.notice.id, "processing.notice.id")
    _agree(processing.meaning.named_commands or not processing.named_commands, "processing.named_commands")


def document_fingerprint(public: str) -> str:
    """Fingerprint of a base64 public key. Raises ``IntegrityError`` when it is not base64."""
    try:
        return sealing.fingerprint(b64decode(public, validate=True))
    except ValueError:
        raise IntegrityError("receipt: a public key is not base64") from None


def unbase64(text: str, size: int, where: str) -> bytes:
    """Exactly ``size`` bytes from their only base64 form. Raises ``IntegrityError`` naming the field."""
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        raise IntegrityError(f"receipt: {where}: not base64") from None
    _agree(len(data) == size and b64encode(data).decode() == text, where)
    return data


def schema() -> str:
    """``consent/receipt.schema.json``."""
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Receipt.model_json_schema()}
    return json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Rewrite the schema in a checkout."""
    rewrite(schema(), "consent", "receipt.schema.json")


def _agree(condition: bool, where: str) -> None:
    if not condition:
        raise IntegrityError(f"receipt: {where}: does not agree with the rest of the receipt")


if __name__ == "__main__":
    main()
