"""Starting at login: a systemd user unit, written, removed and examined with the account's own rights.

1. only under a valid consent, checked at installing and again by every start; 2. what the unit starts is
``start --foreground``, so that the service manager sees what a person would see; 3. a stop stays a stop: only a
background process that ended by itself is started again; 4. the directives that need namespaces go into a drop-in of
their own, written only after the doctor has passed inside such a unit; 5. nothing is started by installing.

What a login would start on macOS (launchd) and Windows (a task) is made here too. Neither was ever run: this version
records on Linux only, so ``install`` refuses there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from desktop_logger.clock import Clock
from desktop_logger.consent import gate
from desktop_logger.errors import Unavailable
from desktop_logger.paths import Home

NAME = "desktop-logger.service"
TARGET = "graphical-session.target"
_ASK_S = 10.0
_PROBE_S = 60.0

UNIT = """\
# Made by: desktop-logger service install. Gone with: desktop-logger service remove
[Unit]
Description=desktop-logger, recording what you signed for
PartOf={target}
After={target}
ConditionPathExists={receipt}
ConditionPathExists=!{withdrawn}
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=exec
{environment}ExecStart={command}
KillMode=mixed
TimeoutStopSec=15
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=1 2 3 4 5
{directives}
[Install]
WantedBy={target}
"""

PLAIN = (
    ("NoNewPrivileges", "yes"), ("RestrictAddressFamilies", "AF_UNIX"), ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallFilter", "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret"),
    ("SystemCallErrorNumber", "EPERM"), ("RestrictNamespaces", "yes"), ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"), ("LockPersonality", "yes"), ("MemoryDenyWriteExecute", "yes"), ("UMask", "0077"),
    ("LimitCORE", "0"),
)  # fmt: skip
"""Directives that work without any privilege: seccomp filters and limits."""

NAMESPACED = (
    ("PrivateUsers", "yes"), ("ProtectSystem", "strict"), ("ProtectHome", "read-only"),
    ("ProtectKernelTunables", "yes"), ("ProtectKernelModules", "yes"), ("ProtectKernelLogs", "yes"),
    ("ProtectControlGroups", "yes"), ("ProtectClock", "yes"), ("ProtectHostname", "yes"),
    ("CapabilityBoundingSet", ""),
)  # fmt: skip
"""Directives that need a user namespace, which some systems refuse: systemd then skips them or fails the unit."""


class Installed(NamedTuple):
    """What ``install`` did."""

    unit: str
    """Path of the unit file."""
    namespaces: bool
    why: str
    """Why there are no namespace directives; empty where there are."""
    manager: bool
    """Whether the service manager answers and knows the unit now."""


class State(NamedTuple):
    """What is there now."""

    installed: bool
    current: bool
    """Whether the file is what this version would write."""
    manager: bool
    target: bool
    """Whether this session has the target that starts the unit."""
    active: bool


def folder() -> str:
    """Where the account's own units lie."""
    chosen = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(chosen, "systemd", "user")


def _paths() -> tuple[str, str, str]:
    """Unit file, the link that has it started at login, and the folder of drop-ins."""
    unit = os.path.join(folder(), NAME)
    return unit, os.path.join(folder(), TARGET + ".wants", NAME), unit + ".d"


def command() -> list[str]:
    """What is started: our own interpreter, isolated."""
    return [sys.executable, "-I", "-m", "desktop_logger", "start", "--foreground"]


def unit(place: Home) -> str:
    """The unit's text for this home."""
    chosen = os.environ.get("DESKTOP_LOGGER_HOME")
    return UNIT.format(
        target=TARGET,
        receipt=_literal(place.receipt),
        withdrawn=_literal(place.withdrawn),
        environment=f"Environment={_quoted(_literal('DESKTOP_LOGGER_HOME=' + place.root))}\n" if chosen else "",
        command=" ".join(_quoted(_literal(word)).replace("$", "$$") for word in command()),
        directives="".join(f"{name}={value}\n" for name, value in PLAIN),
    )


def drop_in(place: Home) -> str:
    """The text of the drop-in with the directives that need a namespace."""
    lines = [*NAMESPACED, ("ReadWritePaths", _quoted(_literal(place.root)))]
    return "# Written after these had been tried here\n[Service]\n" + "".join(f"{n}={v}\n" for n, v in lines)


def _literal(path: str) -> str:
    """``%`` is systemd's own in a unit file (systemd.unit(5))."""
    return path.replace("%", "%%")


def _quoted(word: str) -> str:
    """Quotes keep what is between them whole (systemd.syntax(7))."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def install(place: Home, clock: Clock) -> Installed:
    """Have recording start at login. Raises ``NoConsent`` without a valid consent; starts nothing."""
    place.check()
    gate.check(place, clock)
    if shutil.which("systemctl") is None:
        raise Unavailable(
            "this system has no systemd, so there is nothing that could start a service at login",
            "Add this line to what your session starts by itself: desktop-logger start",
        )
    path, link, drop_ins = _paths()
    _write(path, unit(place))
    manager = ask("daemon-reload") is not None
    why = _try_namespaces(place) if manager else "your service manager does not answer"
    if why:
        shutil.rmtree(drop_ins, ignore_errors=True)
    else:
        _write(os.path.join(drop_ins, "namespaces.conf"), drop_in(place))
    os.makedirs(os.path.dirname(link), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(link)
    os.symlink(path, link)
    if manager:
        ask("daemon-reload")
    return Installed(path, not why, why, manager)


def remove() -> bool:
    """Have nothing start at login any more, and end what the service runs. Whether anything was there."""
    path, link, drop_ins = _paths()
    was = any(os.path.lexists(one) for one in (path, link, drop_ins))
    if was:
        ask("stop", NAME)
    for one in (path, link):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(one)
    shutil.rmtree(drop_ins, ignore_errors=True)
    for empty in (os.path.dirname(link), folder()):
        with contextlib.suppress(OSError):
            os.rmdir(empty)
    if was:
        ask("daemon-reload")
    return was


def state(place: Home) -> State:
    """Look at the unit without changing anything."""
    path, link, _ = _paths()
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError):
        text = ""
    facts = dict.fromkeys((TARGET, NAME), "")
    for name in facts:
        facts[name] = ask("show", "--value", "--property", "ActiveState", name) or ""
    return State(
        bool(text) and os.path.lexists(link), text == unit(place), bool(facts[TARGET]), facts[TARGET] == "active",
        facts[NAME] == "active",
    )  # fmt: skip


def ask(*words: str) -> str | None:
    """One question to the account's service manager; ``None`` where it does not answer or says no."""
    try:
        done = subprocess.run(
            ["systemctl", "--user", *words], capture_output=True, text=True, check=False, timeout=_ASK_S,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout.strip()


def _try_namespaces(place: Home) -> str:
    """Run the doctor in a unit with every directive; the reason why not, empty where all is as well as without."""
    directives = [*PLAIN, *NAMESPACED, ("ReadWritePaths", _quoted(place.root))]
    home = ["--setenv=DESKTOP_LOGGER_HOME=" + place.root] if os.environ.get("DESKTOP_LOGGER_HOME") else []
    properties = [word for name, value in directives for word in ("--property", f"{name}={value}")]
    doctor = [sys.executable, "-I", "-m", "desktop_logger", "doctor", "--json"]
    try:
        done = subprocess.run(
            ["systemd-run", "--user", "--wait", "--quiet", "--pipe", "--collect", *home, *properties, *doctor],
            capture_output=True, text=True, check=False, timeout=_PROBE_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return "systemd-run does not work here"
    if done.returncode in (226, 217, 216, 225, 228):  # EXIT_NAMESPACE, USER, GROUP, CHROOT, SECCOMP (systemd.exec(5))
        return "this system gives no namespaces to ordinary accounts"
    return "" if done.returncode == 0 else "with namespaces the doctor finds something that is needed and not there"


def _write(path: str, text: str) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        draft = path + ".new"
        with open(draft, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(draft, path)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}", "Make it writable for your account.") from None


def launchd() -> bytes:
    """A launchd agent (launchd.plist(5)). Never run: macOS was not at hand, and this version does not record there."""
    import plistlib

    facts: dict[str, Any] = {
        "Label": "desktop-logger",
        "ProgramArguments": command(),
        "RunAtLoad": True,
        "KeepAlive": {"Crashed": True},
        "ThrottleInterval": 30,
        "LimitLoadToSessionType": "Aqua",
        "ProcessType": "Standard",  # not Background: the system takes a tap away from who is slow to read it
        "Umask": 0o077,
        "HardResourceLimits": {"Core": 0},
    }
    return plistlib.dumps(facts)


TASK = """\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>desktop-logger, recording what you signed for</Description></RegistrationInfo>
  <Triggers><LogonTrigger><Enabled>true</Enabled><UserId>{user}</UserId></LogonTrigger></Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId><LogonType>InteractiveToken</LogonType><RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
  </Settings>
  <Actions Context="Author"><Exec><Command>{command}</Command><Arguments>{arguments}</Arguments></Exec></Actions>
</Task>
"""


def task(user: str) -> bytes:
    """A task of the Windows Task Scheduler for one account. Never run: Windows was not at hand."""
    program, *rest = command()
    text = TASK.format(user=escape(user), command=escape(program), arguments=escape(subprocess.list2cmdline(rest)))
    return text.encode("utf-16")
