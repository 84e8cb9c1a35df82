"""Tasks that a person says they begin and end: from the words or the sign's menu to what is kept and what may leave."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop_logger.daemon.indicator import MENU
from tests.answering import Answering
from tests.bus import Desktop
from tests.people import PASSPHRASE, Person
from tests.signing import Organisation
from tests.testbed import wait_until
from tests.withdrawals import home_of

TASKS = '[[tasks]]\nid = "invoice"\ntext = {en = "an invoice"}\n[[tasks]]\nid = "letter"\ntext = {en = "a letter"}\n'
OFFERED = (
    ('injected = "exclude"', 'injected = "record"'),  # what types here is a program
    ('"keyboard", "pointer"]   #', '"keyboard", "pointer", "task"] #'),
    ('scopes = ["keyboard", "pointer"]', 'scopes = ["keyboard", "pointer", "task"]'),
    ("\n[dpo]", f"\n{TASKS}\n[dpo]"),
)


@pytest.fixture
def person(tmp_path: Path, display: str) -> Iterator[Person]:
    someone = Person(str(tmp_path / "home"), display)
    Organisation().adopt(home_of(someone), *OFFERED)
    yield someone
    someone.run("stop")


@pytest.fixture
def desktop() -> Iterator[Desktop]:
    made = Desktop()
    yield made
    made.stop()


def refused(person: Person, *words: str) -> str:
    done = person.run("task", *words)
    assert done.returncode in (1, 2), done
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_task_is_told_kept_and_released_where_it_was_granted(
    person: Person, answering: Answering, xdotool: Callable[..., str]
) -> None:
    assert "nothing is recorded now" in refused(person, "begin", "invoice")
    person.sign(("keyboard", "task"))
    person.start()
    xdotool("windowfocus", "--sync", answering.window)
    assert "no task is open" in refused(person, "end", "ok")
    assert "code of a task" in refused(person, "begin", "Dear John")
    assert "how a task can end" in refused(person, "end", "well")
    unknown = refused(person, "begin", "letters")
    assert "not a task of the list" in unknown
    assert "invoice, letter" in unknown
    assert person.ok("task", "list").splitlines() == ["invoice  an invoice", "letter   a letter"]
    assert "begun: invoice (an invoice)" in person.ok("task", "begin", "invoice")
    assert person.status()["task"] == "invoice"
    xdotool("type", "hello")
    person.settle(3.2)
    person.ok("pause")
    person.ok("resume")
    person.ok("task", "end", "gave-up")
    person.ok("task", "begin", "letter")
    person.stop()  # at once: what the person said is not lost with the last half second
    said = [(1, "begin"), (1, "gave_up"), (2, "begin")]
    found = person.inspect()
    assert found["keys"] == {"TEXT": 5}
    assert [(one["task"], one["outcome"], one["times"]) for one in found["tasks"]] == [(*one, 1) for one in said]
    rows = [json.loads(line) for line in person.ok("inspect", "--events", "--json", passphrase=PASSPHRASE).splitlines()]
    order: dict[str, list[str]] = {}  # the pause lies between two segments, of which no one knows here which came first
    for row in rows:
        if row["record"] in ("task", "typing"):
            order.setdefault(row["segment"], []).append(row.get("outcome") or row["record"])
    assert sorted(order.values()) == [["begin", "typing"], ["gave_up", "begin"]]
    would_leave = person.inspect("--as-admin")
    assert would_leave["tasks"] == found["tasks"]


def test_the_sign_and_the_tray_offer_tasks_and_how_they_ended(
    person: Person, desktop: Desktop, xdotool: Callable[..., str]
) -> None:
    person.sign(("keyboard", "task"))
    person.env["DBUS_SESSION_BUS_ADDRESS"] = desktop.address
    person.start()

    def choose(*rows: int) -> None:
        xdotool("mousemove", 1184, 21, "click", 3)
        for row in rows:
            time.sleep(0.4)
            xdotool("mousemove", 1184, 36 + row * 22 + 11, "click", 1)

    wait_until(lambda: desktop.items and "Begin: letter" in desktop.menu(), 5, "the tasks")
    before = desktop.menu()
    choose(len(MENU), 1)  # below the rows that are always there: the tasks; of these the second
    wait_until(lambda: person.status()["task"] == "letter", 5, "the task")
    choose(len(MENU) + 1)  # failed
    wait_until(lambda: person.status()["task"] is None, 5, "its end")
    choose(len(MENU), 2)  # no other page: back to the menu
    xdotool("mousemove", 1184, 21, "click", 3)
    wait_until(lambda: "Begin: letter" in desktop.menu(), 5, "the tasks again")
    desktop.choose("Begin: letter")
    wait_until(lambda: "Done: letter" in desktop.menu(), 5, "how it can end")
    after = desktop.menu()
    assert "Begin: letter" not in after
    assert all(after[label] == before[label] for label in set(after) & set(before))
    assert not set(after.values()) & {number for label, number in before.items() if label not in after}
    desktop.choose("Done: letter")
    wait_until(lambda: person.status()["task"] is None, 5, "its end")
    person.ok("pause")
    wait_until(lambda: not any("letter" in label for label in desktop.menu()), 5, "nothing to tell while paused")
    person.stop()
    said = [(one["task"], one["outcome"], one["times"]) for one in person.inspect()["tasks"]]
    assert said == [(2, "begin", 2), (2, "failed", 1), (2, "ok", 1)]
