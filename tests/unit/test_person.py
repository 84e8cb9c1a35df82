"""Nobody signs or starts for somebody else, over a wire, or under somebody's eyes; what cannot be checked is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from desktop_logger.consent import gate, person, words
from desktop_logger.errors import NoConsent, Refused
from tests.signing import HeldClock, Organisation, Scripted, home_in, signed

pytestmark = pytest.mark.usefixtures("quick_passphrases")


@pytest.fixture(autouse=True)
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A session manager of our own making, and no display."""
    folder = tmp_path / "sessions"
    folder.mkdir()
    monkeypatch.setattr(person, "SESSIONS", str(folder))
    monkeypatch.setattr(person, "LOGIN_UID", str(tmp_path / "none"))
    monkeypatch.delenv("DISPLAY", raising=False)
    return folder


@pytest.mark.parametrize("name", ["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"])
@pytest.mark.parametrize("allowed", [True, False])
def test_a_remote_shell_never_signs(name: str, allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "198.51.100.7 50000 192.0.2.1 22")
    with pytest.raises(Refused, match="remote shell"):
        person.act_for_yourself(remote_sessions=allowed)


@pytest.mark.parametrize(
    "name", ["SUDO_UID", "SUDO_USER", "DOAS_USER", "PKEXEC_UID"], ids=["sudo", "sudo-user", "doas", "pkexec"]
)
def test_under_sudo_doas_and_pkexec_nobody_signs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "4242")
    with pytest.raises(Refused, match=f"another account \\({name} is set\\)"):
        person.act_for_yourself()


def test_after_su_the_login_uid_differs_and_nobody_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = tmp_path / "loginuid"
    monkeypatch.setattr(person, "LOGIN_UID", str(known))
    known.write_text(f"{os.getuid() + 1}")
    with pytest.raises(Refused, match=f"logged in \\(uid {os.getuid() + 1}\\)") as caught:
        person.act_for_yourself()
    assert "su and sudo are not enough" in str(caught.value.hint)
    known.write_text(str(os.getuid()))
    assert "note_no_login_uid" not in person.act_for_yourself()
    known.write_text("4294967295")  # no login led here
    assert "note_no_login_uid" in person.act_for_yourself()


def test_a_program_that_lends_its_user_id_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getresuid", lambda: (os.getuid(), os.getuid() + 1, os.getuid()))
    with pytest.raises(Refused, match="user ids of this process differ"):
        person.act_for_yourself()


@pytest.mark.parametrize(
    ("facts", "allowed", "fine"),
    [
        ("REMOTE=0\nTYPE=x11\nSEAT=seat0\n", False, True),
        ("TYPE=tty\nSEAT=seat0\n", False, True),
        ("REMOTE=1\nTYPE=x11\n", False, False),
        ("REMOTE=1\nTYPE=x11\n", True, True),
        ("REMOTE=1\nTYPE=wayland\n", True, True),
        ("REMOTE=1\nTYPE=tty\n", True, False),
    ],
)
def test_a_session_over_a_network_only_where_the_policy_allows_a_graphical_one(
    sessions: Path, monkeypatch: pytest.MonkeyPatch, facts: str, allowed: bool, fine: bool
) -> None:
    (sessions / "c7").write_text(f"UID={os.getuid()}\nCLASS=user\n{facts}")
    monkeypatch.setenv("XDG_SESSION_ID", "c7")
    if fine:
        assert "note_no_session" not in person.act_for_yourself(remote_sessions=allowed)
    else:
        with pytest.raises(Refused, match="network"):
            person.act_for_yourself(remote_sessions=allowed)


@pytest.mark.parametrize("name", ["", "c9", "../c7", "c7/../../etc/passwd"])
def test_where_no_session_manager_answers_the_check_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_SESSION_ID", name)
    notes = person.act_for_yourself()
    assert "note_no_session" in notes
    for language in words.TEXTS:
        assert all(words.say(language, note) for note in notes)


def test_a_debugger_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = tmp_path / "status"
    monkeypatch.setattr(person, "STATUS", str(status))
    assert "note_no_tracer" in person.act_for_yourself()
    status.write_text("Name:\tx\nTracerPid:\t0\n")
    assert "note_no_tracer" not in person.act_for_yourself()
    status.write_text("Name:\tx\nTracerPid:\t4242\n")
    with pytest.raises(Refused, match="debugger"):
        person.act_for_yourself()


@pytest.mark.parametrize(
    ("display", "owner", "fine"),
    [(":7", 0, True), (":7.0", None, True), ("unix:7", 0, True), (":7", 4242, False), ("localhost:10.0", None, False),
     ("elsewhere:0", None, False), (":8", None, True)],
)  # fmt: skip
def test_only_a_display_of_this_account_and_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, display: str, owner: int | None, fine: bool
) -> None:
    (tmp_path / "X7").touch()
    monkeypatch.setattr(person, "X11_SOCKETS", str(tmp_path))
    monkeypatch.setenv("DISPLAY", display)
    if owner is not None:
        real = os.stat

        class Owned:
            st_uid = owner

        def stat(path: str, *rest: object, **more: object) -> object:
            return Owned if str(path).endswith("/X7") else real(path, *rest, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(person.os, "stat", stat)  # type: ignore[attr-defined]
    if fine:
        person.act_for_yourself()
    else:
        with pytest.raises(Refused, match="display"):
            person.act_for_yourself()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to somebody else")
def test_root_does_not_record_beside_somebody_elses_display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tmp_path / "unix"
    monkeypatch.setattr(person, "UNIX_SOCKETS", str(listed))
    monkeypatch.setattr(person, "X11_SOCKETS", str(tmp_path))
    (tmp_path / "X3").touch()
    os.chown(tmp_path / "X3", 4242, -1)
    listed.write_text("Num RefCount Protocol Flags Type St Inode Path\n0: 2 0 1 1 1 7 /run/dbus/system_bus_socket\n")
    person.act_for_yourself()  # a socket that nobody listens on any more
    listed.write_text(f"Num Path\n0: 2 0 1 1 1 7 {tmp_path}/X3\n")
    with pytest.raises(Refused, match="display"):
        person.act_for_yourself()


def test_the_gate_asks_too_and_the_policy_decides_about_remote_sessions(
    sessions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, clock, works = home_in(tmp_path), HeldClock(), Organisation()
    works.adopt(home, ("named_commands = false", "named_commands = false\nremote_sessions = true"))
    (sessions / "9").write_text("REMOTE=1\nTYPE=x11\n")
    monkeypatch.setenv("XDG_SESSION_ID", "9")
    signed(home, clock, Scripted(yes=("keyboard",)))
    gate.check(home, clock)
    works.adopt(home, version=2)  # the policy allows it no more: narrower, and closed in such a session
    with pytest.raises(NoConsent, match="network"):
        gate.check(home, clock)
    monkeypatch.delenv("XDG_SESSION_ID")
    gate.check(home, clock)
    monkeypatch.setenv("SSH_TTY", "/dev/pts/1")
    with pytest.raises(NoConsent, match="remote shell"):
        gate.check(home, clock)
