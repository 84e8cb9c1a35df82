"""What may be recorded, for whom and how long: one frozen model, from one TOML file.

Two kinds: the personal policy that ships with the program (no recipient), and an organisation's, which arrives as
a DSSE v1 envelope signed by the controller whose key stands inside the TOML.

Invariants: an unknown key is an error that names file and key; a policy that asks for something this version
cannot enforce is refused with the reason, never half obeyed; all text is single lines without control characters,
because it is shown on a terminal; versions of an adopted policy only go up.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import tomllib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from . import disk, sealing
from .errors import IntegrityError, Refused, Unavailable, UsageError
from .paths import Home, shipped
from .records.profiles import FUTURE_SCOPES, PROFILES, Profile, may_become

PAYLOAD_TYPE = "application/vnd.desktop-logger.policy+toml"
_CONTEXT = "policy"
_LARGEST = 256 * 1024

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$")]
Key = Annotated[str, StringConstraints(min_length=4, max_length=2000, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
Scope = Literal["keyboard", "pointer"]
ProfileName = Literal["events", "bursts", "coarse", "counts"]


class Model(BaseModel):
    """Frozen, strict, closed, and silent about the values it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Text(Model):
    """One sentence in the languages of the program. English is the fallback."""

    en: Line
    de: Line | None = None

    def spoken(self, language: str) -> str:
        """The sentence in ``language``, else in English."""
        return (self.de if language == "de" else None) or self.en


class Purpose(Model):
    """What the organisation wants to use the data for; asked apart, default no."""

    id: Name
    text: Text
    """Completes "Let <organisation> use it to …?"."""


class Contact(Model):
    """Somebody to write to."""

    name: Line
    contact: Line


class Controller(Contact):
    """Who answers for the processing, and the Ed25519 key that signs policies (base64)."""

    public: Key


class Recipient(Model):
    """A reader of what is released: an HPKE public key (base64) and the scopes it is for."""

    name: Line
    public: Key
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]


class ProfileRule(Model):
    """How finely one's own data may be stored: the finest that is offered, and what is proposed."""

    ceiling: ProfileName
    default: ProfileName


class Release(Model):
    """How finely and when data may leave for the recipients."""

    profile: ProfileName = "coarse"
    mode: Literal["cooling-off", "approved"] = "cooling-off"
    cooling_off_hours: Annotated[int, Field(ge=0, le=24 * 90)] = 24


class Reference(Model):
    """A document that lies elsewhere, and the digest of its exact bytes where one is named."""

    title: Line
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None


class Notice(Model):
    """Which notice is shown: ``consent/<id>/<version>.<language>.md``."""

    id: Name
    version: Annotated[int, Field(ge=1)]


class Policy(Model):
    """Everything that a consent is about. Times in days and hours, sizes in MiB."""

    id: Name
    version: Annotated[int, Field(ge=1, le=2**31)]
    notice: Notice
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    profile: ProfileRule = ProfileRule(ceiling="bursts", default="bursts")
    applications: Literal["all"] = "all"
    named_commands: bool = False
    purposes: Annotated[tuple[Purpose, ...], Field(min_length=1, max_length=8)]
    retention_days: Annotated[int, Field(ge=1, le=365)]
    disk_cap_mib: Annotated[int, Field(ge=16, le=1 << 20)] = 512
    consent_days: Annotated[int, Field(ge=1, le=365)] = 180
    controller: Controller | None = None
    dpo: Contact | None = None
    release: Release | None = None
    recipients: Annotated[tuple[Recipient, ...], Field(max_length=8)] = ()
    onward_transfer: tuple[Line, ...] = ()
    forbidden_uses: tuple[Name, ...] = ("dismissal", "ranking-people", "emotion-inference", "re-identification")
    minimum_export: Annotated[int, Field(ge=1)] = 1
    legal_basis: Line | None = None
    dpia: Reference | None = None
    works_agreement: Reference | None = None

    @model_validator(mode="after")
    def _hangs_together(self) -> Policy:
        for what, names in (
            ("scopes", self.scopes),
            ("purposes", tuple(purpose.id for purpose in self.purposes)),
            ("recipients", tuple(recipient.public for recipient in self.recipients)),
            *(("recipients.scopes", recipient.scopes) for recipient in self.recipients),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"{what}: one is named twice")
        if not may_become(self.ceiling, PROFILES[self.profile.default]):
            raise ValueError("profile.default: finer than profile.ceiling, or not made from it")
        if any(set(recipient.scopes) - set(self.scopes) for recipient in self.recipients):
            raise ValueError("recipients.scopes: a scope that the policy does not offer")
        if bool(self.recipients) != (self.release is not None):
            raise ValueError("release: stands with at least one of [[recipients]], and only then")
        if self.recipients and self.controller is None:
            raise ValueError("controller: needed where somebody else reads")
        if self.release and not may_become(self.ceiling, PROFILES[self.release.profile]):
            raise ValueError("release.profile: finer than profile.ceiling, or not made from it")
        if self.controller:
            _key(self.controller.public, 32, "controller.public")
        for recipient in self.recipients:
            _key(recipient.public, None, "recipients.public")
        return self

    @property
    def ceiling(self) -> Profile:
        """The finest profile that may be stored."""
        return PROFILES[self.profile.ceiling]

    @property
    def organisation(self) -> str | None:
        """The controller's name, ``None`` for the personal policy."""
        return self.controller.name if self.controller else None


_NOT_YET = {
    "schedule": "recording hours cannot be kept by this version",
    "countersignature": "a countersignature cannot be checked by this version",
    "countersigned": "a countersignature cannot be checked by this version",
    "categories": "application categories need focus detection, which this version does not have",
}


def parse(text: bytes, name: str) -> Policy:
    """The policy in TOML bytes; ``name`` is the file's, for messages.

    Raises ``UsageError`` naming file and key, or ``Refused`` for what this version cannot enforce.
    """
    if len(text) > _LARGEST:
        raise UsageError(f"{name}: larger than {_LARGEST} bytes")
    try:
        raw = tomllib.loads(text.decode())
    except UnicodeDecodeError:
        raise UsageError(f"{name}: not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{name}: not TOML: {error}") from None
    _refuse_unenforceable(raw, name)
    try:
        return Policy.model_validate_json(json.dumps(raw, allow_nan=False, default=_not_json))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: {_words(error)}", "config/policy.example.toml shows every key.") from None


def load_personal() -> tuple[Policy, bytes]:
    """The policy out of the box and its exact bytes."""
    path = shipped("config", "personal.toml")
    with open(path, "rb") as file:
        text = file.read()
    return parse(text, path), text


def sign(text: bytes, signer: sealing.Signer, name: str = "policy.toml") -> bytes:
    """A DSSE v1 envelope over the exact TOML bytes. Raises ``Refused`` when the key is not the controller's.

    The signed message is our context prefix (see ``sealing``) followed by DSSE's pre-authentication encoding.
    """
    policy = parse(text, name)
    if policy.controller is None:
        raise Refused(f"{name}: a policy without [controller] cannot be signed")
    if base64.b64decode(policy.controller.public) != signer.public:
        raise Refused(f"{name}: controller.public is not the key that signs", "Sign with the controller's own key.")
    signature = signer.sign(_CONTEXT, _pae(text))
    return sealing.canonical(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(text).decode(),
            "signatures": [
                {"keyid": sealing.fingerprint(signer.public), "sig": base64.b64encode(signature).decode()},
            ],
        }
    )


def open_signed(data: bytes, name: str = "signed policy") -> tuple[Policy, bytes]:
    """Policy and exact TOML bytes of a signed envelope.

    Raises ``UsageError`` when it is malformed, ``IntegrityError`` when the signature is not the controller's.
    """
    try:
        envelope = sealing.parse_canonical(data)
        (signature,) = envelope["signatures"]
        whole = set(envelope) == {"payloadType", "payload", "signatures"} and set(signature) == {"keyid", "sig"}
        ours = whole and envelope["payloadType"] == PAYLOAD_TYPE
        payload = base64.b64decode(envelope["payload"] if ours else "?", validate=True)
        made = base64.b64decode(signature["sig"], validate=True)
        keyid = str(signature["keyid"])
    except (IntegrityError, ValueError, TypeError, KeyError, AttributeError):
        raise UsageError(
            f"{name}: not a signed policy of this version",
            "It is made by: desktop-logger admin policy sign",
        ) from None
    policy = parse(payload, name)
    if policy.controller is None:
        raise UsageError(f"{name}: controller: missing, so nobody can have signed it")
    public = base64.b64decode(policy.controller.public)
    if keyid != sealing.fingerprint(public):
        raise IntegrityError(f"{name}: signed by a key that is not the controller's")
    sealing.verify(public, _CONTEXT, _pae(payload), made)
    return policy, payload


def active(home: Home) -> tuple[Policy, bytes]:
    """The policy in force and its exact bytes: the adopted one, else the personal one."""
    try:
        data = disk.read(home.policy, 2 * _LARGEST)
    except FileNotFoundError:
        return load_personal()
    except OSError as error:
        raise Refused(f"cannot read {home.policy}: {error.strerror}", "Run: desktop-logger doctor") from None
    return open_signed(data, home.policy)


def adopt(home: Home, data: bytes, name: str) -> Policy:
    """Store a signed policy as the one in force. Raises ``Refused`` for a version that does not go up."""
    policy, payload = open_signed(data, name)
    if os.path.lexists(home.policy):
        before, old_payload = active(home)
        same = before.controller and policy.controller and before.controller.public == policy.controller.public
        if same and payload != old_payload and policy.version <= before.version:
            raise Refused(
                f"{name}: version {policy.version} does not follow version {before.version}, which is in force",
                "Ask for the newest signed policy.",
            )
    home.create()
    try:
        disk.replace(home.policy, data)
    except OSError as error:
        raise Unavailable(f"cannot write {home.policy}: {error.strerror}", "Run: desktop-logger doctor") from None
    return policy


def _refuse_unenforceable(raw: dict[str, Any], name: str) -> None:
    """Say why a policy that a later version may keep is refused by this one."""
    reasons = {key: _NOT_YET[key] for key in raw if key in _NOT_YET}
    if raw.get("applications", "all") != "all":
        reasons["applications"] = "a list of applications needs focus detection, which this version does not have"
    scopes = raw.get("scopes", [])
    for scope in FUTURE_SCOPES:
        if isinstance(scopes, list) and scope in scopes:
            reasons["scopes"] = f"the scope {scope} is not recorded by this version"
    if reasons:
        key = min(reasons)
        raise Refused(
            f"{name}: {key}: {reasons[key]}",
            "Leave it out, or use a version that can keep it. Nothing was changed.",
        )


def _key(text: str, size: int | None, where: str) -> None:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{where}: not base64") from None
    if len(key) != (size or sealing.READER_BYTES):
        raise ValueError(f"{where}: not a public key of the right length")


def _pae(payload: bytes) -> bytes:
    """DSSE v1 pre-authentication encoding (secure-systems-lab/dsse, protocol.md)."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _not_json(value: object) -> None:
    raise TypeError(f"a {type(value).__name__} where text, a number, true or false is expected")


def _words(error: Exception) -> str:
    """What is wrong and where, without the value."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    said = {"extra_forbidden": "unknown key", "missing": "missing"}.get(first["type"], first["msg"])
    said = said.removeprefix("Value error, ")
    return f"{where}: {said}" if where else said
