"""State that is carried bar by bar, saved as plain arrays and taken up again."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.core.errors import DataError


class Resumable:
    """A computation that can be cut anywhere: in time, or by a restart.

    Subclasses keep all that changes in the arrays of ``_parts`` and change them in place; the
    first of ``counts`` is how many usable bars there were.
    """

    def __init__(self, **parts: npt.NDArray[Any]) -> None:
        self._parts = parts

    @property
    def bars_seen(self) -> int:
        """Usable bars so far."""
        return int(self._parts["counts"][0])

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return a copy of all that `restore` needs."""
        return {name: part.copy() for name, part in self._parts.items()}

    def restore(self, state: dict[str, npt.NDArray[Any]]) -> None:
        """Go on from where `state` was taken.

        Raises
        ------
        DataError
            If it was taken from another kind of model, or one with other parameters. This object
            is then unchanged.
        """
        for name, part in self._parts.items():
            saved = state.get(name)
            if saved is None or saved.shape != part.shape or saved.dtype != part.dtype:
                raise DataError(self._refusal(f"its {name!r} does not fit"))
        if not np.array_equal(state["parameters"], self._parts["parameters"], equal_nan=True):
            raise DataError(self._refusal("its parameters differ"))
        for name, part in self._parts.items():
            part[...] = state[name]

    def _refusal(self, why: str) -> str:
        return (
            f"The saved state is not one of this {type(self).__name__} ({why}); "
            "build one with the parameters it was saved with, or start afresh."
        )
