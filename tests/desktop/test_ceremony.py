"""The ceremony and what follows, through a real pseudo-terminal and whole processes."""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import pexpect
import pytest

from desktop_logger import disk, policy, sealing
from tests.people import keep
from tests.unit.test_policy import organisation

from .conftest import Installed, PlainUser

LOGGER = [sys.executable, "-m", "desktop_logger"]
PASSPHRASE = "a plain passphrase"  # noqa: S105 - a made-up one
CODE = r"([A-Z2-7]{4}-[A-Z2-7]{4})"


_SIGNED: list[str] = []
"""The home that ``have_signed`` copies."""


class Desk:
    """One person's home and terminal."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.env = {
            "PATH": os.environ["PATH"], "HOME": home, "LANG": "C.UTF-8", "TERM": "xterm", "DESKTOP_LOGGER_HOME": home,
        }  # fmt: skip

    def run(self, *words: str, status: int = 0, stdin: str = "") -> str:
        done = subprocess.run(
            [*LOGGER, *words], env=self.env, input=stdin, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == status, (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def terminal(self, *words: str, rows: int = 24, **more: str) -> pexpect.spawn[str]:
        return pexpect.spawn(
            LOGGER[0], [*LOGGER[1:], *words], env={**self.env, **more}, encoding="utf-8", timeout=180,
            dimensions=(rows, 80),
        )  # fmt: skip

    def sign(self, *words: str, renewal: bool = False, purposes: str = "") -> str:
        """The ceremony, everything affirmed. Returns what was said."""
        child = self.terminal("consent", "sign", *words)
        if renewal and "--choose" not in words:
            renew_to_code(child)
        else:
            answer_to_code(child, renewal=renewal, purposes=purposes)
        child.sendline(child.match[1])
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0, child.before
        return str(child.before)

    def have_signed(self) -> None:
        """As after ``sign``, for tests of what comes later: the ceremony is held once, and its home copied."""
        if not _SIGNED:
            folder = tempfile.mkdtemp(prefix="desktop-logger-signed-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            first = Desk(os.path.join(folder, "first"))
            first.sign()
            _SIGNED.append(os.path.join(folder, "kept"))
            keep(first.home, _SIGNED[0], PASSPHRASE)
        shutil.copytree(_SIGNED[0], self.home)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("consent", "status", "--json"))
        return found

    def files(self) -> list[str]:
        return [os.path.join(place, name) for place, _, names in os.walk(self.home) for name in names]


def answer_to_code(child: pexpect.spawn[str], *, renewal: bool = False, purposes: str = "") -> None:
    """Answer everything up to the code, which is then in ``child.match[1]``."""
    child.expect_exact("Enter to go on, m for the whole notice: ")
    child.sendline("")
    for scope in ("keyboard", "pointer"):
        child.expect_exact(f"Record {scope}? [y/N] ")
        child.sendline("y")
    child.expect(r"Profile \[\w+\]: ")
    child.sendline("")
    for answer in purposes:
        child.expect(r"Let Example Works use it to [^?\r\n]+\? \[y/N\] ")
        child.sendline(answer)
    if renewal:
        child.expect(r"\nPassphrase: ")
        child.sendline(PASSPHRASE)
    else:
        for prompt in ("New passphrase: ", "Repeat passphrase: "):
            child.expect_exact(prompt)
            child.sendline(PASSPHRASE)
    child.expect(rf"Type {CODE} to sign, or Enter to refuse: ")


def renew_to_code(child: pexpect.spawn[str]) -> None:
    """A renewal asks only about what is new: here nothing. The code is then in ``child.match[1]``."""
    child.expect_exact("Enter to go on, m for the whole notice: ")
    child.sendline("")
    child.expect(r"\nPassphrase: ")
    child.sendline(PASSPHRASE)
    child.expect(rf"Type {CODE} to sign, or Enter to refuse: ")


@pytest.fixture
def desk(tmp_path: object) -> Desk:
    return Desk(os.path.join(str(tmp_path), "home"))


def ended(child: pexpect.spawn[str]) -> tuple[int | None, str]:
    child.expect(pexpect.EOF)
    child.close()
    assert "Traceback" not in str(child.before)
    return child.exitstatus, str(child.before)


def test_signing_makes_a_consent_that_every_command_agrees_on(desk: Desk) -> None:
    said = desk.sign()
    assert PASSPHRASE not in said
    status = desk.status()
    assert (status["state"], status["valid"], status["scopes"]) == ("ConsentGiven", True, ["keyboard", "pointer"])
    assert status["profile"] == "events"
    receipt = json.loads(desk.run("consent", "receipt"))
    assert receipt["header"]["id"] == status["receipt"]
    assert "in force" in desk.run("consent", "history")
    assert desk.run("consent", "receipt", "--format", "text").startswith("ConsentGiven")
    (one,) = json.loads(desk.run("consent", "history", "--json"))["receipts"]
    assert one["in_force"]
    for path in desk.files():
        assert os.stat(path).st_mode & 0o077 == 0, path
        with open(path, "rb") as file:
            assert PASSPHRASE.encode() not in file.read()


def test_in_german_the_whole_ceremony_is_german(desk: Desk) -> None:
    child = desk.terminal("consent", "sign", LANG="de_DE.UTF-8")
    child.expect_exact("Enter zum Fortfahren, m für den ganzen Hinweis: ")
    assert "NIE    Zeichen" in str(child.before)
    child.sendline("")
    child.expect_exact("Tastatur aufzeichnen? [j/N] ")
    child.sendline("j")
    child.expect_exact("Zeiger aufzeichnen? [j/N] ")
    child.sendline("nein")
    child.expect_exact("Profil [events]: ")
    child.sendline("bursts")
    for prompt in ("Neue Passphrase: ", "Passphrase wiederholen: "):
        child.expect_exact(prompt)
        child.sendline("größer als Straße")
    child.expect(rf"Zum Unterschreiben {CODE} eintippen, zum Ablehnen Enter: ")
    child.sendline(child.match[1].lower())
    code, said = ended(child)
    assert code == 0
    assert "Unterschrieben" in said
    status = desk.status()
    assert (status["scopes"], status["profile"]) == (["keyboard"], "bursts")


def test_the_whole_notice_is_paged_and_within_the_screen(desk: Desk) -> None:
    child = desk.terminal("consent", "sign", rows=24)
    child.expect_exact("Enter to go on, m for the whole notice: ")
    child.sendline("m")
    pages = 0
    while child.expect_exact(["--- more (Enter) ", "Enter to go on, m for the whole notice: "]) == 0:
        assert str(child.before).count("\n") <= 24
        assert max(map(len, str(child.before).splitlines())) <= 80
        child.sendline("")
        pages += 1
    assert pages >= 3
    child.sendintr()
    assert ended(child)[0] == 1
    assert not os.path.exists(desk.home)


@pytest.mark.parametrize("fed", ["", "y\n" * 200, "\n" * 200])
def test_a_ceremony_without_a_terminal_is_refused(desk: Desk, fed: str) -> None:
    said = desk.run("consent", "sign", status=1, stdin=fed)
    assert said.startswith("error: ")
    assert "hint: " in said
    assert not os.path.exists(desk.home)


def test_yes_through_a_pipe_is_refused_even_with_a_terminal_to_write_to(desk: Desk) -> None:
    child = pexpect.spawn(
        "/bin/sh", ["-c", f"yes | {' '.join(LOGGER)} consent sign"], env=desk.env, encoding="utf-8", timeout=180
    )
    code, said = ended(child)
    assert code == 1
    assert "person at a terminal" in said
    assert not os.path.exists(desk.home)


PROMPTS: list[tuple[str, str]] = [
    (r"whole notice: ", ""),
    (r"Record keyboard\? \[y/N\] ", "y"),
    (r"Record pointer\? \[y/N\] ", "y"),
    (r"Profile \[\w+\]: ", ""),
    (r"New passphrase: ", PASSPHRASE),
    (r"Repeat passphrase: ", PASSPHRASE),
    (r"Type \S+ to sign, or Enter to refuse: ", ""),
]


@pytest.mark.parametrize("stop", range(len(PROMPTS)))
@pytest.mark.parametrize("how", ["interrupt", "end", "hang-up"])
def test_leaving_at_any_prompt_leaves_nothing(desk: Desk, stop: int, how: str) -> None:
    child = desk.terminal("consent", "sign")
    for prompt, answer in PROMPTS[:stop]:
        child.expect(prompt)
        child.sendline(answer)
    child.expect(PROMPTS[stop][0])
    if how == "hang-up":
        child.close(force=True)
    else:
        child.sendintr() if how == "interrupt" else child.sendeof()
        code, said = ended(child)
        assert code == 1
        assert "nothing was signed" in said
    assert not os.path.exists(desk.home)


@pytest.mark.parametrize(
    ("answer", "word"), [("", "refused"), ("AAAA-AAAA", "not the code"), ("yes", "not the code"), ("y", "not the code")]
)
def test_only_the_code_signs(desk: Desk, answer: str, word: str) -> None:
    child = desk.terminal("consent", "sign")
    answer_to_code(child)
    child.sendline(answer)
    code, said = ended(child)
    assert code == 1
    assert word in said
    assert not os.path.exists(desk.home)


def test_saying_no_to_everything_is_a_refusal_and_leaves_nothing(desk: Desk) -> None:
    child = desk.terminal("consent", "sign")
    child.expect("whole notice: ")
    child.sendline("")
    for _ in range(2):
        child.expect(r"\[y/N\] ")
        child.sendline("")
    code, said = ended(child)
    assert code == 1
    assert "nothing was chosen" in said
    assert not os.path.exists(desk.home)


def test_a_short_or_mistyped_passphrase_is_asked_again_three_times(desk: Desk) -> None:
    child = desk.terminal("consent", "sign")
    for prompt, answer in PROMPTS[:4]:
        child.expect(prompt)
        child.sendline(answer)
    child.expect_exact("New passphrase: ")
    child.sendline("short")
    child.expect_exact("New passphrase: ")
    assert "shorter than 8" in str(child.before)
    child.sendline(PASSPHRASE)
    child.expect_exact("Repeat passphrase: ")
    child.sendline(PASSPHRASE + "x")
    child.expect_exact("New passphrase: ")
    child.sendline("short")
    assert ended(child)[0] == 1
    assert not os.path.exists(desk.home)


def test_renewal_asks_the_passphrase_once_and_keeps_the_keys(desk: Desk) -> None:
    desk.have_signed()
    first = json.loads(desk.run("consent", "receipt"))
    desk.sign(renewal=True)
    second = json.loads(desk.run("consent", "receipt"))
    assert second["event"]["state"] == "RenewedConsentGiven"
    assert second["header"]["previous"] == sealing.hexdigest(sealing.canonical(first))
    assert second["parties"]["subject"]["identity"] == first["parties"]["subject"]["identity"]
    assert second["ledger"]["id"] == first["ledger"]["id"]
    assert desk.status()["state"] == "RenewedConsentGiven"


def test_a_wrong_passphrase_three_times_leaves_the_old_consent_as_it_was(desk: Desk) -> None:
    desk.have_signed()
    before = {path: os.stat(path).st_mtime_ns for path in desk.files() if "consent" in path}
    child = desk.terminal("consent", "sign")
    child.expect(PROMPTS[0][0])
    child.sendline("")
    for _ in range(3):
        child.expect(r"\nPassphrase: ")
        child.sendline("a wrong passphrase")
    code, said = ended(child)
    assert code == 1
    assert "--new-identity" in said
    assert {path: os.stat(path).st_mtime_ns for path in desk.files() if "consent" in path} == before
    assert desk.status()["valid"]


def test_new_keys_start_afresh(desk: Desk) -> None:
    desk.have_signed()
    first = json.loads(desk.run("consent", "receipt"))
    child = desk.terminal("consent", "sign", "--new-identity")
    answer_to_code(child)
    child.sendline(child.match[1])
    assert ended(child)[0] == 0
    second = json.loads(desk.run("consent", "receipt"))
    assert second["event"]["state"] == "ConsentGiven"
    assert second["parties"]["subject"]["identity"] != first["parties"]["subject"]["identity"]
    assert second["ledger"]["id"] != first["ledger"]["id"]
    assert desk.status()["valid"]


def test_refusing_new_keys_changes_nothing(desk: Desk) -> None:
    desk.have_signed()
    before = desk.status()
    child = desk.terminal("consent", "sign", "--new-identity")
    child.expect_exact("Enter to go on")
    child.sendline("")
    for _ in range(2):
        child.expect(r"\[y/N\] ")
        child.sendline("y")
    child.expect("Profile")
    child.sendline("")
    child.expect("New passphrase: ")
    assert "becomes unreadable" in re.sub(r"\s+", " ", str(child.before))
    child.sendintr()
    assert ended(child)[0] == 1
    assert desk.status() == before


def test_withdrawing_needs_no_terminal_and_takes_effect_at_once(desk: Desk) -> None:
    desk.have_signed()
    started = time.monotonic()
    found = json.loads(desk.run("consent", "withdraw", "--json"))
    assert time.monotonic() - started < 30  # a whole process on a busy machine; the marker itself is the first thing
    assert found["withdrawn"]
    assert found["device_key_destroyed"]
    status = desk.status()
    assert (status["state"], status["valid"]) == ("ConsentWithdrawn", False)
    ledger = os.path.join(desk.home, "ledger", "ledger.jsonl")
    with open(ledger, encoding="utf-8") as file:
        kinds = [json.loads(line)["kind"] for line in file]
    assert kinds == ["ledger.created", "consent.given", "consent.withdrawn"]
    desk.sign("--choose", renewal=True)
    assert desk.status()["state"] == "ConsentGiven"


@pytest.mark.parametrize("answer", ["", "n"])
def test_after_withdrawing_deletion_is_offered_default_yes(desk: Desk, answer: str) -> None:
    desk.have_signed()
    child = desk.terminal("consent", "withdraw")
    child.expect_exact("Delete everything that was recorded? [Y/n] ")
    assert "Withdrawn." in str(child.before)
    assert desk.status()["state"] == "ConsentWithdrawn"
    child.sendline(answer)
    code, said = ended(child)
    assert code == 0
    assert ("Deleted" in said) == (answer == "")


def test_leaving_at_the_offer_stays_withdrawn(desk: Desk) -> None:
    desk.have_signed()
    child = desk.terminal("consent", "withdraw")
    child.expect_exact("[Y/n] ")
    child.sendintr()
    ended(child)
    assert desk.status()["state"] == "ConsentWithdrawn"


def test_withdrawing_nothing_is_said_and_creates_nothing(desk: Desk) -> None:
    said = desk.run("consent", "withdraw", status=3)
    assert "no consent to withdraw" in said
    assert not os.path.exists(desk.home)


@pytest.fixture
def signed_policy(tmp_path: object) -> Callable[..., tuple[str, str]]:
    """Writes a signed policy; returns its path and the controller's fingerprint."""
    signer = sealing.Signer.generate()

    def write(*changes: tuple[str, str]) -> tuple[str, str]:
        text = organisation(signer)
        for change in changes:
            text = text.replace(*change)
        path = os.path.join(str(tmp_path), "policy.signed.json")
        with open(path, "wb") as file:
            file.write(policy.sign(text.encode(), signer))
        return path, sealing.fingerprint(signer.public)

    return write


def test_joining_compares_the_fingerprint_and_then_everything_is_asked_apart(
    desk: Desk, signed_policy: Callable[..., tuple[str, str]]
) -> None:
    path, fingerprint = signed_policy()
    child = desk.terminal("join", path)
    child.expect_exact("Does it match what you were given in person? [y/N] ")
    assert fingerprint in str(child.before)
    child.sendline("")
    assert ended(child)[0] == 1
    assert not os.path.exists(desk.home)
    child = desk.terminal("join", path)
    child.expect_exact("in person? [y/N] ")
    child.sendline("y")
    assert ended(child)[0] == 0
    desk.sign(purposes="yn")
    status = desk.status()
    assert (status["profile"], status["release"], status["purposes"]) == ("bursts", "coarse", ["train-models"])
    assert status["recipients"][0]["scopes"] == ["keyboard", "pointer"]


def test_joining_needs_a_terminal_and_a_whole_policy(desk: Desk, signed_policy: Callable[..., tuple[str, str]]) -> None:
    path, _ = signed_policy()
    desk.run("join", path, status=1, stdin="y\n")
    with open(path, "r+b") as file:
        data = file.read().replace(b'"sig":"', b'"sig":"B', 1)
        file.seek(0)
        file.write(data)
    child = desk.terminal("join", path)
    code, said = ended(child)
    assert code in (2, 4)
    assert "error: " in said
    assert desk.terminal("join", path + ".none").expect_exact("error:") == 0
    assert not os.path.exists(desk.home)


def test_nothing_about_consent_can_be_answered_by_an_option() -> None:
    for words in (["consent", "sign"], ["consent"], ["join"], ["consent", "withdraw"]):
        done = subprocess.run([*LOGGER, *words, "--help"], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0
        assert "Example" in done.stdout
        for option in ("--yes", "--force", "--accept", "--agree", "--passphrase"):
            assert option not in done.stdout


def test_a_home_that_cannot_be_written_is_said_before_anything_is_asked(
    installed: Installed, plain_user: PlainUser
) -> None:
    home = os.path.join(plain_user.home, "read-only")
    os.mkdir(home, 0o500)
    os.chown(home, plain_user.uid, plain_user.gid)
    child = plain_user.spawn(
        [installed.command, "consent", "sign"], env=plain_user.environment(DESKTOP_LOGGER_HOME=home)
    )
    code, said = ended(child)
    assert code == 5
    assert "cannot write" in said
    assert os.listdir(home) == []


PKEXEC = """
set -e
umask 022
mount -t tmpfs none /run && mkdir /run/dbus
cat > /run/bus.conf <<-'END'
	<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
	<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
	<allow own="*"/><allow user="*"/></policy></busconfig>
END
dbus-daemon --config-file=/run/bus.conf --nofork >/dev/null 2>&1 &
bus=$!
while [ ! -S /run/dbus/system_bus_socket ]; do sleep 0.05; done
chmod 666 /run/dbus/system_bus_socket
for polkitd in /usr/lib/polkit-1/polkitd /usr/libexec/polkitd; do [ -x $polkitd ] && break; done
$polkitd --no-debug >/dev/null 2>&1 &
trap "kill $! $bus" EXIT
for try in $(seq 300); do
    dbus-send --system --print-reply --dest=org.freedesktop.PolicyKit1 /org/freedesktop/PolicyKit1/Authority \\
        org.freedesktop.DBus.Peer.Ping >/dev/null 2>&1 && break
    sleep 0.1
done
who=$1
shift
status=0
pkexec --user "$who" env "$@" || status=$?
exit $status
"""
"""pkexec asks the system's bus, at one place only: here another one lies there, for this process and its children."""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act for somebody else")
@pytest.mark.parametrize("how", ["sudo", "su", "pkexec"])
def test_nobody_signs_for_somebody_else(installed: Installed, plain_user: PlainUser, how: str) -> None:
    """The real programs, from a login of somebody with another uid; pkexec with a polkitd and a bus of its own."""
    home = os.path.join(plain_user.home, "of-others")

    def log_in() -> None:
        if how == "su":
            with open("/proc/self/loginuid", "w", encoding="ascii") as file:
                file.write(str(plain_user.uid + 1))

    try:
        with open("/proc/self/loginuid", encoding="ascii") as file:
            file.read()
    except OSError:
        if how == "su":
            pytest.skip("NOT TESTED: this kernel keeps no login uid, by which su is noticed")
    words = [f"DESKTOP_LOGGER_HOME={home}", "LANG=C.UTF-8", installed.command, "consent", "sign"]
    line = ["sudo", "-n", "-u", plain_user.name, *words]
    if how == "su":
        line = ["su", plain_user.name, "-s", "/bin/sh", "-c", " ".join(["env", *words])]
    if how == "pkexec":
        if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
            pytest.skip("NOT TESTED: this machine lets nobody have a mount namespace, and pkexec knows one bus only")
        line = ["unshare", "-m", "sh", "-c", PKEXEC, "sh", plain_user.name, *words]
    child = pexpect.spawn(line[0], line[1:], encoding="utf-8", timeout=60, preexec_fn=log_in)
    code, said = ended(child)
    assert code == 1, said
    noticed = {"sudo": "SUDO_UID is set", "su": "su and sudo are not enough", "pkexec": "PKEXEC_UID is set"}
    assert noticed[how] in " ".join(said.split())
    assert not os.path.exists(home)


def test_a_withdrawal_that_finds_the_store_held_is_recorded_later(desk: Desk) -> None:
    desk.have_signed()
    with disk.locked(os.path.join(desk.home, "store.lock")):
        started = time.monotonic()
        said = desk.run("consent", "withdraw")
        assert time.monotonic() - started < 30
    assert "the ledger will say so later" in said
    assert desk.status()["state"] == "ConsentWithdrawn"
    desk.sign("--choose", renewal=True)
    with open(os.path.join(desk.home, "ledger", "ledger.jsonl"), encoding="utf-8") as file:
        kinds = [json.loads(line)["kind"] for line in file]
    assert kinds == ["ledger.created", "consent.given", "consent.withdrawn", "consent.given"]


def test_show_prints_the_notice_and_records_nothing(desk: Desk) -> None:
    said = desk.run("consent", "show")
    assert "Password fields count as typing unless the program tells of them" in said
    assert "What it cannot do" in said
    assert len(desk.run("consent", "show", "--summary").splitlines()) <= 20
    assert json.loads(desk.run("consent", "show", "--language", "de", "--json"))["language"] == "de"
    desk.run("consent", "show", "--language", "xx", status=2)
    assert desk.run("consent", "history").startswith("nothing was ever signed")
    desk.run("consent", "receipt", status=3)
    desk.run("consent", "receipt", "../../x", status=2)
    assert not os.path.exists(desk.home)


def test_a_stopped_terminal_reader_does_not_write(desk: Desk) -> None:
    child = desk.terminal("consent", "sign")
    answer_to_code(child)
    child.kill(signal.SIGTERM)
    child.expect(pexpect.EOF)
    assert not os.path.exists(desk.home)
