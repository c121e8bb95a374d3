"""What every command shares: its parser, its exit code, and how a signal ends it.

| exit code | means |
|---|---|
| 0 | done |
| 1 | failed; one sentence on standard error says why and what to do |
| 2 | wrong arguments; the usage is on standard error |
| 130 | cancelled by Ctrl-C |
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

from tandem import __version__
from tandem.core.errors import Cancelled, TandemError
from tandem.core.parallel import Watch

DONE, FAILED, WRONG_ARGUMENTS, CANCELLED = 0, 1, 2, 130
_PROGRESS_S = 10.0


def parser(prog: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
    """Return a parser that knows `--help` and `--version`.

    Parameters
    ----------
    prog : str
        What the user typed, for help and errors: `backtest.py`, `tandem backtest`.
    """
    command = argparse.ArgumentParser(prog=prog, description=description, epilog=epilog)
    command.add_argument("--version", action="version", version=f"Tandem {__version__}")
    return command


def say(text: str) -> None:
    """Write a line to standard output at once; that nobody reads it any more ends nothing.

    Raises
    ------
    OSError
        It cannot be written: a full disk, most likely.
    """
    try:
        print(printable(text), flush=True)  # noqa: T201 - it takes a closed one (None) for granted
    except BrokenPipeError:
        _silence()


def report(text: str) -> None:
    """Write a line as `say` does, for work that goes on whether or not it can be written."""
    # After a full disk there may be room for the next line.
    with contextlib.suppress(OSError):
        say(text)


def progress(title: str) -> Callable[[int, int], None]:
    """Return what shows progress on standard error: one line on a terminal, else one now and then.

    Work that takes a few seconds writes nothing into a file or a journal.
    """
    shown, at = -1, time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal shown, at
        percent = min(100 * done // max(total, 1), 100)
        if sys.stderr.isatty():
            if percent != shown:
                sys.stderr.write(f"{title}: {percent} %" + ("\n" if percent >= 100 else "\r"))
        elif time.monotonic() - at >= _PROGRESS_S:
            at = time.monotonic()
            sys.stderr.write(f"{title}: {percent} %\n")
        shown = percent
        sys.stderr.flush()

    return show


def watch(title: str) -> Watch:
    """Return a watch that shows `progress`."""
    return Watch(progress(title))


def run(prog: str, work: Callable[[], int]) -> int:
    """Return the exit code of `work`; a failure becomes one sentence on standard error."""
    try:
        code = work()
        if sys.stdout is not None:
            sys.stdout.flush()
    except (KeyboardInterrupt, Cancelled):
        sys.stderr.write("\n")
        fail(prog, "cancelled.")
        return CANCELLED
    except BrokenPipeError:
        # Whoever read the output has left (`| head`), which is no error.
        _silence()
        return FAILED
    except TandemError as error:
        fail(prog, str(error))
        return FAILED
    except OSError as error:
        fail(prog, _file_error(error))
        _drop_unwritten()
        return FAILED
    return code


def fail(prog: str, text: str) -> None:
    """Write a sentence to standard error as one line, headed by the command."""
    # A path may have line breaks: what reads lines would take the rest for another event.
    line = " ".join(text.splitlines())
    with contextlib.suppress(OSError):
        sys.stderr.write(printable(f"{prog}: {line}\n"))


def printable(text: str) -> str:
    """Replace what would steer a terminal: names and cells are from outside."""
    return "".join(one if one == "\n" or one.isprintable() else "\ufffd" for one in text)


@contextlib.contextmanager
def stop_on_signal(stop: threading.Event) -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP set `stop` while this lasts; in the main thread only.

    A hangup that is ignored already, as under `nohup`, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        names.append(signal.SIGHUP)
    before = [signal.signal(name, lambda *_: stop.set()) for name in names]
    try:
        yield
    finally:
        for name, handler in zip(names, before, strict=True):
            signal.signal(name, handler)


def _drop_unwritten() -> None:
    """Let the exit not try again what standard output did not take."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _silence()


def _silence() -> None:
    """Let standard output go nowhere, so that the interpreter does not complain at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _file_error(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}." if error.filename else f"{reason}."
