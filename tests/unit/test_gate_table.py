"""The table of ``docs/reference/consent.md``, tried line by line with the real start, resume, rotation and release."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Callable

import pytest

from desktop_logger import disk, sealing, store
from desktop_logger.cli import releasing
from desktop_logger.clock import Clock
from desktop_logger.consent import gate, receipt, withdrawing
from desktop_logger.consent.grant import Grant
from desktop_logger.daemon import starting
from desktop_logger.errors import DesktopLoggerError, IntegrityError, NoConsent, Refused
from desktop_logger.paths import Home
from desktop_logger.sink import Sink
from tests.signing import HeldClock, Organisation, Scripted, home_in, signed

pytestmark = pytest.mark.usefixtures("quick_passphrases")

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VALID = {"ConsentGiven", "RenewedConsentGiven"}


def table() -> dict[str, dict[str, str]]:
    """State → operation → expected word, from the page."""
    with open(os.path.join(ROOT, "docs", "reference", "consent.md"), encoding="utf-8") as file:
        rows = [[cell.strip() for cell in line.strip("| \n").split("|")] for line in file if line.startswith("|")]
    start = next(number for number, row in enumerate(rows) if row[0] == "state")
    heads = rows[start]
    found = {}
    for row in rows[start + 2 :]:
        if len(row) != len(heads):
            break
        found[row[0]] = dict(zip(heads[2:], row[2:], strict=True))
    return found


class Opened(Exception):
    """What lies behind the gate was reached."""


def verdict(operation: Callable[[], object]) -> str:
    """``open``, or the state with which the gate was closed."""
    try:
        operation()
    except NoConsent as error:
        return error.state if error.hint else "no hint"
    except Opened:
        return "open"
    raise AssertionError("neither the gate nor what lies behind it was reached")


class Place:
    """One home, with the grant of a consent that was valid before."""

    def __init__(self, folder: object, clock: HeldClock) -> None:
        self.home, self.clock, self.works = home_in(folder), clock, Organisation()
        self.works.adopt(self.home)
        self.old: Grant | None = None

    def sign(self, yes: tuple[str, ...] = ("keyboard", "train models")) -> None:
        signed(self.home, self.clock, Scripted(yes=yes))
        self.old = gate.check(self.home, self.clock)

    def start(self) -> None:
        starting.start(self.home, self.clock, "x11", foreground=False, began=lambda _answer: None)

    def resume(self) -> None:
        """As the supervisor does: a light look, and the keeper's full check where a file has changed."""
        if self.old is None:
            gate.check(self.home, self.clock)
            raise Opened
        try:
            gate.recheck(self.home, self.old, self.clock)
        except NoConsent as error:
            if error.state != "ConsentInvalidated":
                raise
            gate.check(self.home, self.clock)
        raise Opened

    def rotate(self) -> None:
        if self.old is None:
            gate.check(self.home, self.clock)  # no writer lives without the keeper's check
            raise Opened
        writer = Sink.__new__(Sink)
        writer.home, writer.clock, writer.grant = self.home, self.clock, self.old
        writer.kek, writer.epoch = None, 1  # type: ignore[assignment]
        writer._open()

    def release(self) -> None:
        releasing.release(preview=False, approve=False, now=False, as_json=True, passphrase_fd=None)


def left_at(home: Home, clock: HeldClock, prompt: str) -> None:
    """A ceremony that ends at a prompt without a decision."""

    class Leaving(Scripted):
        def ask(self, prompt_shown: str) -> str:
            if prompt_shown.startswith(prompt):
                raise Refused("the input ended; nothing was signed")
            return super().ask(prompt_shown)

    with pytest.raises(Refused):
        signed(home, clock, Leaving())


def _shown(place: Place) -> None:
    left_at(place.home, place.clock, "Enter to go on")


def _deferred(place: Place) -> None:
    left_at(place.home, place.clock, "Profile")


def _refused(place: Place) -> None:
    with pytest.raises(Refused):
        signed(place.home, place.clock, Scripted(type=""))


def _renewed(place: Place) -> None:
    place.sign()
    place.clock.seconds += 86_400
    place.sign()


def _expired(place: Place) -> None:
    place.sign()
    assert place.old
    place.clock.seconds = place.old.expires


def _withdrawn(place: Place) -> None:
    place.sign()
    withdrawing.withdraw(place.home, place.clock)


def _marked(place: Place) -> None:
    place.sign()
    with open(place.home.withdrawn, "wb"):
        pass


def _revoked(place: Place) -> None:
    place.sign()
    everything = 'scopes = ["keyboard", "pointer"]'
    place.works.adopt(place.home, (everything, 'scopes = ["pointer"]'), version=2)


def _altered(place: Place) -> None:
    place.sign()
    data = disk.read(place.home.receipt, 1 << 20)
    disk.replace(place.home.receipt, data.replace(b'"keyboard"', b'"pointer"', 1))


def _wider(place: Place) -> None:
    place.sign()
    place.works.adopt(place.home, ("retention_days = 30", "retention_days = 31"), version=2)


def _lost_key(place: Place) -> None:
    place.sign()
    os.unlink(place.home.device)
    os.utime(place.home.receipt)
    disk.replace(place.home.receipt, disk.read(place.home.receipt, 1 << 20) + b" ")


WAYS: dict[str, list[Callable[[Place], None]]] = {
    "ConsentUnknown": [lambda place: None],  # noqa: ARG005
    "ConsentRequested": [_shown],
    "ConsentRequestDeferred": [_deferred],
    "ConsentRefused": [_refused],
    "ConsentGiven": [Place.sign],
    "RenewedConsentGiven": [_renewed],
    "ConsentExpired": [_expired],
    "ConsentWithdrawn": [_withdrawn, _marked],
    "ConsentRevoked": [_revoked],
    "ConsentInvalidated": [_altered, _wider, _lost_key],
}
OPERATIONS = ("start", "resume", "rotate", "release")


def test_the_table_names_exactly_the_states_of_the_vocabulary() -> None:
    assert set(table()) == set(WAYS)
    assert {state for state, row in table().items() if "open" in row.values()} == VALID
    for row in table().values():
        assert set(row) == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("state", "way"), [(state, way) for state, ways in WAYS.items() for way in range(len(ways))], ids=str
)
def test_every_state_against_every_operation(
    state: str, way: int, operation: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = HeldClock()
    place = Place(tmp_path, clock)
    WAYS[state][way](place)
    expected = table()[state][operation]

    def reached(*_: object, **__: object) -> None:
        raise Opened

    monkeypatch.setenv("DESKTOP_LOGGER_HOME", place.home.root)
    monkeypatch.setattr(Clock, "now", lambda _self: clock.seconds)
    monkeypatch.setattr("desktop_logger.capture.choose", reached)
    monkeypatch.setattr("desktop_logger.sink.open_segment", reached)
    monkeypatch.setattr(store, "locked", reached)
    before = disk.read(place.home.receipt, 1 << 20) if os.path.exists(place.home.receipt) else b""
    assert verdict(getattr(place, operation)) == expected
    assert (disk.read(place.home.receipt, 1 << 20) if before else b"") == before


@pytest.mark.parametrize("state", sorted(WAYS))
def test_a_receipt_can_claim_only_the_valid_states(state: str, tmp_path: object) -> None:
    """Even one that its own signer made."""
    home, clock = home_in(tmp_path), HeldClock()
    signed(home, clock)
    document = json.loads(disk.read(home.receipt, 1 << 20))
    del document["signature"]
    signer = sealing.Signer.generate()
    document["parties"]["subject"]["identity"] = b64encode(signer.public).decode()
    document["parties"]["subject"]["identity_fingerprint"] = sealing.fingerprint(signer.public)
    document["event"]["state"] = state
    document["event"]["code"] = receipt.code_of(document["processing"], document["parties"], document["event"])
    if state in VALID:
        receipt.sign(document, signer)
    else:
        with pytest.raises(IntegrityError, match=r"event\.state"):
            receipt.sign(document, signer)


def test_a_withdrawn_receipt_put_back_stays_withdrawn(tmp_path: object) -> None:
    place = Place(tmp_path, HeldClock())
    place.sign()
    kept = disk.read(place.home.receipt, 1 << 20)
    withdrawing.withdraw(place.home, place.clock)
    os.unlink(place.home.withdrawn)
    disk.replace(place.home.receipt, kept)
    with pytest.raises(DesktopLoggerError):
        gate.check(place.home, place.clock)
