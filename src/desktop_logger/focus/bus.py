"""A D-Bus connection that never waits: questions go out, answers come back through the descriptor.

A question may be one of several that a *task* asks: a generator that yields lists of messages and gets the lists of
their answers, ``None`` for each that was an error. A task has a deadline, after which it is closed and its result is
``None``: whoever does not answer in time has not answered.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from typing import Any

Answers = list[tuple[Any, ...] | None]
Task = Generator[list[Any], Answers, Any]
Done = Callable[[Any], None]

CONNECT_S = 1.0


class BusLost(Exception):
    """The bus has hung up."""


class _Running:
    """One task: what it waits for, and what has come."""

    __slots__ = ("answers", "deadline", "done", "left", "task")

    def __init__(self, task: Task, done: Done, deadline: float) -> None:
        self.task, self.done, self.deadline = task, done, deadline
        self.answers: Answers = []
        self.left = 0


class Bus:
    """One connection. ``heard`` is called with every signal: ``(member, path, sender, body)``."""

    def __init__(self, connection: Any, jeepney: Any) -> None:
        self.connection, self.jeepney = connection, jeepney
        self.heard: Callable[[str, str, str, tuple[Any, ...]], None] = lambda *_: None
        self._waiting: dict[int, tuple[_Running, int]] = {}
        self._running: list[_Running] = []

    @classmethod
    def open(cls, address: str) -> Bus | None:
        """Connect to a bus by its address, or by ``SESSION``; ``None`` where there is no library or no bus."""
        if address == "SESSION" and not os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
            return None
        try:
            import jeepney
            from jeepney.io.blocking import open_dbus_connection

            return cls(open_dbus_connection(bus=address), jeepney)
        except Exception:  # noqa: BLE001  a missing library, socket or bus: each means that there is none
            return None

    def fileno(self) -> int:
        """The connection's descriptor."""
        return int(self.connection.sock.fileno())

    def close(self) -> None:
        """Hang up."""
        self.connection.close()

    def message(
        self, place: tuple[str, str, str], method: str, signature: str = "", body: tuple[Any, ...] = (), *,
        starts: bool = False,
    ) -> Any:  # fmt: skip
        """A method call to ``(name, path, interface)``. ``starts``: it may start the service that it asks."""
        name, path, face = place
        address = self.jeepney.DBusAddress(path, name, face)
        made = self.jeepney.new_method_call(address, method, signature or None, body)
        if not starts:
            made.header.flags |= self.jeepney.MessageFlag.no_auto_start
        return made

    def ask(self, message: Any) -> tuple[Any, ...] | None:
        """One question, waited for: only while setting up."""
        try:
            answer = self.connection.send_and_get_reply(message, timeout=CONNECT_S)
        except Exception:  # noqa: BLE001  no answer is an answer
            return None
        return tuple(answer.body) if answer.header.message_type == self.jeepney.MessageType.method_return else None

    def tell(self, message: Any) -> None:
        """Send without caring for the answer."""
        self._send(message)

    def start(self, task: Task, done: Done, deadline: float) -> None:
        """Run a task; ``done`` gets what it returns, or ``None`` at ``deadline`` (monotonic seconds)."""
        running = _Running(task, done, deadline)
        self._running.append(running)
        self._step(running, None)

    def read(self) -> None:
        """Take what has come. Raises ``BusLost``."""
        kinds, fields = self.jeepney.MessageType, self.jeepney.HeaderFields
        while True:
            try:
                message = self.connection.receive(timeout=0)
            except TimeoutError:
                return
            except Exception:  # noqa: BLE001  whatever the library makes of a bus that is gone
                raise BusLost from None
            known = message.header.fields
            if message.header.message_type == kinds.signal:
                self.heard(
                    str(known.get(fields.member)), str(known.get(fields.path)), str(known.get(fields.sender)),
                    tuple(message.body),
                )  # fmt: skip
            elif message.header.message_type in (kinds.method_return, kinds.error):
                waiting = self._waiting.pop(known.get(fields.reply_serial, -1), None)
                if waiting is not None:
                    is_answer = message.header.message_type == kinds.method_return
                    self._answered(*waiting, tuple(message.body) if is_answer else None)

    def expire(self, now: float) -> None:
        """Close the tasks whose time is over."""
        for running in [one for one in self._running if one.deadline <= now]:
            running.task.close()
            self._finish(running, None)

    def due(self) -> float | None:
        """When ``expire`` has something to do."""
        return min((one.deadline for one in self._running), default=None)

    def _answered(self, running: _Running, place: int, body: tuple[Any, ...] | None) -> None:
        running.answers[place] = body
        running.left -= 1
        if not running.left:
            self._step(running, running.answers)

    def _step(self, running: _Running, answers: Answers | None) -> None:
        try:
            messages = next(running.task) if answers is None else running.task.send(answers)
        except StopIteration as end:
            self._finish(running, end.value)
            return
        except (TypeError, ValueError, IndexError, KeyError, AttributeError):
            self._finish(running, None)  # an answer of another shape is none
            return
        running.answers, running.left = [None] * len(messages), len(messages)
        for place, message in enumerate(messages):
            self._waiting[self._send(message)] = (running, place)
        if not messages:
            self._step(running, [])

    def _send(self, message: Any) -> int:
        serial = next(self.connection.outgoing_serial)
        try:
            self.connection.send(message, serial=serial)
        except OSError:
            raise BusLost from None
        return int(serial)

    def _finish(self, running: _Running, result: Any) -> None:
        self._running.remove(running)
        for serial in [serial for serial, (one, _) in self._waiting.items() if one is running]:
            del self._waiting[serial]
        running.done(result)
