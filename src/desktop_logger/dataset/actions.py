"""The action view: records as the actions of computer-use models, and the tokens that sequences are made of.

Everything is integer arithmetic over whole columns. A token is one number made of six closed parts::

    action x amount bucket x time bucket x pointer bucket x category in focus x task in hand

so that token ids are known beforehand and the same in every dataset (docs/reference/dataset.md). The role of a clicked
element is in the action, ``CLICK(role)``. Invariants: a token says nothing that its record and the records before it in
its session did not; ``WAIT`` is time in which nothing was done, ``UNOBSERVED`` is time that nobody saw, and the two are
never the same token; what cannot be told is 0, never a guess.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from desktop_logger.inspection.rows import FIELDS
from desktop_logger.records.profiles import CAPS, TASKS

Ints = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

WORDS = {field.name: field.words for field in FIELDS}
"""Column → its closed list."""
KEYS = tuple(one for one in WORDS["class"] if one not in ("TEXT", "EDIT", "COMMAND"))
COMMANDS = tuple(one for one in WORDS["command"] if one != "none")
BUTTONS = WORDS["button"]
DIRECTIONS = WORDS["direction"]
SAID = tuple(f"TASK({one})" for one in WORDS["outcome"])
"""What people say of their work; not what they do."""

ACTIONS = (
    "PAD", "START", "END", "UNOBSERVED", "WAIT", "TYPE", "EDIT", "HOTKEY",
    *(f"HOTKEY({one})" for one in COMMANDS), *(f"PRESS({one})" for one in KEYS),
    *(f"CLICK({one})" for one in BUTTONS), *(f"SCROLL({one})" for one in DIRECTIONS), "MOVE",
    *(f"CLICK({one})" for one in WORDS["role"]), *(f"SWITCH({one})" for one in WORDS["category"]), *SAID,
)  # fmt: skip
"""What can happen. ``TYPE(n)``, ``EDIT(n)`` and the rest carry their amount as a bucket beside."""

AMOUNTS = CAPS["n_text"] + 1
TIMES = CAPS["duration"] + 1
POINTERS = 9
"""0: none; 1-8: the eighth of the circle that the displacement points to, from the right, clockwise."""
CATEGORIES = len(WORDS["category"]) + 1
"""0: not granted, or not known."""
NUMBERS = TASKS + 1
"""Of the task in hand; 0: none was begun in this session, or it is not known."""
_ROOM = AMOUNTS * TIMES * POINTERS * CATEGORIES * NUMBERS
TOKENS = len(ACTIONS) * _ROOM
WAIT_FROM = 2
"""Buckets of a pause from which it is an action of its own: 2 is two to three seconds."""

_INDEX = {name: number for number, name in enumerate(ACTIONS)}
_RECORD = {name: number for number, name in enumerate(WORDS["record"])}
_MINUTE_MS = 60_000
_LONG_MS = 1 << 40
"""Longer than any session: keeps sessions apart on one line of time."""


class Columns(NamedTuple):
    """The columns that a token is made of, as numpy arrays; words as codes, absent words and numbers as 0."""

    record: Ints
    scope: Ints
    word: Ints
    """The one word that says what it was: class, button, direction, action, category, role or outcome, from 1."""
    command: Ints
    task: Ints
    n_text: Ints
    n_edit: Ints
    n: Ints
    dx: Ints
    dy: Ints
    duration: Ints
    gap: Ints
    """Pause before, as the record says it (``bursts``, ``coarse``)."""
    seconds: Ints
    """Length of a ``gap`` record."""
    ms: Ints
    """Time since the start of the session; the start of the minute where no more is known."""
    coarse: Bools
    """Whether quantities are log2 buckets already."""
    minute: Bools
    """Whether no more than the minute is known of the time; then lengths are buckets too."""
    first: Bools
    """Whether a session begins here."""


class Stream(NamedTuple):
    """The tokens of whole sessions one after another, each between START and END."""

    tokens: npt.NDArray[np.int32]
    mask: Bools
    """Where something was observed."""
    begins: npt.NDArray[np.int64]
    """Place of each session's START."""


def token(  # noqa: PLR0917 - the parts, in their order
    action: int, amount: int = 0, time: int = 0, pointer: int = 0, category: int = 0, task: int = 0
) -> int:
    """The id of a token from its parts."""
    return (
        (((action * AMOUNTS + amount) * TIMES + time) * POINTERS + pointer) * CATEGORIES + category
    ) * NUMBERS + task


def parts_of(number: int) -> tuple[str, int, int, int, int, int]:
    """(action, amount bucket, time bucket, pointer bucket, category, task) of a token."""
    rest, task = divmod(number, NUMBERS)
    rest, category = divmod(rest, CATEGORIES)
    rest, pointer = divmod(rest, POINTERS)
    rest, time = divmod(rest, TIMES)
    action, amount = divmod(rest, AMOUNTS)
    return ACTIONS[action], amount, time, pointer, category, task


def by_action(tokens: Ints) -> npt.NDArray[np.int64]:
    """How many of some tokens are of each action."""
    found: npt.NDArray[np.int64] = np.bincount(tokens // _ROOM, minlength=len(ACTIONS)).astype(np.int64)
    return found


def named(counts: npt.NDArray[np.int64]) -> dict[str, int]:
    """Counts of actions by name, without those that do not occur."""
    return {name: number for name, number in zip(ACTIONS, counts.tolist(), strict=True) if number}


def spelled(number: int) -> str:
    """A token for people: ``TYPE(4-7)``, ``HOTKEY(copy)``, ``WAIT(8-15s)``."""
    action, amount, time, *_, task = parts_of(number)
    if action in ("TYPE", "EDIT") or action.startswith("SCROLL"):
        name, _, inner = action.partition("(")
        inside = ", ".join(one for one in (inner.rstrip(")"), _range(amount)) if one)
        return f"{name}({inside})"
    if action in ("WAIT", "UNOBSERVED"):
        return f"{action}({_range(time)}s)"
    return f"{action.rstrip(')')}, {task})" if action in SAID else action


def understood(word: str) -> int | None:
    """The token that ``spelled`` gives this name, or the action of this name in whatever amount; ``None`` for none."""
    return _tokens_by_name().get(word.replace(" ", ""))


@cache
def _tokens_by_name() -> dict[str, int]:
    amounts = [token(number, amount) for number in range(len(ACTIONS)) for amount in range(AMOUNTS)]
    times = [token(_INDEX[name], 0, time) for name in ("WAIT", "UNOBSERVED") for time in range(TIMES)]
    said = [token(_INDEX[name], task=task) for name in SAID for task in range(NUMBERS)]
    found = {spelled(one).replace(" ", ""): one for one in reversed([*amounts, *times, *said])}
    return {name: token(number) for name, number in _INDEX.items()} | found


def category_of(number: int) -> str:
    """The category in focus of a token; ``""`` where it is not known."""
    code = parts_of(number)[4]
    return WORDS["category"][code - 1] if code else ""


def _range(bucket: int) -> str:
    return "0" if bucket == 0 else "1" if bucket == 1 else f"{1 << (bucket - 1)}-{(1 << bucket) - 1}"


_BUCKETS = np.array([min(value.bit_length(), 15) for value in range(1 << 12)], np.int32)


def _bucket(values: Ints, cap: int, coarse: Bools) -> Ints:
    """log2 buckets, up to ``cap``; what is a bucket already stays one."""
    if coarse.all() or not values.any():
        return np.clip(values, 0, cap)
    small = np.clip(values, 0, _BUCKETS.size - 1)
    found: Ints = np.minimum(np.where(coarse, small, _BUCKETS[small]), cap)
    return found


_WORDS_OF_TEXT = [WORDS["class"].index(one) + 1 for one in ("TEXT", "EDIT")]
_WIDEST = max(len(WORDS[name]) for name in ("class", "button", "direction", "action", "category", "role")) + 1


def _table() -> npt.NDArray[np.int32]:
    """Record x word x command → action and amount: 1 for one press that makes or takes away text, else 0."""
    table = np.full((len(WORDS["record"]), _WIDEST, len(WORDS["command"]) + 1), _INDEX["UNOBSERVED"], np.int32)
    plain = {"TEXT": "TYPE", "EDIT": "EDIT", "COMMAND": "HOTKEY"}
    keys = [plain.get(name, f"PRESS({name})") for name in WORDS["class"]]
    # what ``counts`` counts of the pointer: click_left, scroll_up, moving
    counted = ["MOVE" if name == "moving" else f"{name.partition('_')[0].upper()}({name.partition('_')[2]})"
               for name in WORDS["action"]]  # fmt: skip
    clicked, switched = ([f"{verb}({one})" for one in WORDS[name]] for verb, name in
                         (("CLICK", "role"), ("SWITCH", "category")))  # fmt: skip
    for kind, names in (
        ("key", keys), ("presses", keys), ("click", [f"CLICK({one})" for one in BUTTONS]),
        ("scroll", [f"SCROLL({one})" for one in DIRECTIONS]), ("actions", counted), ("focus", switched),
        ("switches", switched), ("target", clicked), ("targets", clicked), ("task", SAID),
    ):  # fmt: skip
        for code, name in enumerate(names, 1):
            table[_RECORD[kind], code] = _INDEX[name]
    for number, command in enumerate(WORDS["command"], 1):
        if command != "none":
            table[_RECORD["key"], WORDS["class"].index("COMMAND") + 1, number] = _INDEX[f"HOTKEY({command})"]
    table[_RECORD["typing"]] = _INDEX["TYPE"]
    table[_RECORD["move"]] = table[_RECORD["stroke"]] = _INDEX["MOVE"]
    table *= AMOUNTS
    table[_RECORD["key"], _WORDS_OF_TEXT] += 1
    return table


_ACTION = _table()
_SMALL = np.min_scalar_type(-_ACTION.size)
_POINTER = CATEGORIES * NUMBERS
_TIME = _POINTER * POINTERS
_AMOUNT = _TIME * TIMES
"""What one step of an amount, a time, a pointer's direction adds to a token."""
_PAUSES = np.isin(np.arange(len(_RECORD)), [_RECORD[one] for one in ("key", "typing", "click", "scroll", "stroke")])
"""Kinds of record whose own ``gap`` is a pause. How long another program had the focus is none."""
_EIGHTHS = np.array([6, 7, 8, 5, 0, 1, 4, 3, 2], np.int32)
"""By sign of dy (up, none, down), then of dx (left, none, right)."""


def tokens(c: Columns) -> Stream:
    """Tokens of records in order.

    A pause of two seconds or more before a record becomes ``WAIT``; a typing run with edits ``TYPE`` and ``EDIT``;
    a gap, which stands once in each scope, is one ``UNOBSERVED``.
    """
    around = _around(c)
    main = _main(c) + around
    around = np.broadcast_to(around, main.shape)
    gaps = np.flatnonzero(c.record == _RECORD["gap"])
    told = _told_before(c, gaps)
    waits, pauses = _pauses(c)
    edits = np.flatnonzero((c.record == _RECORD["typing"]) & (c.n_edit > 0))
    begins = np.flatnonzero(c.first)
    ends = np.append(begins[1:], c.first.size) - 1
    # each record gives none to three tokens: WAIT, itself, EDIT; the first also START, the last END
    count = np.ones(main.size, np.int64)
    for some, number in ((told, -1), (waits, 1), (edits, 1), (begins, 1), (ends, 1)):
        count[some] += number
    after = np.cumsum(count)
    out = np.empty(int(after[-1]), np.int32)
    place = after - 1
    place[edits] -= 1
    place[ends] -= 1
    mask = np.ones(out.size, np.bool_)
    if told.size:
        kept = np.ones(main.size, np.bool_)
        kept[told] = False
        out[place[kept]] = main[kept]
        gaps = gaps[kept[gaps]]
    else:
        out[place] = main
    mask[place[gaps]] = False
    out[place[waits] - 1] = token(_INDEX["WAIT"]) + pauses * _TIME + around[waits]
    edited = _bucket(c.n_edit[edits], AMOUNTS - 1, c.coarse[edits])
    out[place[edits] + 1] = token(_INDEX["EDIT"]) + edited * _AMOUNT + around[edits]
    starts = after[begins] - count[begins]
    out[starts], out[after[ends] - 1] = token(_INDEX["START"]), token(_INDEX["END"])
    return Stream(out, mask, starts)


def _main(c: Columns) -> npt.NDArray[np.int32]:
    """The token of each record itself, without what was around it."""
    _, words, commands = _ACTION.shape
    key = (c.record.astype(_SMALL) * words + c.word) * commands + c.command
    found: npt.NDArray[np.int32] = _ACTION.reshape(-1)[key.astype(np.intp)] * np.int32(_AMOUNT)
    # a record has one of these numbers at most
    found += _bucket(c.n_text + c.n, AMOUNTS - 1, c.coarse) * np.int32(_AMOUNT)
    found += _bucket(c.seconds + c.duration, TIMES - 1, c.minute) * np.int32(_TIME)
    eighths = _EIGHTHS * np.int32(_POINTER)
    found += eighths[(3 * np.sign(c.dy) + np.sign(c.dx) + 4).astype(np.intp)]
    return found


def _pauses(c: Columns) -> tuple[Ints, Ints]:
    """Records before which nothing was done for two seconds or more; log2 buckets of those seconds. Never before a gap.

    Where times are finer than a minute: since the latest end of all records before it, of whatever scope; nothing is
    said where a record without such a time may lie in between. Where they are minutes: as the record says it, which is
    a pause within its own scope.
    """
    said = np.flatnonzero((c.gap >= WAIT_FROM) & c.minute)
    said = said[_PAUSES[c.record[said]]]
    buckets = np.minimum(c.gap[said], TIMES - 1)
    if c.minute.all():
        return said, buckets
    fine: Any = np.flatnonzero(~c.minute) if c.minute.any() else slice(None)
    number = np.flatnonzero(c.first)
    session = np.repeat(np.arange(number.size) * _LONG_MS, np.diff(np.append(number, c.first.size)))
    start = session[fine] + c.ms[fine]
    length = c.seconds[fine] + c.duration[fine]  # a gap has one, another record the other
    begins = np.flatnonzero(np.append(True, session[fine][1:] != session[fine][:-1]))
    before = np.empty_like(start)
    before[1:] = np.maximum.accumulate(start + 1000 * length.astype(np.int64))[:-1] if length.any() else start[:-1]
    before[begins] = session[fine][begins]
    idle = start - before
    if c.minute.any():
        # how many such records there are up to here, and up to the beginning of the minute of the one before
        so_far = np.cumsum(c.minute)
        line = session + c.ms
        last = np.concatenate([[0], start[:-1]])
        last[begins] = session[fine][begins]
        minute = last - (last % _LONG_MS) % _MINUTE_MS
        place = np.searchsorted(line, minute)
        idle[so_far[fine] != np.where(place > 0, so_far[place - 1], 0)] = 0
    places = np.flatnonzero(idle >= 1000 << (WAIT_FROM - 1))
    places = places[c.record[fine][places] != _RECORD["gap"]]
    seconds = np.minimum(idle[places] // 1000, _BUCKETS.size - 1)
    places = np.arange(c.first.size)[fine][places]
    return np.append(said, places), np.append(buckets, np.minimum(_BUCKETS[seconds], TIMES - 1))


def _told_before(c: Columns, gaps: Ints) -> Ints:
    """Of the places of gap records those that another scope's gap record has said already."""
    if gaps.size < 2:
        return gaps[:0]
    session = np.cumsum(c.first)[gaps]
    order = np.lexsort((c.scope[gaps], c.seconds[gaps], c.ms[gaps], session))
    keys = np.stack([session, c.ms[gaps], c.seconds[gaps], c.scope[gaps]])[:, order]
    fresh = np.ones((2, order.size), np.bool_)  # another gap; another gap or the same one in another scope
    fresh[0, 1:] = (keys[:3, 1:] != keys[:3, :-1]).any(0)
    fresh[1, 1:] = fresh[0, 1:] | (keys[3, 1:] != keys[3, :-1])
    gap, run = np.cumsum(fresh[0]), np.flatnonzero(fresh[1])
    # two gaps may look alike: the second of one scope is the second of the other
    number = np.arange(order.size) - np.repeat(run, np.diff(np.append(run, order.size)))
    _, kept = np.unique(gap * (order.size + 1) + number, return_index=True)
    found: Ints = gaps[np.delete(order, kept)]
    return found


def _around(c: Columns) -> Ints:
    """The category in focus and the task in hand of each record, as one number; one 0 where nothing is known of any."""
    focus, said = c.record == _RECORD["focus"], c.record == _RECORD["task"]
    category: Ints = np.zeros((), np.int32)
    if focus.any():
        lost = (c.record == _RECORD["gap"]) & (c.scope == WORDS["scope"].index("context"))
        category = _holding(c, focus | lost, np.where(focus, c.word, 0))
    if not said.any():
        return np.multiply(category, NUMBERS, dtype=np.int32)
    begun = c.word == WORDS["outcome"].index("begin") + 1
    task = np.where(said, c.task, _holding(c, said, np.where(begun, c.task, 0)))
    found: Ints = np.multiply(category, NUMBERS, dtype=np.int32) + task
    return found


def _holding(c: Columns, marks: Bools, values: Ints) -> Ints:
    """What the last mark before each record in its session said; 0 where only a minute is known that has a mark."""
    places = np.flatnonzero(marks | c.first)
    found = np.repeat(np.where(marks[places], values[places], 0), np.diff(np.append(places, marks.size)))
    if c.minute.any():
        minute = c.ms // _MINUTE_MS
        fresh = c.first.copy()
        fresh[1:] |= minute[1:] != minute[:-1]
        number = np.cumsum(fresh) - 1
        marked = np.zeros(int(number[-1]) + 1, np.bool_)
        marked[number[marks]] = True
        found[marked[number] & c.minute] = 0
    return found
