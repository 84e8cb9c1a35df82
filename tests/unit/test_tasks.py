"""What is said of tasks between supervisor and capture, and where it stands among what is observed."""

from __future__ import annotations

from itertools import product

import pytest

from desktop_logger import control
from desktop_logger.clock import Clock
from desktop_logger.control import OUTCOMES
from desktop_logger.daemon.tasks import ENDINGS, MOST_WORDS, Tasks
from desktop_logger.errors import Refused
from desktop_logger.records import attention
from desktop_logger.records.classes import Outcome, Reason, Safety
from desktop_logger.records.events import Batch
from desktop_logger.records.layout import GAP, KEY, RECORD, TASK
from desktop_logger.records.profiles import TASKS
from desktop_logger.records.telling import word, words
from desktop_logger.redaction import Redactor
from tests.granted import grant
from tests.unit.test_holding import BASE, Told


def test_every_word_is_read_back_among_beats_and_over_a_cut() -> None:
    every = list(product(range(1, TASKS + 1), Outcome))
    sent = b"..".join(word(*one) for one in every)
    assert not set(b".rq") & set(b"".join(word(*one) for one in every))
    found, rest = [], b""
    for at in range(0, len(sent), 3):
        some, rest = words(rest + sent[at : at + 3])
        found += some
    assert found == every
    assert rest == b""


def test_a_word_that_lost_a_byte_is_no_word() -> None:
    one = word(5, Outcome.OK)
    assert words(one[1:]) == ([], b"")
    assert words(one[:1] + b"." + word(6, Outcome.FAILED)) == ([(6, Outcome.FAILED)], b"")
    with pytest.raises(ValueError, match="outside"):
        word(TASKS + 1, Outcome.OK)


def test_the_command_line_and_the_daemon_know_the_same_endings() -> None:
    assert tuple(ENDINGS) == OUTCOMES
    assert set(ENDINGS.values()) == set(Outcome) - {Outcome.BEGIN}


def test_a_task_stands_where_it_was_said_and_also_in_a_gap() -> None:
    told = Told("keyboard", "task")
    told.beats(-10, 1990)
    told.beats(2240, 5000, flags=0)
    told.beats(5250, 9000, flags=attention.ALLOWED)
    told.keys(100, 900, 3000, 6500, until=9000)
    for t, outcome in ((500, Outcome.BEGIN), (4500, Outcome.FAILED), (8900, Outcome.BEGIN)):
        told.held.say((BASE + t, TASK, 1, outcome, 0, 0))
    out = told.take(9000)
    made = [(t, what, code, n) for t, what, code, n, *_ in out if what in (KEY, TASK, GAP)]
    assert made[:2] == [(100, KEY, 1, 0), (500, TASK, 1, Outcome.BEGIN)]
    assert (4000, TASK, 1, Outcome.FAILED) in made
    gaps = [(t, n) for t, what, code, n in made if what == GAP and code == Reason.NOT_ALLOWED]
    assert sum(n for _, n in gaps) == gaps[-1][0] // 1000 + gaps[-1][1] - gaps[0][0] // 1000, "no second is lost"
    assert 4000 in [t for t, _ in gaps]
    assert gaps[0][0] < 4000
    assert [t for t, what, *_ in made if what == KEY] == [100, 900, 6500]
    assert [event[:4] for event in told.finish(9200) if event[1] == TASK] == [(8500, TASK, 1, Outcome.BEGIN)]
    told.close()


@pytest.mark.parametrize("safety", [Safety.UNSAFE, Safety.UNANSWERED, Safety.UNKNOWN])
def test_what_is_said_of_a_task_tells_nothing_of_the_field(safety: Safety) -> None:
    told = Told("keyboard", "task")
    told.beats(-10, 9000, safety)
    told.held.say((BASE + 4321, TASK, 7, Outcome.BEGIN, 0, 0))
    assert [event[2:4] for event in told.take(9000) if event[1] == TASK] == [(7, Outcome.BEGIN)]
    told.close()


@pytest.mark.parametrize(
    "line",
    [
        b'{"verb":"begin"}', b'{"verb":"end"}', b'{"verb":"begin","task":3}', b'{"verb":"begin","task":""}',
        b'{"verb":"begin","task":"Dear John"}', b'{"verb":"begin","task":"invoice","seconds":3}',
        b'{"verb":"end","outcome":"well"}', b'{"verb":"end","outcome":"ok","task":"invoice"}',
        b'{"verb":"begin","task":"' + b"a" * 65 + b'"}', b'{"verb":"pause","task":"invoice"}',
        b'{"verb":"end","outcome":["ok"]}',
    ],
)  # fmt: skip
def test_the_socket_takes_no_other_words(line: bytes) -> None:
    with pytest.raises(Refused) as caught:
        control.parse(line)
    assert "John" not in str(caught.value)


class Held(Clock):
    """A clock that stands where the test puts it."""

    time = 0.0

    def monotonic(self) -> float:
        return self.time


def test_what_can_be_said_when() -> None:
    clock = Held()
    tasks, given = Tasks(clock), grant("keyboard", "task", tasks=("invoice", "letter"))
    for nobody in (None, given):
        with pytest.raises(Refused, match="nothing is recorded now"):
            tasks.begin("invoice", nobody, recording=False)
    without = grant("keyboard")
    with pytest.raises(Refused, match="did not grant the scope task"):
        tasks.begin("invoice", without, recording=True)
    with pytest.raises(Refused, match="did not grant the scope task"):
        tasks.end("ok", without, recording=True)
    with pytest.raises(Refused, match="not a task of the list"):
        tasks.begin("letters", given, recording=True)
    with pytest.raises(Refused, match="no task is open"):
        tasks.end("ok", given, recording=True)
    assert tasks.begin("letter", given, recording=True) == word(2, Outcome.BEGIN)
    with pytest.raises(Refused, match="nothing is recorded now"):
        tasks.end("ok", given, recording=False)
    assert tasks.open == "letter", "it is open over a pause"
    with pytest.raises(Refused, match="the task letter is open"):
        tasks.begin("letter", given, recording=True)
    assert tasks.end("gave-up", given, recording=True) == word(2, Outcome.GAVE_UP)
    tasks.begin("letter", given, recording=True)
    with pytest.raises(Refused, match="no task is open"):
        tasks.end("ok", grant("keyboard", "task", tasks=("invoice",)), recording=True)


def test_a_minute_takes_so_many_words_and_the_next_as_many_again() -> None:
    clock = Held()
    tasks, given = Tasks(clock), grant("task", tasks=("invoice",))
    for _ in range(2):
        for _ in range(MOST_WORDS // 2):
            tasks.begin("invoice", given, recording=True)
            tasks.end("ok", given, recording=True)
        with pytest.raises(Refused, match="times a minute"):
            tasks.begin("invoice", given, recording=True)
        assert tasks.open is None
        clock.time += 60


def test_only_a_grant_of_the_scope_makes_records_for_either_stream() -> None:
    for scopes, expected in ((("keyboard",), 0), (("keyboard", "task"), 1)):
        redactor = Redactor(grant(*scopes, own="events", release="coarse"))
        redactor.begin(0)
        redactor.feed(Batch([(500, TASK, 3, Outcome.BEGIN, 0, 0)], 1000))
        redactor.flush(2000)
        for stream in redactor.take():
            kinds = [record[1] for record in RECORD.iter_unpack(stream)]
            assert kinds.count(TASK) == expected
