"""The bound in bits a minute, recomputed from the published schema and from what the redactor can be made to do."""

from __future__ import annotations

import json
import math
import os
import random

import pytest

from desktop_logger.records import capacity
from desktop_logger.records.classes import Button, Category, ClickKind, Direction, KeyClass, Outcome, Role
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import (
    CLICK,
    COARSE_FORM,
    FOCUS,
    KEY,
    KINDS,
    MOVE,
    RECORD,
    SCOPE_OF_KIND,
    SCROLL,
    TARGET,
    TASK,
    VEIL,
)
from desktop_logger.records.profiles import COARSE, PROFILES, Profile
from desktop_logger.redaction import Redactor
from tests.unit.test_redaction import Terms
from tests.unit.test_registry import ROOT

MARKED = ("events", "bursts")
"""Profiles within which a record can have the form of ``coarse``."""


def schema_bits(kind: str, profile: str) -> float:
    """Bits of one record's fields but its times, from the JSON Schema alone."""
    with open(os.path.join(ROOT, "consent", "events.schema.json"), encoding="utf-8") as file:
        (shape,) = [one for one in json.load(file)["anyOf"] if one["title"] == f"{kind} ({profile})"]
    bits = 0.0
    for name, what in shape["properties"].items():
        if name in ("record", "t") or (name == "gap" and profile == "bursts"):
            continue
        if "enum" in what:
            bits += math.log2(len(what["enum"]) + (name not in shape["required"]))
        else:
            bits += math.log2(what["maximum"] - what["minimum"] + 1)
    return bits


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_each_records_bits_follow_from_the_schema(profile: Profile) -> None:
    for number, kind in KINDS.items():
        if number in SCOPE_OF_KIND and any(f"{kind} ({profile.name})" in title for title in titles()):
            steps = math.log2(max(60_000 // profile.grid_ms, 1))
            got = capacity.record_bits(kind, profile) - steps
            # of a key from bursts on, the schema lists two classes that it never has: the registry knows better
            slack = math.log2(11 / 9) if kind == "key" and profile.name in ("bursts", "coarse") else 0
            assert abs(schema_bits(kind, profile.name) - got - slack) < 0.02, kind


def titles() -> list[str]:
    with open(os.path.join(ROOT, "consent", "events.schema.json"), encoding="utf-8") as file:
        return [one["title"] for one in json.load(file)["anyOf"]]


OTHERS: dict[int, list[tuple[int, int]]] = {
    FOCUS: [(Category.MAIL, 0), (Category.BROWSER, 0)], TASK: [(3, Outcome.BEGIN), (3, Outcome.OK)],
    TARGET: [(Role.BUTTON, ClickKind.SINGLE), (Role.LINK, ClickKind.DOUBLE)], VEIL: [(1, 0), (0, 0)],
}  # fmt: skip


def minute(chance: random.Random) -> list[Event]:
    events: list[Event] = []
    t = 0
    while (t := t + chance.choice((0, 15, 90, 700, 2001, 2400))) < 59_000:
        kind = chance.choice((KEY, KEY, CLICK, SCROLL, MOVE, *OTHERS))
        if kind in OTHERS:
            events.append((t, kind, *chance.choice(OTHERS[kind]), 0, 0))
        elif kind == KEY:
            events.append((t, KEY, chance.choice((1, 1, 1, 2, 3, 5, 10)), 0, 0, 0))
        elif kind == MOVE:
            events.append((t, MOVE, 0, 0, chance.randrange(-2000, 2000), chance.randrange(-2000, 2000)))
        else:
            events.append((t, kind, 1, 1, 0, 0))
    return events


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_no_minute_makes_more_records_than_the_bound_counts(profile: Profile) -> None:
    chance = random.Random(1)
    bound = capacity.caps(profile)
    veiled = False
    for _ in range(60):
        events = minute(chance)
        redactor = Redactor(Terms(own=profile))
        redactor.begin(0)
        redactor.feed(Batch(events, 60_000))
        redactor.flush(60_000 - 1)
        made = list(RECORD.iter_unpack(redactor.take()[0]))
        made_by = {
            "keyboard": sum(e[1] == KEY and (profile.name == "events" or e[2] > KeyClass.EDIT) for e in events),
            "pointer": sum(e[1] in (CLICK, SCROLL) for e in events),
            **{scope: sum(e[1] == kind for e in events) for scope, kind in
               (("context", FOCUS), ("target", TARGET), ("task", TASK))},
        }  # fmt: skip
        edges = sum(e[1] == VEIL for e in events)
        ended = {"keyboard": capacity.record_bits("typing", COARSE), "pointer": capacity.record_bits("stroke", COARSE)}
        if profile.name == "bursts":
            ended = {scope: capacity.record_bits(kind, profile) for scope, kind in
                     (("keyboard", "typing"), ("pointer", "stroke"))}  # fmt: skip
        assert {SCOPE_OF_KIND[record[1] & ~COARSE_FORM] for record in made} <= bound.keys()
        for scope, each in made_by.items():
            used = 0.0
            for record in made:
                kind = record[1] & ~COARSE_FORM
                if SCOPE_OF_KIND[kind] == scope:
                    seen = COARSE if record[1] & COARSE_FORM else profile
                    noisy = profile.name == "counts" and kind != TASK
                    used += math.log2(1024) if noisy else capacity.record_bits(KINDS[kind], seen)
                    veiled = veiled or bool(record[1] & COARSE_FORM)
            more = edges * (ended.get(scope, 0) + 1)
            assert used <= bound[scope].steady + each * bound[scope].each + more + 1e-9
    assert veiled is (profile.name in MARKED)


def test_coarser_profiles_hold_less() -> None:
    typing = [capacity.caps(profile)["keyboard"].steady for profile in PROFILES.values()][1:]
    assert typing == sorted(typing, reverse=True)
    assert len(Button) + len(Direction) + 1 == 11


def test_the_words_name_the_bound() -> None:
    for profile in PROFILES.values():
        words = capacity.in_words(profile)
        assert words.startswith("At most ")
        assert f"{max(capacity.caps(profile)['keyboard']):,.0f} " in words or profile.name != "counts"
