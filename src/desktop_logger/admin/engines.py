"""Where jobs run: this process, processes beside it, or a Ray cluster.

All run the very same function on the very same jobs, with a bounded number under way, and give results as they come.
Threads would not help: a bundle is many small steps, between which the interpreter's lock is held (measured 1.05 to
1.2 times with two). A lost Ray worker's job is run again by Ray; a job writes its part whole or not at all, so running
it twice is the same. Ray is the extra ``fleet``; nothing of it is loaded otherwise.

Invariants: whatever ends this process ends its workers, and with them the keys that they hold; a worker that is ended
by something else ends the run, with a reason.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as first_of
from typing import Any, TypeVar

from desktop_logger.errors import Unavailable, UsageError

ENGINES = ("local", "ray")
MOST_WORKERS = 3
"""Each holds a row group and the libraries, some 100 MB: more would come too near to what is promised."""
In = TypeVar("In")
Out = TypeVar("Out")


def check(engine: str) -> None:
    """Raise ``UsageError`` for a name that is no engine, ``Unavailable`` for one that is not installed."""
    if engine not in ENGINES:
        raise UsageError(f"'{engine[:20]}' is not an engine", f"Engines: {', '.join(ENGINES)}.")
    if engine == "ray":
        _library()


def run(
    engine: str, function: Callable[[In], Out], jobs: Iterable[In], *, address: str | None = None, workers: int = 0,
    enough: int = 1,
) -> Iterator[Out]:  # fmt: skip
    """Results of all jobs, in the order in which they are ready. Errors of a job end the run.

    ``workers`` 0: one for each core. With fewer jobs than ``enough`` no process is worth its start.
    """
    if engine != "local":
        check(engine)
        return _ray(function, jobs, address)
    workers = workers or min(os.cpu_count() or 1, MOST_WORKERS)
    coming = iter(jobs)
    first = list(itertools.islice(coming, enough if workers > 1 else 0))
    jobs = itertools.chain(first, coming)
    return map(function, jobs) if workers == 1 or len(first) < enough else _processes(function, jobs, workers)


def _processes(function: Callable[[In], Out], coming: Iterator[In], workers: int) -> Iterator[Out]:
    # spawned, not forked: Arrow has threads, and a fork would take along everything that this process holds
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin, (function,)) as pool:
        under_way: set[Future[Out]] = set()
        try:
            while True:
                while len(under_way) < 2 * workers and (job := next(coming, None)) is not None:
                    under_way.add(pool.submit(_do, job))
                if not under_way:
                    return
                ready, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for one in ready:
                    yield one.result()
        except BrokenProcessPool:
            raise Unavailable("a process of this export was ended", "Run the same command again: it goes on.") from None
        finally:
            for one in under_way:
                one.cancel()


_function: Callable[[Any], Any] | None = None


def _begin(function: Callable[[Any], Any]) -> None:
    """In a worker: what it is to do; Ctrl-C is the first process's to answer, whose end is this one's end."""
    global _function  # noqa: PLW0603 - once a process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    _function = function


def _end_with(sentinel: int) -> None:
    first_of([sentinel])
    os._exit(1)


def _do(job: Any) -> Any:
    assert _function is not None  # noqa: S101 - set before any job comes
    return _function(job)


def _ray(function: Callable[[In], Out], jobs: Iterable[In], address: str | None) -> Iterator[Out]:
    ray = _library()
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address=address, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise Unavailable(f"no Ray cluster at {address}: {type(error).__name__}", "See: ray status") from None
    # a worker that dies is tried again; an error of ours (a full disk) is not, it would be the same again
    task: Any = ray.remote(max_retries=5, retry_exceptions=False)(function)
    coming = iter(jobs)
    under_way: list[Any] = []
    try:
        most = 2 * max(int(ray.cluster_resources().get("CPU", 1)), 1)
        while True:
            while len(under_way) < most and (job := next(coming, None)) is not None:
                under_way.append(task.remote(job))
            if not under_way:
                return
            ready, under_way = ray.wait(under_way, num_returns=1)
            for one in ready:
                yield _got(ray, one)
    finally:
        for one in under_way:
            ray.cancel(one, force=True)
        if ours:
            ray.shutdown()


def _library() -> Any:
    try:
        import ray
    except ImportError:
        raise Unavailable(
            "the engine ray needs Ray, which is not installed", "Run: pip install 'desktop-logger[fleet]'"
        ) from None
    return ray


def _got(ray: Any, reference: Any) -> Any:
    """A result; Ray's wrapping of our errors taken off."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise Unavailable(
            f"a job was lost more often than it is tried again ({type(error).__name__})", "Run the same command again."
        ) from None
