"""scikit-learn's Isolation Forest, fitted in a process of its own.

The library with what it imports takes 60 MB, which a desk would keep for good. The process ends
when nothing was asked of it for some seconds, and with the desk.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

IDLE_S = 10.0
# A tree's children_left, children_right, feature, threshold and n_node_samples, by node.
Tree = tuple[npt.NDArray[Any], ...]


class Fitter:
    """Hands what is to be fitted to the process, which it starts where none runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def fit(self, values: npt.NDArray[np.float64], trees: int, seed: int) -> tuple[list[Tree], int]:
        """Return the fitted trees and how many rows each was grown on.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_features)

        Raises
        ------
        OSError, EOFError, pickle.UnpicklingError
            The process could not be started, or ended before it answered.
        """
        with self._lock:
            process = self._running()
            assert process.stdin is not None and process.stdout is not None
            pickle.dump((values, trees, seed), process.stdin)
            process.stdin.flush()
            fitted: tuple[list[Tree], int] = pickle.load(process.stdout)
            return fitted

    def stop(self) -> None:
        """End the process, where one runs."""
        if self._process is not None:
            # Without more to read it ends; what cannot be written any more is of no use.
            with contextlib.suppress(BrokenPipeError):
                self._process.communicate()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.stop()
        if self._process is None:
            # By its path, so that it imports nothing else of Tandem; Ctrl-C is the desk's alone.
            command = [sys.executable, "-P", __file__, str(IDLE_S)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
        return self._process


def _fit(values: npt.NDArray[np.float64], trees: int, seed: int) -> tuple[list[Tree], int]:
    from sklearn.ensemble import IsolationForest

    model = IsolationForest(n_estimators=trees, random_state=seed).fit(values)
    grown: list[Tree] = []
    for estimator, columns in zip(model.estimators_, model.estimators_features_, strict=True):
        tree = estimator.tree_
        feature = columns[np.maximum(tree.feature, 0)]
        children = (tree.children_left, tree.children_right)
        grown.append((*children, feature, tree.threshold, tree.n_node_samples))
    return grown, int(model.max_samples_)


def _serve(asked: BinaryIO, answers: BinaryIO, idle_s: float) -> None:
    """Fit what is asked for until nothing was for so long, or until who asks has ended."""
    # scikit-learn takes pandas, 90 MB, where it can be imported.
    sys.modules["pandas"] = None  # type: ignore[assignment]
    import_module("sklearn.ensemble")
    del sys.modules["pandas"]
    while True:
        end = threading.Timer(idle_s, os._exit, (0,))
        end.start()
        try:
            given = pickle.load(asked)
        except EOFError:
            os._exit(0)
        end.cancel()
        pickle.dump(_fit(*given), answers)
        answers.flush()


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer, float(sys.argv[1]))
