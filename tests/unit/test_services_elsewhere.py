"""What a login would start on macOS and Windows, held to launchd.plist(5) and to the Task Scheduler's schema.

The tables hold what we use. Neither file was ever run.
"""

from __future__ import annotations

import plistlib
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest

from desktop_logger.daemon import service

# launchd.plist(5): key → type; where a key takes one of several words, the words.
LAUNCHD: dict[str, Any] = {
    "Label": str, "ProgramArguments": [str], "RunAtLoad": bool, "ThrottleInterval": int, "Umask": int,
    "LimitLoadToSessionType": {"Aqua", "Background", "LoginWindow", "StandardIO", "System"},
    "ProcessType": {"Background", "Standard", "Adaptive", "Interactive"},
    "KeepAlive": {"Crashed": bool, "SuccessfulExit": bool}, "HardResourceLimits": {"Core": int},
}  # fmt: skip

# The schema's types: element → its children (in this order where it is a sequence), or what its text looks like.
TASK: dict[str, Any] = {
    "Task": ["RegistrationInfo", "Triggers", "Principals", "Settings", "Data", "Actions"],
    "RegistrationInfo": ["Author", "Date", "Description", "URI", "Version"],
    "Triggers": ["LogonTrigger"],
    "LogonTrigger": ["Enabled", "StartBoundary", "EndBoundary", "ExecutionTimeLimit", "UserId", "Delay"],
    "Principals": ["Principal"],
    "Principal": ["UserId", "LogonType", "GroupId", "RunLevel"],
    "Settings": [
        "MultipleInstancesPolicy", "DisallowStartIfOnBatteries", "StopIfGoingOnBatteries", "ExecutionTimeLimit",
    ],
    "Actions": ["Exec"],
    "Exec": ["Command", "Arguments", "WorkingDirectory"],
    "Enabled": "true|false", "DisallowStartIfOnBatteries": "true|false", "StopIfGoingOnBatteries": "true|false",
    "LogonType": "S4U|Password|InteractiveToken|InteractiveTokenOrPassword|Group",
    "RunLevel": "LeastPrivilege|HighestAvailable", "ExecutionTimeLimit": r"PT\d+[SMH]",
    "MultipleInstancesPolicy": "Parallel|Queue|IgnoreNew|StopExisting",
    "UserId": ".+", "Command": ".+", "Arguments": ".*", "Description": ".+",
}  # fmt: skip
SPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


def wrong_agent(value: Any, rule: Any, where: str = "") -> Iterator[str]:
    """What of an agent the manual does not know."""
    if isinstance(rule, dict):
        for key, inner in value.items():
            if key in rule:
                yield from wrong_agent(inner, rule[key], key)
            else:
                yield f"{where}: {key}"
    elif isinstance(rule, list):
        yield from (where for one in value if type(one) is not rule[0])
    elif isinstance(rule, set):
        yield from [] if value in rule else [f"{where}: {value}"]
    elif type(value) is not rule:
        yield where


def wrong_task(element: ET.Element) -> Iterator[str]:
    """What of a task the schema does not know, or knows in another order."""
    name = element.tag.removeprefix(SPACE)
    rule = TASK.get(name)
    if isinstance(rule, list):
        children = [child.tag.removeprefix(SPACE) for child in element]
        if children != [one for one in rule if one in children]:
            yield f"{name}: {children}"
        for child in element:
            yield from wrong_task(child)
    elif rule is None or len(element) or not re.fullmatch(rule, element.text or ""):
        yield f"{name}: {element.text}"


def task(user: str = "somebody") -> ET.Element:
    return ET.fromstring(service.task(user).decode("utf-16").split("?>", 1)[1])  # noqa: S314  our own text


def test_the_agent_says_only_what_launchd_knows_and_stays_stopped() -> None:
    agent = plistlib.loads(service.launchd())
    assert list(wrong_agent(agent, LAUNCHD)) == []
    assert agent["ProgramArguments"] == service.command()
    assert agent["KeepAlive"] == {"Crashed": True}  # a stop and a refusal stay what they are
    assert agent["Label"] == "desktop-logger"


def test_the_task_says_only_what_the_scheduler_knows_and_stays_stopped() -> None:
    made = task("a<b&c")
    assert list(wrong_task(made)) == []
    assert made.get("version") == "1.2"
    assert service.task("x")[:2] == b"\xff\xfe", "the declaration says UTF-16, which needs its mark"
    assert made.findtext(f".//{SPACE}Principal/{SPACE}RunLevel") == "LeastPrivilege"
    assert made.findtext(f".//{SPACE}LogonTrigger/{SPACE}UserId") == "a<b&c"
    assert made.findtext(f".//{SPACE}Exec/{SPACE}Command") == sys.executable
    (principal,) = made.iter(SPACE + "Principal")
    (actions,) = made.iter(SPACE + "Actions")
    assert principal.get("id") == actions.get("Context")
    assert made.find(f".//{SPACE}RestartOnFailure") is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("LeastPrivilege", "Most"),
        ("<Settings>", "<Settings><Hidden>true</Hidden>"),
        ("PT0S", "never"),
        ("<Enabled>true</Enabled><UserId>x</UserId>", "<UserId>x</UserId><Enabled>true</Enabled>"),
        ("windows/2004", "windows/2005"),
    ],
)
def test_the_lint_finds_what_is_wrong_in_a_task(before: str, after: str) -> None:
    text = service.task("x").decode("utf-16").split("?>", 1)[1]
    assert before in text
    assert list(wrong_task(ET.fromstring(text.replace(before, after))))  # noqa: S314  our own text


@pytest.mark.parametrize(
    "change",
    [{"KeepAlive": {"Crash": 1}}, {"Umask": "077"}, {"ProcessType": "None"}, {"ProgramArguments": [1]}, {"Lable": ""}],
)  # fmt: skip
def test_the_lint_finds_what_is_wrong_in_an_agent(change: dict[str, Any]) -> None:
    assert list(wrong_agent(plistlib.loads(service.launchd()) | change, LAUNCHD))
