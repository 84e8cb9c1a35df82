"""A dataset of sequences as *steps*: one action each, with what came with it, and which of them may be asked for.

A step is a token that is an action. ``WAIT`` becomes the step's own ``wait`` (the pause before it, a log2 bucket of
seconds); ``EDIT`` right after ``TYPE`` becomes its ``edits``; ``START`` and ``END`` are where segments are cut;
``UNOBSERVED`` is seen and never asked for, nor is what follows it; what people say of their
tasks is seen and never asked.

Invariants: whatever tokens the vocabulary has are taken as they are (``dataset.actions``); a run of steps is whole time
without a cut; nothing is read from a dataset for which an erasure waits.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from desktop_logger.dataset import actions, folder, sequences
from desktop_logger.dataset.arrow import Session
from desktop_logger.errors import IntegrityError, Refused, Unavailable, UsageError

Array = npt.NDArray[Any]

VIEWS = ("full", "macro")
"""``full``: every step with its amount and times. ``macro``: equal steps that follow each other without a pause are
one, without amounts: the same question whatever profile the data has."""

NOT_ACTIONS = ("PAD", "START", "END", "WAIT", "UNOBSERVED", *actions.SAID)
WAITS = actions.TIMES
_BLOCK = 1 << 20


class Steps(NamedTuple):
    """Columns, one entry a step, in order."""

    action: Array
    """Place in ``actions.ACTIONS``."""
    shown: Array
    """What a predictor may see of it: the same, but where a benchmark shows less than it asks."""
    parts: Array
    """(steps, n): the token's other parts, and ``edits`` last."""
    wait: Array
    asked: Array
    """Whether it may be asked for: an action, observed, and so was what came before it."""
    place: Array
    """Number of the step in its run, from 0."""
    session: Array
    """Number of the session, unique over all datasets read together."""
    group: Array
    """The split group; groups of the second dataset read follow on, 16 further each."""
    unobserved: Array
    """For each step, how many steps of its session are ``UNOBSERVED``."""

    @property
    def size(self) -> int:
        """How many steps."""
        return int(self.action.size)

    @property
    def questions(self) -> Array:
        """Places of the steps that may be asked for."""
        return np.flatnonzero(self.asked)

    def only(self, keep: Array) -> Steps:
        """The steps of whole sessions."""
        return Steps(*(column[keep] for column in self))


class Source(NamedTuple):
    """One dataset and what a run record says of it."""

    path: str
    facts: dict[str, Any]

    @property
    def identity(self) -> str:
        """Its id, as erasure knows it."""
        return str(self.facts["dataset"])

    @property
    def profile(self) -> str:
        """The one profile of its sessions."""
        return str(next(iter(self.facts["sessions_by_profile"])))


def opened(paths: Sequence[str]) -> list[Source]:
    """The datasets, checked: sequences of this version, of one profile and purpose, with rows, no erasure waiting."""
    need_memory()
    found = []
    for path in paths:
        facts = folder.read_card(path)
        if facts["kind"] != "sequences":
            raise UsageError(f"{path} is an export, not sequences", "Build them with: desktop-logger dataset build")
        folder.check_no_erasure_waits(path)
        if facts["actions"] != list(actions.ACTIONS) or facts["vocabulary"] != actions.TOKENS:
            raise Refused(
                f"{path} was built with another vocabulary of actions ({len(facts['actions'])} of them, here "
                f"{len(actions.ACTIONS)})",
                "Build it again from its export with this version: desktop-logger dataset build",
            )
        if not facts["rows"]:
            why = "after an erasure too few people were left" if facts.get("erasures") else "it is empty"
            raise Refused(f"{path} holds no sequences: {why}", "Export and build again when more people take part.")
        if "counts" in facts["sessions_by_profile"]:
            raise Refused(
                f"{path} holds counts a minute: the order of actions is not in them, so none can be learned",
                "The profiles coarse and bursts keep the order.",
            )
        found.append(Source(os.path.abspath(path), facts))
    profiles = sorted({name for one in found for name in one.facts["sessions_by_profile"]})
    if len(profiles) > 1:
        raise Refused(
            f"mixed profiles: {', '.join(profiles)}; their numbers have different units",
            "Train on datasets of one profile; the steward can export each profile by itself (--profile).",
        )
    if len(purposes := sorted({str(one.facts["purpose"]) for one in found})) > 1:
        raise Refused(f"mixed purposes: {', '.join(purposes)}", "A model serves the one purpose that people agreed to.")
    if len({one.identity for one in found}) < len(found):
        raise UsageError("the same dataset is named twice", "Name each once.")
    return found


def digest(source: Source) -> str:
    """SHA-256 over the parts: the same rows in the same files, the same digest."""
    whole = hashlib.sha256()
    for name in folder.part_files(source.path):
        part = hashlib.sha256()
        with open(os.path.join(source.path, name), "rb") as file:
            while data := file.read(_BLOCK):
                part.update(data)
        whole.update(f"{name} {part.hexdigest()}\n".encode())
    return whole.hexdigest()


def read(sources: Sequence[Source], view: str = "full") -> Steps:
    """All steps of some datasets. Raises ``IntegrityError`` for a part that is not what was built."""
    made = []
    sessions = 0
    for number, source in enumerate(sources):
        try:
            batches = [_columns(batch) for batch in sequences.stream(source.path)]
        except (OSError, KeyError, ValueError) as error:
            raise IntegrityError(
                f"{source.path}: a part cannot be read: {str(error).splitlines()[0][:200]}",
                "Build the dataset again from its export.",
            ) from None
        if not batches:
            continue
        session, group, sequence, lengths, tokens = (np.concatenate(column) for column in zip(*batches, strict=True))
        steps = _steps(session, group.astype(np.int16) + 16 * number, sequence, lengths, tokens)
        made.append(steps._replace(session=steps.session + sessions))
        sessions = int(made[-1].session[-1]) + 1 if made[-1].size else sessions
    if not made or not sum(one.size for one in made):
        raise Refused("there is no action in this data", "Look at it with: desktop-logger dataset card")
    steps = Steps(*(np.concatenate(column) for column in zip(*made, strict=True)))
    return macro(steps) if view == "macro" else steps


def of_sessions(sessions: list[Session], view: str) -> Steps:
    """The steps of sessions in memory. Raises ``Refused`` where there is none."""
    made = sequences.of_sessions(sessions)
    if not made.num_rows:
        raise Refused("there is no action in this data", "Record some work first.")
    steps = _steps(*_columns(made.combine_chunks().to_batches()[0]))
    return macro(steps) if view == "macro" else steps


def of_tokens(tokens: Sequence[int], view: str) -> Steps:
    """The steps of one session's tokens."""
    one = np.zeros(1, np.int64)
    made = _steps(one, one.astype(np.int16), one, np.array([len(tokens)]), np.array(tokens, np.int32))
    return macro(made) if view == "macro" else made


def _columns(batch: Any) -> tuple[Array, ...]:
    """Session, split group and number of each sequence, its length, and all tokens."""
    tokens = batch.column("tokens")
    return (
        batch.column("session").to_numpy(), batch.column("split_group").to_numpy(), batch.column("sequence").to_numpy(),
        tokens.value_lengths().to_numpy(), tokens.flatten().to_numpy(),
    )  # fmt: skip


def _steps(session: Array, group: Array, sequence: Array, lengths: Array, tokens: Array) -> Steps:
    if tokens.size and not 0 <= int(tokens.min()) <= int(tokens.max()) < actions.TOKENS:
        raise IntegrityError("a token lies outside the vocabulary", "Build the dataset again from its export.")
    different, place = np.unique(tokens, return_inverse=True)
    spelled = [actions.parts_of(int(one)) for one in different]
    number = {name: n for n, name in enumerate(actions.ACTIONS)}
    kinds = np.array([number[one[0]] for one in spelled], np.int16)[place]
    parts = np.array([one[1:] for one in spelled], np.int16).reshape(len(spelled), -1)[place]
    # a piece goes on where the one before it ended, or is a new run
    owner = np.repeat(np.arange(lengths.size), lengths)
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    goes_on = np.zeros(lengths.size, bool)
    goes_on[1:] = (session[1:] == session[:-1]) & (sequence[1:] == sequence[:-1] + 1)
    cut = np.zeros(tokens.size, bool)
    cut[first[~goes_on & (lengths > 0)]] = True
    is_ = {name: kinds == number[name] for name in ("START", "END", "PAD", "WAIT", "UNOBSERVED", "EDIT", "TYPE")}
    after_wait = np.zeros(tokens.size, bool)
    after_wait[1:] = is_["WAIT"][:-1] & ~cut[1:]
    wait = np.zeros(tokens.size, np.int16)
    wait[1:] = np.where(after_wait[1:], parts[:-1, 1], 0)
    merged = np.zeros(tokens.size, bool)
    merged[1:] = is_["EDIT"][1:] & is_["TYPE"][:-1] & ~cut[1:]
    edits = np.zeros(tokens.size, np.int16)
    edits[:-1] = np.where(merged[1:], parts[1:, 0], 0)
    keep = ~(is_["START"] | is_["END"] | is_["PAD"] | is_["WAIT"] | merged)
    run = np.cumsum(cut)[keep]
    kinds, wait = kinds[keep], wait[keep]
    unseen = is_["UNOBSERVED"][keep]
    begins = np.ones(run.size, bool)
    begins[1:] = run[1:] != run[:-1]
    starts = np.flatnonzero(begins)
    inside = np.arange(run.size) - np.repeat(starts, np.diff(np.append(starts, run.size)))
    after_unseen = np.zeros(run.size, bool)
    after_unseen[1:] = unseen[:-1]
    _, numbered = np.unique(session, return_inverse=True)
    of_session = numbered[owner][keep]
    missing = np.bincount(of_session, unseen.astype(float)) if run.size else np.zeros(0)
    numbers = np.concatenate([parts[keep], edits[keep][:, None]], 1)
    return Steps(
        kinds, kinds, numbers, wait, (inside > 0) & possible()[kinds] & ~after_unseen,
        inside, of_session, group[owner][keep], missing[of_session].astype(np.int32),
    )  # fmt: skip


def macro(steps: Steps) -> Steps:
    """Equal steps that follow each other without a pause become one; amounts go; corrections are typing."""
    number = {name: n for n, name in enumerate(actions.ACTIONS)}
    kinds = np.where(steps.action == number["EDIT"], number["TYPE"], steps.action)
    again = np.zeros(steps.size, bool)
    again[1:] = (kinds[1:] == kinds[:-1]) & (steps.wait[1:] == 0) & (steps.place[1:] > 0)
    kept = steps._replace(action=kinds, shown=kinds).only(~again)
    starts = np.flatnonzero(kept.place == 0)
    inside = np.arange(kept.size) - np.repeat(starts, np.diff(np.append(starts, kept.size)))
    return kept._replace(place=inside, parts=np.zeros_like(kept.parts))


def history(steps: Steps, back: int) -> Array:
    """(steps, back): the actions 1, 2, … steps before each; ``len(ACTIONS)`` before a run's first."""
    out = np.full((steps.size, back), len(actions.ACTIONS), np.int16)
    for far in range(1, back + 1):
        there = steps.place[far:] >= far
        out[far:, far - 1] = np.where(there, steps.shown[:-far], len(actions.ACTIONS))
    return out


def possible() -> Array:
    """Which of ``ACTIONS`` can be the next action."""
    return np.array([name not in NOT_ACTIONS for name in actions.ACTIONS])


class Split(NamedTuple):
    """Steps to learn from, to stop by, and to measure on; how they were told apart."""

    train: Steps
    validation: Steps
    test: Steps
    how: str
    by: str
    """What is drawn again for intervals: ``group`` or ``session``."""


LEAST_GROUPS = 5
"""Split groups below which intervals are drawn over sessions, and are too narrow: that is said."""


def split(sources: Sequence[Source], steps: Steps, how: str, least: int) -> Split:
    """By split group (each dataset's card says which), or the last dataset named as the test: a later export round.

    Raises ``Refused`` where a part would be too small to say anything (fewer than ``least`` actions) or has one class.
    """
    number, group = np.divmod(steps.group, 16)
    names = np.empty(steps.size, dtype="U10")
    for place, source in enumerate(sources):
        for name, groups in source.facts["split_groups"].items():
            names[(number == place) & np.isin(group, groups)] = name
    if how == "last-round":
        if len(sources) < 2:
            raise UsageError("a split by round needs two datasets or more", "Name them in order, the latest last.")
        last = number == len(sources) - 1
        names[~last & (names == "test")] = "train"
        names[last] = "test"
    parts = {name: steps.only(names == name) for name in ("train", "validation", "test")}
    for name, part in parts.items():
        there = int(part.questions.size)
        if there < least:
            raise Refused(
                f"too little to learn from: the {name} split has {there:,} actions, {least:,} are needed",
                "Export more people or sessions, or move groups: desktop-logger dataset split DIR --test 4"
                " (at most 16 groups; a dataset of few people has few).",
            )
    if np.unique(parts["train"].action[parts["train"].asked]).size < 2:
        raise Refused(
            "there is one kind of action only, so there is nothing to foresee",
            "Record more than one kind: the scope pointer beside keyboard, or people who use both.",
        )
    by = "group" if np.unique(parts["test"].group).size >= LEAST_GROUPS else "session"
    return Split(parts["train"], parts["validation"], parts["test"], how, by)


def no_memory() -> Unavailable:
    """The one error for too little memory."""
    return Unavailable("not enough memory", "Lower [training] batch, [model] size or context; or use fewer datasets.")


ROOM = 1 << 30
"""Address space that the smallest training takes beside the libraries: BLAS takes room for each thread."""
LEAST_FREE = 192 << 20
"""Memory that has to be free."""


def need_memory() -> None:
    """Raise ``Unavailable`` where there is too little memory to begin.

    Asked before any work: a library that finds none later ends the process in its own way, with no word of ours.
    """
    free = _free()
    try:
        mmap.mmap(-1, ROOM).close()
    except (OSError, ValueError, MemoryError):
        raise no_memory() from None
    if free is not None and free < LEAST_FREE:
        raise no_memory()


def _free() -> int | None:
    """Bytes that could be had now, as Linux says; ``None`` elsewhere."""
    with suppress(OSError, ValueError), open("/proc/meminfo", encoding="ascii") as file:
        found = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in file)}
        return 1024 * (found.get("MemAvailable", 1 << 40) + found.get("SwapFree", 0))
    return None
