"""What real windows say of their fields: every row of the table in ``docs/reference/desktops.md``."""

from __future__ import annotations

import os
import shutil
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from desktop_logger.records.classes import Category, Safety
from tests.answering import Accessible
from tests.desktop.conftest import PlainUser
from tests.desktop.test_focus import ALL, Watched
from tests.testbed import Server, environment, wait_until

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KNOWN = {
    "safe": Safety.SAFE, "secret": Safety.UNSAFE, "unknown": Safety.UNKNOWN, "unanswered": Safety.UNANSWERED,
}  # fmt: skip


class Kind(NamedTuple):
    """How a window of the table comes about."""

    program: str
    switched_on: bool = False
    """Whether somebody has switched accessibility on for the desktop."""
    flags: tuple[str, ...] = ()


TOOLKITS = {
    "GTK 3": Kind("gtk3"),
    "GTK 4": Kind("gtk4"),
    "Qt 6": Kind("qt6"),
    "Qt 6, accessibility on": Kind("qt6", switched_on=True),
    "Tk": Kind("tk"),
}
BROWSERS = {
    "Chromium": Kind("chromium"),
    "Chromium, accessibility on": Kind("chromium", switched_on=True),
    "Chromium, on and `--force-renderer-accessibility`": Kind(
        "chromium", switched_on=True, flags=("--force-renderer-accessibility",)
    ),
}
KEYS = {"text entry": "F2", "text area": "F4", "password entry": "F8", "the address bar": "ctrl+l"}
PAGE = """data:text/html,<input id=F2 autofocus><textarea id=F4></textarea><input id=F8 type=password><script>
onkeydown = event => { let one = document.getElementById(event.key); if (one) { one.focus(); event.preventDefault() } }
</script>"""
ALONE = (
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND", "--ozone-platform=x11", "--password-store=basic",
)  # fmt: skip
"""A browser that has nobody to talk to."""


def rows(window: str) -> list[tuple[str, Safety]]:
    """``(element, what is known)`` of one window of the table."""
    with open(os.path.join(os.path.dirname(HERE), "docs", "reference", "desktops.md"), encoding="utf-8") as file:
        lines = [line.strip("| \n").split(" | ") for line in file if line.startswith("| ")]
    found = [(element, KNOWN[known]) for name, element, known in lines[1:] if name == window]
    assert found
    return found


@pytest.fixture(scope="session")
def switched_on() -> Iterator[str]:
    """The address of a session bus on whose desktop accessibility is switched on."""
    bus = Accessible(switched_on=True)
    yield bus.address
    bus.stop()


@pytest.fixture
def desk(window: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A display with a window manager: toolkits give no focus without one."""
    is_on = (TOOLKITS | BROWSERS)[window].switched_on
    server = Server()
    monkeypatch.setenv("DISPLAY", server.display)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", request.getfixturevalue("switched_on" if is_on else "accessible"))
    for name in ("WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "NO_AT_BRIDGE", "QT_LINUX_ACCESSIBILITY_ALWAYS_ON"):
        monkeypatch.delenv(name, raising=False)
    manager = subprocess.Popen(
        ["openbox"], env=environment(server.display), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def manages() -> bool:  # a window that comes before it gets no focus
        done = subprocess.run(
            ["xdotool", "get_num_desktops"],
            env=environment(server.display),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() not in ("", "0")

    wait_until(manages, 20, "the window manager")
    yield server.display
    manager.terminate()
    manager.wait(60)
    server.stop()


@pytest.mark.parametrize("window", TOOLKITS)
def test_what_a_toolkit_says_of_its_fields(window: str, desk: str) -> None:
    program = subprocess.Popen(
        ["/usr/bin/python3", os.path.join(HERE, "toolkits.py"), TOOLKITS[window].program],
        env=environment(desk), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert program.stdin
    assert program.stdout
    watched = Watched()
    try:
        expected = rows(window)

        def focus(element: str) -> None:
            assert program.stdin
            assert program.stdout
            program.stdin.write(element + "\n")
            program.stdin.flush()
            assert program.stdout.readline() == "ok\n"

        focus(expected[-1][0])
        while (
            not watched.told
        ):  # GTK 4 tells of a move once, and not to who listens later: on a busy machine that is us
            time.sleep(0.05)
        for element, known in [*expected, *expected[::-1]]:  # not the one first that has the focus already
            focus(element)
            watched.becomes(known, seconds=15)
        if {known for _, known in expected} == {Safety.UNANSWERED}:  # as it was at first: let it say otherwise
            time.sleep(1)
            assert {safety for safety, _, _ in watched.states()} == {Safety.UNANSWERED}
    finally:
        watched.end()
        program.kill()
        program.wait(60)
        program.stdin.close()
        program.stdout.close()


@pytest.mark.skipif(
    not shutil.which("chromium"), reason="NOT TESTED: Chromium is not here; `make soak` installs it and runs its rows"
)
@pytest.mark.parametrize("window", BROWSERS)
def test_what_a_browser_says_of_its_fields(window: str, desk: str, tmp_path: Path) -> None:
    sandbox = ("--no-sandbox",) if os.getuid() == 0 else ()
    program = subprocess.Popen(
        ["chromium", *sandbox, *ALONE, f"--user-data-dir={tmp_path / 'profile'}", *BROWSERS[window].flags, PAGE],
        env=environment(desk) | {"HOME": str(tmp_path)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    watched = Watched(ALL._replace(categories={"chromium": Category.BROWSER}))
    try:
        wait_until(lambda: [one for one in watched.states() if one[1] == Category.BROWSER], 60, "Chromium's window")
        expected = rows(window)
        for element, known in [*expected[-2::-1], *expected]:  # from the address bar no key comes back to the page

            def is_known(key: str = KEYS[element], known: Safety = known) -> bool:
                subprocess.run(["xdotool", "key", key], env=environment(desk), check=True)
                time.sleep(0.5)
                return watched.states()[-1][0] == known

            wait_until(is_known, 30, f"{element} {known!r} {watched.states()[-3:]}")
    finally:
        watched.end()
        program.terminate()
        program.wait(20)


ASKING = {"`read -s`": ("bash", "-c", "read -s word"), "`sudo`": ("sudo", "-k", "true")}


@pytest.mark.parametrize("element", ASKING)
def test_a_prompt_in_a_terminal_is_not_told(
    element: str, display: str, plain_user: PlainUser, xdotool: Callable[..., str]
) -> None:
    """The terminal's own modes say that somebody asks for a secret there; the bus does not."""
    if element == "`sudo`" and plain_user.run(["sudo", "-kn", "true"]).returncode == 0:
        pytest.skip("NOT TESTED: sudo asks this account for nothing")
    process = subprocess.Popen(
        ["xterm", "-geometry", "80x24+0+0", "-e", *ASKING[element]],
        env=plain_user.environment(DISPLAY=display), cwd=plain_user.home,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=plain_user.become,  # noqa: PLW1509
    )  # fmt: skip
    watched = Watched()
    try:
        wait_until(lambda: _hides(process.pid), 20, "the prompt")
        window = xdotool("search", "--sync", "--onlyvisible", "--pid", process.pid)
        xdotool("windowfocus", "--sync", window)
        terminal = (Safety.UNANSWERED, Category.TERMINAL)
        wait_until(lambda: [state[:2] for state in watched.states()[-1:]] == [terminal], 8, "the terminal")
        xdotool("type", "--delay", 20, "hunter2")
        time.sleep(0.5)
        assert _hides(process.pid)
        assert {safety for safety, category, _ in watched.states() if category == Category.TERMINAL} == {
            known for name, known in rows("xterm") if element in name
        }
    finally:
        watched.end()
        process.kill()
        process.wait(10)


def _hides(terminal: int) -> bool:
    """Whether what is typed into this terminal is not shown, and goes a line at a time: somebody asks for a secret."""
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8") as file:
                _, parent, _, _, tty = file.read().rpartition(")")[2].split()[:5]
            if int(parent) != terminal or not int(tty):
                continue
            number = os.open(f"/dev/pts/{int(tty) & 0xFF | int(tty) >> 12 & 0xFFF00}", os.O_RDONLY | os.O_NOCTTY)
        except OSError:
            continue
        try:
            modes = termios.tcgetattr(number)[3]
        finally:
            os.close(number)
        return not modes & termios.ECHO and bool(modes & termios.ICANON)
    return False
