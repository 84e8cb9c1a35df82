"""The server's keyboard map as tables from keycode to class: pure bytes in, tables out.

``parse`` reads an XkbGetMap reply (The X Keyboard Extension: Protocol Specification, 16.3.5) with key types,
keysyms and modifier map. ``Keymap.table(group, modifiers)`` is then one list of 256 numbers, so that a key press
costs one lookup: the low byte is the class (0: no record), the next one the named command.
"""

from __future__ import annotations

import struct

from desktop_logger.records.classes import ALT, ALTGR, CTRL, MODIFIER_BITS, SHIFT, SUPER, classify, letter_of

_CLAMP, _REDIRECT = 0x40, 0x80
_SPACE = 0x20
Type = tuple[int, dict[int, int]]
"""A key type: the mask of modifiers it looks at, and modifiers → level (others: level 0)."""


class Key:
    """What one keycode can make: its types and keysyms, by group."""

    __slots__ = ("groups", "info", "syms", "types", "width")

    def __init__(self, types: tuple[int, ...], info: int, width: int, syms: tuple[int, ...]) -> None:
        self.types, self.info, self.width, self.syms = types, info, width, syms
        self.groups = info & 0x0F

    def group(self, wanted: int) -> int:
        """The group that this key uses when the keyboard is in group ``wanted`` (XKB protocol, 2.2.1)."""
        if wanted < self.groups:
            return wanted
        if self.info & 0xC0 == _CLAMP:
            return self.groups - 1
        if self.info & 0xC0 == _REDIRECT:
            target = self.info >> 4 & 0x03
            return target if target < self.groups else 0
        return wanted % self.groups

    def sym(self, group: int, level: int) -> int:
        """The keysym at a group and level; 0 where there is none."""
        at = group * self.width + level
        return self.syms[at] if level < self.width and at < len(self.syms) else 0

    def letter(self, group: int, level: int) -> str:
        """What names a command with this key: its own letter, or that of the first group that has one."""
        letter = letter_of(self.sym(group, level)) or letter_of(self.sym(group, 0))
        for other in range(self.groups):  # a layout without Latin letters
            letter = letter or letter_of(self.sym(other, 0))
        return letter


class Keymap:
    """Tables for every state of group and modifiers, each made when first needed."""

    def __init__(self, types: list[Type], keys: dict[int, Key], modmap: dict[int, int]) -> None:
        self._types = types
        self._keys = keys
        self._held = _held_bits(keys, modmap)
        self._tables: dict[int, list[int]] = {}

    def held(self, modifiers: int) -> int:
        """The effective modifiers of the server as the modifier bits of ``records.classes``."""
        bits = 0
        for real in range(8):
            if modifiers >> real & 1:
                bits |= self._held[real]
        return bits

    def table(self, group: int, modifiers: int) -> list[int]:
        """Keycode → ``class | command << 8`` in this state."""
        state = group << 8 | modifiers
        table = self._tables.get(state)
        if table is None:
            table = self._tables[state] = [self._entry(code, group, modifiers) for code in range(256)]
        return table

    def fleeting(self, code: int, modifiers: int) -> int | None:
        """The entry for a key that had a meaning only for a moment, ``None`` for one that has a meaning now.

        Programs type what the layout lacks by giving a spare key a meaning, pressing it and taking it back, all
        before we can ask. What is typed that way is text.
        """
        key = self._keys.get(code)
        if key is not None and key.groups and any(key.syms):
            return None
        name, command = classify(_SPACE, self.held(modifiers), "")
        return name | command << 8

    def _entry(self, code: int, wanted: int, modifiers: int) -> int:
        key = self._keys.get(code)
        if key is None or not key.groups:
            name, command = classify(0, 0)
            return name | command << 8
        group = key.group(wanted)
        mask, levels = self._types[key.types[group]]
        level = levels.get(modifiers & mask, 0)
        sym = key.sym(group, level) or key.sym(group, 0)
        name, command = classify(sym, self.held(modifiers), key.letter(group, level))
        return name | command << 8

    def agreed(self, level: int) -> dict[int, str]:
        """Keycode → what names a command at this level (0 plain, 1 Shift), where all groups of the map say the same."""
        groups = max((key.groups for key in self._keys.values()), default=0)
        found = {}
        for code, key in self._keys.items():
            letters = {key.letter(key.group(wanted), level) for wanted in range(groups)} if key.groups else set()
            if len(letters) == 1 and "" not in letters:
                found[code] = letters.pop()
        return found


def _held_bits(keys: dict[int, Key], modmap: dict[int, int]) -> list[int]:
    """Real modifier (0 Shift, 1 Lock, 2 Control, 3–7 Mod1–Mod5) → the bit that holding it sets."""
    held = [SHIFT, 0, CTRL, 0, 0, 0, 0, 0]
    for real in range(3, 8):
        found = 0
        for code, mask in modmap.items():
            if mask >> real & 1 and code in keys and keys[code].groups:
                found |= MODIFIER_BITS.get(keys[code].sym(0, 0), 0)
        # Meta often shares Alt's modifier: the bit that matters more wins.
        held[real] = next((bit for bit in (ALTGR, ALT, SUPER) if found & bit), 0)
    return held


def parse(reply: bytes) -> Keymap:
    """The map in an XkbGetMap reply. Raises ``ValueError`` where the reply is not whole."""
    try:
        return _parse(reply)
    except (struct.error, IndexError) as error:
        raise ValueError("the keyboard map is not whole") from error


def _parse(reply: bytes) -> Keymap:
    n_types, first_key, n_keys = reply[15], reply[17], reply[20]
    n_modmap = reply[33]
    at = 40
    types: list[Type] = []
    for _ in range(n_types):
        mask, n_entries, preserve = reply[at], reply[at + 5], reply[at + 6]
        at += 8
        levels: dict[int, int] = {}
        for _ in range(n_entries):
            active, modifiers, level = reply[at], reply[at + 1], reply[at + 2]
            if active:
                levels[modifiers] = level
            at += 8
        at += 4 * n_entries if preserve else 0
        types.append((mask, levels))
    keys: dict[int, Key] = {}
    for code in range(first_key, first_key + n_keys):
        kinds, info, width = struct.unpack_from("<4sBB", reply, at)
        n_syms = struct.unpack_from("<H", reply, at + 6)[0]
        syms = struct.unpack_from(f"<{n_syms}I", reply, at + 8)
        at += 8 + 4 * n_syms
        keys[code] = Key(tuple(kinds), info, width, syms)
    modmap = {reply[at + 2 * n]: reply[at + 2 * n + 1] for n in range(n_modmap)}
    return Keymap(types, keys, modmap)
