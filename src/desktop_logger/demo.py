"""The whole story in about a minute: real commands, real input, a display of its own, nothing left behind.

1. a display, a window, an organisation and its signed policy · 2. the notice and the ceremony · 3. recording while a
script types, clicks and scrolls · 4. the same input under three profiles · 5. pause and resume · 6. what is stored,
and that the typed sentence is nowhere · 7. deleting and verifying · 8. release and the organisation's export

Every step runs the program as a whole process. The terminal is a pseudo-terminal that this module answers, which is
why a demo receipt is worth nothing elsewhere: it is valid only here, on the Xvfb that was started here.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from .consent.validation import DEMO_DISPLAY
from .errors import DesktopLoggerError, Unavailable

PASSPHRASE = "only for this demo"  # noqa: S105  locks nothing that outlives the demo
SENTENCE = "the quick brown fox jumps over the lazy dog"
NEEDED = {"Xvfb": "xvfb", "xdotool": "xdotool", "xterm": "xterm", "openbox": "openbox"}
PURPOSE = "improve-tools"

_FRAMES = {"bold": "\033[1m", "dim": "\033[2m", "off": "\033[0m"}


def _paint(text: str, style: str) -> str:
    return f"{_FRAMES[style]}{text}{_FRAMES['off']}" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def _heading(text: str) -> None:
    print("\n" + _paint(text, "bold"), flush=True)


def _indent(text: str, most: int = 60) -> None:
    lines = text.rstrip().splitlines()
    for line in lines[:most]:
        print("    " + line.rstrip())
    if len(lines) > most:
        print(f"    … {len(lines) - most} more lines")
    sys.stdout.flush()


class Stage:
    """Everything that the demo starts, in one temporary folder, and ends again."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.home = os.path.join(folder, "home")
        self.admin = os.path.join(folder, "organisation")
        self.processes: list[subprocess.Popen[bytes]] = []
        self.env = {
            name: os.environ[name] for name in ("HOME", "LANG", "LC_ALL", "PATH", "TERM", "USER") if name in os.environ
        } | {
            "DESKTOP_LOGGER_HOME": self.home,
            "XDG_CACHE_HOME": os.path.join(folder, "cache"),  # what a window manager leaves goes with the folder
            "XDG_CONFIG_HOME": os.path.join(folder, "config"),
        }

    def set_up(self) -> None:
        """Start an X server on a free display, a window manager and a terminal window."""
        missing = [package for program, package in NEEDED.items() if shutil.which(program) is None]
        if missing:
            raise Unavailable(
                f"the demo needs programs that are not here: {', '.join(missing)}",
                f"As an administrator: apt-get install {' '.join(missing)} (make demo does it)",
            )
        reading, writing = os.pipe()
        self._launch(
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-noreset"], writing
        )
        os.close(writing)
        number = b""
        while not number.endswith(b"\n") and select.select([reading], [], [], 20)[0]:
            digits = os.read(reading, 16)
            if not digits:
                break
            number += digits
        os.close(reading)
        if not number.endswith(b"\n"):
            raise Unavailable("the demo's X server did not start", "See whether this works: Xvfb -displayfd 1")
        self.env["DISPLAY"] = f":{number.decode().strip()}"
        self._launch(["openbox"])
        self._await("window manager", "get_num_desktops")  # a window that comes before it is never shown
        self._launch(["xterm", "-geometry", "80x24+40+60", "-e", "cat"])
        self._await("window", "search", "--onlyvisible", "--class", "xterm")
        self.xdotool("search", "--onlyvisible", "--class", "xterm", "windowfocus", "--sync")
        self.xdotool("mousemove", "300", "200")

    def _await(self, what: str, *words: str) -> None:
        """Wait until xdotool finds what it is asked for."""
        deadline = time.monotonic() + 20
        while self.xdotool(*words, check=False).strip() in ("", "0"):
            if time.monotonic() > deadline:
                raise Unavailable(f"the demo's {what} did not appear", "See whether openbox and xterm start by hand.")
            time.sleep(0.1)

    def _launch(self, words: list[str], *descriptors: int) -> None:
        self.processes.append(
            subprocess.Popen(
                words, env=self.env, pass_fds=descriptors, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip

    def xdotool(self, *words: str, check: bool = True) -> str:
        """Synthetic input into the demo's display, and nowhere else."""
        done = subprocess.run(
            ["xdotool", *words], env=self.env, capture_output=True, text=True, check=False, timeout=30
        )
        if check and done.returncode:
            raise Unavailable("xdotool could not put input into the demo's display")
        return done.stdout

    def run(self, *words: str, show: bool = True, most: int = 60, status: int = 0) -> str:
        """One real command on a pseudo-terminal, answered where it asks, and shown."""
        if show:
            print(_paint(f"  $ desktop-logger {' '.join(_short(word) for word in words)}", "dim"), flush=True)
        code, text = converse([sys.executable, "-m", "desktop_logger", *words], self.env)
        text = text.replace(self.folder, "…")
        if show or code != status:
            _indent(text, most)
        if code != status:
            raise DesktopLoggerError(f"a step of the demo ended with status {code}, not {status}")
        return text

    def report(self, *words: str) -> Any:
        """The JSON report of one command."""
        done = subprocess.run(
            [sys.executable, "-m", "desktop_logger", *words, "--json"], env=self.env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        return json.loads(done.stdout)

    def tear_down(self) -> None:
        """End everything that was started here."""
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run([sys.executable, "-m", "desktop_logger", "stop"], env=self.env, capture_output=True,
                           check=False, timeout=10)  # fmt: skip
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


def _short(word: str) -> str:
    return os.path.basename(word) if os.path.isabs(word) else word


ANSWERS: tuple[tuple[str, str], ...] = (
    (r"for the whole notice:\s*$", ""),
    (r"--- more \(Enter\)\s*$", ""),
    (r"Record (?:keyboard|pointer)\? \[y/N\]\s*$", "y"),
    (r"Profile \[\w+\]:\s*$", ""),
    (r"use it to [^\n]*\? \[y/N\]\s*$", "y"),
    (r"\[y/N\]\s*$", "y"),
    (r"\[Y/n\]\s*$", ""),
    (r"[Pp]assphrase:\s*$", PASSPHRASE),
)
"""What the demo answers, in the order in which the prompts are tried."""
_CODE = re.compile(r"Type (\S+) to sign[^\n]*:\s*$")


def converse(words: list[str], env: dict[str, str], seconds: float = 60.0) -> tuple[int, str]:
    """Run a command on a pseudo-terminal and answer its prompts. Returns exit status and what it showed."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve(words[0], words, env)  # noqa: S606  there must be no shell
    shown, answered = "", 0
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            ready, _, _ = select.select([master], [], [], 0.1)
            if ready:
                try:
                    data = os.read(master, 4096)
                except OSError:
                    break
                if not data:
                    break
                shown += data.decode("utf-8", "replace").replace("\r\n", "\n")
                continue
            if len(shown) == answered:
                continue
            answer = _answer(shown[answered:])
            if answer is not None:
                answered = len(shown)
                os.write(master, answer.encode() + b"\n")
        else:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(master)
    return os.waitstatus_to_exitcode(status), shown


def _answer(waiting: str) -> str | None:
    """The answer to the prompt that the text ends with, if it ends with one."""
    code = _CODE.search(waiting)
    if code:
        return code.group(1)
    return next((answer for prompt, answer in ANSWERS if re.search(prompt, waiting)), None)


@contextlib.contextmanager
def _folder(*, keep: bool) -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="desktop-logger-demo-")
    try:
        yield folder
    finally:
        if keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def run(*, keep: bool = False) -> int:
    """Play the demo. Returns the exit status: 0 when every step did what it says."""
    began = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # a closed window tidies up too
    with _folder(keep=keep) as folder:
        stage = Stage(folder)
        try:
            stage.set_up()
            _play(stage)
        finally:
            stage.tear_down()
    _heading(
        f"Done in {time.monotonic() - began:.0f} seconds; nothing is left running and nothing is left on the disk."
    )
    print("Next, on your own display: desktop-logger consent show · desktop-logger consent sign · desktop-logger start")
    return 0


def _play(stage: Stage) -> None:
    _heading("1. An organisation makes its keys and signs a policy")
    policy = _organisation(stage)

    _heading("2. Without a signature nothing starts. You read the notice and sign, or refuse: recorded nowhere")
    stage.run("start", status=3)
    stage.run("join", policy, most=16)
    shown = stage.run("consent", "sign", most=100)
    found = re.search(r"your key: (\S+)", shown)
    if found is None:
        raise DesktopLoggerError("the ceremony did not end with a signature")
    print("    (you read your key's fingerprint out to the organisation, in person)")
    stage.run("admin", "subjects", "add", found.group(1), "--dir", stage.admin)

    _heading("3. Recording: a script types, clicks and scrolls into a real window")
    stage.run("start")
    _use_the_desktop(stage)
    stage.run("status")

    _heading("4. The same script under three profiles: all that would be kept of it")
    _side_by_side(stage)

    _heading("5. Paused means that there is no capture process")
    _processes(stage)
    stage.run("pause")
    _processes(stage)
    stage.run("resume")
    stage.xdotool("type", "--delay", "20", "and a few more words")
    time.sleep(1.5)
    stage.run("stop")

    _heading("6. What is stored, opened with your passphrase")
    stage.run("inspect")
    print(
        "    (“at least”: a terminal cannot tell a password from other typing, so it is kept in the coarsest form only)"
    )
    _nowhere(stage)

    _heading("7. You delete the last part; everybody can check the rest")
    stage.run("purge", "--segment", _last_segment(stage))
    stage.run("verify")

    _heading("8. What you let go is released, and the organisation opens just that")
    stage.run("release", "--now")
    _export(stage)


def _organisation(stage: Stage, more: str = "") -> str:
    """Keys, and a policy for the demo: its own notice, no cooling-off, the finest profile allowed.

    ``more`` is TOML for its reader.
    """
    stage.run("admin", "init", stage.admin, "--organisation", "Demo organisation")
    path = os.path.join(stage.admin, "policy.toml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for pattern, replacement in (
        (r"^id = .*", 'id = "demo"'),
        (r"^notice = .*", 'notice = { id = "demo", version = 1 }'),
        (r"^injected = .*", 'injected = "record"'),  # the demo's own hands are a program's
        (r"^named_commands = .*", "named_commands = true"),
        (r"^ceiling = .*", 'ceiling = "events"'),
        (r"^cooling_off_hours = .*", "cooling_off_hours = 0"),
    ):
        text, changed = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
        if not changed:
            raise DesktopLoggerError("the policy template has changed; the demo does not know it")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + more)
    stage.run("admin", "policy", "sign", path, "--dir", stage.admin, most=3)
    os.mkdir(stage.home, 0o700)
    with open(os.path.join(stage.home, DEMO_DISPLAY), "w", encoding="ascii") as file:
        file.write(f"{stage.env['DISPLAY']} {stage.processes[0].pid}\n")
    return os.path.join(stage.admin, "policy.signed.json")


SCRIPT: tuple[tuple[str, Any], ...] = (
    ("type", SENTENCE), ("key", ("BackSpace", "BackSpace", "BackSpace", "Return")), ("wait", 2.2), ("type", "dog."),
    ("key", ("Tab", "Escape")), ("held", ("Control_L", "c")), ("move", (30, 9, 4)), ("click", 2), ("scroll", 6),
)  # fmt: skip
"""What happens on the demo's desktop; the same script is played into the window and written as a replay file."""


def _use_the_desktop(stage: Stage) -> None:
    """Play the script into the demo's window."""
    for act, what in SCRIPT:
        if act == "type":
            stage.xdotool("type", "--delay", "25", what)
        elif act == "key":
            stage.xdotool("key", "--delay", "60", *what)
        elif act == "held":
            stage.xdotool("key", "+".join(what))
        elif act == "move":
            for _ in range(what[0]):
                stage.xdotool("mousemove_relative", "--", str(what[1]), str(what[2]))
        elif act == "wait":
            time.sleep(what)
        else:
            stage.xdotool("click", "--repeat", str(what), "--delay", "60", "1" if act == "click" else "5")
    time.sleep(1.5)


def _replay() -> Iterator[dict[str, Any]]:
    """The script as a replay file has it, in the pace of a person."""
    t = 0.0

    def event(pause: float, **facts: Any) -> dict[str, Any]:
        nonlocal t
        line = {"t": round(t, 3), **facts}
        t += pause
        return line

    def press(name: str) -> Iterator[dict[str, Any]]:
        yield event(0.05, key=name, down=True)
        yield event(0.05, key=name, down=False)

    for act, what in SCRIPT:
        if act == "type":
            for character in what:
                yield from press({" ": "space", ".": "period"}.get(character, character))
        elif act == "key":
            for name in what:
                yield from press(name)
        elif act == "held":
            yield event(0.05, key=what[0], down=True)
            yield from press(what[1])
            yield event(0.05, key=what[0], down=False)
        elif act == "move":
            for _ in range(what[0]):
                yield event(0.01, move=[what[1], what[2]])
        elif act == "wait":
            t += what
        elif act == "click":
            for _ in range(what):
                yield event(0.05, button=1, down=True)
                yield event(0.07, button=1, down=False)
        else:
            for _ in range(what):
                yield event(0.06, scroll=[0, -1])


def _side_by_side(stage: Stage) -> None:
    """The three profiles of one input, line beside line."""
    path = os.path.join(stage.folder, "typed.jsonl")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in _replay())
    columns = []
    for profile in ("events", "bursts", "coarse"):
        code, text = converse(
            [sys.executable, "-m", "desktop_logger", "preview", path, "--profile", profile, "--json"], stage.env
        )
        if code:
            raise DesktopLoggerError("preview failed")
        unit = "" if profile == "coarse" else " s"
        rows = (_row(json.loads(line), unit) for line in text.splitlines() if line.startswith("{"))
        columns.append([profile, *rows])
    height = max(map(len, columns))
    shown = min(height, 22)
    columns = [column[:shown] + [""] * (shown - len(column)) for column in columns]
    widths = [max(map(len, column)) for column in columns]
    for number, cells in enumerate(zip(*columns, strict=True)):
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        print("  " + _paint(line.rstrip(), "off" if number else "bold"))
    print(f"    … events goes on for {height - shown} more lines; no profile says which key it was.")
    print("    + is the time since the one before. In coarse each number is a step:")
    print("    1 is 1, 2 is 2 to 3, 3 is 4 to 7, 4 is 8 to 15, and so on.")


_NUMBERS = {"n_text": "{} text", "n_edit": "{} edit", "duration": "{}{unit}", "gap": "+{}{unit}"}


def _row(row: dict[str, Any], unit: str) -> str:
    """One record in a few words, for a narrow column; ``unit`` is that of its times."""
    said = []
    for name, value in row.items():
        if isinstance(value, str) and name not in ("record", "scope"):
            said.append(value)
        elif name in _NUMBERS and value:
            said.append(_NUMBERS[name].format(value, unit=unit))
        elif name in ("dx", "dy") or (name == "n" and value > 1):
            said.append(f"{name}={value}")
    return f"{row['t']:>4} {row['record']} {' '.join(said)}"


def _processes(stage: Stage) -> None:
    """Show the daemon's processes as ps would: pid and module, from the command lines of living processes."""
    report = stage.report("status")
    for role, pid in report["pids"].items():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            print(f"    {pid:>8}  {role:<11} python -I -m {words[3].decode()}")
        except (OSError, IndexError):
            print(f"    {'-':>8}  {role:<11} no such process")


def _nowhere(stage: Stage) -> None:
    """Look for the sentence and its words in every byte under the home."""
    needles = [SENTENCE.encode(), *(word.encode() for word in SENTENCE.split() if len(word) > 3)]
    files = size = 0
    for root, _, names in os.walk(stage.home):
        for name in names:
            path = os.path.join(root, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    data = file.read()
                files, size = files + 1, size + len(data)
                if any(needle in data for needle in needles):
                    raise DesktopLoggerError(f"a typed word was found in {name}")
    print(f"    looked for “{SENTENCE}” and its words in {files} files, {size:,} bytes: found nowhere")


def _last_segment(stage: Stage) -> str:
    """The segment that was sealed last, from the ledger."""
    segments: list[str] = [one["id"] for one in stage.report("verify")["segments"]]
    return segments[-1]


def _export(stage: Stage) -> None:
    """The demo's own admin side: the same export, which here accepts receipts of the demo and no others."""
    from .admin.export import Order, export
    from .admin.folder import Folder
    from .clock import Clock

    try:
        from pyarrow import parquet
    except ImportError:
        print("    (pyarrow is not installed, so there is no export: pip install 'desktop-logger[dataset]')")
        return
    out = os.path.join(stage.folder, "dataset")
    folder = Folder(stage.admin)
    order = Order((os.path.join(stage.home, "outbox"),), out, PURPOSE, "parquet")
    print(_paint(f"  $ desktop-logger admin export --from outbox --out dataset --purpose {PURPOSE}", "dim"))
    report = export(folder, folder.unlock(PASSPHRASE), order, Clock(), demo=True)
    _indent("\n".join(report.lines()).replace(stage.folder, "…"))
    if report.export is None:
        raise DesktopLoggerError("the export wrote nothing")
    found = sorted(
        os.path.join(root, name) for root, _, names in os.walk(out) for name in names if name.endswith(".parquet")
    )
    _rows(parquet.read_table(found[0]).slice(0, 10).to_pylist())


def _rows(rows: list[dict[str, Any]]) -> None:
    """What every row says alike, once; then each row's own values by name: a table would be wider than a terminal."""
    alike = [name for name in rows[0] if name != "record" and len({row[name] for row in rows}) == 1]
    said = " ".join(f"{name}={rows[0][name]}" for name in alike if rows[0][name] is not None)
    print(f"    each row: {said}")
    for row in rows:
        values = (f"{name}={value}" for name, value in row.items() if name not in alike and value is not None)
        print("      " + " ".join(value.removeprefix("record=") for value in values))
