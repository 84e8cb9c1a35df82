"""The consent digest: what a consent means, apart from its wording and from source code.

A *meaning* is a plain mapping: notice, field registry, class table, profile parameters, and the policy's scopes,
profiles, recipients, purposes, retention and onward transfer. The receipt carries it, so that a later policy or
version of the program can be compared with what was signed: ``wider`` names every way in which it asks for more.

Invariant: what cannot be compared counts as wider.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from desktop_logger import sealing
from desktop_logger.policy import Policy, shipped_categories
from desktop_logger.records import classes, profiles, registry
from desktop_logger.records.applications import Applications

from . import hours, words
from .notices import Notice

Meaning = dict[str, Any]


def meaning_of(policy: Policy, notice: Notice) -> Meaning:
    """What signing this policy under this notice means, in this version of the program."""
    release = policy.release
    return {
        "notice": {"id": notice.id, "version": notice.version},
        "registry": _digest(registry.meaning()),
        "classes": _digest(_class_table()),
        "profiles": _digest(_profile_parameters()),
        "scopes": sorted(policy.scopes),
        "applications": policy.applications.model_dump(mode="json"),
        "unanswered": policy.unanswered,
        "categories": {"own": dict(policy.categories), "shipped": _digest(sorted(shipped_categories().items()))},
        "tasks": {
            one.id: _digest([number, one.text.en, one.text.de, one.text.fr])
            for number, one in enumerate(policy.tasks, 1)
        },
        "schedule": policy.schedule.model_dump(mode="json") if policy.schedule else None,
        "backends": {one.name: one.sha256 for one in policy.backends},
        "injected": policy.injected,
        "named_commands": policy.named_commands,
        "remote_sessions": policy.remote_sessions,
        "ceiling": policy.profile.ceiling,
        "release": {
            "profile": release.profile,
            "mode": release.mode,
            "cooling_off_hours": release.cooling_off_hours,
        }
        if release
        else None,
        "controller": policy.controller.public if policy.controller else None,
        "countersigner": policy.countersignature.public if policy.countersignature else None,
        "recipients": {sealing.fingerprint(one.key): sorted(one.scopes) for one in policy.recipients},
        "purposes": {one.id: _digest([one.text.en, one.text.de, one.text.fr]) for one in policy.purposes},
        "retention_days": policy.retention_days,
        "onward_transfer": sorted(policy.onward_transfer),
        "forbidden_uses": sorted(policy.forbidden_uses),
    }


def consent_digest(meaning: Meaning) -> str:
    """SHA-256 (hex) of the canonical meaning."""
    return _digest(meaning)


class Change(NamedTuple):
    """One difference between what was signed and what is asked now: a key of ``words``, and what fills its holes."""

    key: str
    holes: dict[str, str]


def wider(signed: Meaning, now: Meaning) -> list[str]:
    """What ``now`` asks for beyond what was signed, in English; empty when it is equal or narrower."""
    return [words.say("en", one.key, **one.holes) for one in widening(signed, now)]


def widening(signed: Meaning, now: Meaning) -> list[Change]:
    """What ``now`` asks for beyond what was signed; empty when it is equal or narrower."""
    found: list[Change] = []

    def ask(condition: bool, key: str, **holes: object) -> None:
        if condition:
            found.append(Change(key, {name: str(value) for name, value in holes.items()}))

    if signed.keys() != now.keys():
        return [Change("w_parts", {})]
    ask(signed["notice"]["id"] != now["notice"]["id"], "w_notice")
    ask(signed["registry"] != now["registry"], "w_registry")
    ask(signed["classes"] != now["classes"], "w_classes")
    ask(signed["profiles"] != now["profiles"], "w_profiles")
    ask(not set(now["scopes"]) <= set(signed["scopes"]), "w_scopes")
    ask(not _listed(now).within(_listed(signed)), "w_applications")
    ask(signed["unanswered"] == "nothing" != now["unanswered"], "w_unanswered")
    ask(_tells_more(signed, now), "w_categories")
    ask(not now["tasks"].items() <= signed["tasks"].items(), "w_tasks")
    ask(not hours.covers(signed["schedule"], now["schedule"]), "w_schedule")
    for name, sha256 in now["backends"].items():
        ask(signed["backends"].get(name) != sha256, "w_backend", name=name)
    ask((signed["injected"], now["injected"]) == ("exclude", "record"), "w_injected")
    ask(now["named_commands"] and not signed["named_commands"], "w_commands")
    ask(now["remote_sessions"] and not signed["remote_sessions"], "w_remote")
    ask(not _narrows(signed["ceiling"], now["ceiling"]), "w_ceiling")
    ask(signed["controller"] != now["controller"], "w_controller")
    ask(signed["countersigner"] not in (None, now["countersigner"]), "w_countersigner")
    for reader, scopes in now["recipients"].items():
        ask(not set(scopes) <= set(signed["recipients"].get(reader, ())), "w_reader", reader=reader[:9])
    for purpose, text in now["purposes"].items():
        ask(signed["purposes"].get(purpose) != text, "w_purpose", purpose=purpose)
    ask(now["retention_days"] > signed["retention_days"], "w_retention", days=now["retention_days"])
    ask(not set(now["onward_transfer"]) <= set(signed["onward_transfer"]), "w_onward")
    ask(not set(signed["forbidden_uses"]) <= set(now["forbidden_uses"]), "w_forbidden")
    return found + _wider_release(signed["release"], now["release"])


def narrowing(signed: Meaning, now: Meaning) -> list[Change]:
    """What ``now`` asks for less than what was signed: the same comparison the other way round, in other words."""
    if signed.keys() != now.keys():
        return []
    kinds = {"w_scopes", "w_applications", "w_unanswered", "w_tasks", "w_schedule", "w_commands", "w_ceiling",
             "w_reader", "w_purpose", "w_retention", "w_leaves",
             "w_release", "w_sooner", "w_unapproved", "w_onward", "w_forbidden"}  # fmt: skip
    wider_now = {one.key for one in widening(signed, now)}
    found = {one.key: one for one in widening(now, signed) if one.key in kinds - wider_now}
    return [Change("n" + key[1:], {"days": str(now["retention_days"])}) for key in found]


def rewording(signed: Meaning, now: Meaning) -> bool:
    """Whether only the notice's version differs: asked at the next renewal, not before."""
    return bool(signed["notice"] != now["notice"]) and not wider(signed, now)


def fingerprint_of(public: str) -> str:
    """Fingerprint of a base64 public key of the policy."""
    from base64 import b64decode

    return sealing.fingerprint(b64decode(public))


def _wider_release(signed: dict[str, Any] | None, now: dict[str, Any] | None) -> list[Change]:
    if now is None:
        return []
    if signed is None:
        return [Change("w_leaves", {})]
    found = []
    if not _narrows(signed["profile"], now["profile"]):
        found.append(Change("w_release", {}))
    if signed["mode"] == "approved" and now["mode"] != "approved":
        found.append(Change("w_unapproved", {}))
    if now["mode"] == "cooling-off" and now["cooling_off_hours"] < signed["cooling_off_hours"]:
        found.append(Change("w_sooner", {"hours": str(now["cooling_off_hours"])}))
    return found


def _listed(meaning: Meaning) -> Applications:
    return Applications(meaning["applications"]["mode"], tuple(meaning["applications"]["names"]))


def _tells_more(signed: Meaning, now: Meaning) -> bool:
    """Whether categories tell applications apart that they did not; nobody is told any without the scope."""
    if "context" not in now["scopes"]:
        return False
    one, other = signed["categories"], now["categories"]
    return one["shipped"] != other["shipped"] or not other["own"].items() <= one["own"].items()


def _narrows(signed: str, now: str) -> bool:
    """Whether what ``now`` records can be made from what was signed: then it says nothing more."""
    return profiles.may_become(profiles.PROFILES[signed], profiles.PROFILES[now])


_LISTS = (classes.KeyClass, classes.Command, classes.Button, classes.Direction, classes.Category, classes.Role,
          classes.ClickKind, classes.Outcome)  # fmt: skip
"""Every closed list that a record can hold a value of."""


def _class_table() -> list[Any]:
    """Classes, commands and the class of every keysym that has one of its own, with and without Ctrl."""
    keysyms = [*range(0x20, 0x100), *range(0xFE00, 0x10000), 0x1008FF00, 0x10020AC]
    return [
        [[one.name, one.value] for kind in _LISTS for one in kind],
        [[code, *(int(part) for part in classes.classify(code, 0))] for code in keysyms],
        [[code, *(int(part) for part in classes.classify(code, classes.CTRL))] for code in keysyms],
    ]


def _profile_parameters() -> list[Any]:
    """Everything that decides how finely a profile records."""
    return [
        [[one.name, one.rank, one.grid_ms] for one in profiles.PROFILES.values()],
        [profiles.RUN_PAUSE_S, profiles.SHORT_RUN, profiles.MOVE_CELL_PX, profiles.STROKE_CELL_PX],
        sorted([name, cap] for name, cap in profiles.CAPS.items()),
        [list(profiles.NOISE_PER_KEY), profiles.COUNT_LOW, profiles.COUNT_HIGH, profiles.COUNT_MINUTES],
    ]


def _digest(value: Any) -> str:
    return sealing.hexdigest(sealing.canonical(value))
