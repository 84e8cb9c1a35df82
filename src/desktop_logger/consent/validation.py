"""The whole check behind ``consent.check``; loads pydantic and the signatures, so it belongs to short-lived processes.

1. not withdrawn · 2. a receipt that is whole and signed · 3. signed by the identity here, with its device key, on this
account and machine, by somebody acting for themselves · 4. given in the past, not expired · 5. the notice is the one
that was shown · 6. the policy in force asks for nothing wider · 7. what the person has narrowed stays narrow · 8. a
demo receipt only inside its demo

What holds in the end is the narrower of what was signed and what is in force now.
"""

from __future__ import annotations

import os
from base64 import b64decode
from typing import Any, NamedTuple

from desktop_logger import disk, sealing
from desktop_logger import policy as policies
from desktop_logger.clock import Clock
from desktop_logger.errors import DesktopLoggerError, IntegrityError, NoConsent
from desktop_logger.paths import Home, shipped
from desktop_logger.records.profiles import PROFILES, Profile

from . import digest, identity, narrowing, notices, person
from .gate import CLOCK_TOLERANCE_S, file_digest, refuse_expired, refuse_foreign_home, refuse_withdrawn
from .grant import Recipient
from .receipt import LARGEST, Receipt, verify

_SIGN = "Run: desktop-logger consent sign"
_DAY_S = 86_400
DEMO_DISPLAY = "demo-display"
"""File in a demo's home that names the display which the demo started, and its process: ``:7 4321``."""


class Valid(NamedTuple):
    """A receipt that is valid now, with what it was compared with."""

    receipt: Receipt
    sha256: str
    policy: policies.Policy
    policy_sha256: str
    notice: notices.Notice
    expires: int
    rewording: bool
    left: narrowing.Left
    """What of the receipt holds: less than was signed where the person has narrowed it."""
    notes: list[str]


def validate(home: Home, clock: Clock) -> dict[str, Any]:
    """The facts of a grant. Raises ``NoConsent`` with the DPV state."""
    return _facts(home, examine(home, clock))


def examine(home: Home, clock: Clock) -> Valid:
    """The receipt in force, if it is valid now. Raises ``NoConsent`` with the DPV state."""
    refuse_foreign_home(home)
    refuse_withdrawn(home)
    data, receipt = read(home)
    if os.path.lexists(withdrawal_path(home, receipt.header.id)):
        raise NoConsent("this consent was withdrawn", _SIGN, state="ConsentWithdrawn")
    demo = receipt.processing.notice.id == notices.DEMO
    notes: list[str] = []
    _somebody_of_here(home, receipt)
    if receipt.event.given > clock.now() + CLOCK_TOLERANCE_S:
        raise _invalid("event.given: it is dated in the future")
    notice = _same_notice(receipt)
    policy, payload, rewording = _not_wider(home, receipt, notice)
    if not demo:  # nobody's real input: root and sudo may watch a demo
        notes = _acting_for_yourself(policy)
    left = narrowing.left_of(home, receipt, sealing.hexdigest(data))
    expires = min(receipt.event.expires, receipt.event.given + policy.consent_days * _DAY_S)
    refuse_expired(expires, clock)
    if demo:
        refuse_outside_demo(home)
    return Valid(
        receipt, sealing.hexdigest(data), policy, sealing.hexdigest(payload), notice, expires, rewording, left, notes
    )  # fmt: skip


def read(home: Home) -> tuple[bytes, Receipt]:
    """The receipt's bytes and their meaning, its signature checked. Raises ``NoConsent``."""
    try:
        data = disk.read(home.receipt, LARGEST)
    except FileNotFoundError:
        raise NoConsent("there is no signed consent", _SIGN) from None
    except OSError:
        raise NoConsent(f"cannot read {home.receipt}", "Run: desktop-logger doctor") from None
    try:
        return data, verify(data)
    except IntegrityError as error:
        raise NoConsent(f"{home.receipt}: {error.message}", _SIGN, state="ConsentInvalidated") from None


def withdrawal_path(home: Home, receipt_id: str) -> str:
    """Where the withdrawal of a receipt lies once it is signed."""
    return os.path.join(home.receipts, f"{receipt_id}.withdrawn.json")


def refuse_outside_demo(home: Home) -> None:
    """Raise ``NoConsent`` unless this is a demo's home and DISPLAY is the Xvfb that the demo started and that lives.

    ``demo-display`` names display and process; that process must be an Xvfb that listens for this very display. A kept
    home, or one in which somebody writes a real display's name, is nobody's consent.
    """
    import tempfile

    try:
        display, pid = disk.read(os.path.join(home.root, DEMO_DISPLAY), 256).decode().split()
        ours = os.environ.get("DISPLAY") == display and _is_xvfb(int(pid), int(display.removeprefix(":")))
    except (OSError, ValueError):
        ours = False
    temporary = os.path.realpath(tempfile.gettempdir()) + os.sep
    if not (ours and os.path.realpath(home.root).startswith(temporary)):
        raise _invalid("a consent of the demo is valid only in the demo, on the display that it started")


def _is_xvfb(pid: int, display: int) -> bool:
    """Whether a process is an Xvfb that holds the listening socket of a display (proc(5): ``net/unix``, ``fd``)."""
    with open(f"/proc/{pid}/comm", "rb") as file:
        if file.read(64) != b"Xvfb\n":
            return False
    folder = f"/proc/{pid}/fd"
    held = {os.readlink(os.path.join(folder, name)).removeprefix("socket:[").rstrip("]") for name in os.listdir(folder)}
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
        lines = [line.split() for line in file]
    return any(
        len(line) > 7 and line[7].removeprefix("@") == f"/tmp/.X11-unix/X{display}" and line[6] in held  # noqa: S108
        for line in lines
    )


def _somebody_of_here(home: Home, receipt: Receipt) -> None:
    """3: identity, device, account, machine."""
    subject = receipt.parties.subject
    try:
        here = identity.publics(home)
        device = identity.device(home).public
    except IntegrityError as error:
        raise _invalid(error.message) from None
    if (here.identity, here.reader) != (b64decode(subject.identity), b64decode(subject.reader)):
        raise _invalid("it was signed with other keys than yours")
    if device != b64decode(subject.device):
        raise _invalid("the device key here is not the one it names")
    if hasattr(os, "getuid") and subject.uid != os.getuid():
        raise _invalid(f"it was signed by another account (uid {subject.uid})")
    if subject.machine != person.machine(receipt.header.id):
        raise _invalid("it was signed on another machine")


def _acting_for_yourself(policy: policies.Policy) -> list[str]:
    """3: the person."""
    try:
        return person.act_for_yourself(remote_sessions=policy.remote_sessions)
    except DesktopLoggerError as error:
        raise NoConsent(error.message, error.hint) from None


def _same_notice(receipt: Receipt) -> notices.Notice:
    """5: the text on disk is the text that was shown."""
    shown = receipt.processing.notice
    try:
        notice = notices.load(shown.id, shown.version, shown.language)
    except DesktopLoggerError as error:
        raise _invalid(error.message) from None
    if notice.sha256 != shown.sha256:
        raise _invalid("the notice is not the text that was shown")
    return notice


def _not_wider(home: Home, receipt: Receipt, notice: notices.Notice) -> tuple[policies.Policy, bytes, bool]:
    """6: policy and program ask for nothing beyond what was signed."""
    try:
        policy, payload = policies.active(home)
        current = notices.load(policy.notice.id, policy.notice.version, notice.language)
    except DesktopLoggerError as error:
        raise _invalid(error.message, error.hint) from None
    signed = receipt.processing.meaning.model_dump(mode="json")
    now = digest.meaning_of(policy, current)
    reasons = digest.wider(signed, now)
    if reasons:
        raise _invalid(f"more is asked for than was signed: {'; '.join(reasons)}")
    return policy, payload, digest.rewording(signed, now)


def _facts(home: Home, valid: Valid) -> dict[str, Any]:
    """The narrower of what was signed and what is in force."""
    receipt, policy = valid.receipt, valid.policy
    processing, subject = receipt.processing, receipt.parties.subject
    scopes = tuple(name for name in valid.left.scopes if name in policy.scopes)
    purposes = {one.id for one in policy.purposes}
    granted = tuple(name for name in valid.left.purposes if name in purposes)
    if not scopes:
        raise _invalid("the policy in force offers nothing of what was signed")
    admins = _readers(receipt, policy, scopes) if granted else ()
    own = _coarser(PROFILES[valid.left.profile], policy.ceiling)
    terms, release = processing.release, None
    if terms and policy.release and admins:
        release = _coarser(_coarser(PROFILES[terms.profile], PROFILES[policy.release.profile]), own)
        mode = "approved" if "approved" in (terms.mode, policy.release.mode) else "cooling-off"
        hours = max(terms.cooling_off_hours, policy.release.cooling_off_hours)
    else:
        admins, mode, hours = (), "none", 0
    watched = [
        (home.receipt, valid.sha256),
        (valid.notice.path, valid.notice.sha256),
        (withdrawal_path(home, receipt.header.id), ""),
        *(
            (path, file_digest(path))
            for path in (narrowing.path_of(home, receipt.header.id), home.policy, shipped("config", "personal.toml"))
        ),
    ]
    return {
        "receipt_id": receipt.header.id, "receipt_hash": valid.sha256, "policy_hash": valid.policy_sha256,
        "consent_digest": processing.consent_digest, "subject_reader": b64decode(subject.reader),
        "device_public": b64decode(subject.device), "scopes": scopes,
        "backends": tuple(
            (one.name, one.sha256) for one in policy.backends if processing.meaning.backends.get(one.name) == one.sha256
        ),
        "injected": "record" if policy.injected == processing.meaning.injected == "record" else "exclude",
        "named_commands": processing.named_commands and policy.named_commands, "own": own, "release": release,
        "release_mode": mode, "cooling_off_s": hours * 3600, "admins": admins, "purposes": granted,
        "retention_days": min(processing.retention_days, policy.retention_days),
        "disk_cap_bytes": policy.disk_cap_mib << 20, "given": receipt.event.given, "expires": valid.expires,
        "demo": processing.notice.id == notices.DEMO, "applications": policy.applications.rule,
        "unanswered": policy.unanswered, "categories": policy.category_table if "context" in scopes else {},
        "tasks": tuple(one.id for one in policy.tasks) if "task" in scopes else (),
        "schedule": policy.schedule.model_dump(mode="json") if policy.schedule else None, "watched": tuple(watched),
        "uid": subject.uid,
    }  # fmt: skip


def _readers(receipt: Receipt, policy: policies.Policy, scopes: tuple[str, ...]) -> tuple[Recipient, ...]:
    keys = {sealing.fingerprint(one.key): one for one in policy.recipients}
    found = []
    for one in receipt.processing.recipients:
        current = keys.get(one.fingerprint)
        shared = tuple(name for name in scopes if current and name in one.scopes and name in current.scopes)
        if current and shared:
            found.append(Recipient(one.name, one.fingerprint, current.key, shared))
    return tuple(found)


def _coarser(one: Profile, other: Profile) -> Profile:
    return one if one.rank >= other.rank else other


def _invalid(message: str, hint: str | None = None) -> NoConsent:
    return NoConsent(f"the consent does not hold: {message}", hint or _SIGN, state="ConsentInvalidated")
