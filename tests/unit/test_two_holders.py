"""Where a policy asks for two holders, what was released opens with both keys and with nothing less."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path

import pytest

from desktop_logger import bundle, keystore, policy, release, store
from desktop_logger.admin import folder as folders
from desktop_logger.admin.export import Order, export
from desktop_logger.admin.folder import Folder
from desktop_logger.errors import IntegrityError, Unreadable, UsageError
from desktop_logger.sealing import ReaderKey, ReaderPair, fingerprint, pair_public, seal_to
from desktop_logger.segments import format as segment_format
from tests.organisation import PASSPHRASE, HeldClock, Organisation, Subject
from tests.people import quick_passphrases

pytestmark = pytest.mark.usefixtures("english")


class Two:
    """An organisation whose reader is two people, and one person who shared a segment with it."""

    def __init__(self, root: Path, *, mode: str = "cooling-off") -> None:
        self.clock = HeldClock(time.time())
        with quick_passphrases():
            self.other = folders.create(str(root / "second"), PASSPHRASE, self.clock)
        public = b64encode(self.other.reader).decode()
        second = f'second = {{ name = "works council", public = "{public}" }}'
        self.organisation = Organisation(
            str(root), self.clock,
            change=(
                ('mode = "cooling-off"', f'mode = "{mode}"'),
                ('name = "data steward"', f'name = "data steward"\n{second}'),
            ),
        )  # fmt: skip
        self.person = Subject(str(root / "home"), self.organisation)

    @property
    def folder(self) -> Folder:
        return self.organisation.folder


@pytest.fixture
def two(tmp_path: Path) -> Two:
    made = Two(tmp_path)
    made.person.record()
    assert made.person.release().bundles
    return made


def test_both_open_it_in_either_order_and_nobody_alone(two: Two, tmp_path: Path) -> None:
    order = Order((two.person.outbox,), str(tmp_path / "out"), "improve-tools", "jsonl")
    for one in (two.folder, two.other):
        report = export(two.folder, one.unlock(PASSPHRASE), order, two.clock)
        assert report.export is None
        assert [refusal.reason for refusal in report.refused] == ["the bundle is not addressed to this key"]
        assert not os.path.exists(order.out)
    both = two.folder.unlock_with(PASSPHRASE, two.other, PASSPHRASE)
    assert both.who == two.other.unlock_with(PASSPHRASE, two.folder, PASSPHRASE).who
    report = export(two.folder, both, order, two.clock)
    assert report.export is not None
    assert report.rows > 0
    (entry,) = (one for one in two.folder.ledger.entries() if one["kind"] == "exported")
    assert entry["who"] == both.who


def test_no_stanza_and_no_sealed_part_opens_with_one_key(two: Two) -> None:
    """Not even when one holder calls what is sealed to both their own, or takes the outer seal off."""
    (path,) = Path(two.person.outbox).glob("*.bundle")
    parsed = bundle.parse(path.read_bytes())
    body = segment_format.scan(parsed.stream)
    stanzas = [keystore.stanza_from_wire(one) for one in parsed.stanzas]
    (name,) = parsed.sealed
    sealed = [(parsed.sealed[name], bundle.format._info(parsed.id, name))] + [
        (one.sealed, segment_format.stanza_info("admin", one.scope, body.header_digest)) for one in stanzas
    ]
    assert len(sealed) == 3
    alone = [one.unlock(PASSPHRASE).reader for one in (two.folder, two.other)]
    assert all(isinstance(one, ReaderKey) for one in alone)
    both = two.folder.unlock_with(PASSPHRASE, two.other, PASSPHRASE).reader
    for data, info in sealed:
        assert both.open(data, info)
        for key in alone:
            for more in (b"", b"/outer/inner", b"/inner"):
                with pytest.raises(Unreadable):
                    key.open(data, info + more)
        outer, inner = sorted(alone, key=lambda key: key.public, reverse=True)
        taken_off = outer.open(data, info + b"/outer")
        with pytest.raises(Unreadable):
            outer.open(taken_off, info + b"/inner")
        with pytest.raises(Unreadable):
            inner.open(taken_off, info)


def test_the_person_reads_both_names_and_one_fingerprint(two: Two) -> None:
    both = two.folder.unlock_with(PASSPHRASE, two.other, PASSPHRASE)
    (reader,) = two.person.grant.admins
    assert reader.name == "data steward and works council, only together"
    assert reader.fingerprint == both.who == fingerprint(pair_public(two.folder.reader, two.other.reader))


def test_approval_makes_stanzas_for_both_too(tmp_path: Path) -> None:
    two = Two(tmp_path, mode="approved")
    segment = two.person.record()
    assert not two.person.release().bundles
    person = two.person
    assert release.approve(person.home, two.clock, person.grant, person.identity.reader, [segment]) == [segment]
    assert person.release().bundles
    order = Order((person.outbox,), str(tmp_path / "out"), "improve-tools", "jsonl")
    both = two.folder.unlock_with(PASSPHRASE, two.other, PASSPHRASE)
    assert export(two.folder, both, order, two.clock).rows > 0


def test_erasing_takes_one_holder(two: Two, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    order = Order((two.person.outbox,), out, "improve-tools", "jsonl")
    both = two.folder.unlock_with(PASSPHRASE, two.other, PASSPHRASE)
    assert export(two.folder, both, order, two.clock).rows > 0
    segments = [one.id for one in store.segments(two.person.home)]
    store.purge(two.person.home, two.clock, segments)
    done = two.organisation.erase(two.person.outbox)
    assert [one["rows"] > 0 for one in done.exports] == [True]


def command(two: Two, out: str, *more: str, ours: str = PASSPHRASE, theirs: str | None = PASSPHRASE) -> tuple[int, str]:
    """``admin export`` as a process, with passphrases through descriptors."""
    words = ["admin", "export", "--dir", two.folder.root, "--from", two.person.outbox, "--out", out, "--purpose",
             "improve-tools", "--format", "jsonl", *more]  # fmt: skip
    handed = []
    for option, text in (("--passphrase-fd", ours), ("--with-passphrase-fd", theirs)):
        if text is not None:
            read, write = os.pipe()
            os.write(write, text.encode() + b"\n")
            os.close(write)
            handed.append(read)
            words += [option, str(read)]
    done = subprocess.run(
        [sys.executable, "-m", "desktop_logger", *words], pass_fds=handed, capture_output=True, text=True, check=False
    )
    for one in handed:
        os.close(one)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_the_command_asks_both_and_the_second_holder_keeps_a_record(two: Two, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    status, said = command(two, out, theirs=None)
    assert (status, "not addressed to this key" in said) == (1, True), said
    status, said = command(two, out, "--with", two.other.root, theirs="another passphrase")
    assert (status, "passphrase" in said, "Traceback" in said) == (1, True, False), said
    assert [one["kind"] for one in two.other.ledger.entries()] == ["created"]
    status, said = command(two, out, "--with", two.other.root)
    assert status == 0, said
    assert os.path.isdir(out)
    entry = two.other.ledger.entries()[-1]
    assert (entry["kind"], entry["purpose"]) == ("opened.together", "improve-tools")
    status, said = command(two, out + "-2")
    assert (status, "--with" in said) == (2, True), said


def test_one_key_twice_is_one_holder(two: Two) -> None:
    with pytest.raises(UsageError, match="same reader key"):
        two.folder.unlock_with(PASSPHRASE, two.folder, PASSPHRASE)
    with pytest.raises(IntegrityError):
        pair_public(two.folder.reader, two.folder.reader)


@pytest.mark.parametrize(
    ("public", "name", "said"),
    [("same", "other", "one holder"), ("short", "other", "right length"), ("other", "n" * 250, "longer than 250")],
)
def test_a_policy_whose_second_holder_is_none_is_refused(tmp_path: Path, public: str, name: str, said: str) -> None:
    clock = HeldClock()
    one, other = (ReaderKey.generate() for _ in range(2))
    with quick_passphrases():
        folder = folders.create(str(tmp_path / "steward"), PASSPHRASE, clock)
    text = Path(folder.policy_file).read_text(encoding="utf-8")
    key = {"same": folder.reader, "short": one.public[:-1], "other": other.public}[public]
    text += f'\n[recipients.second]\nname = "{name}"\npublic = "{b64encode(key).decode()}"\n'
    with pytest.raises(UsageError, match=said) as caught:
        policy.parse(text.encode(), "policy.toml")
    assert "recipients.second" in caught.value.message


def test_the_same_two_holders_in_another_order_are_the_same_reader(tmp_path: Path) -> None:
    clock = HeldClock()
    other = b64encode(ReaderKey.generate().public).decode()
    with quick_passphrases():
        folder = folders.create(str(tmp_path / "steward"), PASSPHRASE, clock)
    ours = b64encode(folder.reader).decode()
    text = Path(folder.policy_file).read_text(encoding="utf-8")
    text += f'\n[recipients.second]\nname = "second"\npublic = "{other}"\n'
    swapped = f'[[recipients]]\nname = "x"\npublic = "{other}"\nscopes = ["keyboard"]\n'
    swapped += f'[recipients.second]\nname = "y"\npublic = "{ours}"\n'
    policy.parse(text.encode(), "policy.toml")
    with pytest.raises(UsageError, match="named twice"):
        policy.parse((text + swapped).encode(), "policy.toml")


def test_a_pair_opens_only_with_the_info_it_was_sealed_with() -> None:
    one, other = ReaderKey.generate(), ReaderKey.generate()
    pair = ReaderPair(one, other)
    sealed = seal_to(pair.public, b"secret", b"info")
    assert ReaderPair(other, one).open(sealed, b"info") == b"secret"
    assert len(sealed) == len(b"secret") + 2 * 1136
    for wrong in (b"", b"infO", b"info/outer"):
        with pytest.raises(Unreadable):
            pair.open(sealed, wrong)
    with pytest.raises(Unreadable):
        ReaderPair(one, ReaderKey.generate()).open(sealed, b"info")
