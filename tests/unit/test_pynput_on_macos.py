"""What the portable backend asks of macOS, read off the source, since no Mac was at hand: to listen, nothing else.

A tap that may change or hold events (``kCGEventTapOptionDefault``) needs Accessibility; one that only listens needs
Input Monitoring. pynput makes the first kind where it is asked to suppress or intercept.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from desktop_logger.capture import pynput as ours

FOUND = importlib.util.find_spec("pynput")
assert FOUND is not None
assert FOUND.origin is not None
PYNPUT = Path(FOUND.origin).parent


def tree(path: str | Path) -> ast.Module:
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def calls(path: str | Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.Call))


def test_pynput_looks_whether_it_is_trusted_and_never_asks_to_be() -> None:
    """``AXIsProcessTrusted`` answers from what is there; ``AXIsProcessTrustedWithOptions`` could show a dialogue."""
    asked = {
        ast.unparse(call.func)
        for path in PYNPUT.rglob("*darwin.py")
        for call in calls(path)
        if ast.unparse(call.func).rpartition(".")[2].startswith(("AX", "CGRequest", "IOHIDRequest"))
    }
    assert asked == {"HIServices.AXIsProcessTrusted"}


def test_the_tap_only_listens_unless_somebody_suppresses_or_intercepts() -> None:
    (tap,) = [call for call in calls(PYNPUT / "_util" / "darwin.py") if ast.unparse(call.func) == "CGEventTapCreate"]
    assert ast.unparse(tap.args[2]) == (
        "kCGEventTapOptionListenOnly if True and (not self.suppress) and (self._intercept is None) "
        "else kCGEventTapOptionDefault"
    )


def test_pynput_does_not_notice_that_its_tap_was_switched_off() -> None:
    """Which is why the table does not say that every loss is counted there."""
    assert not [path for path in PYNPUT.rglob("*darwin.py") if "TapDisabled" in path.read_text(encoding="utf-8")]


def test_we_neither_suppress_nor_intercept() -> None:
    listeners = [call for call in calls(ours.__file__) if ast.unparse(call.func).endswith(".Listener")]
    assert len(listeners) == 2
    for call in listeners:
        assert {word.arg for word in call.keywords} <= {"on_press", "on_release", "on_move", "on_click", "on_scroll"}


def test_what_we_ask_before_listening_shows_no_dialogue() -> None:
    asked = {ast.unparse(call.func) for call in calls(ours.__file__) if "Quartz" in ast.unparse(call.func)}
    assert asked == {"Quartz.CGPreflightListenEventAccess"}
