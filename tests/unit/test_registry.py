"""The field registry is whole, counted right, and what is generated from it is current."""

from __future__ import annotations

import datetime as dt
import json
import math
import os

import pytest

from desktop_logger.records import classes, document, layout, registry
from desktop_logger.records.profiles import CAPS, COUNT_HIGH, COUNT_LOW, PROFILES, TASKS, Profile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_every_kind_of_record_has_an_entry_and_no_other() -> None:
    assert {kind.name for kind in registry.KINDS} == set(layout.KINDS.values())
    for number, name in layout.KINDS.items():
        (kind,) = (kind for kind in registry.KINDS if kind.name == name)
        assert kind.scope == layout.SCOPE_OF_KIND.get(number, "any")


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_every_field_that_a_record_shows_has_an_entry(profile: Profile) -> None:
    for number, name in layout.KINDS.items():
        (kind,) = (kind for kind in registry.KINDS if kind.name == name)
        if profile.name not in kind.profiles:
            assert not registry.fields_of(name, profile.name)
            continue
        shown = layout.describe((0, number, 1, 1, 1, 1, 1), profile)
        assert set(shown) - {"record"} == {field.name for field in registry.fields_of(name, profile.name)}


def test_every_entry_says_everything_and_is_not_overdue() -> None:
    for field in registry.FIELDS:
        assert field.description
        assert field.purpose
        assert field.sensitivity in (registry.TIME, registry.WHAT, registry.AMOUNT, registry.FACT)
        assert field.reviewer == "maintainers"
        assert dt.date.fromisoformat(field.expires) > dt.datetime.now(tz=dt.UTC).date()
        assert field.values.keys() == field.unit.keys() <= PROFILES.keys()


def test_no_field_is_named_twice() -> None:
    names = [(field.record, field.name) for field in registry.FIELDS]
    assert len(set(names)) == len(names)


def test_capacity_is_recounted_from_enums_caps_and_layout() -> None:
    width = {"t": 32, "code": 8, "a": 16, "b": 16, "c": 16, "d": 32}
    enums = {
        "reason": len(classes.Reason), "command": len(classes.Command), "button": len(classes.Button),
        "direction": len(classes.Direction), "action": len(classes.Action),
        "category": len(classes.Category), "role": len(classes.Role), "click": len(classes.ClickKind),
        "outcome": len(classes.Outcome), "task": TASKS,
    }  # fmt: skip
    for field in registry.FIELDS:
        for profile, values in field.values.items():
            assert math.log2(values) <= width[field.slot], field
            if field.name in enums:
                assert values == enums[field.name], field
            elif field.name == "class":
                # TEXT and EDIT live in typing runs only where there are runs
                assert values == len(classes.KeyClass) - (2 if profile in ("bursts", "coarse") else 0)
            elif (profile, field.name) == ("counts", "n"):
                assert values == COUNT_HIGH - COUNT_LOW + 1
            elif profile == "coarse" and field.record == "typing" and field.name in ("n_edit", "duration"):
                assert values == 1
            elif profile == "coarse" and field.name in CAPS and field.name != "seconds":
                assert values == CAPS[field.name] + 1, field
            elif profile == "coarse" and field.name in ("dx", "dy"):
                assert values == 2 * CAPS["cells"] + 1
            elif field.name in ("dx", "dy"):
                assert values == 2 * 0x7FFF + 1
            else:
                assert values == 1 << width[field.slot], field
            assert abs(field.bits(profile) - math.log2(values)) < 0.011


def test_a_released_typing_record_holds_little_besides_its_time() -> None:
    bits = sum(field.bits("coarse") for field in registry.fields_of("typing", "coarse") if field.name != "t")
    assert bits < 6


def test_the_data_page_is_current() -> None:
    with open(os.path.join(ROOT, "docs", "reference", "data.md"), encoding="utf-8") as file:
        assert file.read() == document.data_page(), "run: python -m desktop_logger.records.document"


def test_the_event_schema_is_current_and_has_no_free_text() -> None:
    with open(os.path.join(ROOT, "consent", "events.schema.json"), encoding="utf-8") as file:
        text = file.read()
    assert text == document.events_schema(), "run: python -m desktop_logger.records.document"
    for shape in json.loads(text)["anyOf"]:
        assert shape["additionalProperties"] is False
        for value in shape["properties"].values():
            assert "enum" in value or "const" in value or value["type"] in ("integer", "number")
