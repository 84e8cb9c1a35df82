"""What real toolkits say of their fields: every row of the table in ``docs/reference/desktops.md``."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from desktop_logger.records.classes import Safety
from tests.desktop.test_focus import Watched
from tests.testbed import Server, environment, wait_until

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KNOWN = {"safe": Safety.SAFE, "secret": Safety.UNSAFE, "unanswered": Safety.UNANSWERED}
PROGRAMS = {"GTK 3": "gtk3", "GTK 4": "gtk4", "Tk": "tk"}


def rows() -> list[tuple[str, str, str]]:
    with open(os.path.join(os.path.dirname(HERE), "docs", "reference", "desktops.md"), encoding="utf-8") as file:
        lines = [line.strip("| \n").split(" | ") for line in file if line.startswith("| ")]
    return [(window, element, known) for window, element, known in lines[1:]]


@pytest.fixture
def desk(accessible: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A display with a window manager: toolkits give no focus without one."""
    server = Server()
    monkeypatch.setenv("DISPLAY", server.display)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", accessible)
    for name in ("WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "NO_AT_BRIDGE"):
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
    manager.wait(10)
    server.stop()


@pytest.mark.parametrize("window", PROGRAMS)
def test_what_a_toolkit_says_of_its_fields(window: str, desk: str) -> None:
    program = subprocess.Popen(
        ["/usr/bin/python3", os.path.join(HERE, "toolkits.py"), PROGRAMS[window]],
        env=environment(desk), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert program.stdin
    assert program.stdout
    watched = Watched()
    try:
        expected = [(element, known) for name, element, known in rows() if name == window]
        assert expected
        for element, known in [*expected[::-1], *expected]:  # not the one first that has the focus already
            program.stdin.write(element + "\n")
            program.stdin.flush()
            assert program.stdout.readline() == "ok\n"
            watched.becomes(KNOWN[known], seconds=15)
    finally:
        watched.end()
        program.kill()
        program.wait(10)
        program.stdin.close()
        program.stdout.close()


def test_a_terminal_says_nothing(xterm: str, xdotool: Callable[..., str]) -> None:
    watched = Watched()
    try:
        xdotool("windowfocus", "--sync", xterm)
        watched.becomes(Safety.UNANSWERED)
        assert {"xterm"} == {window for window, _, known in rows() if window not in PROGRAMS and known == "unanswered"}
    finally:
        watched.end()
