"""Deterministic office-like input: an hour of somebody writing, reading, clicking and scrolling.

Invented, and made to match the volumes of a working hour (about 4,900 key presses, 51,000 pointer motions at 125 Hz,
600 clicks, 2,300 scroll steps), in bouts with pauses between them. Events are the lines of a replay file.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Iterator
from typing import Any

Event = dict[str, Any]

WORDS = (
    *("the", "of", "and", "to", "in", "is", "that", "for", "with", "this", "have", "from", "when", "they", "which"),
    *("report", "meeting", "please", "attached", "question", "tomorrow", "because", "customer", "invoice", "thanks"),
)

SHORTCUTS = ("c", "v", "s", "z", "f", "t", "a")

HOUR_S = 3600.0


def events(seconds: float = HOUR_S, seed: int = 3) -> list[Event]:
    """Input events in the order of time, from 0 to ``seconds``."""
    return sorted(_bouts(seconds, seed), key=lambda event: event["t"])  # a shortcut's release may lie in the next bout


def _bouts(seconds: float, seed: int) -> Iterator[Event]:
    rng = random.Random(seed)
    now = 2.0
    while now < seconds:
        kind = rng.random()
        if kind < 0.16:
            bout = _typing(rng, now)
        elif kind < 0.865:
            bout = _pointing(rng, now)
        else:
            bout = _scrolling(rng, now)
        for event in bout:
            if event["t"] >= seconds:
                return
            yield event
            now = event["t"]
        # Most pauses are short; now and then somebody reads, talks or fetches coffee.
        now += rng.lognormvariate(-0.8, 0.9) if rng.random() < 0.99 else rng.uniform(20, 180)


def _key(rng: random.Random, at: float, name: str, *held: str) -> Iterator[Event]:
    """A press and its release, with modifiers around it."""
    for modifier in held:
        yield {"t": at - 0.03, "key": modifier, "down": True}
    yield {"t": at, "key": name, "down": True}
    end = at + min(rng.gammavariate(6, 0.013), 0.09)
    yield {"t": end, "key": name, "down": False}
    for modifier in held:
        yield {"t": end + 0.005, "key": modifier, "down": False}


def _typing(rng: random.Random, start: float) -> Iterator[Event]:
    """Some words, with corrections, a capital now and then, ends of lines; sometimes a shortcut instead."""
    at = start + 0.3
    if rng.random() < 0.25:
        yield from _key(rng, at, rng.choice(SHORTCUTS), "Control_L")
        return
    for _ in range(max(1, int(rng.lognormvariate(1.6, 0.9)))):
        word = rng.choice(WORDS)
        for number, letter in enumerate(word):
            shifted = number == 0 and rng.random() < 0.08
            yield from _key(rng, at, letter.upper() if shifted else letter, *(["Shift_L"] if shifted else []))
            at += 0.1 + rng.lognormvariate(-2.4, 0.6)
            if rng.random() < 0.05:
                yield from _key(rng, at, "BackSpace")
                at += 0.14
                yield from _key(rng, at, letter)
                at += 0.1 + rng.lognormvariate(-2.4, 0.6)
        yield from _key(rng, at, "Return" if rng.random() < 0.06 else "space")
        at += 0.12 + rng.lognormvariate(-1.9, 0.7)


def _pointing(rng: random.Random, start: float) -> Iterator[Event]:
    """A stroke with a smooth speed and a tremor at 125 Hz, then usually a click."""
    duration = max(0.15, rng.lognormvariate(-0.5, 0.5))
    angle, length = rng.uniform(0, 2 * math.pi), rng.lognormvariate(5.3, 0.8)
    steps = int(duration * 125)
    seen_x = seen_y = 0
    for step in range(1, steps + 1):
        part = step / steps
        way = length * (10 * part**3 - 15 * part**4 + 6 * part**5)  # the smoothest way from rest to rest
        tremor = 0.7 * math.sin(2 * math.pi * 9 * step / 125)
        x = round(way * math.cos(angle) - tremor * math.sin(angle))
        y = round(way * math.sin(angle) + tremor * math.cos(angle))
        if (x, y) != (seen_x, seen_y):
            yield {"t": start + step / 125, "move": [x - seen_x, y - seen_y]}
            seen_x, seen_y = x, y
    if rng.random() < 0.75:
        at = start + duration + rng.uniform(0.08, 0.4)
        button = 3 if rng.random() < 0.06 else 1
        for _ in range(2 if rng.random() < 0.12 else 1):
            yield {"t": at, "button": button, "down": True}
            yield {"t": at + 0.08, "button": button, "down": False}
            at += 0.19


def _scrolling(rng: random.Random, start: float) -> Iterator[Event]:
    """A turn or several of the wheel."""
    at, direction = start, -1 if rng.random() < 0.8 else 1
    for _ in range(max(2, int(rng.lognormvariate(2.7, 0.7)))):
        yield {"t": at, "scroll": [0, direction]}
        at += rng.uniform(0.03, 0.12)


def usual_line(event: Event, x: int, y: int, start: float = 1_750_000_000.0) -> str:
    """The line that the usual script (``usual.py``) would write for an event, with the pointer at ``x``, ``y``."""
    line: dict[str, Any] = {"time": start + event["t"]}
    if "move" in event:
        line |= {"event": "move", "x": x, "y": y}
    elif "key" in event:
        name = event["key"]
        shown = f"'{name}'" if len(name) == 1 else f"Key.{name.lower()}"
        line |= {"event": "press" if event["down"] else "release", "key": shown}
    elif "button" in event:
        name = {1: "Button.left", 2: "Button.middle", 3: "Button.right"}[event["button"]]
        line |= {"event": "click", "x": x, "y": y, "button": name, "pressed": event["down"]}
    else:
        dx, dy = event["scroll"]
        line |= {"event": "scroll", "x": x, "y": y, "dx": dx, "dy": dy}
    return json.dumps(line) + "\n"


def usual_bytes(stream: Iterable[Event]) -> int:
    """Bytes that the usual script would write; positions are kept on a screen of 1920 x 1080."""
    x, y, size = 960, 540, 0
    for event in stream:
        if "move" in event:
            x = min(max(x + event["move"][0], 0), 1919)
            y = min(max(y + event["move"][1], 0), 1079)
        size += len(usual_line(event, x, y))
    return size
