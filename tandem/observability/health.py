"""What is wrong with a process, by what has to be done about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """Sentences on what is wrong; empty where nothing is.

    Attributes
    ----------
    dead : tuple of str
        Threads that have ended: only a restart helps.
    unready : tuple of str
        Why the process cannot serve yet, or any more.
    problems : tuple of str
        What is not as it should be, although the process goes on.
    """

    dead: tuple[str, ...] = ()
    unready: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def everything(self) -> tuple[str, ...]:
        """All of them, the gravest first, each once."""
        return tuple(dict.fromkeys((*self.dead, *self.unready, *self.problems)))


def ended(threads: dict[str, bool]) -> tuple[str, ...]:
    """Return a sentence for each thread that is not alive, by the name of its work."""
    return tuple(f"The thread of {name} has ended." for name, alive in threads.items() if not alive)
