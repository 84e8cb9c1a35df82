"""Every figure, measured in sections that fail apart: what cannot be measured is marked with the reason.

Each section yields ``Figure`` rows with a 95 % interval (writers drawn again) and the number of people and cases it
rests on. ``quick`` takes fewer people; it is for the tests, and never written into the documentation.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from desktop_logger.errors import DesktopLoggerError, Unavailable
from desktop_logger.records.profiles import BURSTS, COARSE, COUNTS, EVENTS, PROFILES, Profile

from . import attributes, data, guessing, identity, language, pointer, product, text, utility, words
from .data import Typing
from .traits import Maker

Array = np.ndarray[Any, Any]
APART = "(letters, space, signs told apart)"
"""Not a profile: what other recorders of key classes show. For comparison only, without times."""
UNSEEN = "(all there is)"
"""What the attacker lacks without any record: of each key, and of the letters where the other keys are told."""
GUESSING = "(guessing)"
"""What choosing among the labels by chance would get right."""
NO_MEMORY = "not enough memory"
BASELINES = ("(guessing by frequency)", "(word length told)", "(password length told)")


class Figure(NamedTuple):
    """One measured number. ``low`` and ``high`` are its 95 % interval."""

    metric: str
    profile: str
    value: float
    low: float
    high: float
    people: int
    cases: int


class Missing(NamedTuple):
    """A section that could not be measured, and why."""

    section: str
    reason: str


class Networks(NamedTuple):
    """How large the recurrent networks are and how long they learn."""

    hidden: int = 96
    rounds: int = 8
    """Rounds of the text network."""
    batch: int = 64
    windows: int = 14
    """Rounds of the identity network."""


class Sizes(NamedTuple):
    """How much is measured."""

    held: int = 40
    """Writers held out for text, words and passwords."""
    keys: int = 300
    """Presses of each of them for text."""
    slots: int = 600
    draws: int = 800
    volumes: tuple[int, ...] = (100, 500, 2000)
    least: int = 2000
    """Presses a writer must have to be tried for identity and utility."""
    actors: int = 60
    noises: int = 5
    """Draws of the noise of ``counts``: who is recognised is the mean over them, since one draw may be lucky."""
    trees: bool = True
    networks: Networks = Networks()


QUICK = Sizes(4, 150, 40, 40, (100,), 300, 6, 1, trees=False, networks=Networks(16, 1, 32, 1))


def of_writers(metric: str, profile: str, values: Array, cases: int) -> Figure:
    """A mean over people, each counting once."""
    low, high = identity.interval(values)
    return Figure(metric, profile, float(values.mean()), low, high, len(values), cases)


LEAST_READ = 120
"""Presses of text that a person must have to be read at all: as many as the recurrent network takes at once."""


class Readers(NamedTuple):
    """What the attacker on text knows: the language (3-grams), the pauses, and whose typing is left to try."""

    model: Array
    timing: Array
    train: list[text.Encoded]
    test: list[Typing]
    learners: list[Typing]
    """The typing behind ``train``."""


def readers(writers: Sequence[Typing], sizes: Sizes, others: Sequence[Typing] = ()) -> Readers:
    """Learn language and pauses from some writers (and ``others``); hold the rest out.

    Raises ``Unavailable`` where there is nobody to learn from, or nothing to read.
    """
    known = [one for one in _typing_only(writers) if len(one.times) >= LEAST_READ]
    if len(known) + len(others) < 2 or not known:
        raise Unavailable(f"fewer than two people with {LEAST_READ} key presses of text each")
    random.Random(5).shuffle(known)  # noqa: S311 - the same people are held out every time
    held = min(sizes.held, max(len(known) // 3, 1))
    learners = [*known[held:], *_typing_only(others)]
    train = [text.encode(one.times, one.symbols) for one in learners]
    learnt = [(one.symbols, 1.0) for one in train]
    return Readers(language.ngrams(learnt, 3), text.emission(train), train, known[:held], learners)


def _typing_only(writers: Sequence[Typing]) -> list[Typing]:
    """Text, corrections and Enter; other keys are left out (they hold no text)."""
    found = []
    for one in writers:
        kept = [n for n, symbol in enumerate(one.symbols) if product.class_of_symbol(symbol) in (1, 2, 3)]
        found.append(Typing(one.writer, [one.times[n] for n in kept], [one.symbols[n] for n in kept]))
    return found


def reading(known: Readers, sizes: Sizes) -> Iterator[Figure]:
    """Text: bits a key in all, and of the letters when corrections and Enter are told."""
    pieces = [(one.times[: sizes.keys], one.symbols[: sizes.keys]) for one in known.test]
    encoded = [text.encode(*piece) for piece in pieces]
    keys = sum(len(one.symbols) - 2 for one in encoded)
    there, rest, whole, letters, apart, runs, together, minutes = [], [], [], [], [], [], [], []
    for one, (times, _) in zip(encoded, pieces, strict=True):
        n = len(one.symbols) - 2
        classes = [text.class_mask(kind) for kind in one.classes]
        plain = text.per_press(one, known.model, classes, None).sum() / n
        there.append(text.surprise(one, known.model))
        rest.append(there[-1] - plain)
        timed = text.per_press(one, known.model, classes, known.timing).sum() / n
        told = [text.apart_mask(int(symbol)) for symbol in one.symbols]
        whole.append(timed)
        letters.append(timed - plain)
        apart.append(text.per_press(one, known.model, told, None).sum() / n - plain)
        runs.append(text.per_run(one, known.model, edits=True) / n)
        together.append(text.per_run(one, known.model, edits=False) / n)
        windows = 2 * ((times[-1] - times[0]) // COUNTS.grid_ms + 2)
        noise = product.noise_of(times)
        drawn = [noise() for _ in range(min(windows, 100_000))]
        minutes.append(text.per_minute(one, times, known.model, drawn) / n)
    yield of_writers("keys, bits each", UNSEEN, np.array(there), keys)
    yield of_writers("letters, bits each", UNSEEN, np.array(rest), keys)
    named = {EVENTS.name: whole, BURSTS.name: runs, COARSE.name: together, COUNTS.name: minutes}
    for name, values in named.items():
        yield of_writers("keys, bits each", name, np.array(values), keys)
    yield of_writers("letters, bits each", APART, np.array(apart), keys)
    yield of_writers("letters, bits each", EVENTS.name, np.array(letters), keys)
    full = [text.encode(one.times, one.symbols) for one in known.test]
    stamps = [one.times for one in known.test]
    for profile in (BURSTS, COARSE):
        parts = text.durations(known.train, full, stamps, profile)
        if not parts:
            raise Unavailable(
                "nobody has twelve runs of four keys, which is needed to ask what durations say of letters"
            )
        value, cases = text.duration_bits(parts)
        chosen = (np.random.default_rng(seed).integers(0, len(parts), len(parts)) for seed in range(200))
        draws = [text.duration_bits([parts[n] for n in some.tolist()])[0] for some in chosen]
        low, high = float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))
        yield Figure("letters, bits each", profile.name, value, low, high, len(full), cases)


def prose(folder: str, sizes: Sizes) -> Iterator[Figure]:
    """What telling letters, space and signs apart would give back of English prose (no times, no corrections)."""
    files = [language.folded(one) for one in data.prose(folder)]
    random.Random(9).shuffle(files)  # noqa: S311 - the same files are held out every time
    held = sizes.held
    model = language.ngrams([(one, 1.0) for one in files[held:]], 3)
    gained = []
    for one in files[:held]:
        piece = text.Encoded(one[: sizes.keys], [1] * sizes.keys, one, {})
        told = [text.apart_mask(int(symbol)) for symbol in piece.symbols]
        gained.append(text.per_press(piece, model, told, None).sum() / sizes.keys)
    yield of_writers("English letters, bits each", APART, np.array(gained), held * sizes.keys)._replace(people=held)


def first_words(known: Readers, sizes: Sizes) -> Iterator[Figure]:
    """The first word of a run, among 1, 10 and 100 guesses."""
    full = [text.encode(one.times, one.symbols) for one in known.test]
    slots = words.slots(full)
    if not slots:
        raise Unavailable("no run begins with a word")
    vocabulary = words.vocabulary(data.french_words(8000), known.train)
    slots = random.Random(1).sample(slots, min(sizes.slots, len(slots)))  # noqa: S311 - the same every time
    left = words.rests(known.train)
    after = {number: words.backward(full[number], known.model, known.timing) for number in {s.writer for s in slots}}
    guesses: dict[str, Callable[[words.Slot], int]] = {
        BASELINES[0]: lambda s: words.rank_run(s, vocabulary, None, buckets=False),
        BASELINES[1]: lambda s: words.rank_run(s, vocabulary, None, buckets=False, told_length=True),
        EVENTS.name: lambda s: words.rank_events(full[s.writer], s, vocabulary, known.timing, after[s.writer]),
        BURSTS.name: lambda s: words.rank_run(s, vocabulary, left, buckets=False),
        COARSE.name: lambda s: words.rank_run(s, vocabulary, left, buckets=True),
        COUNTS.name: lambda s: words.rank_run(s, vocabulary, None, buckets=False),
    }
    for profile, guess in guesses.items():
        ranks = np.array([guess(slot) for slot in slots])
        for most in (1, 10, 100):
            yield of_writers(f"first word in {most}", profile, (ranks < most).astype(float), len(ranks))._replace(
                people=len(full)
            )


def secrets_typed(known: Readers, sizes: Sizes) -> Iterator[Figure]:
    """Bits taken off a password's rank where no field is marked secure."""
    listed = guessing.List(data.passwords())
    taken = guessing.bits_taken(known.test, listed, known.timing, sizes.draws)
    for profile in PROFILES:
        yield of_writers("password, bits off", profile, np.array(taken[profile]), sizes.draws)
    yield of_writers("password, bits off", BASELINES[2], np.array(taken["length"]), sizes.draws)
    followed = guessing.bits_taken_before_text(listed, guessing.run_lengths(known.learners), sizes.draws)
    for profile, values in followed.items():
        yield of_writers("password before text, bits off", profile, np.array(values), sizes.draws)


def recognising(writers: Sequence[Typing], sizes: Sizes) -> Iterator[Figure]:
    """Who it was: top-1 and top-5 against volume, and the equal error rate."""
    people = _with_enough(writers, sizes)
    for profile in PROFILES.values():
        makers = _makers(profile, sizes)
        draws = [identity.recognise(people, profile, make, sizes.volumes, trees=sizes.trees) for make in makers]
        for volume in draws[0]:
            found = identity.mean([draw[volume] for draw in draws])
            yield of_writers(f"recognised, {volume} keys", profile.name, found.top1, found.people)
            yield of_writers(f"among five, {volume} keys", profile.name, found.top5, found.people)
        make = makers[0]
        if len(people) >= 12:
            rates = identity.equal_error(people, profile, make, min(500, sizes.least // 2))
            spread = 1.96 * float(rates.std()) / len(rates) ** 0.5
            mean = float(rates.mean())
            yield Figure("equal error rate", profile.name, mean, mean - spread, mean + spread, len(people), len(rates))


def _makers(profile: Profile, sizes: Sizes) -> list[Maker]:
    """What makes the records of a profile, once for each draw of noise it has."""

    def make(times: Sequence[int], symbols: Sequence[str], draw: int = 0) -> Array:
        return product.records(times, symbols, profile, product.noise_of(times, draw))

    return [functools.partial(make, draw=draw) for draw in range(sizes.noises if profile is COUNTS else 1)]


def _with_enough(writers: Sequence[Typing], sizes: Sizes) -> list[tuple[list[int], list[str]]]:
    people = [(one.times, one.symbols) for one in writers if len(one.times) >= sizes.least]
    if len(people) < 2:
        raise Unavailable(f"fewer than two people with {sizes.least:,} key presses each")
    return people


def using(writers: Sequence[Typing], sizes: Sizes) -> Iterator[Figure]:
    """Utility: next action and pauses."""
    people = [(one.times, one.symbols) for one in writers if len(one.times) >= sizes.least][: sizes.actors]
    if len(people) < 5:
        raise Unavailable(f"fewer than five people with {sizes.least:,} key presses each")
    for profile in PROFILES.values():
        found = utility.next_action(people, profile, 4)
        yield of_writers("next action right", profile.name, found.accuracy, found.actions)
        yield of_writers("next action, log-loss in bits", profile.name, found.loss, found.actions)
        for least in (2, 16):
            error = utility.pause_error(people, profile, least)
            if error == error:  # noqa: PLR0124 - not for nan: the profile has no pauses
                yield Figure(f"pauses of {least} s, error", profile.name, error, error, error, len(people), len(people))


def reading_again(known: Readers, sizes: Sizes) -> Iterator[Figure]:
    """Text once more, by a recurrent network instead of a hidden Markov model."""
    from . import recurrent

    train = [(one.times, one.symbols) for one in known.learners]
    test = [(one.times[: 4 * sizes.keys], one.symbols[: 4 * sizes.keys]) for one in known.test]
    cases = sum(len(one) // recurrent.LENGTH * (recurrent.LENGTH - 1) for one, _ in test)
    lacks = {
        what: recurrent.bits_left(train, test, what, sizes.networks)
        for what in (recurrent.NOTHING, *PROFILES, "told nothing", "told bursts", "told coarse")
    }
    for name in PROFILES:
        yield of_writers("keys, bits each, recurrent", name, lacks[recurrent.NOTHING] - lacks[name], cases)
    for name, what in (("events", "events"), ("bursts", "told bursts"), ("coarse", "told coarse")):
        yield of_writers("letters, bits each, recurrent", name, lacks["told nothing"] - lacks[what], cases)


def recognising_again(writers: Sequence[Typing], sizes: Sizes) -> Iterator[Figure]:
    """Who it was, by a recurrent network that makes a direction of each window."""
    people = _with_enough(writers, sizes)
    from . import recurrent  # after what may be missing for another reason: loading PyTorch takes seconds

    volume = max(one for one in sizes.volumes if one <= 500)
    for profile in PROFILES.values():
        makers = _makers(profile, sizes)
        found = identity.mean([recurrent.recognise(people, profile, make, volume, sizes.networks) for make in makers])
        yield of_writers(f"recognised, {volume} keys, recurrent", profile.name, found.top1, found.people)


def inferring(attribute: str, sessions: Sequence[attributes.Labelled]) -> Iterator[Figure]:
    """What a session was about, or another label, for people who were never seen."""
    metric = f"{attribute} right"
    for profile in PROFILES.values():
        found = attributes.infer(sessions, profile)
        yield of_writers(metric, profile.name, found.right, found.cases)
    yield Figure(metric, GUESSING, found.guessing, found.guessing, found.guessing, len(found.right), found.cases)


def pointing(people: Sequence[pointer.Pointing], sizes: Sizes) -> Iterator[Figure]:
    """Whose pointer it was."""
    for profile in PROFILES.values():
        found = pointer.recognise(people, profile, trees=sizes.trees)
        metric = f"pointer recognised, {pointer.POOLED * pointer.WINDOW} events"
        yield of_writers(metric, profile.name, found.top1, found.people)


class Finished(Protocol):
    """Sections that are finished already, and where to put the next one (``keeping.Kept``)."""

    @property
    def sections(self) -> Mapping[str, Sequence[Figure]]:
        """The figures of each."""

    def add(self, section: str, figures: Sequence[Figure]) -> None:
        """Keep one more."""


def run(
    sections: Mapping[str, Callable[[], Iterator[Figure]]], say: Callable[[str], None], kept: Finished | None = None
) -> tuple[list[Figure], list[Missing]]:
    """Each section by itself: what is absent, altered or too large for the memory costs only its own figures."""
    figures: list[Figure] = []
    missing: list[Missing] = []
    for name, section in sections.items():
        if kept and name in kept.sections:
            say(f"{name}: measured before this run was interrupted")
            figures += kept.sections[name]
            continue
        say(f"measuring {name} …")
        before = len(figures)
        try:
            figures.extend(section())  # what was measured before something was missing stays in the list
            if kept:
                kept.add(name, figures[before:])
        except DesktopLoggerError as error:
            missing.append(Missing(name, error.message))
        except ModuleNotFoundError as error:
            extra = "learn" if error.name == "torch" else "leakage"
            missing.append(Missing(name, f"{error.name} is not installed: pip install 'desktop-logger[{extra}]'"))
        except ImportError:
            missing.append(Missing(name, "a library that it needs cannot be loaded (too little memory, or damaged)"))
        except MemoryError:
            missing.append(Missing(name, NO_MEMORY))
    return figures, missing


def measure(
    writers: Callable[[], list[Typing]],
    sizes: Sizes,
    say: Callable[[str], None],
    *,
    others: Sequence[Typing] = (),
    cache: str | None = None,
    labelled: Mapping[str, Sequence[attributes.Labelled]] | None = None,
    kept: Finished | None = None,
) -> tuple[list[Figure], list[Missing]]:
    """All sections that typing is looked at in. ``cache``: where the public sets lie, for what only they can tell."""
    rest: dict[str, Callable[[], Iterator[Figure]]] = {}
    if cache is not None:
        rest["prose"] = lambda: prose(cache, sizes)
    try:
        people = writers()
    except (DesktopLoggerError, MemoryError) as error:
        reason = f"{error.message}. {error.hint or ''}".strip() if isinstance(error, DesktopLoggerError) else NO_MEMORY
        figures, missing = run(rest, say, kept)
        return figures, [Missing("everything that needs typing", reason), *missing]
    known: list[Readers] = []

    def prepared() -> Readers:
        if not known:
            known.append(readers(people, sizes, others))
        return known[0]

    sections: dict[str, Callable[[], Iterator[Figure]]] = {
        "text": lambda: reading(prepared(), sizes),
        "words": lambda: first_words(prepared(), sizes),
        "passwords": lambda: secrets_typed(prepared(), sizes),
        "identity": lambda: recognising(people, sizes),
        "utility": lambda: using(people, sizes),
        "text by a network": lambda: reading_again(prepared(), sizes),
        "identity by a network": lambda: recognising_again(people, sizes),
    }
    for attribute, sessions in (labelled or {}).items():
        sections[attribute] = functools.partial(inferring, attribute, sessions)
    sections |= rest
    if cache is not None:
        sections["scenario"] = lambda: inferring("scenario", _scenarios(cache))
    return run(sections, say, kept)


def _scenarios(cache: str) -> list[attributes.Labelled]:
    return [
        attributes.Labelled(one.writer, one.times, one.symbols, scenario) for one, scenario in data.scenarios(cache)
    ]
