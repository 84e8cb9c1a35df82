"""What lies in the outboxes: bundles and erasure requests, and whether each device's chain of bundles is whole.

Erasure requests come first, always. Files that are neither are left alone and not mentioned; a file that claims to
be one and is not is refused with its reason.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from desktop_logger import bundle
from desktop_logger.bundle import ERASURE_LIMIT, ERASURE_SUFFIX, FIRST, SUFFIX
from desktop_logger.clock import Clock
from desktop_logger.errors import IntegrityError, UsageError

from .folder import Folder
from .ledger import Facts, Known
from .opening import Accepted, contents_of


class Refusal(NamedTuple):
    """A file that was not used, and why."""

    file: str
    reason: str

    def __str__(self) -> str:
        """For a terminal: a file's name may hold anything, so only what is printable of it."""
        return "".join(one if one.isprintable() else "?" for one in f"{os.path.basename(self.file)}: {self.reason}")


def listed(outboxes: Iterable[str], suffix: str) -> list[str]:
    """Files with this suffix in the outboxes and folders below them, each once, in a stable order."""
    found: dict[str, None] = {}
    for outbox in outboxes:
        if not os.path.isdir(outbox):
            raise UsageError(f"{outbox} is not a folder", "Name the folder that holds the bundles.")
        for place, folders, names in os.walk(outbox):
            folders.sort()
            for name in sorted(names):
                if name.endswith(suffix):
                    found[os.path.join(place, name)] = None
    return list(found)


def apply_erasures(folder: Folder, outboxes: Iterable[str], clock: Clock) -> tuple[int, list[Refusal]]:
    """Note every new erasure request in the ledger; returns how many were new, and what was refused."""
    known = folder.ledger.known().requests
    fresh: dict[str, Facts] = {}
    refused: list[Refusal] = []
    for path in listed(outboxes, ERASURE_SUFFIX):
        try:
            request = bundle.parse_erasure(contents_of(path, ERASURE_LIMIT))
        except IntegrityError as error:
            refused.append(Refusal(path, error.message))
            continue
        if request.request not in known:
            fresh[request.request] = {
                "request": request.request,
                "device": request.device.hex(),
                "segments": list(request.segments),
                "bundles": list(request.bundles),
            }
    folder.ledger.extend(clock, "erasure.applied", folder.who, list(fresh.values()))
    return len(fresh), refused


def affected(folder: Folder, known: Known) -> list[tuple[str, str]]:
    """Earlier exports that hold rows of erased segments, as (export, where it was written)."""
    found = []
    for name in sorted(os.listdir(folder.lineage)) if os.path.isdir(folder.lineage) else []:
        if not name.endswith(".json"):
            continue
        with open(os.path.join(folder.lineage, name), encoding="utf-8") as file:
            lineage = json.load(file)
        sessions = lineage["sessions"]
        if any(one["digest"] in known.gone or (one["device"], one["segment"]) in known.erased for one in sessions):
            found.append((lineage["export"], lineage["out"]))
    return found


def chained(accepted: list[Accepted], known: Known) -> tuple[list[Accepted], list[Refusal], list[str]]:
    """Keep what lies on one chain for each device; what forks off it is refused, what is missing is noted.

    A fork means that an outbox, or the whole home, was rolled back or copied. Of two bundles that continue the same
    one, the one that was exported before stays; where neither was, neither is used.
    """
    kept: list[Accepted] = []
    refused: list[Refusal] = []
    missing: dict[str, int] = defaultdict(int)
    by_digest: dict[str, Accepted] = {}
    for one in accepted:
        if one.digest in by_digest:
            continue  # the same bundle in two outboxes
        by_digest[one.digest] = one
    following: dict[tuple[str, str], list[Accepted]] = defaultdict(list)
    carrying: dict[tuple[str, str], list[Accepted]] = defaultdict(list)
    for one in by_digest.values():
        following[one.device, one.prev].append(one)
        carrying[one.device, one.manifest.segment].append(one)
    for one in by_digest.values():
        before = one.digest in known.seen
        if not before and len(following[one.device, one.prev]) > 1:
            refused.append(Refusal(one.path, "two bundles continue the same one: the outbox was rolled back or copied"))
        elif not before and len(carrying[one.device, one.manifest.segment]) > 1:
            refused.append(Refusal(one.path, "its segment is in another bundle too (replayed)"))
        else:
            kept.append(one)
            if one.prev != FIRST and one.prev not in by_digest.keys() | known.seen | known.gone:
                missing[one.subject] += 1
    notes = [
        f"{number} bundle(s) of {subject} follow one that is not here: removed, refused, or not delivered yet"
        for subject, number in sorted(missing.items())
    ]
    return kept, refused, notes


def bundles(outboxes: Iterable[str]) -> list[str]:
    """All bundle files."""
    return listed(outboxes, SUFFIX)
