"""Everything that the README shows is what happens: its transcripts run, on a real display, in a home of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable

from tests.testbed import environment
from tests.transcripts import play, steps

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def readme() -> str:
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        return file.read()


def test_every_transcript_of_the_readme_holds(
    tmp_path: os.PathLike[str], display: str, xdotool: Callable[..., str]
) -> None:
    folder = str(tmp_path)
    for shared in ("docs", "config"):
        os.symlink(os.path.join(ROOT, shared), os.path.join(folder, shared))
    env = environment(display)
    for name in ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "LANGUAGE", "SUDO_UID", "SUDO_USER"):
        env.pop(name, None)
    env.update(
        DESKTOP_LOGGER_HOME=os.path.join(folder, "home"),
        HOME=folder,
        LANG="C.UTF-8",
        LC_ALL="C.UTF-8",
        TERM="xterm",
        PATH=os.path.dirname(sys.executable) + os.pathsep + env["PATH"],
    )

    def work(command: str) -> None:
        """What a person would do after these commands: use the desktop."""
        if command in ("desktop-logger start", "desktop-logger resume"):
            xdotool("type", "--delay", "30", "some words, and more of them")
            xdotool("key", "Return", "ctrl+s")
            xdotool("click", "1")
            time.sleep(2.5)

    try:
        assert play(readme(), folder, env, work) == []
    finally:
        subprocess.run(["desktop-logger", "stop"], env=env, capture_output=True, check=False, timeout=180)


def test_the_readme_shows_commands_of_each_reader_in_order() -> None:
    commands = [step.command for step in steps(readme()) if step.shown is not None]
    first = {word: next(at for at, command in enumerate(commands) if word in command) for word in
             ("preview", "make demo", "consent sign", "purge", "admin init", "make test")}  # fmt: skip
    assert list(first) == sorted(first, key=lambda word: first[word])


def test_links_of_the_documents_lead_somewhere() -> None:
    dead = []
    for folder, _, files in os.walk(ROOT):
        if os.path.relpath(folder, ROOT).split(os.sep)[0].startswith(".") and folder != ROOT:
            continue
        for name in files:
            if not name.endswith(".md"):
                continue
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                links = re.findall(r"\]\(([^)#]+)[^)]*\)", file.read())
            dead += [f"{name}: {link}" for link in links if not os.path.exists(os.path.join(folder, link))]
    assert not dead
