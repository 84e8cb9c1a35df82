"""Makes the data page and the event schema from the field registry, so that they cannot disagree with the code.

``python -m desktop_logger.records.document`` rewrites ``docs/reference/data.md`` and
``consent/events.schema.json`` in a checkout; a test fails when either is not current.
"""

from __future__ import annotations

import json
from typing import Any

from desktop_logger.paths import rewrite

from . import classes, registry
from .layout import KINDS, RECORD_BYTES, VEILED_KINDS
from .profiles import COARSE, COUNT_HIGH, COUNT_LOW, PROFILES, RELEASE_TICK_S

_WORDS: dict[str, list[str]] = {
    "reason": [reason.name.lower() for reason in classes.Reason],
    "class": [name.name for name in classes.KeyClass],
    "command": [command.name.lower() for command in classes.Command if command],
    "button": [button.name.lower() for button in classes.Button],
    "action": [action.name.lower() for action in classes.Action],
    "direction": [direction.name.lower() for direction in classes.Direction],
    "category": [category.name.lower() for category in classes.Category],
    "role": [role.name.lower() for role in classes.Role],
    "click": [kind.name.lower() for kind in classes.ClickKind],
    "outcome": [outcome.name.lower() for outcome in classes.Outcome],
}
"""The closed lists, as the records of every JSON line spell them."""

_CLASS_TEXT = {
    "TEXT": "letters, digits, punctuation, space",
    "EDIT": "backspace, delete",
    "ENTER": "Enter",
    "TAB": "Tab",
    "NAV": "arrows, Home, End, Page Up, Page Down",
    "MODIFIER": "Ctrl, Alt, Super",
    "FUNCTION": "F1 to F35",
    "ESCAPE": "Escape",
    "MEDIA": "volume, play, brightness and the like",
    "COMMAND": "a letter or digit while Ctrl, Alt or Super is held (AltGr is not a command)",
    "OTHER": "everything else",
}


def data_page() -> str:
    """``docs/reference/data.md``, Markdown."""
    lines = [
        "# Every field that can be recorded",
        "",
        "<!-- Made by `python -m desktop_logger.records.document` from the field registry; do not edit. -->",
        "",
        f"A record is {RECORD_BYTES} bytes of enums and bounded integers. No field can hold a character, a key code, a",
        "title, a path or a screen position. What is not on this page is not recorded.",
        "",
        "*Capacity* is the base-2 logarithm of the number of different values that a field can hold: the most it could",
        "ever say about anything, whoever reads it. It bounds what is possible; what attacks have been measured to get",
        "out of it is far less.",
        "",
        "## Profiles",
        "",
        "| profile | grid | largest record | of which not timing | frame of the own stream | of the release stream |",
        "|---|---|---|---|---|---|",
    ]
    for profile in PROFILES.values():
        records = [kind.name for kind in registry.KINDS if profile.name in kind.profiles and kind.scope != "any"]
        largest = max(registry.capacity(name, profile.name) for name in records)
        untimed = max(registry.capacity(name, profile.name, without_time=True) for name in records)
        grid = {"events": "20 ms", "bursts": "1 s", "coarse": "1 min, and log2 buckets",
                "counts": "1 min"}[profile.name]  # fmt: skip
        lines.append(
            f"| `{profile.name}` | {grid} | {largest:.1f} bits | {untimed:.1f} bits "
            f"| every {profile.tick_s} s | every {RELEASE_TICK_S} s |"
        )
    lines += ["", "Frames have one size each, whether anything happened or not.", ""]
    lines += [
        "Where nobody can tell whether the focused field is a password field, keyboard, pointer and target are",
        "recorded in `coarse` form at most, under every profile but `counts` (whose counts are the same either way).",
        "Such a record of `events` or `bursts` has the fields of `coarse`, its time is the start of its minute, and",
        "rows of it say `form`: `coarse`.",
        "",
        "## Closed lists",
        "",
    ]
    lines += ["| class | keys |", "|---|---|"]
    lines += [f"| `{name}` | {_CLASS_TEXT[name]} |" for name in _WORDS["class"]]
    lines += [
        "",
        "Shift, AltGr, CapsLock, NumLock, dead keys and compose make no record, nor does holding a key or letting go.",
        "",
    ]
    for name in ("command", "button", "action", "direction", "category", "role", "click", "outcome", "reason"):
        lines.append(f"* {name}: " + ", ".join(f"`{word}`" for word in _WORDS[name]))
    for kind in registry.KINDS:
        scope = "each granted scope" if kind.scope == "any" else f"scope `{kind.scope}`"
        lines += ["", f"## `{kind.name}` ({scope})", "", kind.description, ""]
        lines += [
            "| field | what it is | what for | says something about | profile: unit, capacity |",
            "|---|---|---|---|---|",
        ]
        for field in registry.FIELDS:
            if field.record == kind.name:
                bounds = "; ".join(
                    f"`{name}`: {field.unit[name]}, {field.bits(name):.2f} bits" for name in field.values
                )
                lines.append(
                    f"| `{field.name}` | {field.description} | {field.purpose} | {field.sensitivity} | {bounds} |"
                )
    lines += [
        "",
        f"Every entry was reviewed by the {registry.REVIEWER} and expires on {registry.EXPIRES}: after that day the",
        "tests fail until each has been looked at again.",
        "",
    ]
    return "\n".join(lines)


def events_schema() -> str:
    """``consent/events.schema.json``: one JSON line of ``inspect --events --json``."""
    shapes: list[dict[str, Any]] = []
    for kind in registry.KINDS:
        for profile in kind.profiles:
            properties: dict[str, Any] = {"record": {"const": kind.name}}
            for field in registry.fields_of(kind.name, profile):
                properties[field.name] = _shape(field, profile)
            shapes.append(
                {
                    "title": f"{kind.name} ({profile})",
                    "type": "object",
                    "properties": properties,
                    "required": [name for name in properties if name != "command"],
                    "additionalProperties": False,
                }
            )
    shapes += _formed()
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "desktop-logger record",
        "description": "Made from the field registry. No field is free text.",
        "anyOf": shapes,
    }
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _formed() -> list[dict[str, Any]]:
    """The shapes of records in ``coarse`` form within a finer stream."""
    names = [KINDS[number] for number in VEILED_KINDS]
    shapes = []
    for kind in registry.KINDS:
        if kind.name in names:
            properties: dict[str, Any] = {"record": {"const": kind.name}, "t": {"type": "number", "minimum": 0}}
            properties["form"] = {"const": "coarse"}
            for field in registry.fields_of(kind.name, COARSE.name):
                if field.name != "t":
                    properties[field.name] = _shape(field, COARSE.name)
            shapes.append(
                {
                    "title": f"{kind.name} (coarse form)",
                    "type": "object",
                    "properties": properties,
                    "required": [name for name in properties if name != "command"],
                    "additionalProperties": False,
                }
            )
    return shapes


def _shape(field: registry.Field, profile: str) -> dict[str, Any]:
    if field.name in _WORDS:
        return {"enum": _WORDS[field.name]}
    if field.name == "t" and profile not in ("coarse", "counts"):
        return {"type": "number", "minimum": 0}
    if profile == "counts" and field.name == "n":
        return {"type": "integer", "minimum": COUNT_LOW, "maximum": COUNT_HIGH}
    if field.name == "task":
        return {"type": "integer", "minimum": 1, "maximum": field.values[profile]}
    half = field.values[profile] // 2
    if field.name in ("dx", "dy"):
        return {"type": "integer", "minimum": -half, "maximum": half}
    return {"type": "integer", "minimum": 0, "maximum": field.values[profile] - 1}


def main() -> None:
    """Rewrite both files of the checkout that this module lies in."""
    rewrite(data_page(), "docs", "reference", "data.md")
    rewrite(events_schema(), "consent", "events.schema.json")


if __name__ == "__main__":
    main()
