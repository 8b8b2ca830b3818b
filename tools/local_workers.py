"""Processes on this machine that live and die together.

All of them are in one process group. Its leader is a guard, a process that does nothing but wait for the end of the
process that started it, however it ends, and then stops the group. So nothing is left behind even by SIGKILL, and
processes that the workers started themselves go with them. What leaves the group (`setsid`) is out of reach, and so is
everything if somebody kills the guard and the launcher at once. POSIX only.
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time

_STOPPING_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
# Its standard input ends with the launcher. It outlives SIGTERM itself, as it was started with that ignored.
_GUARD = """
import os, signal, sys, time
sys.stdin.buffer.read()
os.killpg(0, signal.SIGTERM)
time.sleep(float(sys.argv[1]))
os.killpg(0, signal.SIGKILL)
"""
# Python acts on a signal in the main thread, which sees one that another thread received only when it next wakes up.
_LONGEST_NAP = 0.5
# A process that has left the group may hold a pipe open for ever, and a pager may pause: no longer wait for output.
_LAST_WORDS_SECONDS = 0.5
_LAST_OUTPUT_SECONDS = 2
_STDERR = threading.Lock()


def run(command, environments, grace_seconds):
    """Run `command` once for each of `environments` until all are done, or one fails, or a signal asks to stop.

    Standard output of the first worker is this process' own. All else that the workers write goes to stderr, line by
    line, after ``[worker 1] ``. If a worker fails, the others get SIGTERM; SIGINT and SIGTERM are passed on to all, and
    SIGHUP as SIGTERM. Those who have not left `grace_seconds` later, or at a second SIGINT, get SIGKILL.

    Args:
        command: List of strings, the program and its arguments.
        environments: List of dicts, one a worker: its environment variables.
        grace_seconds: Number >= 0, seconds.

    Returns:
        Exit code: 0 if all workers ended with 0, that of the first one that failed, or 128 + the number of the signal.

    Raises:
        OSError: If the command cannot be started.
    """
    events = queue.SimpleQueue()
    for number in _STOPPING_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # As under nohup.
            signal.signal(number, lambda number, frame: events.put(("signal", number)))
    with _group(grace_seconds) as group:
        workers = []
        # Threads only once all workers run: it is not safe to fork beside them.
        for index, environment in enumerate(environments):
            stdout = None if index == 0 else subprocess.PIPE
            workers.append(_start(command, group, env=environment, stdout=stdout, stderr=subprocess.PIPE))
        _say("workers: " + ", ".join(f"{index} is process {worker.pid}" for index, worker in enumerate(workers)))
        run_of_workers = _Run(group, workers, events, grace_seconds)
        code = run_of_workers.wait()
    run_of_workers.finish_output()
    return code


@contextlib.contextmanager
def _group(grace_seconds):
    """A process group, by its number; whoever is in it at the end is killed."""

    def become_guard():
        os.setpgid(0, 0)
        for number in _STOPPING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    command = [sys.executable, "-I", "-S", "-c", _GUARD, str(grace_seconds)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, preexec_fn=become_guard, **quiet)
    try:
        yield guard.pid
    finally:
        # The number is not given to others before the guard has been waited for.
        _signal_group(guard.pid, signal.SIGKILL)
        guard.wait()
        guard.stdin.close()


def _start(command, group, **options):
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=lambda: os.setpgid(0, group), **options)


def _signal_group(group, number):
    # Nobody there any more; on macOS nobody but the dead.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


class _Run:
    """The workers from their start to the end of the last one."""

    def __init__(self, group, workers, events, grace_seconds):
        self.group = group
        self.workers = workers
        self.events = events
        self.grace_seconds = grace_seconds
        self.running = set(range(len(workers)))
        self.code = 0
        self.stopping = False
        self.deadline = None
        self.readers = [
            [_in_background(self._copy, index, pipe) for pipe in (worker.stdout, worker.stderr) if pipe]
            for index, worker in enumerate(workers)
        ]
        for index in self.running:
            _in_background(self._report_end, index)

    def wait(self):
        """Return the exit code once every worker has ended."""
        while self.running:
            left = _LONGEST_NAP if self.deadline is None else self.deadline - time.monotonic()
            try:
                event, value = self.events.get(timeout=min(_LONGEST_NAP, max(0, left)))
            except queue.Empty:
                if left <= 0:
                    self._kill(f"after {self.grace_seconds:g} s")
                continue
            if event == "end":
                self._ended(value)
            else:
                self._received(value)
        return self.code

    def finish_output(self):
        """Let what the workers wrote last come out."""
        _join([reader for readers in self.readers for reader in readers], _LAST_OUTPUT_SECONDS)

    def _ended(self, index):
        self.running.discard(index)
        code = self.workers[index].returncode
        if code == 0 or self.stopping:
            return
        _join(self.readers[index], _LAST_WORDS_SECONDS)  # They explain the line that comes now.
        how = f"was killed by {_name(-code)}" if code < 0 else f"ended with exit code {code}"
        self._stop(f"error: worker {index} {how}", signal.SIGTERM, 128 - code if code < 0 else code)

    def _received(self, number):
        if not self.stopping:
            # A terminal that has gone is a reason to save, and programs know only SIGTERM as a request for that.
            passed_on = number if number == signal.SIGINT else signal.SIGTERM
            self._stop(f"received {_name(number)}", passed_on, 128 + number)
        elif number == signal.SIGINT:
            self._kill("after a second Ctrl-C")

    def _stop(self, reason, number, code):
        self.code = code
        self.stopping = True
        self.deadline = time.monotonic() + self.grace_seconds
        _say(f"{reason}; stopping {_workers(self.running)} (Ctrl-C kills)" if self.running else reason)
        _signal_group(self.group, number)

    def _kill(self, when):
        self.deadline = None
        _say(f"killing {_workers(self.running)} {when}")
        _signal_group(self.group, signal.SIGKILL)

    def _report_end(self, index):
        self.workers[index].wait()
        self.events.put(("end", index))

    def _copy(self, index, pipe):
        prefix = f"[worker {index}] ".encode()
        with pipe:
            for line in pipe:
                _write_line(prefix + line.removesuffix(b"\n"))


def _say(message):
    _join([_in_background(_write_line, message.encode())], _LAST_WORDS_SECONDS)


def _write_line(line):
    line += b"\n"
    # If the terminal has gone, the workers' lines are still taken from them, and they are still stopped in order.
    with _STDERR, contextlib.suppress(OSError):
        while line:
            line = line[os.write(2, line):]


def _in_background(function, *arguments):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def _join(threads, seconds):
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))


def _name(number):
    return signal.Signals(number).name


def _workers(indices):
    return f"worker{'s' if len(indices) > 1 else ''} {', '.join(str(index) for index in sorted(indices))}"
