"""Each attack finds a leak that was planted and none where there is none; the gate and bad data sets speak up."""

from __future__ import annotations

import functools
import json
import math
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from desktop_logger.errors import IntegrityError, Unavailable, UsageError
from desktop_logger.leakage import (
    attributes,
    budget,
    data,
    formats,
    frontier,
    guessing,
    identity,
    keeping,
    language,
    measuring,
    pointer,
    product,
    report,
    synthetic,
    text,
    traits,
    twin,
    utility,
    volunteers,
    words,
)
from desktop_logger.leakage.data import Typing
from desktop_logger.leakage.measuring import Figure, Missing
from desktop_logger.records import profiles
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import (
    CLICK,
    COARSE_FORM,
    FOCUS,
    GAP,
    KEY,
    MOVE,
    RECORD,
    SCROLL,
    STROKE,
    TARGET,
    TASK,
    TYPING,
    VEILED_KINDS,
)
from desktop_logger.records.profiles import BURSTS, COARSE, COUNTS, EVENTS, PROFILES
from desktop_logger.redaction import Redactor
from desktop_logger.redaction.coarsening import coarsen
from tests import noninterference
from tests.unit.test_registry import ROOT


def encoded(writers: list[Typing]) -> list[text.Encoded]:
    return [text.encode(one.times, one.symbols) for one in writers]


@functools.cache
def taught(pair_ms: int) -> tuple[list[text.Encoded], list[text.Encoded], np.ndarray, np.ndarray, list[Typing]]:
    people = synthetic.writers(10, 900, pair_ms=pair_ms)
    train, test = encoded(people[2:]), encoded([Typing(o.writer, o.times[:250], o.symbols[:250]) for o in people[:2]])
    return train, test, language.ngrams([(one.symbols, 1.0) for one in train], 3), text.emission(train), people


def bits(pair_ms: int, *, timed: bool) -> float:
    _, test, model, timing, _ = taught(pair_ms)
    masks = [[text.class_mask(kind) for kind in one.classes] for one in test]
    gained = [text.per_press(o, model, m, timing if timed else None).sum() for o, m in zip(test, masks, strict=True)]
    return float(np.mean(gained)) / 250


# --- text -----------------------------------------------------------------------------------------------------


def test_text_planted_in_pauses_is_found_and_only_where_it_is() -> None:
    assert bits(400, timed=True) > bits(400, timed=False) + 0.4
    assert bits(0, timed=True) < bits(0, timed=False) + 0.1
    assert abs(bits(400, timed=False) - bits(0, timed=False)) < 0.1


def test_an_observation_that_shows_everything_gives_back_everything() -> None:
    _, test, model, _, _ = taught(0)
    one = test[0]
    shown = [(np.arange(language.SIZE) == symbol).astype(float) for symbol in one.symbols]
    everything = text.per_press(one, model, shown, None).sum()
    at = range(2, len(one.symbols))
    assert everything == pytest.approx(sum(-np.log2(model[tuple(one.symbols[t - 2 : t + 1])]) for t in at))
    each = [(np.arange(language.SIZE) == symbol).astype(float) for symbol in one.symbols]
    told = text.per_press(one, model, each, None).sum()
    assert told == pytest.approx(text.surprise(one, model) * (len(one.symbols) - model.ndim + 1))
    nothing = text.per_press(one, model, [text.MASKS["any"]] * len(one.symbols), None).sum()
    assert abs(nothing) < 1e-6


def test_the_forward_algorithm_is_exact_against_every_text_written_out() -> None:
    """Three presses of which one is a correction: add up all texts by hand."""
    _, _, model, _, _ = taught(0)
    counter = text.Counter(model, language.EDIT, [1, 2])
    gained = -sum(counter.step(text.MASKS["run"]) for _ in range(3)) - counter.close(np.array([0.0, 1.0]))
    total = 0.0
    run = [n for n in range(language.SIZE) if n != language.ENTER]
    for a in run:
        for b in run:
            p = model[1, 2, a] * model[2, a, b]
            edits = (a == language.EDIT) + (b == language.EDIT)
            if edits == 1:
                total += p * sum(model[a, b, c] for c in run if c != language.EDIT)
            elif edits == 0:
                total += p * model[a, b, language.EDIT]
    assert gained == pytest.approx(-np.log2(total))


def test_coarser_profiles_tell_less_of_the_text() -> None:
    _, test, model, _, people = taught(0)
    one = test[0]
    fine = text.per_press(one, model, [text.class_mask(kind) for kind in one.classes], None).sum()
    runs, logs = (text.per_run(one, model, edits=edits) for edits in (True, False))
    counts = text.per_minute(one, people[0].times[:250], model, [0] * 500)
    assert fine > runs > logs > 0
    assert counts < runs


def test_what_is_left_of_speed_under_coarse_is_looked_for_in_its_minutes() -> None:
    times = [0, *(50_000 + 1000 * n for n in range(30)), *(82_000 + 100 * n for n in range(30))]
    clocked = product.with_clock(product.records(times, ["\n", *["a"] * 60], COARSE))
    assert clocked[:, product.DURATION].tolist() == [0, 1, 0]  # Enter, and a run that began in the minute before
    assert product.lasting(clocked)[1] == 60 - 2.5  # less a pause of 2 or 3 s
    assert np.isnan(product.lasting(clocked)[[0, 2]]).all()  # a pause of 16 s or more; and the last
    each = {}
    for pause in (100, 1000):
        starts = [run * (40 * pause + 2500) for run in range(90)]
        times = [start + n * pause for start in starts for n in range(40)]
        each[pause] = traits.features(product.records(times, ["a"] * len(times), COARSE), "coarse")[-1]
    assert 0.05 < each[100] < 0.2
    assert 0.5 < each[1000] < 1.5


# --- words and passwords --------------------------------------------------------------------------------------


def test_a_word_is_found_when_pauses_tell_letters() -> None:
    train, test, model, timing, people = taught(400)
    known = words.vocabulary({"ba": 1e-3, "ce": 1e-3}, train)
    slots = [slot for slot in words.slots(encoded(people[:2])) if slot.place < 240 and len(slot.word) > 3][:30]
    found = {}
    for name, used in (("timed", timing), ("plain", None)):
        after = [words.backward(one, model, used) for one in test]
        ranks = [words.rank_events(test[slot.writer], slot, known, used, after[slot.writer]) for slot in slots]
        found[name] = words.shares(ranks)["word top-1"]
    assert found["timed"] > found["plain"] + 0.15
    told = words.shares([words.rank_run(slot, known, None, buckets=False, told_length=True) for slot in slots])
    assert (
        told["word top-100"]
        >= words.shares([words.rank_run(slot, known, None, buckets=False) for slot in slots])["word top-100"]
    )


def test_a_password_is_ranked_by_what_each_profile_shows() -> None:
    _, _, _, timing, people = taught(0)
    chance = random.Random(2)
    listed = list(
        dict.fromkeys(
            "".join(chance.choice("aeioubcdfgh") for _ in range(chance.randrange(5, 12))) for _ in range(3000)
        )
    )
    taken = guessing.bits_taken(people[:2], guessing.List(listed), timing, 60)
    mean = {name: float(np.mean(some)) for name, some in taken.items()}
    assert mean["bursts"] == pytest.approx(mean["length"])  # a run of its own shows the length, and nothing else
    assert mean["bursts"] > mean["coarse"] > mean["counts"]
    assert mean["counts"] < 0.3


def test_who_leaves_out_the_true_password_gains_nothing() -> None:
    listed = guessing.List([f"word{n:03}" for n in range(64)])
    everything, nothing = np.zeros(64), np.full(64, -np.inf)
    without = np.where(np.arange(64) % 8 == 7, 0.0, -np.inf)
    only = np.where(np.arange(64) == 40, 0.0, -np.inf)
    assert listed.bits_off(40, only) == pytest.approx(np.log2(41))
    assert listed.bits_off(40, everything) == listed.bits_off(40, nothing) == 0
    assert listed.bits_off(40, without) == pytest.approx(np.log2(41) - np.log2(8 + 40 - 5 + 1))
    assert listed.bits_off(0, without) == pytest.approx(-np.log2(9))


def test_a_password_that_typing_follows_shows_less_of_its_length() -> None:
    chance = random.Random(2)
    words = ("".join(chance.choice("aeioubcdfgh") for _ in range(chance.randrange(5, 11))) for _ in range(2000))
    listed = guessing.List(list(dict.fromkeys(words)))
    lengths = guessing.run_lengths(synthetic.writers(4, 900))
    table = guessing.carried(lengths)
    assert table[1:].sum(1) == pytest.approx(1)
    assert not table[:, : profiles.SHORT_RUN].any()
    taken = {name: np.mean(some) for name, some in guessing.bits_taken_before_text(listed, lengths, 150).items()}
    told = guessing.bits_taken_before_text(
        listed, np.eye(guessing._MOST + 1)[20], 150
    )  # who knows the other run exactly
    length = np.mean(told["bursts"])
    assert length > 1.5
    assert taken["bursts"] < length - 0.5
    assert taken["coarse"] < length - 0.5


# --- identity -------------------------------------------------------------------------------------------------


def recognised(person_ms: int, profile: str, volume: int = 100) -> float:
    people = [(one.times, one.symbols) for one in synthetic.writers(8, 800, person_ms=person_ms)]
    make = functools.partial(product.records, profile=PROFILES[profile])
    return float(identity.recognise(people, PROFILES[profile], make, [volume], trees=False)[volume].top1.mean())


def test_people_are_told_apart_where_a_difference_was_planted_and_else_not() -> None:
    assert recognised(900, "events") > 0.8
    assert recognised(0, "events") < 0.45
    assert recognised(900, "events") > recognised(900, "counts")


def test_intervals_hold_the_mean_and_shrink_with_people() -> None:
    values = np.random.default_rng(1).random(200)
    low, high = identity.interval(values)
    assert low < values.mean() < high
    few = identity.interval(values[:20])
    assert few[1] - few[0] > high - low


# --- attributes and the pointer ---------------------------------------------------------------------------------


def sessions(person_ms: int) -> list[attributes.Labelled]:
    """Twenty-four people, half of them slow where a difference is planted."""
    people = synthetic.writers(24, 300, person_ms=person_ms)
    return [attributes.Labelled(one.writer, one.times, one.symbols, "ab"[n >= 12]) for n, one in enumerate(people)]


def test_an_attribute_is_inferred_where_it_was_planted_and_else_inconclusive() -> None:
    pytest.importorskip("sklearn", reason="NOT TESTED: scikit-learn is not installed (desktop-logger[leakage])")
    planted, nothing = attributes.infer(sessions(900), EVENTS), attributes.infer(sessions(0), EVENTS)
    assert planted.verdict == "yes"
    assert planted.right.mean() > 0.8
    assert nothing.verdict == "inconclusive"
    assert planted.guessing == nothing.guessing == 0.5
    with pytest.raises(Unavailable, match="two labels"):
        attributes.infer(sessions(0)[:12], EVENTS)


def test_what_reaches_down_to_guessing_is_printed_as_inconclusive() -> None:
    figures = [
        Figure("age right", "events", 0.9, 0.8, 1.0, 24, 24), Figure("age right", "coarse", 0.6, 0.45, 0.7, 24, 24),
        Figure("age right", measuring.GUESSING, 0.5, 0.5, 0.5, 24, 24),
    ]  # fmt: skip
    lines = report.table(figures, [], markdown=True)
    assert [line.split(" | ")[2] for line in lines[2:]] == ["50.0 %", "90.0 %", "inconclusive"]


def test_a_pointer_is_recognised_where_a_hand_was_planted_and_else_not() -> None:
    def right(person_px: float, profile: str) -> float:
        people = synthetic.pointers(6, 4, 2 * pointer.WINDOW, person_px=person_px)
        return float(pointer.recognise(people, PROFILES[profile], trees=False).top1.mean())

    assert right(24, "events") > 0.9
    assert right(24, "bursts") > 0.6
    assert right(0, "events") < 0.6
    with pytest.raises(Unavailable, match="two sessions"):
        pointer.recognise(synthetic.pointers(3, 1, 900), EVENTS)


def test_pointer_data_is_read_without_positions(tmp_path: Path) -> None:
    head = "record timestamp,client timestamp,button,state,x,y"
    rows = ["0,0.0,NoButton,Move,500,400", "0,0.01,NoButton,Move,503,399", "0,0.02,Left,Pressed,503,399",
            "0,0.5,Left,Released,503,399", "0,0.6,Scroll,Down,0,0", "0,0.7,NoButton,Drag,9503,399"]  # fmt: skip
    place = tmp_path / "user7"
    place.mkdir()
    (place / "session_1").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    assert pointer.is_set(str(tmp_path))
    (one,) = pointer.read(str(tmp_path))
    assert [(event[0], *event[4:]) for event in one.sessions[0] if event[1] == MOVE] == [(10, 3, -1)]
    assert len(one.sessions[0]) == 3  # the jump is left out, the release says nothing
    (place / "session_2").write_text("something else\n1\n", encoding="utf-8")
    with pytest.raises(UsageError, match="user7/session_2"):
        pointer.read(str(tmp_path))


# --- recurrent attackers ------------------------------------------------------------------------------------------


def test_a_network_finds_text_and_people_that_were_planted() -> None:
    pytest.importorskip("torch", reason="NOT TESTED: PyTorch is not installed (pip install 'desktop-logger[learn]')")
    from desktop_logger.leakage import recurrent

    sizes = measuring.Networks(32, 20, 8, 14)

    def lacks(pair_ms: int, what: str) -> float:
        people = [(one.times, one.symbols) for one in synthetic.writers(10, 900, pair_ms=pair_ms)]
        return float(recurrent.bits_left(people[2:], people[:2], what, sizes).mean())

    planted = lacks(400, "told nothing") - lacks(400, "events")
    absent = lacks(0, "told nothing") - lacks(0, "events")
    assert planted > absent + 0.2
    far, near = (
        recurrent.recognise(
            [(one.times, one.symbols) for one in synthetic.writers(8, 800, person_ms=person_ms)], EVENTS,
            functools.partial(product.records, profile=EVENTS), 100, sizes,
        ).top1.mean()
        for person_ms in (900, 0)
    )  # fmt: skip
    assert far > 0.6
    assert near < 0.45


@pytest.mark.parametrize("name", ["nothing", "bursts", "coarse"])
def test_a_network_that_is_told_the_classes_sees_them(name: str) -> None:
    pytest.importorskip("torch", reason="NOT TESTED: PyTorch is not installed (pip install 'desktop-logger[learn]')")
    from desktop_logger.leakage import recurrent

    (one,) = synthetic.writers(1, 60, edits=0.4)
    told, plain = (recurrent.observations(one.times, one.symbols, what) for what in (f"told {name}", name))
    classes = [product.class_of_symbol(symbol) for symbol in one.symbols]
    assert (told[:, :4].argmax(1) + 1).tolist() == classes
    assert (told[:, 4:] == plain).all() if name != "nothing" else told.shape[1] == 4


def test_too_little_memory_for_a_network_is_said_as_such() -> None:
    torch = pytest.importorskip("torch", reason="NOT TESTED: PyTorch is not installed ('desktop-logger[learn]')")
    from desktop_logger.leakage import recurrent

    with pytest.raises(MemoryError), recurrent.memory_told():
        torch.empty(10**15)
    with pytest.raises(RuntimeError, match="shape"), recurrent.memory_told():
        torch.ones(2, 3) @ torch.ones(2, 3)


# --- the twin -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", [BURSTS, COARSE], ids=lambda one: one.name)
def test_the_vectorised_twin_makes_the_products_records(profile: object) -> None:
    form = twin.BURSTS if profile is BURSTS else frontier.COARSE
    for one in synthetic.writers(6, 700, seed=5, edits=0.3):
        fine = product.records(one.times, one.symbols, EVENTS)
        theirs = product.records(one.times, one.symbols, profile)  # type: ignore[arg-type]
        for segment in np.unique(fine[:, product.SEGMENT]):
            rows = fine[fine[:, product.SEGMENT] == segment][:, [product.T, product.CODE, product.A]]
            wanted = theirs[theirs[:, product.SEGMENT] == segment][:, 1:]
            last = segment == fine[-1, product.SEGMENT]
            made = twin.runs(rows, int(rows[-1, 0]) if last else 30_000, form)
            if profile is COARSE:
                made[:, 0] //= 60
            assert made.tolist() == wanted.tolist()


def test_the_twin_makes_whole_segments_of_every_scope_with_veils_and_gaps() -> None:
    chance = random.Random(6)
    kinds: set[int] = set()
    for _ in range(150):
        events: list[Event] = []
        until = 0
        for _ in range(chance.randrange(1, 8)):
            some, _, end = chance.choice((noninterference.pair, noninterference.veiled))(chance)
            events += [(t + until, *rest) for t, *rest in some]  # type: ignore[misc]
            until = max(until + end - chance.choice((0, 4000, 4900)), events[-1][0])
        redactor = Redactor(noninterference.Terms(EVENTS, COARSE))
        redactor.begin(0)
        redactor.feed(Batch(events, until))
        redactor.flush(until)
        fine = redactor.take()[0]
        runs = coarsen(fine, EVENTS, BURSTS, until // EVENTS.grid_ms)
        assert list(RECORD.iter_unpack(twin.bursts(fine, until // EVENTS.grid_ms))) == list(RECORD.iter_unpack(runs))
        assert twin.coarse(runs) == coarsen(runs, BURSTS, COARSE)
        kinds |= {kind for _, kind, *_ in RECORD.iter_unpack(runs)}
    veiled = {kind | COARSE_FORM for kind in VEILED_KINDS}
    assert kinds >= {KEY, TYPING, CLICK, SCROLL, STROKE, FOCUS, TARGET, TASK, GAP} | veiled - {SCROLL | COARSE_FORM}


def test_what_each_record_covers_adds_up() -> None:
    (one,) = synthetic.writers(1, 600, edits=0.4)
    found = encoded([one])[0]
    covered = [place for _, places in product.groups(found.made["bursts"], found.classes) for place in places]
    assert sorted(covered) == list(range(600))
    kinds = {int(kind) for kind in found.made["bursts"][:, product.KIND]}
    assert kinds == {KEY, TYPING}


def test_the_noise_of_counts_comes_out_the_same_again_and_is_other_for_other_typing() -> None:
    one, two = synthetic.writers(2, 900)

    def noise(some: Typing, start: int, draw: int) -> list[int]:
        times = some.times[start : start + 400]
        drawn = product.noise_of(times, draw)
        assert product.records(times, some.symbols[start : start + 400], COUNTS, product.noise_of(times, draw)).any()
        return [drawn() for _ in range(60)]

    assert noise(one, 0, 0) == noise(one, 0, 0)
    others = [noise(one, 0, 1), noise(one, 100, 0), noise(two, 0, 0)]
    assert all(some != noise(one, 0, 0) for some in others)
    spread = [abs(value) for some in others for value in some]
    assert 3 < sum(spread) / len(spread) < 7  # the product's: E|k| is 5 at ε = 0.2
    again = [product.records(one.times, one.symbols, COUNTS).tolist() for _ in range(2)]
    assert again[0] == again[1]


def test_who_is_recognised_under_counts_is_the_mean_over_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    people = synthetic.writers(3, 700)
    asked: list[str] = []

    def recognise(_: object, profile: profiles.Profile, make: object, volumes: list[int], **__: object) -> object:
        assert make
        asked.append(profile.name)
        right = np.array([float(asked.count("counts") == 2), 0, 1])
        return {volumes[0]: identity.Recognised(right, right, 3)}

    monkeypatch.setattr(identity, "recognise", recognise)
    sizes = measuring.QUICK._replace(noises=4)
    found = {one.profile: one.value for one in measuring.recognising(people, sizes) if "recognised" in one.metric}
    assert asked == ["events", "bursts", "coarse", *["counts"] * 4]
    assert found["counts"] == pytest.approx((0.25 + 1) / 3)


# --- the search ------------------------------------------------------------------------------------------------


def test_what_the_search_changes_is_what_it_says() -> None:
    (one,) = synthetic.writers(1, 1500, edits=0.3)
    chance = np.random.default_rng(1)
    plain = frontier.made(one.times, one.symbols, frontier.Variant(), chance)
    assert plain.tolist() == product.records(one.times, one.symbols, BURSTS).tolist()
    rows, known_by = frontier.unordered(plain, chance)
    assert sorted(rows.tolist()) == sorted(plain.tolist())
    minute = plain[:, product.SEGMENT] * 1000 + plain[:, product.T] // 60
    assert all(minute[at] == minute[min(at + 1, len(minute) - 1)] or known_by[at] == at for at in range(len(rows) - 1))
    rows, _ = frontier.scaled(plain, np.random.default_rng(2))
    ratio = rows[:, product.DURATION].sum() / plain[:, product.DURATION].sum()
    assert 0.5 <= ratio <= 2
    assert ratio != 1
    chaff = frontier.Chaff(1)
    chaff.others = plain[plain[:, product.KIND] == TYPING]
    rows, known_by = chaff(plain, chance)
    assert len(rows) == 2 * len(plain)
    assert (np.diff(known_by) >= 0).all()
    bare = frontier.made(one.times, one.symbols, frontier.VARIANTS["coarse"], chance)
    assert not bare[:, [product.B, product.DURATION]].any()
    told = frontier.made(one.times, one.symbols, frontier.VARIANTS["coarse, duration and corrections told"], chance)
    assert (told[:, [product.B, product.DURATION]].max(0) > 0).all()
    joined = frontier.made(one.times, one.symbols, frontier.VARIANTS["coarse, Enter in runs"], chance)
    assert len(joined) < len(plain)


def test_the_search_says_what_a_variant_costs() -> None:
    people = [(one.times, one.symbols) for one in synthetic.writers(3, 1200, edits=0.2)]
    for least in frontier.PAUSES_S:
        for name, profile in (("bursts", BURSTS), ("coarse", COARSE)):
            off = frontier.pauses_off(people, frontier.VARIANTS[name], least)
            assert off == pytest.approx(utility.pause_error(people, profile, least))
    assert np.isnan(frontier.pauses_off(people, frontier.VARIANTS["coarse, no gap"], 2))
    key, minute = frontier.bits(people, frontier.VARIANTS["coarse"])
    assert 0 < key < frontier.bits(people, frontier.VARIANTS["coarse, corrections told"])[0]
    assert frontier.bits(people, frontier.VARIANTS["bursts"])[1] > minute
    wide = frontier.made(*people[0], frontier.VARIANTS["coarse, gap log16"], np.random.default_rng(1))
    fine = frontier.made(*people[0], frontier.VARIANTS["bursts"], np.random.default_rng(1))
    steps = {0: {0}, 1: set(range(1, 16)), 2: set(range(16, 256)), 3: set(range(256, 4096))}
    assert all(was in steps[now] for now, was in zip(wide[:, product.GAP], fine[:, product.GAP], strict=True))
    assert frontier.entropy(Counter({(1,): 2, (2,): 2})) == pytest.approx(4 + 0.5 / np.log(2))


def test_a_variant_that_does_not_exist_is_named_with_those_near_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert frontier.main(["coarse, duration"]) == 2
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "error: no variant is called 'coarse, duration'",
        "hint: Such as: coarse, duration told; bursts, no duration; coarse, corrections told",
    ]
    assert frontier.main(["--write", "coarse"]) == 2
    assert "--quick" in capsys.readouterr().err


def test_lines_of_the_search_take_their_place_on_its_page() -> None:
    rows = ["| variant | x |", "| --- | --- |", "| coarse | 1 |", "| bursts | 2 |"]
    page = frontier.page(rows, "")
    assert [line for line in page.splitlines() if line.startswith("| ")] == [*rows[:2], rows[3], rows[2]]
    page = frontier.page([*rows[:2], "| coarse | 3 |"], page)
    assert page.endswith("| bursts | 2 |\n| coarse | 3 |\n")
    assert "2 variants" in page


def test_the_page_of_the_search_holds_every_variant() -> None:
    with open(os.path.join(ROOT, "docs", "reference", "frontier.md"), encoding="utf-8") as file:
        page = file.read()
    assert page == frontier.page(["| --- |", "| --- |"], page).replace("| --- |\n| --- |\n", "".join(
        line + "\n" for line in page.splitlines() if line.startswith(("| variant |", "| --- |"))
    ))  # fmt: skip
    assert [name for name in frontier.VARIANTS if f"\n| {name} | " not in page] == []


# --- data, budget, report, command ----------------------------------------------------------------------------


def test_a_data_set_that_is_absent_or_altered_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="keylogging_analysis"):
        data.chats(str(tmp_path))
    (tmp_path / data.ARCHIVES["typing"][0]).write_bytes(b"another file")
    with pytest.raises(IntegrityError, match="SHA-256"):
        data.chats(str(tmp_path))


def test_what_cannot_be_measured_is_marked_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> list[Figure]:
        raise MemoryError

    def absent() -> list[str]:
        raise Unavailable("the package zxcvbn is not installed")

    def french(_: int) -> dict[str, float]:
        return {"ba": 1e-3, "ce": 1e-3}

    monkeypatch.setattr(measuring, "using", no_memory)
    for section in ("recognising", "reading_again", "recognising_again"):
        monkeypatch.setattr(measuring, section, no_memory)
    monkeypatch.setattr(data, "passwords", absent)
    monkeypatch.setattr(data, "french_words", french)
    sizes = measuring.QUICK._replace(held=2, slots=15)
    figures, missing = measuring.measure(lambda: synthetic.writers(6, 500), sizes, lambda _: None)
    assert {gap.section: gap.reason for gap in missing} == {
        "passwords": "the package zxcvbn is not installed", "identity": "not enough memory",
        "utility": "not enough memory", "text by a network": "not enough memory",
        "identity by a network": "not enough memory",
    }  # fmt: skip
    assert {one.metric for one in figures} >= {"keys, bits each", "letters, bits each", "first word in 10"}
    assert any("NOT MEASURED" in line for line in report.table(figures, missing, markdown=False))


def test_what_was_measured_before_the_memory_ran_out_counts() -> None:
    def section(error: Exception) -> Iterator[Figure]:
        yield Figure("keys, bits each", "events", 0.5, 0.4, 0.6, 1, 1)
        raise error

    errors = {"a": MemoryError(), "b": ImportError("libtorch.so: cannot map"), "c": ModuleNotFoundError(name="torch")}
    figures, missing = measuring.run(
        {name: functools.partial(section, e) for name, e in errors.items()}, lambda _: None
    )
    assert len(figures) == 3
    assert [gap.reason.partition(":")[0].partition(" (")[0] for gap in missing] == [
        "not enough memory", "a library that it needs cannot be loaded", "torch is not installed",
    ]  # fmt: skip


def test_a_run_that_was_interrupted_goes_on_where_it_was(tmp_path: Path) -> None:
    figures = {name: Figure(f"{name}, bits", "events", 0.1 + n, 0, 1, 3, 4) for n, name in enumerate("abc")}
    asked: list[str] = []

    def section(name: str, *, stops: bool) -> Iterator[Figure]:
        asked.append(name)
        yield figures[name]
        if stops:
            raise KeyboardInterrupt

    def run(kept: keeping.Kept, stops_at: str = "") -> tuple[list[Figure], list[Missing]]:
        sections = {name: functools.partial(section, name, stops=name == stops_at) for name in figures}
        return measuring.run(sections, lambda _: None, kept)

    path = str(tmp_path / "figures.jsonl")
    with pytest.raises(KeyboardInterrupt):
        run(keeping.Kept(path, "this code"), "b")
    assert run(keeping.Kept(path, "this code"))[0] == list(figures.values())
    assert asked == ["a", "b", "b", "c"]
    run(keeping.Kept(path, "other code"))
    assert asked[4:] == ["a", "b", "c"]
    Path(path).write_text('{"made_by": "this code"}\n{"section": "a", "figures": [[1]]}\n', encoding="utf-8")
    kept = keeping.Kept(path, "this code")
    assert kept.sections == {}
    kept.forget()
    assert not os.path.exists(path)
    assert keeping.digest(measuring.Sizes()) != keeping.digest(measuring.QUICK)
    folder = os.path.dirname(keeping.__file__)
    assert all(os.path.exists(os.path.join(folder, name)) for name in keeping._WITHOUT)


def test_without_the_typing_the_rest_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def altered() -> list[Typing]:
        raise IntegrityError("the file is another", "Remove it")

    monkeypatch.setattr(data, "prose", lambda _: ["the quick brown fox jumps. " * 40] * 6)
    sizes = measuring.QUICK._replace(held=2)
    figures, missing = measuring.measure(altered, sizes, lambda _: None, cache=str(tmp_path))
    assert {one.metric for one in figures} == {"English letters, bits each"}
    assert missing == [Missing("everything that needs typing", "the file is another. Remove it")]


def test_the_gate_fails_over_budget_and_when_nobody_looked(tmp_path: Path) -> None:
    def figure(profile: str, value: float) -> Figure:
        return Figure("keys, bits each", profile, value, value, value, 1, 1)

    limits = {name: {"keys, bits each": {"at_most": 0.5}} for name in PROFILES}
    fine = [figure(name, 0.4) for name in PROFILES]
    assert budget.over(fine, [], limits) == []
    assert "over the budget" in budget.over([figure("events", 0.6), *fine[1:]], [], limits)[0]
    assert "nothing measures it" in budget.over(fine[1:], [], limits)[0]
    assert budget.over(fine[1:], [Missing("text", "no network")], limits) == []
    assert "under the least" in budget.over(fine, [], {"events": {"keys, bits each": {"at_least": 0.5}}})[0]
    unheld = fine[0]._replace(metric="colour right")
    assert budget.over([*fine, unheld], [], limits) == ["events: colour right: has no budget"]
    broken = tmp_path / "budget.toml"
    broken.write_text("[events]\n", encoding="utf-8")
    with pytest.raises(UsageError, match="a table for each profile"):
        budget.load(str(broken))


def test_what_is_no_number_is_within_no_budget() -> None:
    nothing = Figure("keys, bits each", "events", math.nan, 0, 0, 1, 1)
    for limits in ({"at_most": 0.5}, {"at_least": 0.5}):
        assert "is no number" in budget.over([nothing], [], {"events": {"keys, bits each": limits}})[0]


@pytest.mark.parametrize(
    "limit",
    ["at_most = nan", "at_most = inf", "at_least = -inf", 'at_most = "0.5"', "at_most = true", "most = 0.5", ""],
)
def test_a_budget_that_nothing_could_exceed_is_refused(tmp_path: Path, limit: str) -> None:
    written = tmp_path / "budget.toml"
    tables = [f'[{name}]\n"keys, bits each" = {{at_most = 0.5}}\n' for name in PROFILES]
    written.write_text("".join(tables), encoding="utf-8")
    assert budget.load(str(written)).keys() == PROFILES.keys()
    written.write_text("".join(tables).replace("at_most = 0.5", limit, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=r"events\.keys, bits each"):
        budget.load(str(written))


def test_a_budget_that_is_no_table_or_no_text_is_refused(tmp_path: Path) -> None:
    written = tmp_path / "budget.toml"
    written.write_text("".join(f"{name} = 1\n" for name in PROFILES), encoding="utf-8")
    with pytest.raises(UsageError, match="needs a table"):
        budget.load(str(written))
    written.write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"budget\.toml"):
        budget.load(str(written))


def test_the_shipped_budget_covers_every_profile_and_is_in_order() -> None:
    limits = budget.load(os.path.join(ROOT, "config", "leakage-budget.toml"))
    for metric in ("keys, bits each", "recognised, 500 keys"):
        at_most = [limits[profile.name][metric]["at_most"] for profile in (EVENTS, BURSTS, COARSE, COUNTS)]
        assert at_most == sorted(at_most, reverse=True)


def test_the_published_figures_are_within_the_budget() -> None:
    """The page is made by ``make leakage``; here only that page and budget fit together."""
    limits = budget.load(os.path.join(ROOT, "config", "leakage-budget.toml"))
    with open(os.path.join(ROOT, "docs", "reference", "leakage.md"), encoding="utf-8") as file:
        page = file.read()
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in page.splitlines() if line[:2] == "| "]
    figures = []
    for row in rows:
        if len(row) == 6 and row[1] in PROFILES and row[2] != "inconclusive":
            value = float(row[2].removesuffix(" %")) / (100 if row[2].endswith("%") else 1)
            figures.append(Figure(row[0], row[1], value, value, value, 0, 0))
    unmeasured = re.findall(r"\*\*Not in this table\*\*, though the benchmark has it: (.*)\.$", page, re.MULTILINE)
    assert budget.over(figures, [Missing(one, "the page says so") for one in unmeasured], limits) == []
    measured = {(one.profile, one.metric) for one in figures}
    asked = {(profile, metric) for profile in limits for metric in limits[profile]}
    assert {metric for _, metric in asked - measured} <= set(unmeasured)


def test_the_file_that_ships_holds_the_table_of_the_page() -> None:
    with open(os.path.join(ROOT, "docs", "reference", "leakage.md"), encoding="utf-8") as file:
        page = file.read()
    with open(os.path.join(ROOT, *report.FIGURES), encoding="utf-8") as file:
        assert file.read() == report.shipped(page)
    told = json.loads(report.shipped(page))
    assert {row[1] for row in told["figures"]} == set(PROFILES)
    assert re.fullmatch(r"\d+ \w+ 20\d\d", told["measured"])


def test_volunteers_typing_is_read_from_replay_files(tmp_path: Path) -> None:
    for name, keys in (("ann.1.jsonl", "ab"), ("ann.2.jsonl", "c"), ("bob.1.jsonl", "d")):
        lines = [
            {"t": n, "key": key, "down": down} for n, key in enumerate([*keys, "BackSpace"]) for down in (True, False)
        ]
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    people = volunteers.typing(str(tmp_path))
    assert [one.symbols for one in people] == [["a", "b", "\b", "c", "\b"], ["d", "\b"]]
    assert "ann" not in people[0].writer
    with pytest.raises(Unavailable):
        volunteers.typing(str(tmp_path / "nothing"))


@pytest.mark.parametrize(("people", "keys"), [(1, 900), (3, 60)])
def test_too_few_people_and_too_little_typing_are_said_in_words(people: int, keys: int) -> None:
    some = synthetic.writers(people, keys)
    figures, missing = measuring.measure(lambda: some, measuring.QUICK, lambda _: None)
    assert figures == []
    reasons = {one.section: one.reason for one in missing}
    assert reasons["text"] == "fewer than two people with 120 key presses of text each"
    assert "two people with 300 key presses" in reasons["identity"]
    assert "five people with 300 key presses" in reasons["utility"]


def test_what_little_typing_cannot_tell_is_marked_and_one_person_has_no_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(data, "passwords", lambda: ["sunflower", "marmalade", "telescope"])  # the list may be absent
    known = measuring.readers(synthetic.writers(2, 260), measuring.QUICK)
    sections = {
        "text": lambda: measuring.reading(known, measuring.QUICK),
        "words": lambda: measuring.first_words(known._replace(test=[]), measuring.QUICK),
        "passwords": lambda: measuring.secrets_typed(known._replace(test=[]), measuring.QUICK),
    }
    figures, missing = measuring.run(sections, lambda _: None)
    assert {one.metric for one in figures} == {"keys, bits each", "letters, bits each"}
    said = {"text": "twelve runs of four keys", "words": "no run begins with a word", "passwords": "200 pauses"}
    assert [said[one.section] in one.reason for one in missing] == [True] * 3
    lines = report.table(figures, missing, markdown=False)
    assert sum("one person" in line for line in lines) == len(figures)


def test_volunteers_presses_are_those_that_the_program_records(tmp_path: Path) -> None:
    """Shift, autorepeat and what is typed into something secure make nothing; a command is no text."""
    lines = [
        {"t": 0, "key": "Shift_L", "down": True}, {"t": 0.1, "key": "A", "down": True},
        {"t": 0.2, "key": "A", "down": True}, {"t": 0.3, "key": "A", "down": False},
        {"t": 0.4, "key": "Shift_L", "down": False}, {"t": 0.5, "key": "Control_L", "down": True},
        {"t": 0.6, "key": "c", "down": True}, {"t": 0.7, "key": "c", "down": False},
        {"t": 0.8, "key": "Control_L", "down": False}, {"t": 0.9, "key": "eacute", "down": True},
        {"t": 1, "focus": "vault", "secure": True}, {"t": 1.1, "key": "x", "down": True},
        {"t": 1.2, "focus": "editor", "secure": False}, {"t": 1.3, "key": "Left", "down": True},
        {"t": 1.4, "move": [3, 4]}, {"t": 1.5, "key": "Return", "down": True},
    ]  # fmt: skip
    (tmp_path / "ann.1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (one,) = volunteers.typing(str(tmp_path))
    assert one.symbols == ["A", "Control_L", "é", "Left", "\n"]
    assert [t - one.times[0] for t in one.times] == [0, 400, 800, 1200, 1400]
    assert all(product.class_of_symbol(symbol) for symbol in one.symbols)


def test_volunteers_sessions_are_labelled_by_a_table(tmp_path: Path) -> None:
    for name in ("ann.1", "ann.2", "bob.1"):
        line = json.dumps({"t": 1, "key": name[0], "down": True})
        (tmp_path / f"{name}.jsonl").write_text(line + "\n", encoding="utf-8")
    assert volunteers.labelled(str(tmp_path)) == {}
    table = tmp_path / "labels.csv"
    table.write_text("person,attribute,value\nann,role,clerk\nann,desk,left\nbob,role,nurse\n", encoding="utf-8")
    found = volunteers.labelled(str(tmp_path))
    assert [(one.symbols, one.label) for one in found["role"]] == [(["a"], "clerk"), (["a"], "clerk"), (["b"], "nurse")]
    assert [one.writer for one in found["desk"]] == ["ann", "ann"]
    table.write_bytes(b"\xef\xbb\xbfperson,attribute,value\r\nann,role,clerk\r\n")  # as a spreadsheet saves it
    assert len(volunteers.labelled(str(tmp_path))["role"]) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"who,what\nann,clerk\n", "line 2: a person, an attribute or a value is absent"),
     (b"person;attribute;value\nann;role;clerk\n", "line 2: a person"),
     (b"person,attribute,value\nann,role,clerk\nbob,role\n", "line 3: a person"),
     (b"person,attribute,value\nann,role,\n", "line 2: a person"),
     (b"person,attribute,value\nann,role,\xff\n", "not UTF-8"),
     (b"person,attribute,value\nann,role," + b"x" * 200_000 + b"\n", "line 2: not a line"),
     (None, "cannot read")],
)  # fmt: skip
def test_a_table_of_labels_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    table = tmp_path / "labels.csv"
    if content is None:
        table.mkdir()
    else:
        table.write_bytes(content)
    with pytest.raises(UsageError, match=said) as refused:
        volunteers.labelled(str(tmp_path))
    assert str(table) in refused.value.message
    assert refused.value.hint


def test_public_research_sets_are_read_in_their_own_formats(tmp_path: Path) -> None:
    villani, aalto, cmu = (
        tmp_path / name for name in ("free_text.csv", "1_keystrokes.txt", "DSL-StrongPasswordData.csv")
    )
    rows = [
        "user,session,keyname,timepress,timerelease",
        "u,1,h,1000,1050",
        "u,1,shift,1040,1500",
        "u,1,space,1100.0,1150",
    ]
    villani.write_text("\n".join([*rows, "u,2,backspace,90,95"]) + "\n", encoding="utf-8")
    (one,) = formats.read(str(villani))
    assert one == Typing("writer 1", [0, 100, 700_100], ["h", " ", "\b"])
    heads = ("PARTICIPANT_ID", "TEST_SECTION_ID", "PRESS_TIME", "LETTER")
    lines = [heads, ("5", "a", "1500", "x"), ("5", "a", "1650", "BKSP"), ("5", "a", "1600", "SHIFT")]
    aalto.write_text("\n".join("\t".join(line) for line in lines) + "\n", encoding="utf-8")
    assert formats.read(str(aalto)) == [Typing("writer 1", [0, 150], ["x", "\b"])]
    cmu.write_text(
        "subject,H.period,DD.period.t,UD.period.t,DD.t.i,DD.e.five\ns2,0.1,0.25,0.1,0.1,0.2\n", encoding="utf-8"
    )
    assert formats.read(str(cmu)) == [Typing("writer 1", [0, 250, 350, 550], [".", "t", "i", "5"])]
    villani.write_text("user,session\nu,1\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"free_text\.csv"):
        volunteers.typing(str(tmp_path))


def test_without_data_the_command_says_what_is_missing(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "desktop_logger.leakage", "--cache", str(tmp_path), "--quick"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 5
    assert "NOT MEASURED" in ended.stdout
    assert "make leakage" in ended.stdout
    assert "Traceback" not in ended.stderr
