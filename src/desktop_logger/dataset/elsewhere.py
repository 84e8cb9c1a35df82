"""How other projects say our actions: AgentNet (OpenCUA) and open-world-agents, for the reference page.

Read in xlang-ai/OpenCUA (``DataProcessor/…/schema/action/gui.py``) and open-world-agents (``owa-msgs`` 0.6.1); a test holds
every name against a pinned list of theirs. What theirs say and ours cannot: characters, key names, coordinates, window
titles.
"""

# ruff: noqa: E501 - the cells of a table
from __future__ import annotations

from typing import NamedTuple

from .actions import COMMANDS, KEYS, WORDS


class Said(NamedTuple):
    """How other projects say some actions."""

    ours: str
    actions: tuple[str, ...]
    agentnet: str
    """OpenCUA's ``GUIActionType`` and ``ComputerActionType``, as its DataProcessor writes AgentNet."""
    owa: str
    """open-world-agents' ``owa-msgs``."""


def mapping() -> list[Said]:
    """One row for some actions each; every action but PAD is in one."""
    none = "-"
    presses = "`desktop/KeyboardEvent`: `press` and `release`"
    return [
        Said("TYPE(n)", ("TYPE",), "`pyautogui.write`, n characters, `message` unknown", f"n times {presses}, `vk` unknown"),
        Said("EDIT(n)", ("EDIT",), "n times `pyautogui.press`, `keys` backspace or delete", f"n times {presses}, `vk` 0x08 or 0x2E"),
        Said("HOTKEY(copy) …", tuple(f"HOTKEY({one})" for one in COMMANDS), "`pyautogui.hotkey`, `keys` those of the system's shortcut, as ctrl, c", f"{presses} of its keys"),
        Said("HOTKEY", ("HOTKEY",), "`pyautogui.hotkey`, `keys` unknown", f"{presses}, `vk` unknown"),
        Said("PRESS(ENTER) …", tuple(f"PRESS({one})" for one in KEYS), "`pyautogui.press`, `keys` one of the class", f"{presses}, `vk` one of the class"),
        Said("CLICK(left)", ("CLICK(left)",), "`pyautogui.click`, `x` and `y` unknown", "`desktop/MouseEvent`: `click`, `button` left, `x` and `y` unknown"),
        Said("CLICK(middle)", ("CLICK(middle)",), "`pyautogui.middleClick`, `x` and `y` unknown", "`desktop/MouseEvent`: `click`, `button` middle"),
        Said("CLICK(right)", ("CLICK(right)",), "`pyautogui.rightClick`, `x` and `y` unknown", "`desktop/MouseEvent`: `click`, `button` right"),
        Said("CLICK(back), CLICK(forward)", ("CLICK(back)", "CLICK(forward)"), none, "`desktop/MouseEvent`: `click`, `button` x1, x2"),
        Said("CLICK(other)", ("CLICK(other)",), none, "`desktop/MouseEvent`: `click`, `button` unknown"),
        Said("CLICK(role)", tuple(f"CLICK({one})" for one in WORDS["role"]), "`pyautogui.click`; where the row's `click` says so `pyautogui.doubleClick`, or `pyautogui.moveTo` and `pyautogui.dragTo`; its role has no place", "`desktop/MouseEvent`: `click`; its role has no place"),
        Said("SCROLL(up, n), SCROLL(down, n)", ("SCROLL(up)", "SCROLL(down)"), "`pyautogui.scroll`, `clicks` n or -n", "`desktop/MouseEvent`: `scroll`, `dy` n or -n"),
        Said("SCROLL(left, n), SCROLL(right, n)", ("SCROLL(left)", "SCROLL(right)"), "`pyautogui.hscroll`, `clicks` -n or n", "`desktop/MouseEvent`: `scroll`, `dx` -n or n"),
        Said("MOVE + pointer bucket", ("MOVE",), "- (`pyautogui.moveTo` needs a position)", "`desktop/RawMouseEvent`: `last_x` and `last_y`, summed"),
        Said("SWITCH(category)", tuple(f"SWITCH({one})" for one in WORDS["category"]), none, "`desktop/WindowInfo`, `title`, `rect` and `hWnd` unknown"),
        Said("WAIT(n s)", ("WAIT",), "`computer.wait`, `duration` n", "a pause between two `timestamp`s"),
        Said("UNOBSERVED(n s)", ("UNOBSERVED",), none, none),
        Said("TASK(begin, k)", ("TASK(begin)",), "a trajectory begins; its instruction is in the policy's list", none),
        Said("TASK(ok, k)", ("TASK(ok)",), "`computer.terminate`, `status` success", none),
        Said("TASK(failed, k), TASK(gave_up, k)", ("TASK(failed)", "TASK(gave_up)"), "`computer.terminate`, `status` failure", none),
        Said("START, END", ("START", "END"), none, "the file begins or ends"),
    ]  # fmt: skip
