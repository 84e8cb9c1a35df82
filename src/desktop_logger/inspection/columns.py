"""Records become columns here and nowhere else: rows, tables and exports are all made from these.

Which 16-byte slot a column is read from, for which kinds of record, and how large its values may be, stands in the
field registry (``records.registry``); nothing is repeated here. Invariants: a record whose kind does not belong to
its scope or profile, whose word is outside its closed list, or whose number is beyond the registry's bound, refuses
the whole segment; a record in ``coarse`` form is held to the bounds of ``coarse``; absent is
``present`` false, never 0; nothing here can hold text.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from desktop_logger.errors import IntegrityError
from desktop_logger.records import registry
from desktop_logger.records.classes import (
    Action,
    Button,
    Category,
    ClickKind,
    Command,
    Direction,
    KeyClass,
    Outcome,
    Reason,
    Role,
)
from desktop_logger.records.layout import COARSE_FORM, KINDS, RECORD_BYTES, RECORD_FIELDS, TYPING, VEILED_KINDS
from desktop_logger.records.profiles import CAPS, COARSE, COUNT_HIGH, COUNT_LOW, SCOPES, TASKS, Profile

Records = np.ndarray[Any, np.dtype[np.void]]
"""Dtype ``segments.reading.RECORDS``."""
Codes = npt.NDArray[np.uint8]

RECORD_WORDS = tuple(KINDS.values())
_UNKNOWN = 255
_WORDS: dict[str, dict[int, str]] = {
    "class": {one.value: one.name for one in KeyClass},
    "command": {one.value: one.name.lower() for one in Command},
    "button": {one.value: one.name.lower() for one in Button},
    "direction": {one.value: one.name.lower() for one in Direction},
    "reason": {one.value: one.name.lower() for one in Reason},
    "action": {one.value: one.name.lower() for one in Action},
    "category": {one.value: one.name.lower() for one in Category},
    "role": {one.value: one.name.lower() for one in Role},
    "click": {one.value: one.name.lower() for one in ClickKind},
    "outcome": {one.value: one.name.lower() for one in Outcome},
}
FORM_WORDS = ("coarse",)
_SIGNED = ("dx", "dy")
_NOISY = (COUNT_LOW, COUNT_HIGH)
"""Bounds of a count with noise (profile ``counts``): it may be negative."""
_EDITS_BEFORE = 3
"""Highest bucket of corrections that ``coarse`` had before ADR 0042."""
_ORDER = (
    "class", "command", "button", "direction", "action", "category", "role", "click", "task", "outcome", "reason",
    "n_text", "n_edit", "n", "dx", "dy", "duration", "gap", "seconds",
)  # fmt: skip
"""How a row reads; a field of the registry that is not here fails the first test."""
_SAYS_NOTHING = {"command": 0}
"""A value that stands for absence."""


def words_of(name: str) -> tuple[str, ...]:
    """The closed list of a column of words, in the order of its codes."""
    return {"record": RECORD_WORDS, "scope": SCOPES, "form": FORM_WORDS}.get(name) or tuple(_WORDS[name].values())


class Column(NamedTuple):
    """One column of ``n`` records: words as codes into ``words_of(name)``, or numbers."""

    values: npt.NDArray[Any]
    present: npt.NDArray[np.bool_] | None
    """``None``: in every record."""


class Columns(NamedTuple):
    """All columns of some records of one profile."""

    records: int
    profile: Profile
    t: npt.NDArray[np.uint32]
    """Ticks of the profile's grid since the start of the segment."""
    fields: dict[str, Column]
    """By name, in the order of a row; a name that no record has is left out. ``t`` is not among them."""

    @property
    def by_minutes(self) -> bool:
        """Whether ``t`` is shown as the number of the minute."""
        return self.profile.grid_ms == 60_000

    def seconds(self) -> npt.NDArray[np.float64]:
        """``t`` as rows show it: seconds; where the grid is a minute, the number of the minute."""
        if self.by_minutes:
            return self.t.astype(np.float64)
        return np.round(self.t.astype(np.float64) * self.profile.grid_ms / 1000, 3)


class _Reading(NamedTuple):
    """How one column is read under one profile."""

    name: str
    slot: str
    kinds: npt.NDArray[np.bool_]
    """256 entries: which kinds of record have it."""
    codes: Codes | None
    """Words: stored value → code, ``_UNKNOWN`` outside the list."""
    low: int
    high: int
    """Numbers: the widest bounds that the registry gives; a ``low`` below 0 means two's complement."""
    form: npt.NDArray[np.bool_]
    """256 entries: which kinds in ``coarse`` form have it."""
    form_low: int
    form_high: int
    """Numbers of those: the bounds of ``coarse``."""


class _Plan(NamedTuple):
    kinds: npt.NDArray[np.uint8]
    """Stored kind → code of the record's word; ``_UNKNOWN`` for a kind that the profile does not have."""
    scopes: npt.NDArray[np.bool_]
    """256 kinds x scopes: where a kind may stand."""
    readings: tuple[_Reading, ...]


@lru_cache(maxsize=8)
def _plan(profile: str) -> _Plan:
    """From the registry: every column with its slot, kinds, words and bounds."""
    numbers = {name: number for number, name in KINDS.items()}
    kinds = np.full(256, _UNKNOWN, np.uint8)
    scopes = np.zeros((256, len(SCOPES)), np.bool_)
    found: dict[str, _Reading] = {}
    _read_forms(profile, kinds, scopes, found)
    for kind in registry.KINDS:
        if profile not in kind.profiles:
            continue
        number = numbers[kind.name]
        kinds[number] = RECORD_WORDS.index(kind.name)
        scopes[number] = [kind.scope in ("any", scope) for scope in SCOPES]
        for field in registry.fields_of(kind.name, profile):
            if field.name == "t":
                continue
            codes = _codes(field.name) if field.name in _WORDS else None
            bounds = _bounds(field, profile)
            reading = found.get(field.name) or _reading(field)
            if not reading.kinds.any():
                reading = reading._replace(low=bounds[0])
            if (reading.slot, reading.low) != (field.slot, bounds[0]) and codes is None:
                raise ValueError(f"{field.name}: the registry gives it two slots or two bounds")
            reading = found[field.name] = reading._replace(high=max(reading.high, bounds[1]))
            reading.kinds[number] = True
    return _Plan(kinds, scopes, tuple(sorted(found.values(), key=lambda one: _ORDER.index(one.name))))


def _read_forms(profile: str, kinds: Codes, scopes: npt.NDArray[np.bool_], found: dict[str, _Reading]) -> None:
    """What records in ``coarse`` form look like in a finer stream."""
    if profile not in ("events", "bursts"):
        return
    for kind in registry.KINDS:
        plain = next(number for number, name in KINDS.items() if name == kind.name)
        if plain not in VEILED_KINDS or COARSE.name not in kind.profiles:
            continue
        number = plain | COARSE_FORM
        kinds[number] = RECORD_WORDS.index(kind.name)
        scopes[number] = [kind.scope == scope for scope in SCOPES]
        for field in registry.fields_of(kind.name, COARSE.name):
            if field.name != "t":
                low, high = _bounds(field, COARSE.name)
                reading = found.get(field.name) or _reading(field)
                reading = reading._replace(form_low=low, form_high=max(high, reading.form_high))
                reading.form[number] = True
                found[field.name] = reading


def _reading(field: registry.Field) -> _Reading:
    codes = _codes(field.name) if field.name in _WORDS else None
    return _Reading(field.name, field.slot, np.zeros(256, np.bool_), codes, 0, 0, np.zeros(256, np.bool_), 0, 0)


def _bounds(field: registry.Field, profile: str) -> tuple[int, int]:
    values = field.values[profile]
    if field.name in _SIGNED:
        return -(values // 2), values // 2
    if field.name == "task":
        return 1, TASKS
    return _NOISY if (profile, field.name) == ("counts", "n") else (0, values - 1)


def _codes(name: str) -> Codes:
    table = np.full(256, _UNKNOWN, np.uint8)
    for code, value in enumerate(_WORDS[name]):
        table[value] = code
    return table


def ordered(parts: Mapping[str, list[Records]]) -> tuple[Records, Codes]:
    """All records of one segment with their scopes: in the order of time, at one time in the order of scopes."""
    arrays: list[Records] = []
    scopes: list[Codes] = []
    for code, name in enumerate(SCOPES):
        for records in parts.get(name, ()):
            if records.size:
                arrays.append(records)
                scopes.append(np.full(records.size, code, np.uint8))
    if not arrays:
        return np.empty(0, np.dtype(RECORD_FIELDS)), np.empty(0, np.uint8)
    records, scope = joined(arrays), np.concatenate(scopes)
    if len(arrays) > 1 or np.any(records["t"][1:] < records["t"][:-1]):
        order = np.argsort(records["t"], kind="stable")
        records, scope = records[order], scope[order]
    return records, scope


def joined(arrays: list[Records]) -> Records:
    """Records one after another; as bytes, because numpy takes long to find out that two record types are one."""
    if len(arrays) == 1:
        return arrays[0]
    found = np.concatenate([np.ascontiguousarray(one).view(np.uint8).reshape(-1, RECORD_BYTES) for one in arrays])
    return found.view(np.dtype(RECORD_FIELDS)).reshape(-1)


def check(records: Records, scopes: Codes, profile: Profile) -> None:
    """Raise ``IntegrityError`` unless every record is in the vocabulary of the profile."""
    columns(records, scopes, profile)


def columns(records: Records, scopes: Codes, profile: Profile) -> Columns:
    """The columns of records of one profile. Raises ``IntegrityError`` for a record outside the vocabulary."""
    plan = _plan(profile.name)
    kind = np.ascontiguousarray(records["kind"])
    # which kinds stand in which scopes: some dozens of pairs, however many records
    pairs = np.bincount(kind.astype(np.uint16) * len(SCOPES) + scopes, minlength=256 * len(SCOPES))
    seen = pairs.reshape(256, len(SCOPES)) > 0
    if np.any(seen & ~plan.scopes):
        raise _outside()
    records = _as_today(records, kind, profile)
    fields = {"record": Column(plan.kinds[kind], None)}
    kinds = [int(one) for one in np.flatnonzero(seen.any(axis=1))]
    if kinds and kinds[-1] >= COARSE_FORM:
        fields["form"] = Column(np.zeros(kind.size, np.uint8), kind >= COARSE_FORM)
    masks = {one: kind == one for one in kinds}
    presences: dict[tuple[int, ...], npt.NDArray[np.bool_]] = {}
    slots: dict[str, npt.NDArray[Any]] = {}
    for reading in plan.readings:
        formed = tuple(one for one in kinds if reading.form[one])
        having = tuple(one for one in kinds if reading.kinds[one]) + formed
        if not having:
            continue
        if having not in presences:
            presences[having] = np.logical_or.reduce([masks[one] for one in having])
        present = presences[having]
        if reading.slot not in slots:
            slots[reading.slot] = np.ascontiguousarray(records[reading.slot])
        values = slots[reading.slot]
        if reading.codes is not None:
            if values.dtype != np.uint8 and int((values * present).max(initial=0)) > 255:
                raise _outside()
            if reading.name in _SAYS_NOTHING:
                present = present & (values != _SAYS_NOTHING[reading.name])
            values = reading.codes[values.astype(np.uint8, copy=False)]
            if np.any((values == _UNKNOWN) & present):
                raise _outside()
        else:
            values = values.view(np.int16) if reading.low < 0 or reading.form_low < 0 else values
            if not formed:
                _hold(values, present, reading.low, reading.high)
            else:
                within = np.logical_or.reduce([masks[one] for one in formed])
                _hold(values, within, reading.form_low, reading.form_high)
                _hold(values, present & ~within, reading.low, reading.high)
        fields[reading.name] = Column(values, None if present.all() else present)
    fields["scope"] = Column(scopes, None)
    return Columns(records.size, profile, np.ascontiguousarray(records["t"]), fields)


def _as_today(records: Records, kind: Codes, profile: Profile) -> Records:
    """Typing in ``coarse`` form from before ADR 0042 loses duration and corrections, as ``bucketed`` does it.

    What no form of it ever held stays, and is outside the vocabulary.
    """
    typing = kind == (TYPING if profile == COARSE else TYPING | COARSE_FORM)
    told, lasted = records["b"], records["c"]
    old = typing & ((told > 0) | (lasted > 0)) & (told <= _EDITS_BEFORE) & (lasted <= CAPS["duration"])
    if not old.any():
        return records
    made = records.copy()
    made["a"][old] = np.maximum(made["a"], made["b"])[old]
    made["b"][old] = made["c"][old] = 0
    return made


def _hold(values: npt.NDArray[Any], present: npt.NDArray[np.bool_], low: int, high: int) -> None:
    """Raise ``IntegrityError`` for a number beyond its bounds."""
    here = values * present  # 0, which every bound but that of a task allows, where the record has no such value
    if int(here.max(initial=0)) > high or (low < 0 and int(here.min(initial=0)) < low):
        raise _outside()
    if low > 0 and np.any((values < low) & present):
        raise _outside()


def _outside() -> IntegrityError:
    return IntegrityError("a record is outside the vocabulary of this version")
