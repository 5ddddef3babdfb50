"""Processes that outlive their starter, known by pid and kernel start time.

A pid alone is not proof: it may have been given to someone else's process since. Before a
process is ended its start time is compared with the recorded one.
"""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.waiting import wait_for

STOP_SECONDS = 10.0  # KILL needs milliseconds; a disk-bound exit may take seconds


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A pid and the kernel's start time (clock ticks since boot) of its process."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "ProcessId | None":
        """Return the identity of a live process; None if there is none, or a zombie.

        A zombie is dead once its last other thread has ended: until then that one may still
        hold ports and files, and a successor would find its port taken.
        """
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = text.rpartition(")")[2].split()  # the name before it may hold spaces
        state, threads, started = fields[0], int(fields[17]), int(fields[19])
        is_dead = state in "ZX" and threads <= 1
        return None if is_dead else cls(pid, started)

    def is_alive(self) -> bool:
        return ProcessId.of(self.pid) == self


@dataclass(frozen=True, slots=True)
class Process:
    """One program with its pid file and log file."""

    name: str
    pid_file: Path
    log_file: Path

    def running(self) -> ProcessId | None:
        """Return the recorded process if it is alive."""
        try:
            pid, started = self.pid_file.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        recorded = ProcessId(int(pid), int(started))
        return recorded if recorded.is_alive() else None

    def start(self, command: list[str], environment: Mapping[str, str]) -> ProcessId | None:
        """Start the program in a session of its own, its output appended to the log file.

        Returns None if it ended at once.
        """
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawn(
            command[0],
            command,
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log_file), append, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        started = ProcessId.of(pid)
        if started is not None:
            self.pid_file.write_text(f"{started.pid} {started.started}\n")
        return started

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End the process and wait until it is dead; no error if it was dead already."""
        process = self.running()
        if process is not None:
            os.kill(process.pid, how)
            wait_for(lambda: not process.is_alive(), f"the end of {self.name}", STOP_SECONDS)
            reap(process.pid)
        self.pid_file.unlink(missing_ok=True)

    def last_lines(self, count: int = 8) -> str:
        """Return the end of the log, for error messages."""
        try:
            lines = self.log_file.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return "(no log)"
        return "\n".join(lines[-count:])


def reap(pid: int) -> None:
    """Take the zombie off the process table if it is our own child."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # started by another process, reaped by init
