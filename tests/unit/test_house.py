"""What the house as a whole must keep: what it imports, what its root holds, what its texts never say."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCE = os.path.join(ROOT, "src", "desktop_logger")

ROOT_ENTRIES = {"pyproject.toml", "README.md", "LICENSE", "Makefile", "src", "tests", "config", "docs", "consent"}

NETWORK = {
    *("aiohttp", "asyncio", "ftplib", "grpc", "http", "httpx", "imaplib", "multiprocessing", "nntplib", "paramiko"),
    *("poplib", "pycurl", "requests", "selectors", "smtplib", "socket", "socketserver", "ssl", "telnetlib", "urllib"),
    *("urllib3", "webbrowser", "websockets", "wsgiref", "xmlrpc"),
}
SOCKET_ALLOWED = ("control", "capture", "focus")
"""The rooms that may hold a socket: the control socket, the display's, the compositor's. Unix sockets only."""
PROCESSES_ALLOWED = os.path.join("admin", "engines.py")
"""The module that may start processes of an export; it is given pipes by ``multiprocessing``, no socket."""

NEVER_IMPORTED = {"pickle", "shelve", "marshal", "dill", "cloudpickle"}

HEAVY = {
    *("asyncio", "dataclasses", "inspect", "keyring", "logging", "numpy", "pathlib", "pyarrow", "pydantic"),
    *("rich", "subprocess", "typer"),
}
"""What a process that lives for hours, or answers in a hundred milliseconds, does not load."""

LIGHT_PROCESSES = {
    "desktop_logger.source": {"cryptography", "desktop_logger.sealing", "desktop_logger.store"},
    "desktop_logger.sink": {"Xlib", "pynput", "evdev", "socket", "_socket", "desktop_logger.capture"},
    "desktop_logger.daemon.supervisor": {"cryptography", "desktop_logger.sealing", "Xlib", "pynput"},
    "desktop_logger.daemon.indicator": {"cryptography", "desktop_logger.sealing", "desktop_logger.store", "pynput"},
    "desktop_logger.cli.door": {"cryptography", "desktop_logger.sealing", "Xlib", "pynput"},
}
"""Module → what it may not load in addition, each for the reason given in the design's table of processes."""

FORBIDDEN_WORDS = re.compile(
    r"\b(subjects?|monitor(?:s|ed|ing)?|track(?:s|ed|ing|ers?)?|productivity|scor(?:e|es|ed|ing)|idle)\b",
    re.IGNORECASE,
)
FORBIDDEN_OPTIONS = re.compile(
    r"quiet|silent|stealth|hid(?:e|den)|invisible|no-?indicator|no-?sign|rename|disguise|remote|unattended"
    r"|^--(?:yes|force|assume-yes|accept|agree|i-agree|no-consent|skip-consent|text|raw-keys|keylog)$|^-y$"
)


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every source file as (path below the package, syntax tree)."""
    for folder, _, files in sorted(os.walk(SOURCE)):
        for name in sorted(files):
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    yield os.path.relpath(path, SOURCE), ast.parse(file.read(), path)


def imported(tree: ast.Module) -> Iterator[str]:
    """Top-level names of everything a module imports absolutely, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def test_no_module_imports_the_network() -> None:
    offences = []
    for path, tree in modules():
        room = path.split(os.sep)[0].removesuffix(".py")
        allowed = {"socket", "selectors"} if room in SOCKET_ALLOWED else set()
        allowed |= {"multiprocessing"} if path == PROCESSES_ALLOWED else set()
        offences += [f"{path}: {name}" for name in imported(tree) if name in NETWORK - allowed]
    assert not offences


def test_sockets_are_unix_sockets() -> None:
    inet = {"AF_INET", "AF_INET6", "AF_PACKET", "create_connection", "create_server", "getaddrinfo", "gethostbyname"}
    offences = [
        f"{path}:{node.lineno} {node.attr}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in inet
    ]
    assert not offences


def test_nothing_unpickles() -> None:
    assert not [f"{path}: {name}" for path, tree in modules() for name in imported(tree) if name in NEVER_IMPORTED]


def test_every_module_says_its_purpose() -> None:
    assert not [path for path, tree in modules() if not ast.get_docstring(tree)]


@pytest.mark.parametrize("module", sorted(LIGHT_PROCESSES))
def test_a_light_process_loads_nothing_heavy(module: str) -> None:
    code = f"import {module}, sys; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=300)
    loaded = set(run.stdout.split())
    assert not loaded & (HEAVY | LIGHT_PROCESSES[module])


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import desktop_logger; print(*set(sys.modules) - before)"
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert set(run.stdout.split()) <= {"desktop_logger"}


def test_the_root_holds_exactly_what_it_should() -> None:
    listing = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=False)
    names = {line.split("/")[0] for line in listing.stdout.splitlines()} or set(os.listdir(ROOT))
    visible = {name for name in names if not name.startswith(".")}
    assert visible == ROOT_ENTRIES


def test_every_version_says_the_same() -> None:
    from desktop_logger import __version__

    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        assert tomllib.load(file)["project"]["version"] == __version__


def test_changelog_fragments_are_of_a_known_kind() -> None:
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        kinds = {kind["directory"] for kind in tomllib.load(file)["tool"]["towncrier"]["type"]}
    names = os.listdir(os.path.join(ROOT, "docs", "changelog.d"))
    assert not [
        name for name in names if name != "README.md" and not re.fullmatch(rf"\+?[\w-]+\.({'|'.join(kinds)})\.md", name)
    ]


def notices() -> list[str]:
    """The files that people are asked to read and sign."""
    folder = os.path.join(ROOT, "consent")
    return sorted(
        os.path.join(place, name) for place, _, names in os.walk(folder) for name in names if name.endswith(".md")
    )


def test_notices_use_no_word_that_we_never_say() -> None:
    assert notices()
    offences = []
    for path in notices():
        with open(path, encoding="utf-8") as file:
            offences += [
                f"{os.path.relpath(path, ROOT)}:{number}: {found[0]}"
                for number, line in enumerate(file, 1)
                for found in FORBIDDEN_WORDS.finditer(line)
            ]
    assert not offences


def test_help_uses_no_word_that_we_never_say_and_no_option_that_hides() -> None:
    for words, text, options in commands():
        said = {found[0].lower() for found in FORBIDDEN_WORDS.finditer(text)}
        if words[:1] == ["admin"]:
            said -= {"subject", "subjects"}  # the steward's own word for a registered key
        assert not said, words
        assert not [option for option in options if FORBIDDEN_OPTIONS.search(option)], words


STEALTH = re.compile(
    r"stealth|covert|invisib|disguise|setproctitle|PR_SET_NAME|unattended|remote_?start|assume_?yes"
    r"|auto_?(?:consent|sign|accept|agree)|(?:hide|hidden|no|without|skip)_(?:sign|indicator|icon|window|consent|gate)\b",
    re.IGNORECASE,
)
ENVIRONMENT = {
    "DESKTOP_LOGGER_HOME", "PATH", "DISPLAY", "SWAYSOCK", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_SESSION_ID",
    "XDG_SESSION_TYPE", "XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS", "USER", "USERNAME", "LISTEN_PID", "LISTEN_FDS",
    "PYDANTIC_DISABLE_PLUGINS", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO",
}  # fmt: skip
"""Every variable that the source asks for or sets by name: where things are, and never whether something is allowed."""


def test_no_name_in_the_source_is_of_something_that_hides() -> None:
    """Functions, parameters, attributes and short constants; sentences for people may say that it does not exist."""
    found = []
    for path, tree in modules():
        for node in ast.walk(tree):
            names = [getattr(node, field, None) for field in ("name", "id", "attr", "arg")]
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
                names.append(node.value)
            found += [(path, name) for name in names if isinstance(name, str) and STEALTH.search(name)]
    assert found == []
    assert STEALTH.search("hide_indicator")
    assert STEALTH.search("autoConsent")


def test_the_source_asks_for_no_variable_that_could_allow_something() -> None:
    asked = set()
    for _, tree in modules():
        for node in ast.walk(tree):
            key: ast.expr | None = None
            if isinstance(node, ast.Call) and node.args:
                called = ast.unparse(node.func)
                key = node.args[0] if called.startswith("os.environ.") or called.endswith("getenv") else None
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
                key = node.slice
            if isinstance(key, ast.Constant):
                asked.add(key.value)
    assert "DISPLAY" in asked
    assert asked <= ENVIRONMENT


def commands() -> Iterator[tuple[list[str], str, list[str]]]:
    """Every command as (words, all of its help, all of its options)."""
    import typer.main
    from typer.core import TyperGroup

    from desktop_logger.cli.app import build

    pending: list[tuple[list[str], Any]] = [([], typer.main.get_command(build()))]
    while pending:
        words, command = pending.pop()
        options = [option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)]
        text = " ".join(
            [
                command.help or "",
                command.epilog or "",
                *(getattr(parameter, "help", None) or "" for parameter in command.params),
            ]
        )
        yield words, text, options
        if isinstance(command, TyperGroup):
            pending += [([*words, name], below) for name, below in command.commands.items()]
