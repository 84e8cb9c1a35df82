from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from desktop_logger import keystore
from desktop_logger.errors import IntegrityError, Unavailable, Unreadable
from desktop_logger.keystore import kek as kek_room
from desktop_logger.keystore import keys
from desktop_logger.paths import Home
from desktop_logger.sealing import Kek

SEGMENTS = ["1" * 32, "2" * 32, "3" * 32]


def stanza(scope: str = "*") -> keystore.Stanza:
    return keystore.Stanza("own", "subject", "FINGERPRINT", scope, os.urandom(40))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(str(tmp_path / "home"), str(tmp_path / "run"))
    keystore.fix_place(home, "file")
    keystore.create_folder(home, 1)
    keystore.store_kek(home, 1, Kek.generate())
    return home


def test_an_entry_opens_under_its_kek_and_segment_only(home: Home) -> None:
    epoch, kek = keystore.load_kek(home)
    stanzas = [stanza(), stanza("keyboard")]
    keystore.write_entry(home, kek, epoch, SEGMENTS[0], stanzas)
    assert keystore.read_entry(home, kek, SEGMENTS[0]) == stanzas
    assert keystore.listed(home) == SEGMENTS[:1]
    with pytest.raises(Unreadable):
        keystore.read_entry(home, Kek.generate(), SEGMENTS[0])
    keystore.write_entry(home, kek, epoch, SEGMENTS[1], stanzas)
    os.rename(keystore.entry_path(home, SEGMENTS[0]), keystore.entry_path(home, SEGMENTS[1]))
    for segment in SEGMENTS:
        with pytest.raises(Unreadable):
            keystore.read_entry(home, kek, segment)
    assert keystore.listed(home) == SEGMENTS[:2]
    assert keystore.whole(home) == {SEGMENTS[1]}


def test_a_record_is_of_one_segment_and_one_epoch(home: Home) -> None:
    epoch, kek = keystore.load_kek(home)
    for segment in SEGMENTS[:2]:
        keystore.write_entry(home, kek, epoch, segment, [stanza()])
    path = Path(home.keystore, "keys")
    good = path.read_bytes()
    head, first, second = good[: keys.HEAD_BYTES], good[keys.HEAD_BYTES :][:76], good[keys.HEAD_BYTES + 76 :]
    exchanged = head + first[:16] + second[16:] + second[:16] + first[16:]
    for data in (exchanged, good[: keys.HEAD_BYTES - 4] + b"\2\0\0\0" + first + second):
        path.write_bytes(data)
        for segment in SEGMENTS[:2]:
            with pytest.raises(Unreadable):
                keystore.read_entry(home, kek, segment)
    path.write_bytes(b"desktop-logger/keys/v2\n" + good[len(keys.MAGIC) :])
    with pytest.raises(IntegrityError, match="another version"):
        keystore.current_epoch(home)


def test_a_torn_record_never_counted_and_the_next_one_lies_where_it_belongs(home: Home) -> None:
    epoch, kek = keystore.load_kek(home)
    keystore.write_entry(home, kek, epoch, SEGMENTS[0], [stanza()])
    path = Path(home.keystore, "keys")
    path.write_bytes(path.read_bytes() + b"torn")
    assert keystore.listed(home) == SEGMENTS[:1]
    keystore.write_entry(home, kek, epoch, SEGMENTS[1], [stanza()])
    keystore.read_entry(home, kek, SEGMENTS[1])
    assert path.stat().st_size == keys.HEAD_BYTES + 2 * keys.RECORD_BYTES
    with pytest.raises(Unavailable, match="rotated"):
        keystore.write_entry(home, kek, epoch + 1, SEGMENTS[2], [stanza()])


def test_no_altered_or_shorter_entry_opens(home: Home) -> None:
    epoch, kek = keystore.load_kek(home)
    keystore.write_entry(home, kek, epoch, SEGMENTS[0], [stanza()])
    path = Path(keystore.entry_path(home, SEGMENTS[0]))
    good = path.read_bytes()
    for position in range(len(good)):
        for data in (good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :], good[:position]):
            path.write_bytes(data)
            with pytest.raises(Unreadable):
                keystore.read_entry(home, kek, SEGMENTS[0])


def test_the_place_of_the_kek_is_a_file_of_ones_own_outside_the_keystore(home: Home) -> None:
    assert keystore.kek_place(home) == "file"
    assert os.stat(os.path.join(home.kek, "1.key")).st_mode & 0o777 == 0o600
    assert not home.kek.startswith(home.keystore)
    tag = Path(home.keystore, "CACHEDIR.TAG").read_bytes()
    assert tag.startswith(b"Signature: 8a477f597d28d172789f06886806bc55")
    with pytest.raises(Unavailable):
        keystore.fix_place(home, "cloud")
    with pytest.raises(Unavailable):
        keystore.load_kek(Home(home.root + "-none", home.run))


def test_rewrapping_keeps_the_survivors_and_nothing_opens_under_the_old_kek(home: Home) -> None:
    epoch, old = keystore.load_kek(home)
    entries = {segment: [stanza()] for segment in SEGMENTS}
    for segment, stanzas in entries.items():
        keystore.write_entry(home, old, epoch, segment, stanzas)
    path = Path(home.keystore, "keys")
    good = path.read_bytes()
    path.write_bytes(good[: -keys.RECORD_BYTES - 1] + b"?" + good[-keys.RECORD_BYTES :])
    new = Kek.generate()
    keystore.store_kek(home, 2, new)
    assert keystore.epochs(home) == [1, 2]
    assert keystore.rewrap(home, old, new, 2, SEGMENTS[:1]) == [SEGMENTS[1]]
    keystore.swap(home)
    keystore.remove_entries(home, SEGMENTS[:2])
    keystore.delete_kek(home, 1)
    keystore.delete_kek(home, 1)
    assert keystore.current_epoch(home) == 2
    assert keystore.epochs(home) == [2]
    assert keystore.listed(home) == [SEGMENTS[2]]
    assert keystore.load_kek(home)[1].secret() == new.secret()
    assert keystore.read_entry(home, new, SEGMENTS[2]) == entries[SEGMENTS[2]]
    with pytest.raises(Unreadable):
        keystore.read_entry(home, old, SEGMENTS[2])


def test_a_rewrite_that_a_crash_cut_is_there_or_not_as_a_whole(home: Home) -> None:
    epoch, old = keystore.load_kek(home)
    keystore.write_entry(home, old, epoch, SEGMENTS[0], [stanza()])
    new = Kek.generate()
    keystore.store_kek(home, 2, new)
    # before the rename: the new file does not count
    keystore.rewrap(home, old, new, 2, [])
    keystore.settle(home)
    assert keystore.current_epoch(home) == 1
    keystore.read_entry(home, old, SEGMENTS[0])
    # after it: only the new one is there
    keystore.rewrap(home, old, new, 2, [])
    keystore.swap(home)
    keystore.settle(home)
    assert keystore.current_epoch(home) == 2
    assert sorted(os.listdir(home.keystore)) == [SEGMENTS[0] + ".key", "CACHEDIR.TAG", "keys"]
    keystore.read_entry(home, new, SEGMENTS[0])


def test_without_any_key_a_segment_can_still_be_taken_out(home: Home) -> None:
    epoch, kek = keystore.load_kek(home)
    for segment in SEGMENTS:
        keystore.write_entry(home, kek, epoch, segment, [stanza()])
    keystore.delete_kek(home, 1)
    keystore.remove_entries(home, SEGMENTS[:2])
    keystore.remove_entries(home, SEGMENTS[:2])
    assert keystore.current_epoch(home) == 1
    assert keystore.listed(home) == SEGMENTS[2:]
    keystore.read_entry(home, kek, SEGMENTS[2])


@pytest.mark.parametrize(
    "fields", [None, {}, {"stream": "own"}, {**stanza().to_wire(), "more": "x"}, {**stanza().to_wire(), "sealed": "?"}]
)
def test_a_malformed_stanza_is_refused(fields: object) -> None:
    with pytest.raises(IntegrityError):
        keystore.stanza_from_wire(fields)


IN_A_KEYRING = """
import sys
from desktop_logger import keystore
from desktop_logger.errors import Unavailable
from desktop_logger.paths import home
from desktop_logger.sealing import Kek
place = home()
assert keystore.keyring_available()
keystore.fix_place(place, "keyring")
keystore.create_folder(place, 1)
kek = Kek.generate()
keystore.store_kek(place, 1, kek)
assert keystore.kek_place(place) == "keyring"
assert keystore.load_kek(place)[1].secret() == kek.secret()
assert kek.secret() not in open(place.kek + "/1.key", "rb").read()
keystore.delete_kek(place, 1)
keystore.delete_kek(place, 1)
assert keystore.find_kek(place, 1) is None
print("kept")
"""

WITHOUT_A_KEYRING = """
from desktop_logger import keystore
from desktop_logger.errors import Unavailable
from desktop_logger.paths import home
assert not keystore.keyring_available()
try:
    keystore.fix_place(home(), "keyring")
except Unavailable as error:
    print("said:", error.message)
"""


def test_a_real_keyring_keeps_the_kek(tmp_path: Path) -> None:
    missing = [name for name in ("dbus-run-session", "gnome-keyring-daemon") if shutil.which(name) is None]
    if missing:
        pytest.skip(
            f"NOT TESTED: the keyring, because {', '.join(missing)} is not installed (apt: gnome-keyring dbus-x11)"
        )
    session = (
        "echo -n test | gnome-keyring-daemon --unlock --components=secrets --daemonize >/dev/null 2>&1; exec "
        f'"{sys.executable}" -c "$PROGRAM"'
    )
    done = subprocess.run(
        ["dbus-run-session", "--", "bash", "-c", session],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "XDG_RUNTIME_DIR": str(tmp_path),
            "DESKTOP_LOGGER_HOME": str(tmp_path / "home"),
            "PROGRAM": IN_A_KEYRING,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.strip() == "kept", done.stderr


def test_a_missing_keyring_is_said_and_never_replaced(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_KEYRING],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DESKTOP_LOGGER_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.startswith("said:"), done.stderr
    assert not (tmp_path / "home").exists()


def test_a_key_that_is_destroyed_was_written_over(home: Home) -> None:
    with Path(home.kek, "1.key").open("rb", buffering=0) as held:
        before = held.read(64)
        keystore.delete_kek(home, 1)
        held.seek(0)
        assert held.read(64) != before
    assert keystore.epochs(home) == []


def test_a_keyring_that_forgets_at_once_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(str(tmp_path / "home"), str(tmp_path / "run"))
    monkeypatch.setattr(kek_room, "_keyring", lambda: None)
    monkeypatch.setattr(kek_room, "_ask_keyring", lambda *_asked: None)
    keystore.fix_place(home, "keyring")
    with pytest.raises(Unavailable, match="did not keep"):
        keystore.store_kek(home, 1, Kek.generate())
