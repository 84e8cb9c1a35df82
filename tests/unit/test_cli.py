"""The command line as a contract: every command's help is the reference page, and bad words get plain errors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
import typer

from desktop_logger.cli import door, narrow
from desktop_logger.cli.app import build
from tests.people import Person

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "reference", "command-line.md")
HEAD = """# Command line

Every command's `--help`, as the program prints it. `logger` and `desktop-logger` are the same program; where anything
is unattended or cannot be undone, write `desktop-logger`, because Debian has another `/usr/bin/logger` that accepts any
words.

Exit status: 0 ok · 1 refused or failed as stated · 2 the words are not understood · 3 no valid consent · 4 stored data
is not what was written · 5 the environment lacks something (said which, and how to get it) · 70 recording in
the foreground ended by itself.

This page is made by `python -m tests.unit.test_cli` and a test holds it to the program.
"""


def commands(command: object, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*words, name))


def help_of(words: tuple[str, ...]) -> str:
    """What the program prints, run in a fork of this process: it starts as often as there are commands."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.environ.update(COLUMNS="100", TERMINAL_WIDTH="100", NO_COLOR="1", LC_ALL="C.UTF-8")
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            sys.stdout, sys.stderr = open(1, "w", encoding="utf-8"), open(2, "w", encoding="utf-8")  # noqa: SIM115
            sys.argv = ["desktop-logger", *words, "--help"]
            status = door.main()
            sys.stderr.flush()
            os._exit(status)
        finally:
            os._exit(99)  # the fork must never go on as the test
    os.close(writing)
    with open(reading, encoding="utf-8") as file:
        said = file.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, said
    return said


def page() -> str:
    parts = [HEAD]
    for words, _ in commands(typer.main.get_command(build())):
        parts.append(f"## `{' '.join(('desktop-logger', *words))}`\n\n```text\n{help_of(words).strip()}\n```\n")
    return "\n".join(parts)


def test_the_reference_page_is_what_the_program_says() -> None:
    with open(PAGE, encoding="utf-8") as file:
        assert file.read() == page(), "regenerate with: python -m tests.unit.test_cli"


def test_every_command_gives_an_example() -> None:
    for words, command in commands(typer.main.get_command(build())):
        if words and not getattr(command, "commands", None):
            assert "Example: desktop-logger" in (getattr(command, "epilog", "") or ""), words


def test_on_a_terminal_an_error_is_filled_and_in_a_pipe_it_is_one_line(tmp_path: Path) -> None:
    person = Person(str(tmp_path))
    place = tmp_path / ("a" * 70) / ("b" * 30)
    words = ("dataset", "build", str(place), "--out", str(tmp_path / "out"))
    piped = person.run(*words)
    assert piped.stderr.splitlines() == [
        f"error: {place} is not a dataset of this program (no card.json)",
        "hint: Name a folder that `admin export` made.",
    ]
    child = person.terminal(*words, columns=80)
    child.expect(pexpect.EOF)
    shown = child.before.splitlines()
    assert [line for line in shown if len(line) > 80] == [f"  {place}"]
    assert " ".join(" ".join(shown).split()) == " ".join(piped.stderr.split())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hint: Run: desktop-logger doctor; if that finds nothing, please report it.", None),
        (
            f"hint: Run: desktop-logger admin erase --dir /{'s' * 40} --from /{'o' * 40}",
            f"hint: Run:\n  desktop-logger admin erase --dir /{'s' * 40} --from /{'o' * 40}",
        ),
        (
            "hint: Export more people, or give fewer groups to validation and test: desktop-logger dataset split",
            "hint: Export more people, or give fewer groups to validation and test:\n  desktop-logger dataset split",
        ),
        (
            "hint: Set the computer's clock right; if it was wrong before, sign again: desktop-logger consent sign.",
            "hint: Set the computer's clock right; if it was wrong before, sign again:\n  desktop-logger consent sign.",
        ),
    ],
)
def test_a_command_in_an_error_stands_on_one_line_to_be_copied(text: str, shown: str | None) -> None:
    assert narrow.said(text) == (shown or text)


def test_after_an_interrupt_nothing_is_promised_that_may_not_be_so(tmp_path: Path) -> None:
    program = (
        "import signal, sys\nfrom desktop_logger.cli import door\nfrom desktop_logger.dataset import sequences\n"
        "sequences.build = lambda *words, **named: signal.raise_signal(signal.SIGINT)\n"
        "sys.argv[1:] = ['dataset', 'build', 'data', '--out', 'sequences']\nsys.exit(door.main())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "error: interrupted", "hint: Run the same command again: what was begun is finished then, or begun anew.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("strat",), 2, "/usr/bin/logger"),
        (("-p", "local0.info", "message"), 2, "--help"),
        (("pause", "soon"), 2, "15m"),
        (("pause", "0s"), 2, "15m"),
        (("pause", "15m"), 1, "nothing is running"),
        (("resume",), 5, "desktop-logger start"),
        (("start", "--backend", "camera"), 3, "consent sign"),
        (("status", "--loud"), 2, "--help"),
        (("purge",), 2, "--last"),
        (("purge", "--last", "yesterday"), 2, "15m"),
        (("inspect", "--since", "32.13.2026"), 2, "2026-03-01"),
        (("preview", "/nonexistent/file"), 2, "file"),
        (("join", "/nonexistent/file"), 2, "file"),
        (("consent", "withdraw"), 3, "status"),
        (("consent", "sign"), 1, "terminal"),
    ],
)
def test_bad_words_get_a_plain_error(words: tuple[str, ...], status: int, says: str, tmp_path: object) -> None:
    someone = Person(os.path.join(str(tmp_path), "home"))
    done = someone.run(*words)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stderr
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert not os.path.exists(someone.home)


def test_the_door_and_the_whole_command_line_agree(tmp_path: object) -> None:
    """The same verb through the fast door and through typer (which the unusual order of words forces)."""
    someone = Person(os.path.join(str(tmp_path), "home"))
    for verb in door.VERBS:
        assert door.VERBS[verb].help in help_of((verb,))
    fast, slow = someone.run("status", "--json"), someone.run("--", "status", "--json")
    assert (fast.returncode, fast.stdout) == (slow.returncode, slow.stdout)


def test_status_has_the_keys_that_scripts_rely_on(tmp_path: object) -> None:
    report = Person(os.path.join(str(tmp_path), "home")).status()
    assert report["state"] == "no-consent"
    assert set(report["pids"]) == {"supervisor", "capture", "writer", "indicator"}
    assert {
        "backend", "consent", "indicator", "kek", "logger_on_path", "pids", "profile", "sandbox", "scopes", "state",
        "lacks", "store", "warnings",
    } <= set(report)  # fmt: skip
    assert set(report["store"]) == {"segments", "bytes"}
    assert set(report["consent"]) == {"state", "expires"}


def test_a_home_that_others_can_open_is_refused(tmp_path: object) -> None:
    home = os.path.join(str(tmp_path), "home")
    os.mkdir(home, 0o755)
    done = Person(home).run("status")
    assert done.returncode == 1
    assert "chmod 700" in done.stderr


def test_no_other_package_may_watch_what_is_validated(tmp_path: Path) -> None:
    """pydantic runs a plugin of any installed package (its entry points): not in our commands."""
    trace = tmp_path / "trace"
    (tmp_path / "watcher.py").write_text(f"open({str(trace)!r}, 'w').close()\nplugin = None\n")
    facts = tmp_path / "watcher-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: watcher\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[pydantic]\nwatcher = watcher:plugin\n")
    someone = Person(str(tmp_path / "home"))
    someone.env["PYTHONPATH"] = str(tmp_path)
    someone.run("consent", "status")
    assert not trace.exists()
    model = "import pydantic; pydantic.create_model('Anything')"
    subprocess.run([sys.executable, "-W", "ignore", "-c", model], env=someone.env, check=False)
    assert trace.exists(), "the plugin would not have run anywhere"


if __name__ == "__main__":
    with open(PAGE, "w", encoding="utf-8") as written:
        written.write(page())
