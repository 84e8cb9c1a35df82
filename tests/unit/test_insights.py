"""Insights: what each profile lets be counted, what the coach may say, and that nobody is found in a team's answer."""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from desktop_logger.admin import answers, lineage
from desktop_logger.admin.folder import Folder
from desktop_logger.cli.app import build
from desktop_logger.dataset import folder
from desktop_logger.dataset.arrow import Session
from desktop_logger.dataset.parts import PartWriter, part_name
from desktop_logger.errors import IntegrityError, Refused, UsageError
from desktop_logger.insights import coach, moments, noise, saying, team
from desktop_logger.insights.own import MEASURES, Own
from desktop_logger.inspection.columns import Records, ordered
from desktop_logger.records.classes import Button, Category, ClickKind, Command, KeyClass, Reason, Role
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import CLICK, FOCUS, GAP, KEY, SCOPE_OF_KIND, TARGET, VEIL
from desktop_logger.records.profiles import BURSTS, COARSE, PROFILES, SCOPES
from desktop_logger.redaction import Redactor
from desktop_logger.segments.reading import RECORDS
from desktop_logger.testing import office
from tests.granted import grant
from tests.learning import change_card
from tests.organisation import PASSPHRASE, START, HeldClock, Organisation, Subject
from tests.people import Person

FINE = ("events", "bursts")


class Desk:
    """Somebody at work, in ms of one segment; every act begins in a new minute, so that ``coarse`` can place it too."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now = 0

    def at(self, ms: int, what: int, code: int, extra: int = 0) -> None:
        self.events.append((self.now + ms, what, code, extra, 0, 0))

    def minute(self) -> None:
        self.now += 60_000 - self.now % 60_000

    def focus(self, category: Category) -> None:
        self.at(0, FOCUS, category)
        self.minute()

    def type(self, text: int, edit: int = 0) -> None:
        for number in range(text + edit):
            self.at(100 * number, KEY, KeyClass.TEXT if number < text else KeyClass.EDIT)
        self.now += 100 * (text + edit) + 2500

    def command(self, command: Command, after_s: float = 0.0) -> None:
        """Ctrl and a letter, so long after the key before."""
        self.now += int(after_s * 1000)
        self.at(0, KEY, KeyClass.MODIFIER)
        self.at(150, KEY, KeyClass.COMMAND, command)
        self.now += 160

    def click(self, role: Role, times: int = 1) -> None:
        for number in range(times):
            self.at(300 * number, CLICK, Button.LEFT, 1)
            self.at(300 * number, TARGET, role, ClickKind.SINGLE)
        self.now += 300 * times + 2500

    def back_and_forth(self, one: Category, other: Category, stay_s: int) -> None:
        """To another kind of application, and back."""
        self.at(0, FOCUS, one)
        self.now += 20_000
        self.at(0, FOCUS, other)
        self.now += stay_s * 1000
        self.at(0, FOCUS, one)
        self.now += 20_000

    def records(self, profile: str, *scopes: str) -> dict[str, list[Records]]:
        redactor = Redactor(grant(*(scopes or SCOPES), own=profile), lambda: 0)
        redactor.begin(0)
        redactor.feed(Batch(self.events, self.now))
        redactor.flush(self.now + 60_000)
        own, _ = redactor.take()
        made = np.frombuffer(own, RECORDS)
        scope = np.array([SCOPE_OF_KIND.get(int(kind) & 0x3F, "") for kind in made["kind"]])
        gaps = made["kind"] == GAP
        return {name: [made[(scope == name) | gaps]] for name in (scopes or SCOPES)}

    def counts(self, profile: str) -> dict[str, moments.Counts]:
        return moments.count(self.records(profile), PROFILES[profile])


def test_a_habit_is_counted_by_the_same_rule_whichever_profile_it_was_recorded_in() -> None:
    desk = Desk()
    desk.focus(Category.MAIL)
    desk.type(16, 4)
    desk.command(Command.COPY, 5.2)
    desk.type(16)
    desk.command(Command.PASTE)
    desk.type(16)
    desk.command(Command.SAVE, 40)  # a long pause is another matter
    desk.minute()
    desk.click(Role.MENU_ITEM)
    desk.click(Role.BUTTON, 5)
    desk.minute()
    for profile in (*FINE, "coarse"):
        found = desk.counts(profile)["mail"]
        assert (found["commands"], found["hesitated"]) == (3, 1), profile
        assert (found["command:copy"], found["command:paste"]) == (1, 1)
        assert (found["repeated_clicks"], found["repeated:button"]) == (1, 1)
        assert found["role:menu_item"] == 1
        assert found["runs"] == 3
        exact = profile in FINE
        assert (found["text"], found["edit"]) == ((48, 4) if exact else (48, 0))
        assert found["clicks"] == (6 if exact else 5), "of 5 clicks coarse knows that they were 4 or more"
    noisy = desk.counts("counts")["mixed"]
    assert (noisy["text"], noisy["edit"], noisy["commands"], noisy["clicks"]) == (48, 4, 3, 6)
    assert "hesitated" not in noisy


@pytest.mark.parametrize("profile", [*FINE, "coarse"])
def test_back_and_forth_is_a_short_visit_to_another_kind_of_application(profile: str) -> None:
    desk = Desk()
    desk.back_and_forth(Category.MAIL, Category.BROWSER, 7)
    desk.at(0, GAP, Reason.PAUSED, 5)
    desk.now += 5000
    desk.back_and_forth(Category.MAIL, Category.BROWSER, 8)
    found = desk.counts(profile)
    assert found["mail"]["back_and_forth"] == 1
    assert found["mail"]["pair:browser+mail"] == 1
    assert found["browser"]["back_and_forth"] == 0
    assert sum(counts["switches"] for counts in found.values()) == 4, "over a gap nobody knows"


def test_a_pause_that_was_spent_with_the_mouse_is_no_hesitation() -> None:
    desk = Desk()
    desk.focus(Category.OFFICE)
    desk.type(16)
    desk.now += 2000
    desk.at(0, CLICK, Button.LEFT, 1)
    desk.command(Command.COPY, 3)
    assert desk.counts("bursts")["office"]["hesitated"] == 0
    assert desk.counts("coarse")["office"]["hesitated"] == 1, "coarse does not know, and says so"
    own = Own()
    own.add(START, START + 100, COARSE, desk.records("coarse"))
    assert any("spent with the mouse" in line for line in own.to_json()["cannot_tell"])


def test_what_only_has_a_minute_belongs_to_a_category_that_had_all_of_it() -> None:
    desk = Desk()
    desk.focus(Category.MAIL)
    desk.at(0, VEIL, 1)
    desk.type(16)
    desk.now += 10_000
    desk.at(0, FOCUS, Category.BROWSER)
    desk.minute()
    desk.type(32)
    for profile in ("bursts", "coarse"):
        found = desk.counts(profile)
        assert (found["mixed"]["text"], found["browser"]["text"]) == (16, 32), profile
    desk.events = [event for event in desk.events if event[1] != VEIL]
    assert desk.counts("bursts")["mail"]["text"] == 16


def test_the_coach_says_what_it_saw_what_it_assumes_and_no_more_than_three_things() -> None:
    counts = Counter({"role:menu_item": 41, "commands": 7, "role:tab": 60, "role:text_field": 50, "tab_keys": 3,
                      "erased_runs": 20, "erased_keys": 400, "pair:browser+mail": 200})  # fmt: skip
    made = coach.habits(counts)
    assert len(made) == coach.MOST
    assert [one.saves_at_most_s for one in made] == sorted((one.saves_at_most_s for one in made), reverse=True)
    (menus,) = coach.habits({"role:menu_item": 41, "commands": 7})
    assert menus.seen == "you clicked 41 menu items, and used 7 commands by keys"
    assert menus.saves_at_most_s == round(41 * (2 * 1.10 + 2 * 0.40 - 2 * 0.28))
    assert "1980" in menus.source
    assert menus.assuming
    (vague,) = coach.habits({"role:menu_item": 41}, at_least=True)
    assert "at least 41" in vague.seen
    assert coach.habits({"role:menu_item": coach.FEWEST - 1, "commands": 2}) == []
    assert coach.habits({}) == []
    said = json.dumps([one._asdict() for one in coach.habits(counts)]).lower()
    assert not re.search(
        r"score|rank|better than|average person|others|productiv|idle|subject|monitor",
        said.replace("of an average typist", ""),
    )


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("scopes", [SCOPES, ("keyboard",), ("pointer", "context")])
def test_what_cannot_be_known_is_absent_and_said(profile: str, scopes: tuple[str, ...]) -> None:
    desk = Desk()
    desk.focus(Category.MAIL)
    for _ in range(12):
        desk.type(20, 2)
        desk.click(Role.MENU_ITEM)
        desk.command(Command.COPY, 5)
    own = Own()
    own.add(START, START + 600, PROFILES[profile], desk.records(profile, *scopes))
    own.add(START + 7 * 86_400, START + 7 * 86_400 + 600, PROFILES[profile], desk.records(profile, *scopes))
    report = own.to_json()
    assert len(report["weeks"]) == 2
    week = report["weeks"][0]
    assert ("text" in week) == ("keyboard" in scopes)
    assert ("menu_items" in week) == ("target" in scopes)
    assert ("hesitated" in week) == ("keyboard" in scopes and profile != "counts")
    assert ("edit" in week) == ("keyboard" in scopes and profile != "coarse")
    said = " ".join(report["cannot_tell"])
    for scope in ("keyboard", "pointer", "target", "context"):
        assert (f"{scope} is not granted" in said) == (scope not in scopes)
    assert ("no names of commands" in said) == (profile == "counts")
    lines = saying.own(own)
    assert max(map(len, lines)) <= 80
    assert any("nothing leaves" in line for line in lines)
    if "target" in scopes:
        assert report["habits"][0]["id"] == "menu-shortcuts"
        assert report["habits"][0]["times"] == 24
        assert "24 menu items" in " ".join(lines).replace("at least ", "")


def test_nothing_recorded_is_said_in_one_line() -> None:
    assert len(saying.own(Own())) == 1
    assert Own().to_json()["weeks"] == []


def test_ones_own_insights_through_the_command_line(tmp_path: Path) -> None:
    works = Organisation(str(tmp_path / "works"), HeldClock())
    someone = Subject(str(tmp_path / "home"), works)
    someone.record(presses=60)
    before = sorted((name, os.path.getmtime(name)) for name in map(str, Path(someone.home.root).rglob("*")))
    person = Person(someone.home.root)
    report = person.json("insights", passphrase=PASSPHRASE)
    assert report["weeks"][0]["text"] == person.inspect()["keys"]["TEXT"]
    assert report["weeks"][0]["commands"] == person.inspect()["keys"]["COMMAND"]
    assert report["profiles"] == ["bursts"]
    assert sorted((name, os.path.getmtime(name)) for name in map(str, Path(someone.home.root).rglob("*"))) == before
    wrong = person.run("insights", passphrase="not the one")  # noqa: S106  a wrong one
    assert (wrong.returncode, "Traceback" in wrong.stderr, wrong.stdout) == (4, False, "")


# --- for teams ------------------------------------------------------------------------------------------------------


def worker(number: int) -> team.Points:
    """One of many: clicks menu items and buttons, types in mail and office, erases now and then."""
    chance = np.random.default_rng(number)
    counts = {"clicks_by_role/menu_item": 30, "clicks_by_role/button": 50, "repeated_clicks_by_role/button": 4,
              "use_by_category/mail": 400, "use_by_category/office": 900,
              "friction_by_category/erased_runs:mail": 12, "friction_by_category/hesitated:office": 9}  # fmt: skip
    return team.points({name: int(n * chance.uniform(0.5, 2)) for name, n in counts.items()})


PLANTED = team.points({"clicks_by_role/spin_button": 999, "repeated_clicks_by_role/spin_button": 99,
                       "use_by_category/game": 9999, "friction_by_category/back_and_forth:game": 500})  # fmt: skip
"""Somebody who does what nobody else does, and does it all day."""


def test_a_person_has_so_many_points_and_no_more_whatever_was_done() -> None:
    for counts in ({}, {"clicks_by_role/button": 1}, {f"clicks_by_role/{one.name.lower()}": 10**9 for one in Role}):
        for name, cells in team.points(counts).items():
            assert 0 <= sum(cells) <= team.POINTS, name
    assert all(sum(cells) == team.POINTS for cells in PLANTED.values())
    with_them, without = (team.total([*map(worker, range(9)), *more]) for more in ([PLANTED], []))
    for name, cells in with_them.items():
        assert sum(abs(a - b) for a, b in zip(cells, without[name], strict=True)) <= team.POINTS


def likelihood_ratio(seen: team.Points, with_them: team.Points, without: team.Points, epsilon: Fraction) -> float:
    """The best test there is (Neyman and Pearson): how much likelier the answer is with the person than without.

    It knows everything but whether the person is in it: everybody else's data, the mechanism and its noise.
    """
    rate = float(epsilon) / len(team.TABLES) / team.POINTS
    return rate * sum(
        abs(cell - b) - abs(cell - a)
        for name in team.TABLES
        for cell, a, b in zip(seen[name], with_them[name], without[name], strict=True)
    )


def singled_out(epsilon: Fraction | None, times: int = 250) -> float:
    """How often somebody who compares two answers, one of them with the planted person, says rightly which it is.

    ``epsilon`` of the answers; ``None``: without noise. The test looks at the difference of the two.
    """
    others = [worker(number) for number in range(60)]
    without, with_them = team.total(others), team.total([*others, PLANTED])
    right = 0.0
    for number in range(times):
        for truth in (with_them, without):
            key = number.to_bytes(32, "big")  # another secret each time, as another export has
            seen = truth if epsilon is None else team.release(truth, key, epsilon)
            ratio = likelihood_ratio(seen, with_them, without, epsilon or team.EPSILON)
            right += 0.5 if ratio == 0 else float((ratio > 0) == (truth is with_them))
    return right / (2 * times)


def test_a_planted_person_cannot_be_singled_out_by_comparing_answers() -> None:
    most = math.exp(float(team.EPSILON)) / (1 + math.exp(float(team.EPSILON)))
    deviation = 0.5 / math.sqrt(500)
    assert singled_out(None) == 1.0, "without noise the same test finds them every time"
    assert singled_out(team.EPSILON) <= most + 3 * deviation
    assert singled_out(8 * team.EPSILON, 100) > most + 3 * deviation, "and it would see noise that is too small"


def test_asking_again_gives_the_same_and_a_changed_export_other_noise() -> None:
    others = [worker(number) for number in range(60)]
    table, key = team.total(others), bytes(range(32))
    assert all(team.release(table, key) == team.release(table, key) for _ in range(3))
    more = team.total([*others, PLANTED])
    name = "use_by_category"
    untouched = [place for place, (a, b) in enumerate(zip(table[name], more[name], strict=True)) if a == b]
    noises = [
        [noisy - true for noisy, true in zip(team.release(one, key)[name], one[name], strict=True)]
        for one in (table, more)
    ]
    assert sum(noises[0][place] != noises[1][place] for place in untouched) > len(untouched) // 2, "nothing cancels out"


def test_the_noise_has_the_distribution_that_it_says() -> None:
    draw = noise.keyed(b"k" * 32, b"distribution")
    drawn = noise.noisy([0] * 6000, 100, Fraction(1, 4), draw)
    scale = 400
    assert abs(np.mean(drawn)) < 5 * math.sqrt(2) * scale / math.sqrt(6000)
    assert np.mean(np.abs(drawn)) == pytest.approx(scale, rel=0.08)
    least = noise.exceeded(0.05, 100, Fraction(1, 4))
    assert 0.035 < np.mean(np.array(drawn) >= least) <= 0.065
    q = math.exp(-1 / scale)
    assert q**least / (1 + q) <= 0.05 < q ** (least - 1) / (1 + q)


SPARE = office.Plan(people=5, sessions=1)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = str(tmp_path_factory.mktemp("team") / "export")
    office.write(place, SPARE, "bursts")
    return place


Once = Callable[[bytes, int], tuple[bytes, int]]


@pytest.fixture
def steward(tmp_path: Path) -> Folder:
    return Organisation(str(tmp_path / "works"), HeldClock()).folder


def budget(steward: Folder, export: str, persons: dict[int, str]) -> Once:
    """An admin folder's, that knows this export of these sessions, each of which has one bundle in whatever export."""
    with lineage.opened(lineage.path_of(steward)) as connection:
        for session, person in persons.items():
            connection.execute(
                "INSERT INTO sessions (export, session, rows, digest, subject) VALUES (?, ?, 1, ?, ?)",
                (export, session, f"{session:064x}", person),
            )
    return partial(answers.once, steward, export)


def grown(simulated: str, place: Path, people: int) -> tuple[str, dict[int, str]]:
    """An export of so many people, each of whom clicks 4 menu items and types in mail; and its lineage."""
    root = place / "export"
    (root / "data").mkdir(parents=True)
    (root / "card.json").write_text((Path(simulated) / "card.json").read_text())
    change_card(str(root), subjects=people, minimum_group=5)
    desk = Desk()
    desk.focus(Category.MAIL)
    desk.type(200)
    desk.click(Role.MENU_ITEM, 4)
    records, scopes = ordered(desk.records("coarse"))
    with PartWriter(str(root / part_name(0, 0, "parquet")), "parquet") as part:
        part.write([Session(1000 + number, 0, "coarse", records, scopes) for number in range(people)])
        part.close()
    return str(root), {1000 + number: f"person {number}" for number in range(people)}


def test_an_exports_rows_are_counted_as_the_records_they_were_made_from(simulated: str) -> None:
    made = Counter[str]()
    for number in range(SPARE.people):
        parts = office.redacted(office.session(SPARE, number, 0), BURSTS)
        made.update(team._cells(moments.count(parts, BURSTS)))
    read = Counter[str]()
    for _, counts in team._sessions(simulated):
        read.update(counts)
    assert read == made
    assert {name.partition("/")[0] for name in read} == set(team.TABLES)


def test_a_team_gets_one_answer_with_its_bounds(simulated: str, tmp_path: Path, steward: Folder) -> None:
    root, persons = grown(simulated, tmp_path, 400)
    once = budget(steward, "a", persons)
    found = team.answer(root, persons, once)
    assert (found.people, found.states_left) == (400, team.STATES - 1)
    assert found.tables["clicks_by_role"]["menu_item"] > 0.8
    assert set(found.tables["clicks_by_role"]) == {"menu_item"}
    assert set(found.tables["use_by_category"]) == {"mail"}
    assert all(share >= found.smallest - 0.001 for cells in found.tables.values() for share in cells.values())
    assert team.answer(root, persons, once) == found
    report = found.to_json()
    assert (report["epsilon"], report["epsilon_total"]) == (1.0, 5.0)
    lines = saying.team(found)
    assert max(map(len, lines)) <= 80
    assert "ε = 1 " in " ".join(lines)
    assert not any(person in json.dumps(report) for person in persons.values())


def test_the_same_data_exported_again_gives_the_same_answer(simulated: str, tmp_path: Path, steward: Folder) -> None:
    """Else whoever asks for a hundred exports of the same averages the noise away."""
    root, persons = grown(simulated, tmp_path, 100)
    found = [team.answer(root, persons, budget(steward, f"export {number}", persons)) for number in range(20)]
    assert found == [found[0]] * 20


def test_nothing_beside_the_rows_takes_the_noise_off(simulated: str, tmp_path: Path, steward: Folder) -> None:
    root, persons = grown(simulated, tmp_path, 100)
    before = sorted(os.listdir(root))
    team.answer(root, persons, budget(steward, "a", persons))
    assert sorted(os.listdir(root)) == before


def test_whatever_was_released_is_part_of_five_different_answers(
    simulated: str, tmp_path: Path, steward: Folder
) -> None:
    """Whether an erasure changed the export or it was put together anew."""
    root, persons = grown(simulated, tmp_path, 200)
    sessions = list(persons)
    for gone in range(team.STATES):
        team.answer(root, persons, budget(steward, f"export {gone}", persons))
        for session in sessions[10 * gone : 10 * gone + 10]:  # fewer people each time
            persons[session] = "person 199"
    once = budget(steward, "the last", persons)
    for _ in range(2):
        with pytest.raises(Refused, match="part of 5 answers"):
            team.answer(root, persons, once)
    # what nobody was told about yet has a budget of its own
    other, fresh = grown(simulated, tmp_path / "other", 150)
    fresh = {5000 + session: person for session, person in fresh.items()}
    assert answers.once(steward, "none of them", b"", team.STATES)[1] == team.STATES
    assert budget(steward, "fresh", fresh)(b"[]", team.STATES)[1] == team.STATES - 1
    with pytest.raises(IntegrityError, match="does not know a session"):
        team.answer(other, fresh, once)


def test_too_few_people_a_waiting_erasure_and_what_is_no_export_are_refused(
    simulated: str, tmp_path: Path, steward: Folder
) -> None:
    root, persons = grown(simulated, tmp_path, 20)
    once = budget(steward, "a", persons)
    with pytest.raises(Refused, match="20 people, and an insight needs"):
        team.answer(root, persons, once)
    assert once(b"", 1)[1] == 0, "nothing was asked before"
    with pytest.raises(IntegrityError, match="does not know a session"):
        team.answer(root, {}, once)
    folder.mark_pending(root, ["one"])
    with pytest.raises(Refused, match="an erasure waits"):
        team.answer(root, persons, once)
    with pytest.raises(UsageError, match="not a dataset"):
        team.answer(str(tmp_path), persons, once)


def test_a_small_organisation_is_refused_through_the_command_line(tmp_path: Path) -> None:
    works = Organisation(str(tmp_path / "works"), HeldClock())
    someone = Subject(str(tmp_path / "home"), works)
    someone.record()
    someone.release()
    out = str(tmp_path / "out")
    works.export(out, someone.outbox, form="parquet")
    person = Person(someone.home.root)
    refused = person.run("insights", "team", out, "--admin", works.folder.root)
    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
    assert "data of 1 people, and an insight needs" in refused.stderr.replace("1 person", "1 people")
    foreign = person.run("insights", "team", out, "--admin", someone.home.root)
    assert foreign.returncode in (1, 2)
    assert "Traceback" not in foreign.stderr
    assert person.run("insights", "team", out).returncode == 2, "an export alone cannot tell people apart"


# --- nobody can be asked for ----------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, Any]]:
    def below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        if words:
            yield " ".join(words), command
        for name, one in getattr(command, "commands", {}).items():
            yield from below(one, (*words, name))

    return below(typer.main.get_command(build()), ())


REGISTERS = {"admin subjects add", "admin subjects remove"}
"""These enter or strike out somebody's key fingerprint, and report nothing of what anybody did."""


ABOUT_ONESELF = {"consent receipt"}
"""Its receipts are those of the home that it runs in, which is one's own."""
_PERSON = re.compile(r"person|subject|employee|user|people|fingerprint|receipt|member|who\b")


def test_no_command_and_no_option_takes_a_person() -> None:
    seen = 0
    for words, command in commands():
        for one in command.params:
            seen += 1
            told = " ".join((one.name or "", *one.opts, str(one.metavar or ""))).lower()
            if words not in REGISTERS | ABOUT_ONESELF:
                assert not _PERSON.search(told), (words, told)
    assert seen > 100
    (team_command,) = (command for words, command in commands() if words == "insights team")
    assert {one.name for one in team_command.params} == {"export", "admin", "as_json"}
    assert set(MEASURES) >= {"text", "hesitated", "back_and_forth"}


def test_the_page_says_what_noise_costs() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "reference", "insights.md").read_text(encoding="utf-8")
    for people in (40, 100, 200, 1000):
        deviation = math.sqrt(2) * len(team.TABLES) / float(team.EPSILON) / people
        row = f"| {people:,} | {deviation:.1%} | {team.smallest(5) / team.POINTS / people:.1%} |".replace("%", " %")
        assert row in page
    assert f"ε = {float(team.EPSILON / len(team.TABLES))} a table" in page
    assert f"Fewer than {-(-team.smallest(5) // team.POINTS)} people: no answer" in page
