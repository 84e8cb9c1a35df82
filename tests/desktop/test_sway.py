"""The focused application under a real Wayland compositor: sway without a screen, and a real window of GTK 3."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from desktop_logger.focus.applications import Rule
from desktop_logger.focus.bus import BusLost
from desktop_logger.focus.sway import Sway
from desktop_logger.records.applications import Applications
from desktop_logger.records.classes import Category, Safety
from tests.desktop.conftest import PlainUser
from tests.desktop.test_focus import FINE, Watched
from tests.testbed import wait_until

TOOLKITS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "toolkits.py")
ALL = Rule(True, Applications("all"), {"toolkits.py": Category.EDITOR})

pytestmark = pytest.mark.skipif(
    not (shutil.which("sway") and shutil.which("wtype")), reason="NOT TESTED: no sway here (Debian: sway, wtype)"
)


class Compositor(NamedTuple):
    """A sway that runs, and how its clients find it."""

    process: subprocess.Popen[bytes]
    env: dict[str, str]

    def window(self) -> subprocess.Popen[str]:
        """A window of GTK 3 with a few fields, on the screen by now."""
        process = subprocess.Popen(
            ["/usr/bin/python3", TOOLKITS, "gtk3"], env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

        def is_there() -> bool:
            done = subprocess.run(
                ["swaymsg", "-r", "-t", "get_tree"], env=self.env, check=True, capture_output=True, text=True
            )
            return f'"pid": {process.pid}' in done.stdout

        wait_until(is_there, 60, "the window")
        return process


def tell(window: subprocess.Popen[str], element: str) -> None:
    assert window.stdin
    assert window.stdout
    window.stdin.write(element + "\n")
    window.stdin.flush()
    assert window.stdout.readline() == "ok\n"


def end(window: subprocess.Popen[str]) -> None:
    window.kill()
    window.wait(10)
    for stream in (window.stdin, window.stdout):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()


@pytest.fixture
def sway(plain_user: PlainUser, accessible: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Compositor]:
    """It refuses to run as root, so it runs as an ordinary account."""
    with tempfile.TemporaryDirectory(prefix="sway-") as folder:
        configuration = os.path.join(folder, "conf")
        with open(configuration, "w", encoding="ascii") as file:
            file.write("xwayland disable\nfocus_follows_mouse no\n")
        if not plain_user.ours:
            os.chown(folder, plain_user.uid, plain_user.gid)
        os.chmod(configuration, 0o644)
        process = subprocess.Popen(
            ["sway", "-c", configuration],
            env=plain_user.environment(
                XDG_RUNTIME_DIR=folder, WLR_BACKENDS="headless", WLR_RENDERER="pixman", WLR_LIBINPUT_NO_DEVICES="1"
            ),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=plain_user.become,  # noqa: PLW1509
        )  # fmt: skip
        try:
            wait_until(lambda: glob.glob(f"{folder}/sway-ipc.*.sock") and glob.glob(f"{folder}/wayland-?"), 20, "sway")
            here = {
                "WAYLAND_DISPLAY": os.path.join(folder, os.path.basename(glob.glob(f"{folder}/wayland-?")[0])),
                "SWAYSOCK": glob.glob(f"{folder}/sway-ipc.*.sock")[0],
                "DBUS_SESSION_BUS_ADDRESS": accessible,
            }
            for name, value in here.items():
                monkeypatch.setenv(name, value)
            monkeypatch.delenv("DISPLAY", raising=False)
            env = {**os.environ, "GDK_BACKEND": "wayland", "XDG_RUNTIME_DIR": folder}

            def answers() -> bool:  # its sockets are there before it listens, and it listens before it answers
                asked = ["swaymsg", "-r", "-t", "get_seats"]
                return subprocess.run(asked, env=env, check=False, capture_output=True).returncode == 0

            wait_until(answers, 20, "an answer from sway")
            # A seat without a keyboard gives no element the focus. This one is never typed on.
            keyboard = subprocess.Popen(["wtype", "-s", "600000", "-k", "Escape"], env=env)
            try:
                yield Compositor(process, env)
            finally:
                keyboard.kill()
                keyboard.wait(10)
        finally:
            process.kill()
            process.wait(10)


def test_the_focused_application_is_known_and_nothing_is_vouched_for(sway: Compositor) -> None:
    watched = Watched(ALL)
    window = sway.window()
    try:
        for element, safety in (
            ("entry that hides its text", Safety.UNSAFE), ("text entry", Safety.UNANSWERED),
            ("entry that hides its text", Safety.UNSAFE),
        ):  # fmt: skip
            tell(window, element)
            watched.becomes(safety, category=Category.EDITOR)
        assert Safety.SAFE not in {safety for safety, _, _ in watched.states()}
        end(window)
        wait_until(lambda: watched.states()[-1] == (Safety.UNANSWERED, Category.OTHER, FINE), 8, "no window")
    finally:
        end(window)
        watched.end()


def test_a_list_of_applications_holds_for_all_that_can_be_seen(sway: Compositor) -> None:
    """Where the pointer is sway does not say: one window that may not be recorded is enough."""
    watched = Watched(ALL._replace(applications=Applications("deny", ("toolkits.py",))))
    window = None
    try:
        wait_until(watched.states, 8, "a word")
        assert watched.states()[-1][2] == FINE
        window = sway.window()
        tell(window, "text entry")
        watched.becomes(Safety.UNANSWERED, flags=0)
    finally:
        if window is not None:
            end(window)
        watched.end()


def test_an_allowed_application_may_be_recorded_while_it_is_alone(sway: Compositor) -> None:
    watched = Watched(ALL._replace(applications=Applications("allow", ("toolkits.py",))))
    window = sway.window()
    try:
        tell(window, "text entry")
        watched.becomes(Safety.UNANSWERED, flags=FINE)
        _command(sway, "workspace 2")  # nothing has the focus there
        watched.becomes(Safety.UNANSWERED, flags=0)
    finally:
        end(window)
        watched.end()


def _command(sway: Compositor, words: str) -> None:
    done = subprocess.run(["swaymsg", words], env=sway.env, check=True, capture_output=True, text=True)
    assert done.returncode == 0


def test_a_compositor_that_goes_away_is_an_error(sway: Compositor) -> None:
    windows = Sway()
    assert windows.focused().names == ()
    sway.process.kill()
    sway.process.wait(10)
    with pytest.raises(OSError, match=r"gone|Broken pipe|reset"):
        windows.focused()
    windows.close()


def test_a_compositor_that_stalls_is_left_to_another_process(sway: Compositor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its silence does not mean that the display is gone, which would end the run."""
    monkeypatch.setattr("desktop_logger.focus.sway._ANSWER_S", 0.2)
    windows = Sway()
    sway.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(BusLost):
            windows.focused()
    finally:
        sway.process.send_signal(signal.SIGCONT)
        windows.close()


@pytest.mark.parametrize("answer", [b"no", json.dumps({"success": False}).encode(), b"x" * 100])
def test_what_is_not_sway_is_not_believed(
    answer: bytes, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path_factory.mktemp("s") / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        monkeypatch.setenv("SWAYSOCK", path)
        head = b"i3-ipc" + len(answer).to_bytes(4, "little") + (2).to_bytes(4, "little")
        import threading

        def serve() -> None:
            link, _ = listener.accept()
            with link:
                link.recv(100)
                link.sendall(answer if answer[:1] == b"x" else head + answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(OSError, match="does not answer"):
            Sway()
        thread.join(5)
