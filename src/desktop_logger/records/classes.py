"""Key classes, named commands and the one table from X keysyms to them.

Invariant: a class never tells which character was typed. Letters, digits, punctuation and space are one
class, because telling them apart is what lets text be read back. Bare Shift, AltGr, CapsLock, dead keys and
compose make no record at all: a capital letter or an accent must not show.
"""

from __future__ import annotations

from enum import IntEnum


class KeyClass(IntEnum):
    """What a key does, never which key it is."""

    TEXT = 1
    EDIT = 2
    ENTER = 3
    TAB = 4
    NAV = 5
    MODIFIER = 6
    FUNCTION = 7
    ESCAPE = 8
    MEDIA = 9
    COMMAND = 10
    OTHER = 11


class Command(IntEnum):
    """The closed list of named commands. ``NONE`` is also every command outside the list."""

    NONE = 0
    COPY = 1
    PASTE = 2
    CUT = 3
    UNDO = 4
    REDO = 5
    SAVE = 6
    FIND = 7
    SELECT_ALL = 8
    NEW = 9
    OPEN = 10
    CLOSE = 11
    PRINT = 12
    SWITCH_WINDOW = 13
    NEW_TAB = 14
    BOLD = 15
    REPLACE = 16
    ZOOM = 17


class Button(IntEnum):
    """Pointer buttons; every button outside the list is ``OTHER``."""

    LEFT = 1
    MIDDLE = 2
    RIGHT = 3
    BACK = 4
    FORWARD = 5
    OTHER = 6


class Direction(IntEnum):
    """Scroll directions."""

    UP = 1
    DOWN = 2
    LEFT = 3
    RIGHT = 4


class Action(IntEnum):
    """What ``counts`` counts of the pointer; ``MOVING`` is the seconds in which it moved."""

    CLICK_LEFT = 1
    CLICK_MIDDLE = 2
    CLICK_RIGHT = 3
    CLICK_BACK = 4
    CLICK_FORWARD = 5
    CLICK_OTHER = 6
    SCROLL_UP = 7
    SCROLL_DOWN = 8
    SCROLL_LEFT = 9
    SCROLL_RIGHT = 10
    MOVING = 11


class Reason(IntEnum):
    """Why nothing was recorded. What is released knows only ``UNOBSERVED``."""

    UNOBSERVED = 1
    PAUSED = 2
    OVERFLOW = 3
    DISPLAY_LOST = 4
    CRASHED = 5
    CONSENT = 6
    CLOCK = 7
    SUSPENDED = 8
    SECURE = 9
    NOT_ALLOWED = 10
    PERMISSION = 11
    LOCKED = 12
    SCHEDULE = 13
    PURGE = 14
    INDICATOR = 15
    UNKNOWN = 16
    RESTED = 17


class Category(IntEnum):
    """What kind of application has the focus; everything that the policy's table does not name is ``OTHER``."""

    OTHER = 1
    BROWSER = 2
    TERMINAL = 3
    EDITOR = 4
    OFFICE = 5
    MAIL = 6
    CHAT = 7
    CALENDAR = 8
    FILES = 9
    MEDIA = 10
    GRAPHICS = 11
    MEETING = 12
    BUSINESS = 13
    SYSTEM = 14
    GAME = 15
    READER = 16


class Role(IntEnum):
    """What kind of element was clicked; whatever cannot be told, or is outside the list, is ``UNKNOWN``."""

    UNKNOWN = 1
    BUTTON = 2
    MENU = 3
    MENU_ITEM = 4
    LINK = 5
    TEXT_FIELD = 6
    CHECK_BOX = 7
    RADIO_BUTTON = 8
    TAB = 9
    LIST_ITEM = 10
    TREE_ITEM = 11
    TABLE_CELL = 12
    SLIDER = 13
    COMBO_BOX = 14
    TOOL_BAR = 15
    SCROLL_BAR = 16
    IMAGE = 17
    DOCUMENT = 18
    TERMINAL = 19
    HEADING = 20
    DIALOG = 21
    SWITCH = 22
    SPIN_BUTTON = 23
    CANVAS = 24


class ClickKind(IntEnum):
    """How an element was clicked."""

    SINGLE = 1
    DOUBLE = 2
    DRAG = 3


class Outcome(IntEnum):
    """What the person says of a task: that it begins, or how it ended."""

    BEGIN = 1
    OK = 2
    FAILED = 3
    GAVE_UP = 4


class Safety(IntEnum):
    """What is known of the focused element.

    ``UNKNOWN``: its application answers, and what it says is not clear. ``UNANSWERED``: nobody answers for it at all.
    """

    SAFE = 1
    UNSAFE = 2
    UNKNOWN = 3
    UNANSWERED = 4


# Marks that a classification may carry beside a class. They never leave the backend that asks for them.
SILENT = 0
"""The key makes no record and ends no run (Shift, AltGr, locks, dead keys, compose)."""

CTRL, ALT, SUPER, SHIFT, ALTGR = 1, 2, 4, 8, 16
"""Modifier bits while held. ``SUPER`` covers Cmd and Meta."""

_XK = {
    # name: keysym value (X11/keysymdef.h), the ones that are not a range below
    "BackSpace": 0xFF08, "Tab": 0xFF09, "Return": 0xFF0D, "Escape": 0xFF1B, "Delete": 0xFFFF,
    "Home": 0xFF50, "Left": 0xFF51, "Up": 0xFF52, "Right": 0xFF53, "Down": 0xFF54,
    "Prior": 0xFF55, "Page_Up": 0xFF55, "Next": 0xFF56, "Page_Down": 0xFF56, "End": 0xFF57, "Begin": 0xFF58,
    "Insert": 0xFF63, "Menu": 0xFF67, "Print": 0xFF61, "Pause": 0xFF13, "Scroll_Lock": 0xFF14,
    "Num_Lock": 0xFF7F, "Caps_Lock": 0xFFE5, "Shift_Lock": 0xFFE6, "Shift_L": 0xFFE1, "Shift_R": 0xFFE2,
    "Control_L": 0xFFE3, "Control_R": 0xFFE4, "Meta_L": 0xFFE7, "Meta_R": 0xFFE8, "Alt_L": 0xFFE9,
    "Alt_R": 0xFFEA, "Super_L": 0xFFEB, "Super_R": 0xFFEC, "Hyper_L": 0xFFED, "Hyper_R": 0xFFEE,
    "ISO_Level3_Shift": 0xFE03, "ISO_Level5_Shift": 0xFE11, "Mode_switch": 0xFF7E, "Multi_key": 0xFF20,
    "ISO_Left_Tab": 0xFE20, "KP_Enter": 0xFF8D, "KP_Delete": 0xFF9F, "KP_Tab": 0xFF89,
    "space": 0x20, "exclam": 0x21, "quotedbl": 0x22, "numbersign": 0x23, "dollar": 0x24, "percent": 0x25,
    "ampersand": 0x26, "apostrophe": 0x27, "parenleft": 0x28, "parenright": 0x29, "asterisk": 0x2A,
    "plus": 0x2B, "comma": 0x2C, "minus": 0x2D, "period": 0x2E, "slash": 0x2F, "colon": 0x3A,
    "semicolon": 0x3B, "less": 0x3C, "equal": 0x3D, "greater": 0x3E, "question": 0x3F, "at": 0x40,
    "bracketleft": 0x5B, "backslash": 0x5C, "bracketright": 0x5D, "asciicircum": 0x5E, "underscore": 0x5F,
    "grave": 0x60, "braceleft": 0x7B, "bar": 0x7C, "braceright": 0x7D, "asciitilde": 0x7E,
    "adiaeresis": 0xE4, "odiaeresis": 0xF6, "udiaeresis": 0xFC, "ssharp": 0xDF, "eacute": 0xE9,
    "egrave": 0xE8, "ccedilla": 0xE7, "agrave": 0xE0, "EuroSign": 0x20AC,
    "dead_grave": 0xFE50, "dead_acute": 0xFE51, "dead_circumflex": 0xFE52, "dead_tilde": 0xFE53,
    "dead_diaeresis": 0xFE57,
}  # fmt: skip

_SILENT = frozenset(
    _XK[name]
    for name in (
        "Shift_L", "Shift_R", "Caps_Lock", "Shift_Lock", "Num_Lock", "Scroll_Lock",
        "ISO_Level3_Shift", "ISO_Level5_Shift", "Mode_switch", "Multi_key",
    )
)  # fmt: skip

_FIXED = {
    0xFF08: KeyClass.EDIT, 0xFFFF: KeyClass.EDIT, 0xFF9F: KeyClass.EDIT,
    0xFF0A: KeyClass.ENTER, 0xFF0D: KeyClass.ENTER, 0xFF8D: KeyClass.ENTER, 0xFE34: KeyClass.ENTER,
    0xFF09: KeyClass.TAB, 0xFE20: KeyClass.TAB, 0xFF89: KeyClass.TAB,
    0xFF1B: KeyClass.ESCAPE,
    0xFF80: KeyClass.TEXT,  # KP_Space
}  # fmt: skip

MODIFIER_BITS = {
    0xFFE1: SHIFT, 0xFFE2: SHIFT, 0xFFE3: CTRL, 0xFFE4: CTRL, 0xFFE7: SUPER, 0xFFE8: SUPER,
    0xFFE9: ALT, 0xFFEA: ALT, 0xFFEB: SUPER, 0xFFEC: SUPER, 0xFFED: SUPER, 0xFFEE: SUPER,
    0xFE03: ALTGR, 0xFE11: ALTGR, 0xFF7E: ALTGR,
}  # fmt: skip
"""Keysym → the modifier bit that holding it sets."""

# Ctrl or Cmd with a letter; the same in every widely used toolkit.
_COMMANDS = {
    "c": Command.COPY, "v": Command.PASTE, "x": Command.CUT, "z": Command.UNDO, "y": Command.REDO,
    "s": Command.SAVE, "f": Command.FIND, "a": Command.SELECT_ALL, "n": Command.NEW, "o": Command.OPEN,
    "w": Command.CLOSE, "p": Command.PRINT, "t": Command.NEW_TAB, "b": Command.BOLD, "h": Command.REPLACE,
    "+": Command.ZOOM, "-": Command.ZOOM, "0": Command.ZOOM,
}  # fmt: skip


def keysym_of(name: str) -> int | None:
    """The X keysym of a keysym name as replay files write it, or ``None`` when the name is not known.

    A single character names itself; ``F1``–``F35``, ``KP_0``–``KP_9``, ``XF86…`` and ``U+20AC``/``U20AC``
    forms are understood.
    """
    if name in _XK:
        return _XK[name]
    if len(name) == 1:
        code = ord(name)
        return code if 0x20 <= code <= 0xFF else 0x1000000 | code
    if name[0] == "F" and name[1:].isdecimal() and 1 <= int(name[1:]) <= 35:
        return 0xFFBD + int(name[1:])
    if name.startswith("KP_") and name[3:].isdecimal() and len(name) == 4:
        return 0xFFB0 + int(name[3:])
    if name.startswith("XF86") and len(name) > 4:
        return 0x1008FF00
    if name[0] == "U" and 4 <= len(name.removeprefix("U").removeprefix("+")) <= 6:
        try:
            return 0x1000000 | int(name.removeprefix("U").removeprefix("+"), 16)
        except ValueError:
            return None
    return None


def class_of(keysym: int) -> int:
    """The class of a keysym without modifiers: a ``KeyClass`` value, or ``SILENT``. Unknown keys are OTHER."""
    if keysym in _SILENT or 0xFE50 <= keysym <= 0xFE93 or 0xFE01 <= keysym <= 0xFE0F or 0xFF20 <= keysym <= 0xFF3F:
        return SILENT  # locks, group and level shifts, dead keys, compose and input-method keys
    if keysym in _FIXED:
        return _FIXED[keysym]
    if keysym in MODIFIER_BITS:
        return KeyClass.MODIFIER
    if 0xFF50 <= keysym <= 0xFF58 or 0xFF95 <= keysym <= 0xFF9D:
        return KeyClass.NAV
    if 0xFFBE <= keysym <= 0xFFE0:
        return KeyClass.FUNCTION
    if 0xFFAA <= keysym <= 0xFFBD:
        return KeyClass.TEXT  # keypad digits and operators
    if 0x1008FF00 <= keysym <= 0x1008FFFF:
        return KeyClass.MEDIA
    if 0x20 <= keysym <= 0xFD00 or 0x1000020 <= keysym <= 0x110FFFF:
        return KeyClass.TEXT
    return KeyClass.OTHER


def letter_of(keysym: int) -> str:
    """The lower-case Latin letter, digit, ``+`` or ``-`` of a keysym, for naming commands; else ``""``."""
    if 0x41 <= keysym <= 0x5A:
        return chr(keysym + 32)
    if 0x61 <= keysym <= 0x7A or 0x30 <= keysym <= 0x39 or keysym in (0x2B, 0x2D):
        return chr(keysym)
    return ""


def classify(keysym: int, held: int, letter: str | None = None) -> tuple[int, int]:
    """Class and named command of a key press: ``(KeyClass or SILENT, Command)``.

    ``held`` are the modifier bits held at the press. ``letter`` overrides the keysym's own letter where the
    layout's current group has no Latin letters. A text key while Ctrl, Alt or Super is held, AltGr excluded,
    is ``COMMAND``: what such a key types is not text.
    """
    plain = class_of(keysym)
    if held & (CTRL | ALT | SUPER) and not held & ALTGR:
        if plain == KeyClass.TEXT:
            name = letter_of(keysym) if letter is None else letter
            command = _COMMANDS.get(name, Command.NONE) if held & (CTRL | SUPER) and not held & ALT else Command.NONE
            if command == Command.UNDO and held & SHIFT:
                command = Command.REDO
            return KeyClass.COMMAND, command
        if plain == KeyClass.TAB and held & (ALT | SUPER):
            return KeyClass.COMMAND, Command.SWITCH_WINDOW
    return plain, Command.NONE
