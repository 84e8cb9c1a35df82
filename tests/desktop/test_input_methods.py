"""Real input methods on a real X server: what is typed through them counts by the keys, not by what they make of it."""

from __future__ import annotations

import glob
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from desktop_logger import capture
from desktop_logger.records.classes import KeyClass, keysym_of
from desktop_logger.records.layout import KEY
from tests.benchmarks.soak import _keycodes
from tests.desktop.test_x11_deep import events
from tests.granted import grant
from tests.inject import Injector
from tests.testbed import environment, wait_until
from tests.toolkits import ENTRY

TOOLKITS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "toolkits.py")
VIETNAMESE, HINDI, NONE = "vi telex", "hi itrans", "none"
_MODULES, _TABLES = "/usr/lib/*/gtk-3.0/*/immodules", "/usr/share/m17n/vi-telex.mim"
NEEDS = {
    "ibus-daemon": ("/usr/bin/ibus-daemon", "/usr/libexec/ibus-engine-m17n", _MODULES + "/im-ibus.so", _TABLES),
    "fcitx5": ("/usr/bin/fcitx5", "/usr/lib/*/fcitx5/*m17n.so", _MODULES + "/im-fcitx5.so", _TABLES),
}
_PROFILE = """[Groups/0]
Name=Default
Default Layout=us
DefaultIM=keyboard-us
[Groups/0/Items/0]
Name=keyboard-us
[Groups/0/Items/1]
Name=m17n_vi_telex
[Groups/0/Items/2]
Name=m17n_hi_itrans
[GroupOrder]
0=Default
"""
_CONFIG = "[Behavior]\nActiveByDefault=True\n"


class Kind(NamedTuple):
    """An input method, and how the window speaks with it."""

    program: str
    module: str
    """What GTK loads: the method's own module, or ``xim``, the way of X11."""


KINDS = (Kind("ibus-daemon", "ibus"), Kind("fcitx5", "xim"))
OTHERS = (Kind("ibus-daemon", "xim"), Kind("fcitx5", "fcitx"))
"""For ``make soak`` (``tests/soak/input_methods.py``)."""


class Composing:
    """An input method on the session bus, and a GTK window that types through it."""

    def __init__(self, kind: Kind, display: str, folder: Path) -> None:
        self.kind, self._folder = kind, folder
        (folder / ".config" / "fcitx5").mkdir(parents=True)
        (folder / ".config" / "fcitx5" / "profile").write_text(_PROFILE)
        (folder / ".config" / "fcitx5" / "config").write_text(_CONFIG)
        self.env = environment(display) | {
            "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "IBUS_ADDRESS": f"unix:path={folder}/ibus.socket",
            "GTK_IM_MODULE": kind.module, "XMODIFIERS": "@im=fcitx" if kind.program == "fcitx5" else "@im=ibus",
            "NO_AT_BRIDGE": "1", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
        }  # fmt: skip
        for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
            self.env.pop(name, None)
        words = {
            "ibus-daemon": ["--panel=disable", "--emoji-extension=disable", "--config=/usr/libexec/ibus-memconf",
                            "--xim", f"--address={self.env['IBUS_ADDRESS']}"],
            "fcitx5": ["--disable=all", "--enable=xcb,xim,dbus,dbusfrontend,keyboard,m17n"],
        }  # fmt: skip
        self._method = subprocess.Popen(
            [kind.program, *words[kind.program]], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._is_there, 20, "the input method")
        self.window = subprocess.Popen(
            ["/usr/bin/python3", TOOLKITS, "gtk3"], env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def _is_there(self) -> bool:
        ask = ["fcitx5-remote"] if self.kind.program == "fcitx5" else ["ibus", "list-engine"]
        return not subprocess.run(ask, env=self.env, capture_output=True, check=False).returncode

    def choose(self, engine: str) -> None:
        """Switch to an engine of m17n, or to plain keys."""
        if self.kind.program == "fcitx5":
            name = "keyboard-us" if engine == NONE else "m17n_" + engine.replace(" ", "_")
            switch, ask = ["fcitx5-remote", "-s", name], ["fcitx5-remote", "-n"]
        else:
            name = "xkb:us::eng" if engine == NONE else "m17n:" + engine.replace(" ", ":")
            switch, ask = ["ibus", "engine", name], ["ibus", "engine"]

        def chosen() -> bool:
            subprocess.run(switch, env=self.env, capture_output=True, check=False)
            return subprocess.run(ask, env=self.env, capture_output=True, text=True, check=False).stdout.strip() == name

        wait_until(chosen, 20, name)

    def tell(self, line: str) -> str:
        assert self.window.stdin
        assert self.window.stdout
        self.window.stdin.write(line + "\n")
        self.window.stdin.flush()
        return self.window.stdout.readline().strip()

    def holds(self) -> str:
        """What is in the entry by now."""
        return str(json.loads(self.tell("?" + ENTRY)))

    def stop(self) -> None:
        for process in (self.window, self._method):
            process.terminate()
            process.wait(60)
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()


@pytest.fixture
def composing(
    request: pytest.FixtureRequest, display: str, tmp_path: Path, xdotool: Callable[..., str]
) -> Iterator[Composing]:
    kind = request.param
    lacks = [pattern for pattern in NEEDS[kind.program] if not glob.glob(pattern)]
    if lacks:
        pytest.skip(f"NOT TESTED: {kind.program}: there is no {lacks[0]}")
    made = Composing(kind, display, tmp_path)
    try:
        made.tell(ENTRY)
        xdotool("search", "--sync", "--onlyvisible", "--class", "toolkits", "windowfocus")
        yield made
    finally:
        made.stop()


class Keyboard:
    """Types on a display, with a capture beside it."""

    def __init__(self, display: str) -> None:
        self._codes = _keycodes(display)
        self._injector = Injector(display)
        self.capture = capture.load("x11").capture(grant("keyboard"))

    def type(self, *names: str) -> list[str]:
        """The classes of the presses that were seen."""
        self._injector.send(*(self._injector.key(self._codes[keysym_of(name) or 0]) for name in names))
        self._injector.sync()
        found = events(self.capture)
        assert all(event[1] == KEY for event in found)
        return [KeyClass(event[2]).name for event in found]

    def close(self) -> None:
        self.capture.close()
        self._injector.__exit__()


@pytest.mark.parametrize("composing", KINDS, ids="-".join, indirect=True)
def test_what_is_composed_counts_by_the_keys_and_once(composing: Composing, display: str) -> None:
    """Five characters of seven keys, four of three, and none of keys that only correct, choose or give up."""
    keyboard = Keyboard(display)
    try:
        for engine, typed, made in ((VIETNAMESE, "vieetj ", "việt "), (HINDI, "xa ", "क्ष "), (NONE, "viet ", "viet ")):
            composing.choose(engine)
            assert keyboard.type(*(key.replace(" ", "space") for key in typed)) == ["TEXT"] * len(typed)
            # XIM may hand the space back before it commits the word
            wait_until(lambda: sorted(composing.holds()) == sorted(made), 20, "what it makes of the keys")  # noqa: B023
            assert keyboard.type(*["BackSpace"] * 5) == ["EDIT"] * 5
            wait_until(lambda: not composing.holds(), 20, "an empty field")
        composing.choose(VIETNAMESE)
        assert keyboard.type("v", "e", "e", "BackSpace", "Left", "Escape", "Return") == [
            "TEXT", "TEXT", "TEXT", "EDIT", "NAV", "ESCAPE", "ENTER",
        ]  # fmt: skip
        assert keyboard.type() == [], "what the method hands back to the window is no input"
    finally:
        keyboard.close()
