"""What the evdev backend does with a real kernel. Run inside the guest that ``tests/desktop/test_guest.py`` boots."""

from __future__ import annotations

import fcntl
import os
import re
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable

import pexpect
import pytest

from desktop_logger.capture import choose, evdev
from desktop_logger.capture.evdev import Evdev
from desktop_logger.errors import Unavailable
from desktop_logger.records.classes import Button, Command, Direction, KeyClass, Reason
from desktop_logger.records.layout import CLICK, GAP, KEY, MOVE, SCROLL
from desktop_logger.records.profiles import MOVE_CELL_PX
from tests.capturing import CaptureProcess
from tests.granted import grant
from tests.people import Person
from tests.testbed import wait_until

from . import uinput
from .conftest import Seat, Service, Watching

A, C, ENTER, BACKSPACE, LEFT, F5, ALT, TAB, CTRL, SHIFT, ALTGR = 30, 46, 28, 14, 105, 63, 56, 15, 29, 42, 100
NOBODY = 65534
Plug = Callable[[Callable[[], uinput.Made]], uinput.Made]
Watch = Callable[..., Watching]
RATE, RATE_S = 1000, 6.0


def test_keys_become_classes_and_repeats_make_nothing(plug: Plug, watch: Watch) -> None:
    keyboard = plug(uinput.keyboard)
    seen = watch().devices(1)
    for chord in ((A,), (BACKSPACE,), (ENTER,), (LEFT,), (F5,), (CTRL, C), (ALT, TAB), (SHIFT, A), (ALTGR, A)):
        keyboard.press(*chord)
        seen.look()  # the kernel keeps 64 events
    keyboard.hold(A)
    time.sleep(0.8)  # it repeats after a quarter of a second
    keyboard.let_go(A)
    k = KeyClass
    wanted = [k.TEXT, k.EDIT, k.ENTER, k.NAV, k.FUNCTION, k.MODIFIER, k.COMMAND, k.MODIFIER, k.COMMAND, k.TEXT, k.TEXT]
    seen.until(lambda: len(seen.keys()) == 12)
    time.sleep(0.1)
    assert seen.keys() == [*wanted, k.TEXT]
    names = [event[3] for event in seen.seen(KEY) if event[2] == k.COMMAND]
    assert names == [Command.NONE, Command.SWITCH_WINDOW]  # which letter it was is the layout's secret


def test_what_programs_put_in_is_a_gap_where_the_policy_leaves_it_out(plug: Plug, watch: Watch) -> None:
    """Every device here is made by a program: this test."""
    keyboard, mouse = plug(uinput.keyboard), plug(uinput.mouse)
    seen = watch(injected="exclude").devices(2)
    seen.look()
    keyboard.press(CTRL, C)
    seen.until(lambda: len(seen.events) > 0)
    before = len(seen.events)
    mouse.send((uinput.REL, 0, 3))
    seen.until(lambda: len(seen.events) > before)
    assert {event[1:4] for event in seen.look()} == {(GAP, Reason.NOT_ALLOWED, 1)}
    mouse.close()
    seen.devices(1)


def test_a_mouse_moves_clicks_and_scrolls(plug: Plug, watch: Watch) -> None:
    mouse, fine = plug(uinput.mouse), plug(lambda: uinput.mouse(fine=True))
    seen = watch().devices(2)
    for _ in range(5):
        mouse.send((uinput.REL, 0, 3), (uinput.REL, 1, -2))
    for code in (0x110, 0x111, 0x112, 0x113, 0x114, 0x117):
        mouse.press(code)
    mouse.send((uinput.REL, 8, 2))
    mouse.send((uinput.REL, 6, -1))
    for _ in range(6):
        fine.send((uinput.REL, 11, -40))
    fine.send((uinput.REL, 8, -1), (uinput.REL, 11, -120))
    seen.until(lambda: sum(event[3] for event in seen.seen(SCROLL)) == 6)
    moves = seen.seen(MOVE)
    assert (sum(event[4] for event in moves), sum(event[5] for event in moves)) == (15, -10)
    b = Button
    assert [event[2] for event in seen.seen(CLICK)] == [b.LEFT, b.RIGHT, b.MIDDLE, b.BACK, b.FORWARD, b.OTHER]
    scrolled = [(event[2], event[3]) for event in seen.seen(SCROLL)]
    d = Direction
    assert scrolled == [(d.UP, 2), (d.LEFT, 1), (d.DOWN, 1), (d.DOWN, 1), (d.DOWN, 1)]


def test_a_touchpad_moves_with_one_finger_and_scrolls_with_two(plug: Plug, watch: Watch) -> None:
    pad = plug(uinput.touchpad)
    seen = watch().devices(1)
    pad.send((uinput.KEY, 0x14A, 1), (uinput.KEY, 0x145, 1), (uinput.ABS, 0, 1000), (uinput.ABS, 1, 1000))
    for step in range(1, 11):
        pad.send((uinput.ABS, 0, 1000 + 40 * step), (uinput.ABS, 1, 1000 + 20 * step))
    pad.send((uinput.KEY, 0x14A, 0), (uinput.KEY, 0x145, 0))
    pad.send((uinput.KEY, 0x14A, 1), (uinput.KEY, 0x145, 1), (uinput.ABS, 0, 3000), (uinput.ABS, 1, 2000))
    pad.send((uinput.KEY, 0x145, 0), (uinput.KEY, 0x14D, 1), (uinput.ABS, 0, 3000), (uinput.ABS, 1, 2000))
    for step in range(1, 11):
        pad.send((uinput.ABS, 1, 2000 - 52 * step))  # the first one is where the fingers lie
    pad.press(0x110)
    seen.until(lambda: seen.seen(CLICK))
    moves = seen.seen(MOVE)
    # 40 units a mm, 12 px a mm; putting the finger down elsewhere is no movement
    assert (sum(event[4] for event in moves), sum(event[5] for event in moves)) == (120, 60)
    assert {event[2] for event in seen.seen(SCROLL)} == {Direction.UP}
    assert sum(event[3] for event in seen.seen(SCROLL)) == 9
    assert [event[2] for event in seen.seen(CLICK)] == [Button.OTHER]  # two fingers: the desktop's to say


def test_a_touch_screen_tells_that_it_was_touched_and_not_where(plug: Plug, watch: Watch) -> None:
    screen, far = plug(uinput.touch_screen), plug(uinput.positions)
    seen = watch().devices(2)
    for place in (100, 900):
        screen.send((uinput.KEY, 0x14A, 1), (uinput.ABS, 0, place), (uinput.ABS, 1, place))
        screen.send((uinput.ABS, 0, place + 50))
        screen.send((uinput.KEY, 0x14A, 0))
    seen.until(lambda: len(seen.seen(CLICK)) == 2)
    assert not seen.seen(MOVE)
    far.send((uinput.ABS, 0, 16384), (uinput.ABS, 1, 16384))
    far.send((uinput.ABS, 0, 16384 + 1707))
    seen.until(lambda: seen.seen(MOVE))
    assert [event[4:] for event in seen.seen(MOVE)] == [(100, 0)]  # of 1920


def test_devices_come_and_go(plug: Plug, watch: Watch) -> None:
    assert not os.path.exists("/dev/input")  # the folder itself comes with the first device
    seen = watch()
    assert not seen.capture._devices
    keyboard = plug(uinput.keyboard)
    seen.devices(1)
    keyboard.press(A)
    seen.until(lambda: len(seen.keys()) == 1)
    keyboard.hold(CTRL)
    seen.until(lambda: len(seen.keys()) == 2)
    keyboard.close()
    seen.devices(0)
    again = plug(uinput.keyboard)
    seen.devices(1)
    again.press(A)  # a key that went with its keyboard is not held any more
    seen.until(lambda: len(seen.keys()) == 3)
    assert seen.keys() == [KeyClass.TEXT, KeyClass.MODIFIER, KeyClass.TEXT]
    assert not seen.seen(GAP)


def test_what_is_held_on_one_keyboard_holds_on_the_other(plug: Plug, watch: Watch) -> None:
    one, other = plug(uinput.keyboard), plug(uinput.keyboard)
    one.hold(CTRL)  # before anybody looks
    seen = watch().devices(2)
    other.press(C)
    one.let_go(CTRL)
    other.press(C)
    seen.until(lambda: len(seen.keys()) == 2)
    assert seen.keys() == [KeyClass.COMMAND, KeyClass.TEXT]


def test_times_are_those_of_the_monotonic_clock(plug: Plug, watch: Watch) -> None:
    keyboard = plug(uinput.keyboard)
    seen = watch().devices(1)
    before = time.monotonic() * 1000
    keyboard.press(A)
    after = time.monotonic() * 1000
    time.sleep(0.5)  # reading late costs nothing
    seen.until(seen.keys)
    assert int(before) <= seen.seen(KEY)[0][0] <= after


@pytest.mark.parametrize("scope", ["keyboard", "pointer"])
def test_what_is_not_granted_does_not_reach_the_process(scope: str, plug: Plug, watch: Watch) -> None:
    plug(uinput.mouse), plug(uinput.keyboard), plug(uinput.game_controller)
    both = plug(lambda: uinput.Made({uinput.KEY: [A, *range(0x110, 0x113)], uinput.REL: [0, 1]}))
    seen = watch(scope).devices(2)  # its own kind, and the one that is both
    both.press(A)
    both.press(0x110)
    both.send((uinput.REL, 0, 40))
    time.sleep(0.1)
    size = 0
    for descriptor in seen.capture._devices:
        try:
            size += len(os.read(descriptor, 4096))
        except BlockingIOError:
            continue
    # press and release, each with the end of its report; the pointer also has a movement
    assert size == 24 * (4 if scope == "keyboard" else 6)


def test_what_the_kernel_throws_away_is_a_gap_and_held_keys_are_asked_for(plug: Plug, watch: Watch) -> None:
    keyboard = plug(uinput.keyboard)
    seen = watch().devices(1)
    for _ in range(100):
        keyboard.press(A)
    keyboard.hold(CTRL)
    seen.until(lambda: seen.seen(GAP))
    assert [event[2:4] for event in seen.seen(GAP)] == [(Reason.OVERFLOW, 1)]
    assert seen.capture.gather_s < evdev.GATHER_S  # and it is read more often from now on
    before = len(seen.keys())
    keyboard.press(C)
    seen.until(lambda: len(seen.keys()) > before)
    assert seen.keys()[before:] == [KeyClass.COMMAND]  # Ctrl was pressed unseen: it counts, and makes no record


def _own_reader(path: str) -> int:
    """As the desktop reads: a descriptor of its own."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def _latencies(device: uinput.Made, reader: int, count: int = 400) -> list[float]:
    found = []
    for _ in range(count):
        start = time.perf_counter()
        device.send((uinput.REL, 0, 1))
        select.select([reader], [], [], 1)
        os.read(reader, 4096)
        found.append(1e6 * (time.perf_counter() - start))
        time.sleep(0.001)
    return sorted(found)


def test_others_get_the_same_input_as_if_we_were_not_there(
    plug: Plug, watch: Watch, record_property: Callable[[str, object], None]
) -> None:
    mouse = plug(uinput.mouse)
    reader = _own_reader(mouse.path)
    without = _latencies(mouse, reader)
    seen = watch().devices(1)
    beside = _latencies(mouse, reader)
    seen.look()
    middle = (without[len(without) // 2], beside[len(beside) // 2])
    record_property("latency_us", f"{middle[0]:.0f} without us, {middle[1]:.0f} beside us")
    assert len(beside) == len(without)
    # the kernel writes one more copy; an emulated machine's noise is greater
    assert middle[1] < middle[0] * 1.5 + 50
    fcntl.ioctl(reader, 0x40044590, 1)  # EVIOCGRAB: nobody stands in the way, for nothing of ours is grabbed
    mouse.press(0x110)
    time.sleep(0.05)
    assert os.read(reader, 4096)
    assert not seen.seen(CLICK)  # while another has it to itself we see nothing
    fcntl.ioctl(reader, 0x40044590, 0)
    mouse.press(0x110)
    seen.until(lambda: len(seen.seen(CLICK)) == 1)
    os.close(reader)


def _sent_at(mouse: uinput.Made, rate: float, seconds: float) -> int:
    """Movements of one count to the right, two axes each, at this rate; how many.

    What is missed while the machine stands still for longer than a few of them is not made up for: no mouse does that.
    """
    count, due = 0, time.monotonic()
    end = due + seconds
    while (now := time.monotonic()) < end:
        if now >= due:
            mouse.send((uinput.REL, 0, 1), (uinput.REL, 1, 1 if count % 2 else -1))
            count += 1
            due = max(due + 1 / rate, now - 8 / rate)
        else:
            time.sleep(0.0001)
    return count


def _moved(process: CaptureProcess) -> int:
    """Counts to the right."""
    cells = [r[3] - (r[3] >> 15 << 16) for r in process.stream() if r[1] == MOVE]
    return MOVE_CELL_PX * sum(cells)


def _gaps(process: CaptureProcess) -> list[tuple[int, int]]:
    """Reasons and seconds."""
    return [(r[2], r[6]) for r in process.stream() if r[1] == GAP]


def _recorded(mouse: uinput.Made, send: Callable[[uinput.Made], int]) -> tuple[int, int, list[tuple[int, int]]]:
    """Counts sent, counts recorded, and the reasons and seconds of gaps, through a whole capture process."""
    process = CaptureProcess("evdev", grant())
    try:
        process.wait_running()
        time.sleep(0.3)
        sent = send(mouse)
        assert process.stop() == 0, process.said()
        assert process.output() == b""
        return sent, _moved(process), _gaps(process)
    finally:
        process.close()


@pytest.mark.usefixtures("opener")
def test_nothing_is_lost_of_a_thousand_movements_a_second(
    plug: Plug, record_property: Callable[[str, object], None]
) -> None:
    """Where others share the machine it may stop us for longer than the kernel keeps: then the loss is a gap, and told.

    Alone, one run of three must lose nothing.
    """
    mouse = plug(uinput.mouse)
    for _ in range(1 if "SHARED_MACHINE" in os.environ else 3):
        sent, seen, gaps = _recorded(mouse, lambda device: _sent_at(device, RATE, RATE_S))
        lost = sent - seen
        record_property("thousand", f"{sent} movements in {RATE_S} s, {lost} lost, {len(gaps)} gaps")
        assert sent > 100
        if not gaps:
            assert 0 <= lost < MOVE_CELL_PX
            return
        assert {reason for reason, _ in gaps} == {Reason.OVERFLOW}
        # A gap says that something is missing, and for how long at most.
        assert 0 < lost < MOVE_CELL_PX + RATE * sum(seconds for _, seconds in gaps)
    if "SHARED_MACHINE" not in os.environ and sent > 0.97 * RATE * RATE_S:
        pytest.fail(f"of {sent} movements {lost} were lost")


@pytest.mark.usefixtures("opener")
def test_every_loss_of_a_flood_is_a_counted_gap(plug: Plug, record_property: Callable[[str, object], None]) -> None:
    def flood(mouse: uinput.Made) -> int:
        report = struct.pack("@llHHillHHi", 0, 0, uinput.REL, 0, 1, 0, 0, 0, 0, 0)
        for _ in range(200):
            os.write(mouse.descriptor, report * 100)
        return 20_000

    sent, seen, gaps = _recorded(plug(uinput.mouse), flood)
    record_property("flood", f"{sent} movements at once, {seen} counts recorded, {len(gaps)} gaps")
    assert seen < sent - MOVE_CELL_PX  # else nothing is shown
    assert {reason for reason, _ in gaps} == {Reason.OVERFLOW}


def test_another_session_takes_the_devices_away(plug: Plug, watch: Watch, seat: Seat) -> None:
    keyboard = plug(uinput.keyboard)
    seen = watch().devices(1)
    (descriptor,) = seen.capture._devices
    kept = os.dup(descriptor)  # as somebody would who means to keep on reading
    keyboard.press(A)
    seen.until(seen.keys)
    seat.session(1234, name="2")
    seen.devices(0)
    keyboard.press(A)
    time.sleep(0.1)
    with pytest.raises(OSError, match="No such device"):
        os.read(kept, 4096)
    os.close(kept)
    assert seen.capture.due() is not None
    time.sleep(1.2)
    seat.session(0, name="3")
    seen.devices(1)
    keyboard.press(ENTER)
    seen.until(lambda: len(seen.keys()) == 2)
    assert seen.keys() == [KeyClass.TEXT, KeyClass.ENTER]
    assert [event[2:4] for event in seen.seen(GAP)] in ([(Reason.PERMISSION, 1)], [(Reason.PERMISSION, 2)])
    assert seen.capture.due() is None


def test_a_long_absence_is_told_in_pieces(plug: Plug, watch: Watch, seat: Seat) -> None:
    plug(uinput.keyboard)
    seen = watch().devices(1)
    seat.session(1234, name="2")
    seen.devices(0)
    seen.capture._away_since -= 7_000  # type: ignore[operator]  # as if it had been seven seconds ago
    assert seen.capture.due() == 0
    assert [event[2:4] for event in seen.seen(GAP)] == [(Reason.PERMISSION, 7)]
    assert (seen.capture.due() or 0) > 4


def test_a_device_belongs_to_the_seat_that_udev_gave_it(plug: Plug, watch: Watch, seat: Seat) -> None:
    seat.udev()
    mine, theirs = plug(uinput.keyboard), plug(uinput.keyboard)
    seen = watch()
    time.sleep(0.3)
    assert not seen.capture._devices  # udev has not looked at them: whose they are is not known
    seat.device(theirs.path, ID_SEAT="seat1", ID_INPUT_KEYBOARD="1")
    seat.device(mine.path, ID_INPUT_KEYBOARD="1")
    seen.devices(1)
    theirs.press(A)
    mine.press(ENTER)
    seen.until(seen.keys)
    time.sleep(0.1)
    assert seen.keys() == [KeyClass.ENTER]


@pytest.mark.parametrize("state", ["closing", "online"])
@pytest.mark.usefixtures("opener")
def test_who_has_no_active_session_gets_nothing(state: str, plug: Plug, seat: Seat) -> None:
    plug(uinput.keyboard)
    seat.session(0, state=state)
    probe = Evdev().probe()
    assert not probe.viable
    assert "not the active one" in probe.reason
    with pytest.raises(Unavailable, match="not the active one"):
        Evdev().capture(grant())


def test_one_process_at_a_time_and_closed_words_only(plug: Plug, watch: Watch, opener: Service) -> None:
    plug(uinput.keyboard)
    first = watch().devices(1)
    with pytest.raises(Unavailable, match="another process of yours"):
        Evdev().capture(grant())
    for words in (b"", b"everything", b"keyboard keyboard", b"probe\n", bytes(64)):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
            link.connect(evdev.SOCKET)
            link.settimeout(3)
            if words:
                link.send(words)
                assert link.recv(64) == b""
    first.capture.close()
    first.capture = Evdev().capture(grant())  # at once: who is gone does not stand in the way
    first.devices(1)
    said = opener.stop()
    assert re.search(r"handed 1 devices to process \d+ of uid 0 \(keyboard pointer\)", said)
    assert "Traceback" not in said
    with pytest.raises(Unavailable, match="is gone"):
        wait_until(lambda: first.look() is None, 5, "the end")


@pytest.mark.usefixtures("seat")
def test_an_ordinary_account_may_open_no_device_and_is_told_the_remedy(plug: Plug) -> None:
    keyboard = plug(uinput.keyboard)
    code = (
        "import os, sys\n"
        "from desktop_logger.capture import choose, evdev\n"
        "from desktop_logger.errors import Unavailable\n"
        "os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3)\n"
        "try: os.open(sys.argv[1], os.O_RDONLY)\n"
        "except PermissionError as error: print(error.errno)\n"
        "try: choose('evdev')\n"
        "except Unavailable as error: print(error.message, error.hint, sep='; ')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, keyboard.path],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[:1] == ["13"], done  # EACCES
    assert "no device opener is installed" in lines[1]
    assert re.search(r"sudo \S*desktop-logger opener install", lines[1])


def test_without_any_privilege_on_either_side(plug: Plug, seat: Seat) -> None:
    """The opener has the devices' group and nothing else; capture has nothing."""
    keyboard, group = plug(uinput.keyboard), 4242
    os.chown(keyboard.path, 0, group)
    os.chmod(keyboard.path, 0o660)
    seat.session(NOBODY)
    os.makedirs(os.path.dirname(evdev.SOCKET), exist_ok=True)
    service = Service(user=4243, group=group, extra_groups=[])
    code = (
        "import ctypes, os, time\n"
        "from desktop_logger import confine\n"
        "from desktop_logger.capture.evdev import EvdevCapture\n"
        "os.setgroups([]); os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3)\n"
        "capture = EvdevCapture(('keyboard',)); print(len(capture._devices), flush=True); found = []\n"
        "layers = confine.shut()\n"
        "print('ready', flush=True); end = time.monotonic() + 20\n"
        "while len(found) < 2 and time.monotonic() < end: found += capture.read().events; time.sleep(0.05)\n"
        "print(*[event[2] for event in found], layers['seccomp'], flush=True)\n"
    )
    try:
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "0\n"
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.5)
            keyboard.press(A)
            later = plug(uinput.keyboard)  # plugged in when capture can open nothing any more
            os.chown(later.path, 0, group)
            os.chmod(later.path, 0o660)
            time.sleep(0.5)
            later.press(ENTER)
            rest = process.stdout.read()
        assert rest.split() == [str(int(KeyClass.TEXT)), str(int(KeyClass.ENTER)), "on"]
    finally:
        said = service.stop()
    assert "Traceback" not in said


@pytest.mark.usefixtures("opener")
def test_the_whole_daemon_on_a_console(plug: Plug, tmp_path_factory: pytest.TempPathFactory) -> None:
    keyboard, mouse = plug(uinput.keyboard), plug(uinput.mouse)
    person = Person(str(tmp_path_factory.mktemp("person") / "home"))
    person.env.pop("WAYLAND_DISPLAY", None)
    person.sign()
    child = person.terminal("start", "--backend", "evdev", "--foreground")
    try:
        child.expect("recording through evdev", timeout=300)
        status = person.status()
        assert (status["state"], status["backend"], status["indicator"]) == ("recording", "evdev", "terminal"), status
        assert status["sandbox"]["capture"]["seccomp"] == "on"
        for code in (A, A, A, BACKSPACE, ENTER):
            keyboard.press(code)
        keyboard.press(CTRL, C)
        for _ in range(10):
            mouse.send((uinput.REL, 0, 20))
            time.sleep(0.03)
        mouse.press(0x110)
        mouse.send((uinput.REL, 8, -1))
        person.settle()
        person.stop()
        child.expect(pexpect.EOF, timeout=180)
    finally:
        child.close(force=True)
    found = person.inspect()
    keys = {name: number for name, number in found["keys"].items() if number}
    # Nobody answers for a console, so three letters and a correction are kept as "four to seven", and counted as four.
    assert keys == {"TEXT": 4, "ENTER": 1, "MODIFIER": 1, "COMMAND": 1}
    assert (found["pointer"]["clicks"], found["pointer"]["scrolls"]) == (1, 1)
    assert found["pointer"]["moves"] > 0
    assert not found["gaps"]
    assert person.json("verify")["ok"]


@pytest.mark.usefixtures("opener")
def test_auto_takes_it_under_wayland(plug: Plug, seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    plug(uinput.keyboard)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    name, why = choose("auto")
    assert name == "evdev"
    assert why.startswith("auto: ")
    seat.session(1234)
    with pytest.raises(Unavailable, match="not the active one"):
        choose("auto")
