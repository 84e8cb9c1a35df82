"""The second signature: with it a policy is in force, without it nowhere; nobody else's will do."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from desktop_logger import policy, sealing
from desktop_logger.admin import countersigning
from desktop_logger.admin.folder import create
from desktop_logger.errors import DesktopLoggerError, IntegrityError, Refused, UsageError
from tests.signing import HeldClock, home_in
from tests.unit.test_policy import organisation

PASSPHRASE = "a works council"  # noqa: S105 - a made-up one


def asking(controller: sealing.Signer, second: bytes) -> bytes:
    table = '[countersignature]\nname = "works council"\ncontact = "council@example.org"\n'
    public = base64.b64encode(second).decode()
    return organisation(controller).replace("\n[dpo]", f'\n{table}public = "{public}"\n\n[dpo]').encode()


def test_without_the_second_signature_nobody_adopts_it(tmp_path: object) -> None:
    controller, council, other = (sealing.Signer.generate() for _ in range(3))
    text = asking(controller, council.public)
    once = policy.sign(text, controller)
    home = home_in(tmp_path)
    with pytest.raises(Refused, match="works council has not signed"):
        policy.adopt(home, once, "p")
    assert not os.path.exists(home.root)
    with pytest.raises(Refused, match="not the key"):
        policy.countersign(once, other, "p")
    twice = policy.countersign(once, council, "p")
    assert policy.open_signed(twice)[1] == text
    assert policy.countersign(twice, council, "p") == twice
    policy.adopt(home, twice, "p")


def test_no_other_second_signature_opens() -> None:
    controller, council, other = (sealing.Signer.generate() for _ in range(3))
    good = json.loads(policy.countersign(policy.sign(asking(controller, council.public), controller), council))
    theirs = json.loads(policy.countersign(policy.sign(asking(controller, other.public), controller), other))
    first, second = good["signatures"]
    plain = json.loads(policy.sign(organisation(controller).encode(), controller))
    wrong = (
        [second, first], [first, first], [second], [first, theirs["signatures"][1]], [first, second, first],
        [theirs["signatures"][0], second], [first, {**second, "keyid": first["keyid"]}],
    )  # fmt: skip
    for signatures in wrong:
        with pytest.raises(DesktopLoggerError):
            policy.open_signed(sealing.canonical({**good, "signatures": signatures}))
    with pytest.raises(IntegrityError):
        policy.open_signed(sealing.canonical({**plain, "signatures": [plain["signatures"][0], second]}))


def test_the_two_parties_are_two() -> None:
    controller = sealing.Signer.generate()
    with pytest.raises(UsageError, match="countersignature"):
        policy.parse(asking(controller, controller.public), "p")
    with pytest.raises(UsageError, match="countersignature"):
        policy.parse(asking(controller, b"short"), "p")
    with pytest.raises(Refused, match="asks for no countersignature"):
        policy.countersign(policy.sign(organisation(controller).encode(), controller), controller)


def test_the_council_signs_with_a_folder_of_its_own(tmp_path: Path) -> None:
    controller, clock = sealing.Signer.generate(), HeldClock()
    council = create(str(tmp_path / "council"), PASSPHRASE, clock, organisation="Works council")
    file = tmp_path / "policy.signed.json"
    file.write_bytes(policy.sign(asking(controller, council.controller), controller))
    checked = countersigning.countersign(council, str(file), lambda: PASSPHRASE, clock)
    assert checked.countersignature
    policy.open_signed(file.read_bytes())
    assert [entry["kind"] for entry in council.ledger.entries()].count("policy.signed") == 1
    file.write_bytes(b"not a policy")
    with pytest.raises(UsageError):
        countersigning.countersign(council, str(file), lambda: PASSPHRASE, clock)
    with pytest.raises(UsageError):
        countersigning.countersign(council, str(tmp_path / "none"), lambda: PASSPHRASE, clock)
