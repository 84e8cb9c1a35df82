"""Combinations of granted scopes under one policy: what an export holds is exactly what was granted and may be read."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from itertools import combinations

import pyarrow.dataset

from desktop_logger import bundle, keystore
from desktop_logger.clock import Clock
from desktop_logger.errors import Unreadable
from desktop_logger.records.profiles import SCOPES
from desktop_logger.sealing import fingerprint
from desktop_logger.segments import format as segment_format
from desktop_logger.segments import reading
from tests.organisation import Organisation, Subject, offering

COMBINATIONS = [some for size in range(1, len(SCOPES) + 1) for some in combinations(SCOPES, size)]
"""The 31 that are not empty."""


def exactly(root: str, clock: Clock, read: Collection[str], grants: Sequence[Collection[str]] = COMBINATIONS) -> int:
    """People who granted each of ``grants``, under a policy that lets ``read`` be read; how many rows there were."""
    organisation = Organisation(root, clock, change=offering(read=read))
    expected: dict[str, set[str]] = {}
    boxes = []
    for number, granted in enumerate(grants):
        person = Subject(os.path.join(root, f"home{number}"), organisation, scopes=granted)
        open_to_us = set(granted) & set(read)
        if not open_to_us:
            assert person.grant.admins == ()
            continue
        expected[fingerprint(person.identity.signer.public)] = open_to_us
        person.record()
        person.release()
        boxes.append(person.outbox)
        only_these_open(person, organisation, open_to_us)
    organisation.export(os.path.join(root, "out"), *boxes, form="parquet")
    (export,) = (one["export"] for one in organisation.folder.ledger.entries() if one["kind"] == "exported")
    sessions = {one["session"]: one["subject"] for one in organisation.lineage(export)}
    rows = pyarrow.dataset.dataset(os.path.join(root, "out", "data"), format="parquet").to_table()
    found: dict[str, set[str]] = {}
    for session, scope in zip(rows["session"].to_pylist(), rows["scope"].to_pylist(), strict=True):
        found.setdefault(sessions[session], set()).add(scope)
    assert found == expected
    return int(rows.num_rows)


def only_these_open(person: Subject, organisation: Organisation, scopes: Collection[str]) -> None:
    """In a bundle there is a key for each of these, and none of them opens a part of another scope."""
    (name,) = (one for one in os.listdir(person.outbox) if one.endswith(bundle.SUFFIX))
    with open(os.path.join(person.outbox, name), "rb") as file:
        parsed = bundle.parse(file.read())
    body = segment_format.scan(parsed.stream)
    keys = {}
    for stanza in map(keystore.stanza_from_wire, parsed.stanzas):
        info = segment_format.stanza_info("admin", stanza.scope, body.header_digest)
        keys[stanza.scope] = organisation.keys.reader.open(stanza.sealed, info)
    assert set(keys) == set(scopes)
    for key in keys.values():
        for other in set(body.header.scopes) - set(scopes):
            try:
                list(reading.parts(body, {other: key}))
            except Unreadable:
                continue
            raise AssertionError(f"{other} opens")
