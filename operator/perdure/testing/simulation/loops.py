"""The event loop of one simulated process: asyncio as usual, but for time, threads and sockets."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from perdure.testing.simulation.scheduler import Due, Scheduler

Result = TypeVar("Result")

MOST_AT_ONCE = 10_000
"""Callbacks in a row; then others have a turn, and a process that spins is noticed."""
THREAD_SECONDS = 0.001
"""How long work in a thread takes, as the loop sees it."""


class ProcessLoop(asyncio.AbstractEventLoop):
    """Runs the callbacks of one process when the scheduler says so.

    A process that is frozen runs nothing: what comes due piles up. One that has ended never runs
    again, not even its `finally` blocks: so it is with SIGKILL.
    """

    def __init__(self, name: str, scheduler: Scheduler) -> None:
        self.name = name
        self.problems: list[str] = []
        """What asyncio would have logged: exceptions that nobody took notice of."""
        self._scheduler = scheduler
        self._ready: deque[asyncio.Handle] = deque()
        self._tasks: list[asyncio.Task[Any]] = []
        self._is_frozen = False
        self._is_ended = False
        self._is_noted = False
        """Whether the scheduler knows that something is ready."""

    # --- for the scheduler --------------------------------------------------------------------

    def run_ready(self) -> int:
        """Run until nothing is ready, or the process is frozen; return how much it was."""
        ready, count = self._ready, 0
        self._is_noted = False
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            while ready and not self._is_frozen and count < MOST_AT_ONCE:
                handle = ready.popleft()
                count += 1
                if not handle.cancelled():
                    handle._run()
        finally:
            events._set_running_loop(before)
        self._note()
        return count

    def _note(self) -> None:
        """Have the scheduler know that there is something to run."""
        if self._ready and not self._is_noted and not self._is_frozen:
            self._is_noted = True
            self._scheduler.is_ready(self)

    def freeze(self) -> None:
        """Run nothing from now on."""
        self._is_frozen = True

    def thaw(self) -> None:
        """Go on."""
        self._is_frozen = False
        self._note()

    def end(self) -> None:
        """Never run again."""
        self._is_ended = True
        self._ready.clear()

    @property
    def is_ended(self) -> bool:
        """Whether it was ended."""
        return self._is_ended

    def bury(self) -> None:
        """Take apart the tasks that never came to their end, without a word.

        Their `finally` blocks do run now, when nothing hears of it any more.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of coroutines that never began
            for task in self._tasks:
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # of asyncio itself
                coroutine = task.get_coro()
                if not task.done() and isinstance(coroutine, CoroutineType):
                    # A task group makes a group of its own end.
                    ends = (RuntimeError, asyncio.CancelledError, BaseExceptionGroup)
                    with contextlib.suppress(*ends):
                        coroutine.close()
        self._tasks.clear()

    # --- for asyncio --------------------------------------------------------------------------

    def call_soon(  # type: ignore[override]  # typeshed's TypeVarTuple
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if not self._is_ended:
            self._ready.append(handle)
            self._note()
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # as above

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._scheduler.now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        if not self._is_ended:
            timer.due = self._scheduler.at(when, lambda: self._come_due(timer))
        return timer

    def _come_due(self, timer: asyncio.TimerHandle) -> None:
        if not self._is_ended and not timer.cancelled():
            self._ready.append(timer)
            self._note()

    def _timer_handle_cancelled(self, timer: asyncio.TimerHandle) -> None:
        due = getattr(timer, "due", None)
        if due is not None:
            due.call_off()

    def time(self) -> float:
        return self._scheduler.now

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, Result],  # type: ignore[override]
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[Result]:
        task = asyncio.Task(coro, loop=self, name=name or "task", context=context)
        self._tasks.append(task)
        if len(self._tasks) > 1000:
            self._tasks = [each for each in self._tasks if not each.done()]
        return task

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Result], *args: Any
    ) -> asyncio.Future[Result]:
        """Do the work at once, and let it seem to take a moment."""
        future: asyncio.Future[Result] = self.create_future()
        try:
            result = func(*args)
        except Exception as error:  # noqa: BLE001 - it is the future's to raise
            self.call_later(THREAD_SECONDS, _fail, future, error)
        else:
            self.call_later(THREAD_SECONDS, _succeed, future, result)
        return future

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self._is_ended

    def is_closed(self) -> bool:
        return self._is_ended

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self._is_ended:
            self.problems.append(f"{context.get('message')}: {context.get('exception')!r}")


class _Timer(asyncio.TimerHandle):
    due: Due | None = None


def _succeed(future: asyncio.Future[Result], result: Result) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
