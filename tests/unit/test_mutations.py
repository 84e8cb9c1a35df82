"""Generated mutations of receipts, narrowings and policies: none is accepted, and each refusal is one of ours."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from desktop_logger import disk, policy
from desktop_logger.consent import narrowing, receipt
from desktop_logger.errors import DesktopLoggerError
from tests.mutations import mutations
from tests.signing import HeldClock, Organisation, Scripted, home_in, signed

COUNT = 600


def documents(folder: Any) -> dict[str, tuple[bytes, bytes, Callable[[bytes], object]]]:
    """Kind → two genuine documents and what checks them."""
    clock, made = HeldClock(), []
    for number in range(2):
        home, works = home_in(f"{folder}/{number}"), Organisation()
        works.adopt(home)
        one = signed(home, clock, Scripted(yes=("keyboard", "pointer", "train models")))
        data = disk.read(home.receipt, 1 << 20)
        left = narrowing.Left(("keyboard",), one.granted_purposes, one.processing.profile)
        from desktop_logger.sealing import hexdigest

        path = narrowing.narrow(home, clock, one, hexdigest(data), left)
        made.append((data, disk.read(path, 1 << 20), disk.read(home.policy, 1 << 20)))
    first, second = made
    return {
        "receipt": (first[0], second[0], receipt.verify),
        "narrowing": (first[1], second[1], narrowing.verify),
        "policy": (first[2], second[2], policy.open_signed),
    }


@pytest.mark.parametrize("kind", ["receipt", "narrowing", "policy"])
def test_every_mutation_is_refused(kind: str, tmp_path: object) -> None:
    first, second, check = documents(tmp_path)[kind]
    check(first)
    check(second)
    for made in itertools.islice(mutations(first, second, seed=5), COUNT):
        with pytest.raises(DesktopLoggerError):
            check(made)
