"""Linux key codes → classes: where a key lies on the keyboard, not what a layout makes of it.

A code says a place: 16 is the first letter of the upper row, whatever is printed on it. So all places that type are
``TEXT``, and a command has its name only where every layout agrees: Tab with Alt or Super, plus, minus and zero of the
keypad, and what the desktop's own map says of the others (``desktop_map``), where it is known. The right Alt key is
AltGr in most layouts and is taken for that in all: what is typed with it is text. Source: linux/input-event-codes.h.
"""

from __future__ import annotations

from collections.abc import Mapping

from desktop_logger.records.classes import ALT, ALTGR, CTRL, SHIFT, SUPER, classify

KEYS = 0x300
"""Codes are smaller than this (``KEY_CNT``)."""
BUTTONS = range(0x100, 0x160)
"""Codes of buttons, tools and touches, which are no keys."""
GAME_BUTTONS = (range(0x120, 0x140), range(0x220, 0x224), range(0x2C0, KEYS))

HELD = {29: CTRL, 97: CTRL, 56: ALT, 125: SUPER, 126: SUPER, 42: SHIFT, 54: SHIFT, 100: ALTGR}
"""Code → the modifier bit that holding it sets."""

# A keysym that stands for the class; letters play no part.
_TEXT, _OTHER, _SILENT, _MEDIA = 0x20, 0x0, 0xFFE1, 0x1008FF00
_NAV, _EDIT, _ENTER, _TAB, _ESCAPE, _FUNCTION = 0xFF51, 0xFF08, 0xFF0D, 0xFF09, 0xFF1B, 0xFFBE
_PLACES: dict[int, tuple[int, ...]] = {
    _ESCAPE: (1,),
    _TEXT: (
        *range(2, 14), *range(16, 28), *range(30, 42), *range(43, 54), 55, 57, *range(71, 84), 86, 89, 95, 98, 117, 118,
        121, 124, 179, 180, *range(0x1F1, 0x1FB), *range(0x200, 0x210),
    ),
    _EDIT: (14, 111),
    _TAB: (15,),
    _ENTER: (28, 96, 101),
    0xFFE3: tuple(HELD)[:5],
    # Shift, CapsLock, NumLock, ScrollLock, AltGr, Fn, and the keys of input methods
    _SILENT: (42, 54, 58, 69, 70, 100, 85, *range(90, 95), 122, 123, *range(0x1D0, 0x1E6)),
    _FUNCTION: (*range(59, 69), 87, 88, *range(183, 195)),
    _NAV: tuple(range(102, 110)),
    # Insert, Print, Pause, Menu, and the function keys of old Sun keyboards
    _OTHER: (0, 84, 99, 110, 112, 119, 127, *range(129, 133), 134, 136, 138, *range(195, 200), *range(0x290, 0x2C0)),
}  # fmt: skip
_WITHOUT_NUMLOCK = {**dict.fromkeys((71, 72, 73, 75, 76, 77, 79, 80, 81), _NAV), 82: _OTHER, 83: _EDIT}
_AGREED = {78: "+", 74: "-", 82: "0"}

_KEYSYMS = [_MEDIA] * KEYS
for _keysym, _codes in _PLACES.items():
    for _code in _codes:
        _KEYSYMS[_code] = _keysym


class Letters:
    """Which letter, digit, plus or minus lies at a place, for naming commands: without Shift and with it."""

    def __init__(self, plain: Mapping[int, str], shifted: Mapping[int, str]) -> None:
        self._plain, self._shifted = plain, shifted
        self.tables: dict[tuple[int, bool], list[int]] = {}
        """Made when first needed: by modifiers and NumLock."""

    def at(self, code: int, held: int) -> str:
        """The one at this place, or ``""``."""
        return (self._shifted if held & SHIFT else self._plain).get(code) or _AGREED.get(code, "")


UNKNOWN = Letters({}, {})


def table(held: int, *, numlock: bool = True, letters: Letters = UNKNOWN) -> list[int]:
    """Code → ``class | command << 8`` while these modifiers are held; 0: no record."""
    state = (held, numlock)
    if state not in letters.tables:
        letters.tables[state] = [_entry(code, held, letters.at(code, held), numlock=numlock) for code in range(KEYS)]
    return letters.tables[state]


def _entry(code: int, held: int, letter: str, *, numlock: bool) -> int:
    if code in BUTTONS or any(code in codes for codes in GAME_BUTTONS):
        return 0
    keysym = _KEYSYMS[code] if numlock else _WITHOUT_NUMLOCK.get(code, _KEYSYMS[code])
    name, command = classify(keysym, held, letter)
    return name | command << 8
