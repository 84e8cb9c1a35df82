"""Where jobs run: threads of this process (numpy, zstd and OpenSSL let go of the interpreter), or a Ray cluster.

Both run the very same function on the very same jobs, with a bounded number under way, and give results as they come.
A lost Ray worker's job is run again by Ray; a job writes its part whole or not at all, so running it twice is the same.
Ray is the extra ``fleet``; nothing of it is loaded otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from desktop_logger.errors import Unavailable, UsageError

ENGINES = ("local", "ray")
MOST_THREADS = 6
"""Each holds a row group, about 40 MB: with more, memory would grow and, with small bundles, nothing be gained."""
In = TypeVar("In")
Out = TypeVar("Out")


def check(engine: str) -> None:
    """Raise ``UsageError`` for a name that is no engine, ``Unavailable`` for one that is not installed."""
    if engine not in ENGINES:
        raise UsageError(f"'{engine[:20]}' is not an engine", f"Engines: {', '.join(ENGINES)}.")
    if engine == "ray":
        _library()


def run(
    engine: str, function: Callable[[In], Out], jobs: Iterable[In], *, address: str | None = None, workers: int = 0
) -> Iterator[Out]:
    """Results of all jobs, in the order in which they are ready. Errors of a job end the run."""
    if engine == "local":
        return _threads(function, jobs, workers or min(max(os.cpu_count() or 1, 1), MOST_THREADS))
    check(engine)
    return _ray(function, jobs, address)


def _threads(function: Callable[[In], Out], jobs: Iterable[In], workers: int) -> Iterator[Out]:
    coming = iter(jobs)
    with ThreadPoolExecutor(workers, "export") as pool:
        under_way: set[Future[Out]] = set()
        try:
            while True:
                while len(under_way) < workers + 1 and (job := next(coming, None)) is not None:
                    under_way.add(pool.submit(function, job))
                if not under_way:
                    return
                ready, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for one in ready:
                    yield one.result()
        finally:
            for one in under_way:
                one.cancel()


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
