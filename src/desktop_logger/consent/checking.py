"""Checking a file on any computer: a receipt, a narrowing, a withdrawal or a signed policy.

Needs nothing but the file, and the organisation's fingerprint where one is to be compared. It says what the file
itself proves, and what no file can say: whose hand holds the key, and what happened after it was made.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from desktop_logger import policy as policies
from desktop_logger import sealing
from desktop_logger.clock import day
from desktop_logger.errors import IntegrityError, UsageError

from . import narrowing, receipt, withdrawing

LARGEST = 1 << 20


def check(data: bytes, name: str, controller: str | None = None) -> dict[str, Any]:
    """What the file is and who signed it. Raises ``IntegrityError`` or ``UsageError`` naming what is wrong.

    ``controller``: the fingerprint that the file's organisation must have.
    """
    try:
        document = sealing.parse_canonical(data)
    except IntegrityError:
        raise IntegrityError(
            f"{name}: not in canonical form, so it was changed or is not a file of this program",
            "Use the file itself, not a copy that was opened and saved.",
        ) from None
    members = document.keys() if isinstance(document, dict) else set()
    if "payloadType" in members:
        report = _policy(data, name)
    elif "processing" in members:
        report = _receipt(data)
    elif "narrowed" in members:
        made = narrowing.verify(data)
        report = {"kind": "narrowing", "receipt": made["receipt"], "signed_by": _hex_key(made["device"]),
                  "at": made["narrowed"], "scopes": made["scopes"], "profile": made["profile"]}  # fmt: skip
    elif "withdrawn" in members:
        made = withdrawing.verify(data)
        report = {"kind": "withdrawal", "receipt": made["receipt"], "signed_by": _hex_key(made["device"]),
                  "at": made["withdrawn"], "state": made["state"]}  # fmt: skip
    else:
        raise UsageError(f"{name}: neither a receipt, a narrowing, a withdrawal nor a signed policy")
    if controller is not None:
        _compare(report.get("controller_fingerprint"), controller, name)
    return {"ok": True, **report}


def in_words(report: dict[str, Any]) -> list[str]:
    """The report as lines for people."""
    lines = [f"good: {report['kind']}, unchanged since it was signed with the key {report['signed_by']}"]
    if report["kind"] == "receipt":
        lines.append(f"  {report['state']} on {day(report['at'])}, until {day(report['expires'])}")
        lines.append(f"  recorded: {', '.join(report['scopes'])} as {report['profile']}")
        shared = ", ".join(report["purposes"]) if report["recipients"] else "nothing"
        lines.append(f"  shared for: {shared}")
    elif report["kind"] == "signed policy":
        lines.append(f"  {report['policy']} version {report['version']}")
        if report["countersigned_by"]:
            lines.append(f"  countersigned with the key {report['countersigned_by']}")
    else:
        lines.append(f"  of receipt {report['receipt']}, {day(report['at'])}")
    if report.get("controller"):
        lines.append(f"  organisation: {report['controller']}, key {report['controller_fingerprint']}")
    lines.append("It does not say who holds the key (compare it with the one given in person), nor what came later.")
    return lines


def _receipt(data: bytes) -> dict[str, Any]:
    signed = receipt.verify(data)
    who = signed.parties.controller
    return {
        "kind": "receipt", "receipt": signed.header.id, "signed_by": signed.parties.subject.identity_fingerprint,
        "at": signed.event.given, "expires": signed.event.expires, "state": signed.event.state,
        "scopes": list(signed.granted_scopes), "profile": signed.processing.profile,
        "purposes": list(signed.granted_purposes), "recipients": [one.name for one in signed.processing.recipients],
        "controller": who.name if who else None, "controller_fingerprint": who.fingerprint if who else None,
        "device": _key(signed.parties.subject.device),
    }  # fmt: skip


def _policy(data: bytes, name: str) -> dict[str, Any]:
    policy, _ = policies.open_signed(data, name)
    if policy.controller is None:
        raise UsageError(f"{name}: controller: missing")
    second = policy.countersignature
    made = _key(policy.controller.public)
    return {
        "kind": "signed policy", "policy": policy.id, "version": policy.version, "signed_by": made,
        "controller": policy.controller.name, "controller_fingerprint": made,
        "countersigned_by": _key(second.public) if second else None,
    }  # fmt: skip


def _compare(found: str | None, wanted: str, name: str) -> None:
    if found is None:
        raise IntegrityError(f"{name}: names no organisation, so there is nothing to compare")
    if found.replace("-", "") != wanted.strip().upper().replace("-", "").replace(" ", ""):
        raise IntegrityError(
            f"{name}: the organisation's key is {found}, not the one you named",
            "Ask the organisation in person for its fingerprint.",
        )


def _key(public: str) -> str:
    return sealing.fingerprint(b64decode(public))


def _hex_key(public: str) -> str:
    return sealing.fingerprint(bytes.fromhex(public))
