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
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from . import disk, sealing
from .errors import IntegrityError, Refused, Unavailable, UsageError
from .paths import Home, shipped
from .records import applications as listing
from .records.classes import Category
from .records.profiles import PROFILES, TASKS, Profile, may_become

PAYLOAD_TYPE = "application/vnd.desktop-logger.policy+toml"
_CONTEXT = "policy"
_SECOND = "policy/countersignature"
_LARGEST = 256 * 1024
_EXAMPLE = "config/policy.example.toml shows every key; an organisation fills it in and signs it."
_AGAIN = "Ask whoever gave it to you for it again; do not adopt this one."

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$")]
Key = Annotated[str, StringConstraints(min_length=4, max_length=2000, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
Scope = Literal["keyboard", "pointer", "context", "target", "task"]


def _short(name: str) -> str:
    """At most 63 characters beside the star. Said by the expression, it takes 70 ms of every start to compile."""
    if len(name.strip("*")) > 63:
        raise ValueError("longer than 63 characters")
    return name


_LETTER = r"[^*\p{Cc}\p{Cf}\p{Lu}]"
Pattern = Annotated[
    str,
    StringConstraints(pattern=rf"^(?:\*{_LETTER}+|{_LETTER}+\*?)$"),
    AfterValidator(_short),
    WithJsonSchema({"type": "string", "pattern": rf"^(?:\*{_LETTER}{{1,63}}|{_LETTER}{{1,63}}\*?)$"}),
]
CategoryName = Literal[
    "other",
    "browser",
    "terminal",
    "editor",
    "office",
    "mail",
    "chat",
    "calendar",
    "files",
    "media",
    "graphics",
    "meeting",
    "business",
    "system",
    "game",
    "reader",
]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Hour = Annotated[str, StringConstraints(pattern=r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]
ProfileName = Literal["events", "bursts", "coarse", "counts"]


class Model(BaseModel):
    """Frozen, strict, closed, and silent about the values it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Text(Model):
    """One sentence in the languages of the program. English is the fallback."""

    en: Line
    """In English."""
    de: Line | None = None
    """In German; English is shown where it is missing."""
    fr: Line | None = None
    """In French; English is shown where it is missing."""

    def spoken(self, language: str) -> str:
        """The sentence in ``language``, else in English."""
        return {"de": self.de, "fr": self.fr}.get(language) or self.en


class Purpose(Model):
    """What the organisation wants to use the data for; asked apart, default no."""

    id: Name
    """Short name; what an admin names when exporting."""
    text: Text
    """Completes "Let <organisation> use it to …?"."""


class Contact(Model):
    """Somebody to write to."""

    name: Line
    """As people will read it."""
    contact: Line
    """An address that somebody reads."""


class Controller(Contact):
    """Who answers for the processing, and the Ed25519 key that signs policies (base64)."""

    public: Key
    """The Ed25519 key that signs this policy, base64. People compare its fingerprint when they join."""


class SecondParty(Contact):
    """Who must sign the policy too (works council, data protection officer) before anybody may adopt it."""

    public: Key
    """The second party's Ed25519 key, base64. It must not be the controller's."""


class SecondHolder(Model):
    """A second person without whose key nothing opens."""

    name: Line
    """As people will read it."""
    public: Key
    """Their HPKE public key, base64, from a folder of their own."""


class Recipient(Model):
    """A reader of what is released: an HPKE public key (base64) and the scopes it is for."""

    name: Line
    """As people will read it."""
    public: Key
    """The reader's HPKE public key, base64. Its fingerprint is shown when people sign."""
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    """Which scopes this reader may open."""
    second: SecondHolder | None = None
    """With it, two people open together what neither can open alone; their one fingerprint is of both keys."""

    @property
    def key(self) -> bytes:
        """The public key that is sealed to: of the reader, or of both holders."""
        one = base64.b64decode(self.public)
        return sealing.pair_public(one, base64.b64decode(self.second.public)) if self.second else one


class ProfileRule(Model):
    """How finely one's own data may be stored: the finest that is offered, and what is proposed."""

    ceiling: ProfileName
    """The finest profile that is offered."""
    default: ProfileName
    """The profile that Enter chooses."""


class Release(Model):
    """How finely and when data may leave for the recipients."""

    profile: ProfileName = "coarse"
    """How finely; never finer than the ceiling of what is stored."""
    mode: Literal["cooling-off", "approved"] = "cooling-off"
    """``cooling-off``: leaves by itself after the waiting time. ``approved``: nothing can be opened before the person
    approves it."""
    cooling_off_hours: Annotated[int, Field(ge=0, le=24 * 90)] = 24
    """Waiting time in hours, in which the person can look and delete."""


class Reference(Model):
    """A document that lies elsewhere, and the digest of its exact bytes where one is named."""

    title: Line
    """Title and date."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of its exact bytes, so that another text is noticed."""


class Schedule(Model):
    """The hours in which recording may happen at all, in the local time of one place."""

    weekdays: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)]
    """Days on which recording may happen."""
    start: Hour
    """From this minute on, ``09:00``."""
    end: Hour
    """Until this minute, which no longer counts; later than ``start``, so hours never cross midnight. ``24:00``: to the
    end of the day."""
    zone: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$")]
    """Time zone by its IANA name, such as ``Europe/Berlin``; summer time is kept."""


class Applications(Model):
    """Which applications are recorded; input into any other is a gap, and nothing of it is kept.

    A name is what an application calls itself (the words of WM_CLASS, or the app id), in small letters; ``*`` at one
    end stands for anything. Where nobody can say which one is in front (Wayland, or a window without a
    name), ``allow`` lets nothing through, and ``deny`` what ``unanswered`` says.
    """

    mode: Literal["all", "allow", "deny"] = "allow"
    """``allow``: only those named. ``deny``: all but those named. ``all``: every application."""
    names: Annotated[tuple[Pattern, ...], Field(max_length=200)] = ()
    """The applications. An empty list that allows is: nothing is recorded."""

    @property
    def rule(self) -> listing.Applications:
        """The same for those who keep it."""
        return listing.Applications(self.mode, self.names)


class Task(Model):
    """A piece of work that people can say they begin and end; the record holds its number in the list."""

    id: Name
    """What is typed: ``desktop-logger task begin <id>``."""
    text: Text
    """What it is."""


class Notice(Model):
    """Which notice is shown: ``consent/<id>/<version>.<language>.md``."""

    id: Name
    """Folder below ``consent/``."""
    version: Annotated[int, Field(ge=1)]
    """Version of the notice."""


class Addition(Model):
    """A backend that is not part of this program: one Python file, named by its hash and never looked for."""

    name: Name
    """What ``start --backend`` calls it. Its file is ``backends/<name>.py`` in the home of the program."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the file's exact bytes. Another file of that name is refused."""


OWN_BACKENDS = ("auto", "x11", "evdev", "pynput", "replay", "file")


class Policy(Model):
    """Everything that a consent is about. Times in days and hours, sizes in MiB."""

    id: Name
    """Short name of this policy."""
    version: Annotated[int, Field(ge=1, le=2**31)]
    """Only ever goes up; an older version of an adopted policy is refused."""
    notice: Notice
    """The notice that people read before they sign."""
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    """What people are asked about, each apart, default no."""
    profile: ProfileRule = ProfileRule(ceiling="bursts", default="bursts")
    """How finely one's own data may be stored."""
    applications: Applications = Applications()
    """Which applications are recorded. Left out, none is."""
    unanswered: Literal["coarse", "nothing"] = "coarse"
    """What is recorded while nobody can tell whether the focused field is a password field (or, under a list that
    denies, which application it is in): ``coarse`` form at most, or nothing. There is no laxer value."""
    categories: Annotated[dict[Pattern, CategoryName], Field(max_length=200)] = {}
    """Application → category for the scope ``context``; goes before the table that ships with the program
    (``config/categories.toml``). An application in neither is ``other``."""
    tasks: Annotated[tuple[Task, ...], Field(max_length=TASKS)] = ()
    """What people can say they are doing, for the scope ``task``. Needed for that scope, and only then."""
    schedule: Schedule | None = None
    """The hours in which recording may happen; without it, whenever the person starts it. Outside them nothing is
    recorded, and the time is a gap with the reason ``schedule``."""
    injected: Literal["record", "exclude"] = "exclude"
    """What other programs put in as if it came from a keyboard or mouse (remote help, automation, on-screen keyboards):
    left out, the time a gap; or recorded like the rest."""
    named_commands: bool = False
    """Record copy, paste, save … by name, from a closed list."""
    backends: Annotated[tuple[Addition, ...], Field(max_length=4)] = ()
    """Backends of others through which input may be seen. None by default; adding one asks everybody again."""
    remote_sessions: bool = False
    """Allow a graphical session of the same account that comes over a network. A remote shell never may."""
    purposes: Annotated[tuple[Purpose, ...], Field(min_length=1, max_length=8)]
    """What the data is for, each asked apart."""
    retention_days: Annotated[int, Field(ge=1, le=365)]
    """Days that data stays on the person's computer."""
    disk_cap_mib: Annotated[int, Field(ge=16, le=1 << 20)] = 512
    """Most room on the person's computer, in MiB; the oldest goes first."""
    consent_days: Annotated[int, Field(ge=1, le=365)] = 180
    """Days until a consent ends by itself."""
    controller: Controller | None = None
    """Who answers for the processing; needed where somebody else reads."""
    countersignature: SecondParty | None = None
    """Who must sign this policy as well. With it, a policy that only the controller signed is refused everywhere."""
    dpo: Contact | None = None
    """The data protection officer."""
    release: Release | None = None
    """How finely and when data may leave; stands together with ``recipients``."""
    recipients: Annotated[tuple[Recipient, ...], Field(max_length=8)] = ()
    """Who can open what is released. None: nothing ever leaves."""
    onward_transfer: tuple[Line, ...] = ()
    """To whom readers may pass data on. None by default."""
    forbidden_uses: tuple[Name, ...] = ("dismissal", "ranking-people", "emotion-inference", "re-identification")
    """What the data must not be used for; travels with every export."""
    minimum_group: Annotated[int, Field(ge=5)] = 5
    """Fewest people in an insight or a published dataset."""
    minimum_export: Annotated[int, Field(ge=1)] = 1
    """Fewest people in an export; printed on its data card."""
    legal_basis: Line | None = None
    """The legal ground that the controller names. Consent is a technical precondition here in any case."""
    dpia: Reference | None = None
    """The data protection impact assessment."""
    works_agreement: Reference | None = None
    """The agreement with the works council."""

    @model_validator(mode="after")
    def _hangs_together(self) -> Policy:
        for what, names in (
            ("scopes", self.scopes),
            ("purposes", tuple(purpose.id for purpose in self.purposes)),
            ("backends", (*OWN_BACKENDS, *(one.name for one in self.backends))),
            ("tasks", tuple(task.id for task in self.tasks)),
            ("applications.names", self.applications.names),
            *(("recipients.scopes", recipient.scopes) for recipient in self.recipients),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"{what}: one is named twice")
        if not may_become(self.ceiling, PROFILES[self.profile.default]):
            raise ValueError("profile.default: finer than profile.ceiling, or not made from it")
        if self.applications.mode == "all" and self.applications.names:
            raise ValueError('applications.names: mode = "all" needs none')
        if bool(self.tasks) != ("task" in self.scopes):
            raise ValueError("tasks: stand with the scope task, and only then")
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
        if self.countersignature:
            _key(self.countersignature.public, 32, "countersignature.public")
            if self.controller is None or self.countersignature.public == self.controller.public:
                raise ValueError("countersignature: needs a controller, and a key other than the controller's")
        if self.schedule:
            _hours(self.schedule)
        for recipient in self.recipients:
            _key(recipient.public, None, "recipients.public")
            if recipient.second:
                _key(recipient.second.public, None, "recipients.second.public")
                if recipient.second.public == recipient.public:
                    raise ValueError("recipients.second.public: the same key twice is one holder")
                if len(recipient.name + recipient.second.name) > 250:
                    raise ValueError("recipients.second.name: both names together are longer than 250 characters")
        if len({recipient.key for recipient in self.recipients}) != len(self.recipients):
            raise ValueError("recipients: one is named twice")
        return self

    @property
    def ceiling(self) -> Profile:
        """The finest profile that may be stored."""
        return PROFILES[self.profile.ceiling]

    @property
    def category_table(self) -> dict[str, int]:
        """Pattern → number of the category: the policy's own, then what ships with the program."""
        own = {name: Category[category.upper()].value for name, category in self.categories.items()}
        return own | {name: number for name, number in shipped_categories().items() if name not in own}

    @property
    def organisation(self) -> str | None:
        """The controller's name, ``None`` for the personal policy."""
        return self.controller.name if self.controller else None


def parse(text: bytes, name: str) -> Policy:
    """The policy in TOML bytes; ``name`` is the file's, for messages.

    Raises ``UsageError`` naming file and key, or ``Refused`` for what this version cannot enforce.
    """
    if len(text) > _LARGEST:
        raise UsageError(f"{name}: larger than {_LARGEST} bytes", _EXAMPLE)
    try:
        raw = tomllib.loads(text.decode())
    except UnicodeDecodeError:
        raise UsageError(f"{name}: not UTF-8", _EXAMPLE) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        if text.startswith(b"{"):
            raise UsageError(
                f"{name}: JSON, not TOML", "Give the TOML file that the signed policy was made from."
            ) from None
        raise UsageError(f"{name}: not TOML: {error}", _EXAMPLE) from None
    try:
        return Policy.model_validate_json(json.dumps(raw, allow_nan=False, default=_not_json))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: {_words(error)}", _EXAMPLE) from None


def load_personal() -> tuple[Policy, bytes]:
    """The policy out of the box and its exact bytes."""
    path = shipped("config", "personal.toml")
    with open(path, "rb") as file:
        text = file.read()
    return parse(text, path), text


def shipped_categories() -> dict[str, int]:
    """Pattern → number of the category, of the table that ships with the program."""
    with open(shipped("config", "categories.toml"), "rb") as file:
        table = tomllib.load(file)
    return {name: Category[category.upper()].value for category, names in table.items() for name in names}


def sign(text: bytes, signer: sealing.Signer, name: str = "policy.toml") -> bytes:
    """A DSSE v1 envelope over the exact TOML bytes. Raises ``Refused`` when the key is not the controller's.

    The signed message is our context prefix (see ``sealing``) followed by DSSE's pre-authentication encoding. Where
    the policy asks for a countersignature, nobody can adopt the envelope before ``countersign``.
    """
    policy = parse(text, name)
    if policy.controller is None:
        raise Refused(f"{name}: a policy without [controller] cannot be signed")
    if base64.b64decode(policy.controller.public) != signer.public:
        raise Refused(f"{name}: controller.public is not the key that signs", "Sign with the controller's own key.")
    return _envelope(text, [_signature(_CONTEXT, text, signer)])


def countersign(data: bytes, signer: sealing.Signer, name: str = "signed policy") -> bytes:
    """The envelope with the second party's signature added. Raises ``Refused`` when the policy names another key."""
    policy, payload, made = _opened(data, name)
    if policy.countersignature is None:
        raise Refused(f"{name}: it asks for no countersignature", "Write [countersignature] into the policy first.")
    if base64.b64decode(policy.countersignature.public) != signer.public:
        raise Refused(
            f"{name}: countersignature.public is not the key that signs", "Sign with the key that the policy names."
        )
    return _envelope(payload, [made[0], _signature(_SECOND, payload, signer)])


def open_signed(data: bytes, name: str = "signed policy") -> tuple[Policy, bytes]:
    """Policy and exact TOML bytes of a signed envelope, with every signature that the policy asks for.

    Raises ``UsageError`` when it is malformed, ``IntegrityError`` when a signature is not the one it should be,
    ``Refused`` when the countersignature is missing.
    """
    policy, payload, made = _opened(data, name)
    second = policy.countersignature
    if second is None:
        if len(made) != 1:
            raise IntegrityError(f"{name}: signed by somebody whom it does not name", _AGAIN)
    elif len(made) == 1:
        raise Refused(
            f"{name}: countersignature: missing; {second.name} has not signed it",
            "They do it with: desktop-logger admin policy countersign",
        )
    else:
        _verify(_SECOND, base64.b64decode(second.public), payload, made[1], f"{name}: countersignature")
    return policy, payload


def _opened(data: bytes, name: str) -> tuple[Policy, bytes, list[dict[str, str]]]:
    """Policy, payload and signatures of an envelope; the controller's signature is checked, a second one is not."""
    try:
        envelope = sealing.parse_canonical(data)
        whole = set(envelope) == {"payloadType", "payload", "signatures"}
        whole = whole and envelope["payloadType"] == PAYLOAD_TYPE and 1 <= len(envelope["signatures"]) <= 2
        made: list[dict[str, str]] = envelope["signatures"]
        whole = whole and all(set(one) == {"keyid", "sig"} and _is_text(one.values()) for one in made)
        payload = _bytes(envelope["payload"] if whole else "?")
        for one in made:
            _bytes(one["sig"])
    except (IntegrityError, ValueError, TypeError, KeyError, AttributeError):
        raise UsageError(
            f"{name}: not a signed policy of this version",
            "It is made by: desktop-logger admin policy sign",
        ) from None
    policy = parse(payload, name)
    if policy.controller is None:
        raise UsageError(f"{name}: controller: missing, so nobody can have signed it", _AGAIN)
    _verify(_CONTEXT, base64.b64decode(policy.controller.public), payload, made[0], name)
    return policy, payload, made


def _verify(context: str, public: bytes, payload: bytes, made: dict[str, str], name: str) -> None:
    if made["keyid"] != sealing.fingerprint(public):
        raise IntegrityError(f"{name}: signed by a key that it does not name", _AGAIN)
    try:
        sealing.verify(public, context, _pae(payload), _bytes(made["sig"]))
    except IntegrityError:
        raise IntegrityError(f"{name}: the signature does not fit what is signed", _AGAIN) from None


def _signature(context: str, text: bytes, signer: sealing.Signer) -> dict[str, str]:
    made = signer.sign(context, _pae(text))
    return {"keyid": sealing.fingerprint(signer.public), "sig": base64.b64encode(made).decode()}


def _envelope(text: bytes, signatures: list[dict[str, str]]) -> bytes:
    return sealing.canonical(
        {"payloadType": PAYLOAD_TYPE, "payload": base64.b64encode(text).decode(), "signatures": signatures}
    )


def _is_text(values: Iterable[object]) -> bool:
    return all(isinstance(one, str) for one in values)


def _bytes(text: str) -> bytes:
    """Bytes from their only base64 form. Raises ``ValueError``."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("not the canonical base64 form")
    return data


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


def _hours(schedule: Schedule) -> None:
    """Refuse hours that name no time, a day twice, or a place whose time this computer does not know."""
    if len(set(schedule.weekdays)) != len(schedule.weekdays):
        raise ValueError("schedule.weekdays: one is named twice")
    if schedule.end <= schedule.start:
        raise ValueError("schedule.end: not later than schedule.start")
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(schedule.zone)
    except (KeyError, ValueError, OSError):
        raise ValueError("schedule.zone: not a time zone that this computer knows") from None


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
