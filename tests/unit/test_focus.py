"""What an element's own facts say of its safety, what a role is, and what a grant's rule says of an application."""

from __future__ import annotations

import pytest

from desktop_logger.focus.accessibility import Accessibility, Facts, judged
from desktop_logger.focus.applications import LOCKERS, PROMPTS, Rule, is_one_of
from desktop_logger.focus.bus import Bus
from desktop_logger.focus.roles import role_of
from desktop_logger.focus.watching import Watching, lacking
from desktop_logger.records import attention
from desktop_logger.records.applications import Applications
from desktop_logger.records.classes import Category, Role, Safety
from tests.granted import grant

EDITABLE, MULTI_LINE, DEFUNCT = 1 << 7, 1 << 17, 1 << 6


@pytest.mark.parametrize(
    ("facts", "safety"),
    [
        (Facts(40, EDITABLE, 23, "gtk"), Safety.UNSAFE),
        (Facts(40, EDITABLE, 23, "Qt"), Safety.UNSAFE),
        (Facts(61, EDITABLE, 40, "GTK"), Safety.UNSAFE),  # the text inside a password entry
        (Facts(61, EDITABLE, 20, "gtk"), Safety.SAFE),
        (Facts(61, EDITABLE, 39, "GTK"), Safety.UNANSWERED),  # GTK 4 says the same of a hidden entry
        (Facts(61, EDITABLE | MULTI_LINE, 39, "GTK"), Safety.SAFE),
        (Facts(79, EDITABLE, 85, "Chromium"), Safety.SAFE),
        (Facts(60, EDITABLE, 39, "gtk"), Safety.UNANSWERED),  # a terminal does not know what runs in it
        (Facts(43, 0, 39, "GTK"), Safety.SAFE),
        (Facts(23, 0, 75, "gtk"), Safety.UNKNOWN),  # a window: which element of it is not said
        (Facts(0, 0, 0, ""), Safety.UNKNOWN),
        (Facts(67, 0, 0, ""), Safety.UNKNOWN),
        (Facts(61, DEFUNCT, 0, "gtk"), Safety.UNKNOWN),
    ],
)
def test_what_an_element_says_of_its_safety(facts: Facts, safety: Safety) -> None:
    assert judged(facts) == safety


def test_every_role_of_the_list_can_be_said_and_everything_else_is_unknown() -> None:
    assert {role_of(number) for number in range(200)} == set(Role)
    assert role_of(43) == Role.BUTTON
    assert role_of(40) == role_of(61) == Role.TEXT_FIELD
    assert {role_of(number) for number in (-1, 0, 67, 69, 75, 131, 1 << 31)} == {Role.UNKNOWN}


@pytest.mark.parametrize("name", ["pinentry", "pinentry-gtk-2", "gcr-prompter", "polkit-gnome-authentication-agent-1"])
def test_prompts_are_known_by_what_they_call_themselves(name: str) -> None:
    assert is_one_of(("x", name), PROMPTS)
    assert not is_one_of((f"my-{name}-notes",), PROMPTS)
    assert is_one_of(("i3lock",), LOCKERS)


def test_a_rule_crosses_the_pipe_whole() -> None:
    rule = Rule(False, Applications("deny", ("keepassxc", "org.remmina.*")), {"xterm": int(Category.TERMINAL)})
    assert Rule.of_wire(rule.to_wire()) == rule
    assert Rule.of_grant(grant("pointer", "target")).target
    assert Rule.of_grant(grant("pointer")).allows_all
    assert rule.category(("xterm", "xterm")) == Category.TERMINAL
    assert rule.category(("nobody",)) == rule.category(()) == Category.OTHER
    assert rule.allows(("xterm",))
    assert not rule.allows(("x", "keepassxc"))
    assert not rule.allows(None)  # a list cannot be kept where nobody says what has the focus
    assert b"\n" not in rule.to_wire()


def test_what_is_missing_has_a_word_and_every_word_says_what_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lacking(None, None, None) == ["session-bus", "windows"]
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert lacking(None, None, None) == ["library", "windows"]
    bus = Bus(None, None)
    assert lacking(None, bus, None) == ["accessibility", "windows"]
    assert lacking(None, None, None, lambda: Safety.UNANSWERED) == ["fields", "windows"]
    assert {"library", "session-bus", "accessibility", "fields", "windows"} == set(attention.LACKS)
    assert all("so " in said for said in attention.LACKS.values())


@pytest.mark.parametrize(
    ("mode", "answered", "safety", "allowed"),
    [
        ("all", Safety.SAFE, Safety.SAFE, True),
        ("deny", Safety.SAFE, Safety.UNANSWERED, True),  # it may be one of the list: no more than where nobody answers
        ("deny", Safety.UNANSWERED, Safety.UNANSWERED, True),
        ("deny", Safety.UNSAFE, Safety.UNSAFE, True),
        ("deny", Safety.UNKNOWN, Safety.UNKNOWN, True),
        ("allow", Safety.SAFE, Safety.SAFE, False),
    ],
)
def test_where_nobody_can_say_which_application_it_is(
    mode: str, answered: Safety, safety: Safety, allowed: bool
) -> None:
    """As under Wayland: no windows."""

    class Answering(Accessibility):
        def __init__(self) -> None:
            pass

        def verdict(self) -> Safety | None:
            return answered

    one = Watching(None, None, None)
    one.access = Answering()
    found = one._state(Rule(False, Applications(mode, () if mode == "all" else ("keepassxc",)), {}), None)
    assert found is not None
    assert found[0] is safety
    assert bool(found[2] & attention.ALLOWED) is allowed
