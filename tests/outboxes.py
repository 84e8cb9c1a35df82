"""Many bundles, quickly: the real formats and keys of a real person, without a store. For size and soak only."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from desktop_logger import bundle, disk, keystore
from desktop_logger.bundle import FIRST, SUFFIX, Manifest
from desktop_logger.consent import identity
from desktop_logger.records.classes import Button, Direction, KeyClass
from desktop_logger.records.layout import CLICK, KEY, MOVE, RECORD_FIELDS, SCROLL, STROKE, TYPING
from desktop_logger.records.profiles import PROFILES, RELEASE_TICK_S
from desktop_logger.sealing import StreamKeys, fresh_key, hexdigest, random_id, seal_to
from desktop_logger.segments.format import DATA, FINAL, Header, key_context, part_aad, stanza_info, write_frame
from desktop_logger.segments.writing import Packer
from tests.organisation import Subject

Frame = dict[str, bytes]
"""Scope → the plaintext part of one frame."""


class Press:
    """Writes bundles of one person into a folder, each continuing the one before."""

    def __init__(self, person: Subject, folder: str) -> None:
        self.grant = person.grant
        self.folder = folder
        self.device = identity.device(person.home)
        with open(person.home.receipt, "rb") as file:
            self.receipt = file.read().decode()
        with open(person.home.policy, "rb") as file:
            self.policy = file.read().decode()
        self.previous = FIRST
        os.makedirs(folder, exist_ok=True)

    def write(self, frames: Sequence[Frame], segment: str | None = None) -> tuple[str, str]:
        """One bundle; (its path, its segment). Not synced: it lives as long as a test."""
        grant, segment = self.grant, segment or random_id()
        assert grant.release is not None
        scopes = tuple(scope for scope in PROFILES[grant.release.name].part_bytes if scope in grant.scopes)
        keys = StreamKeys(fresh_key(), key_context(segment, "release", grant.receipt_hash), scopes)
        header = Header(
            segment, "release", grant.release.name, scopes,
            {scope: grant.release.part_bytes[scope] for scope in scopes},
            {scope: keys.commitment(scope).hex() for scope in scopes}, grant.receipt_hash, grant.policy_hash,
            RELEASE_TICK_S, None,
        )  # fmt: skip
        stanzas = [
            keystore.Stanza(
                "release", "admin", who.fingerprint, scope,
                seal_to(who.public, bytes(keys.scope_key(scope)), stanza_info("admin", scope, header.digest)),
            )
            for who in grant.admins for scope in who.scopes if scope in scopes
        ]  # fmt: skip
        stream, chain = [header.to_bytes()], header.digest
        for number, frame in enumerate(frames):
            kind = FINAL if number == len(frames) - 1 else DATA
            sealed = [
                keys.seal_part(scope, frame[scope], part_aad(header.digest, number, kind, scope)) for scope in scopes
            ]
            data, chain = write_frame(number, kind, sealed, chain)
            stream.append(data)
        made = random_id()
        manifest = Manifest(
            made, segment, header.digest.hex(), "sealed", header.profile, scopes, grant.purposes, grant.receipt_hash,
            grant.policy_hash, "2099-12-31",
        )  # fmt: skip
        data = bundle.write(
            self.device, prev=self.previous, anchor="0" * 64,
            recipients={who.fingerprint: who.public for who in grant.admins},
            contents={"manifest": manifest.to_wire(), "receipt": self.receipt, "policy": self.policy},
            stanzas=[one.to_wire() for one in stanzas], stream=b"".join(stream), bundle=made,
        )  # fmt: skip
        length = int.from_bytes(data[len(bundle.MAGIC) :][:4], "little")
        self.previous = hexdigest(data[len(bundle.MAGIC) + 4 :][:length])
        path = os.path.join(self.folder, made + SUFFIX)
        with open(disk.create(path), "wb") as file:
            file.write(data)
        return path, segment


def frames(person: Subject, number: int, records: int, seed: int = 1) -> tuple[list[Frame], int]:
    """``number`` frames of made-up records, at most ``records`` of each scope in each; and how many there are.

    What fits into a part fits: ask for more than that to have full frames.
    """
    random = np.random.default_rng(seed)
    grant = person.grant
    assert grant.release is not None
    made: list[Frame] = []
    total = 0
    for minute in range(number):
        frame = {}
        for scope, size in grant.release.part_bytes.items():
            if scope in grant.scopes:
                fine = grant.release.name == "events"
                some = (_events if fine else _records)(random, scope, records, minute)
                frame[scope], taken = Packer(size).pack(some.tobytes())
                total += taken
        made.append(frame)
    return made, total


def _events(
    random: np.random.Generator, scope: str, count: int, minute: int
) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Single presses, or motion: as many as somebody does who never rests, and the rest of ``count`` at once."""
    found = np.zeros(count, np.dtype(RECORD_FIELDS))
    keys = scope == "keyboard"
    steps = random.integers(3, 15, count) if keys else np.ones(count, np.int64)
    found["t"] = minute * 3000 + np.minimum(np.cumsum(steps), 2999)
    if keys:
        found["kind"] = KEY
        found["code"] = random.choice(
            [KeyClass.TEXT, KeyClass.EDIT, KeyClass.ENTER, KeyClass.NAV], count, p=[0.8, 0.1, 0.05, 0.05]
        )
    else:
        found["kind"] = MOVE
        found["a"], found["b"] = random.integers(0, 9, count), random.integers(0, 5, count)
    return found


def _records(
    random: np.random.Generator, scope: str, count: int, minute: int
) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Work as it comes: mostly typing and strokes, in habits that repeat."""
    found = np.zeros(count, np.dtype(RECORD_FIELDS))
    found["t"] = minute
    choice = random.choice(
        2 if scope == "keyboard" else 3, count, p=[0.7, 0.3] if scope == "keyboard" else [0.6, 0.3, 0.1]
    )
    kinds = np.array([TYPING, KEY] if scope == "keyboard" else [STROKE, CLICK, SCROLL], np.uint8)
    found["kind"] = kinds[choice]
    for kind, name, values in (
        (TYPING, "a", range(3, 7)), (TYPING, "b", range(3)), (TYPING, "c", range(2, 5)), (TYPING, "d", range(2)),
        (KEY, "code", (KeyClass.ENTER, KeyClass.TAB, KeyClass.NAV, KeyClass.COMMAND)), (KEY, "d", range(3)),
        (STROKE, "a", (0, 1, 2, 3, 0xFFFF, 0xFFFE)), (STROKE, "b", (0, 1, 2, 0xFFFF)), (STROKE, "c", range(2)),
        (CLICK, "code", (Button.LEFT, Button.RIGHT)), (CLICK, "a", (1, 2)),
        (SCROLL, "code", (Direction.UP, Direction.DOWN)), (SCROLL, "a", range(1, 4)), (SCROLL, "c", range(3)),
    ):  # fmt: skip
        here = found["kind"] == kind
        found[name][here] = random.choice(np.array(values), int(here.sum()))
    return found
