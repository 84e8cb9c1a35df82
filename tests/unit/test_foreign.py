"""Backends of others: only the file whose hash was signed, only when named, and only what its hash covers."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from desktop_logger import capture
from desktop_logger.capture.foreign import Foreign
from desktop_logger.consent import gate
from desktop_logger.errors import DesktopLoggerError, IntegrityError, NoConsent, Refused, Unavailable, UsageError
from desktop_logger.paths import Home
from tests.granted import grant
from tests.signing import HeldClock, Organisation, Scripted, signed

PEDAL = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "foreign", "pedal.py")


def named(path: Path, text: str) -> tuple[str, str]:
    path.write_text(text)
    return path.stem, hashlib.sha256(text.encode()).hexdigest()


def test_the_named_file_is_chosen_by_name_and_without_running_it(tmp_path: Path) -> None:
    one = named(tmp_path / "odd.py", "raise SystemExit(7)\n")
    chosen, why = capture.choose("odd", [one], str(tmp_path))
    assert chosen == f"file:{tmp_path}/odd.py"
    assert "hash that was signed" in why
    assert capture.load(chosen, [one]).name == "odd"


@pytest.mark.parametrize("name", ["odd", "file:/tmp/odd.py", "file:odd", "file:"])
def test_what_the_grant_does_not_name_is_no_backend(name: str, tmp_path: Path) -> None:
    named(tmp_path / "odd.py", "")
    for others in ([], [("pedal", "0" * 64)]):
        with pytest.raises(UsageError, match="no backend"):
            capture.choose(name, others, str(tmp_path))


def test_another_file_of_that_name_is_refused_and_not_run(tmp_path: Path) -> None:
    one = named(tmp_path / "odd.py", "def capture(grant): return None\n")
    (tmp_path / "odd.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(Unavailable, match="not the file that the policy names"):
        capture.choose("odd", [one], str(tmp_path))
    with pytest.raises(IntegrityError, match=r"odd\.py is not the file.*SHA-256 differs"):
        capture.load(f"file:{tmp_path}/odd.py", [one]).capture(grant())
    assert not (tmp_path / "ran").exists()


def test_a_file_that_is_not_there_or_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"cannot read .*odd\.py: No such file"):
        capture.choose("odd", [("odd", "0" * 64)], str(tmp_path))
    large = named(tmp_path / "large.py", "#" * ((1 << 20) + 1))
    with pytest.raises(IntegrityError):
        Foreign(str(tmp_path / "large.py"), large[1]).capture(grant())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("import pynput", "ModuleNotFoundError"), ("import evdev.ecodes", "ModuleNotFoundError"),
        ("", "AttributeError"), ("(", "SyntaxError"), ("def capture(grant): return 1 / 0", "ZeroDivisionError"),
    ],
)  # fmt: skip
def test_what_it_may_not_import_and_how_it_fails(text: str, kind: str, tmp_path: Path) -> None:
    """In a process of its own, because the guard of imports stays."""
    _, digest = named(tmp_path / "odd.py", text)
    code = (
        "from desktop_logger.capture.foreign import Foreign\nfrom desktop_logger.errors import Unavailable\n"
        "class G: scopes = ()\n"
        f"try: Foreign({str(tmp_path / 'odd.py')!r}, {digest!r}).capture(G)\n"
        "except Unavailable as error: print(error.message)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True)
    assert f"failed when it was opened ({kind})" in done.stdout


def backends(*lines: str) -> tuple[str, str]:
    return "[dpo]", "".join(f"[[backends]]\n{line}\n" for line in lines) + "[dpo]"


ONE, OTHER = 'name = "pedal"\nsha256 = "' + "a" * 64 + '"', 'name = "pedal"\nsha256 = "' + "b" * 64 + '"'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(str(tmp_path / "home"))


@pytest.mark.usefixtures("quick_passphrases")
def test_adding_one_or_another_file_is_wider_and_the_grant_names_what_was_signed(home: Home) -> None:
    works, clock = Organisation(), HeldClock()
    yes = ("keyboard", "pointer", "train models")
    works.adopt(home)
    signed(home, clock, Scripted(yes=yes))
    assert gate.check(home, clock).backends == ()
    assert gate.check(home, clock).injected == "exclude"
    for version, change, digest in ((2, backends(ONE), "a"), (3, backends(OTHER), "b")):
        works.adopt(home, change, version=version)
        with pytest.raises(NoConsent, match="another program, pedal"):
            gate.check(home, clock)
        signed(home, clock, Scripted(yes=yes))
        assert gate.check(home, clock).backends == (("pedal", digest * 64),)
    works.adopt(home, version=4)  # taking it away holds at once
    assert gate.check(home, clock).backends == ()


@pytest.mark.parametrize(
    "lines",
    [(ONE, OTHER), (ONE.replace("pedal", "x11"),), (ONE.replace("pedal", "../x"),), (ONE.replace("a" * 64, "a"),),
     (ONE + '\npath = "/tmp/x"',)],
)  # fmt: skip
def test_a_policy_that_names_one_badly_is_refused(lines: tuple[str, ...], home: Home) -> None:
    with pytest.raises((UsageError, Refused)) as caught:
        Organisation().adopt(home, backends(*lines))
    assert "backends" in str(caught.value)
    assert isinstance(caught.value, DesktopLoggerError)
