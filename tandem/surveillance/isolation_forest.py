"""An Isolation Forest (Liu, Ting and Zhou, 2008): grown and scored by compiled loops."""

from __future__ import annotations

import hashlib
import io
import json
import math
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.core.errors import DataError
from tandem.kernels.forest import grow_forest
from tandem.kernels.surveillance import score_forest
from tandem.kernels.zscore import MAD_TO_DEVIATION

Floats = npt.NDArray[np.float64]

# Raised when the meaning of a feature or of the arrays changes: an older file is then refused.
FORMAT = 1
MOST_BYTES = 64 * 2**20
# What reading a file of arrays raises where its bytes were cut, changed or made up.
_DAMAGED = (
    *(OSError, ValueError, KeyError, EOFError, AttributeError, TypeError, SyntaxError, MemoryError),
    *(NotImplementedError, RuntimeError, OverflowError, RecursionError),
    *(zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
)
_ARRAYS = {
    "starts": np.int64,
    "feature": np.int64,
    "threshold": np.float64,
    "left": np.int64,
    "right": np.int64,
    "length": np.float64,
    "middle": np.float64,
    "spread": np.float64,
}
# Scored in one go, about 3 ms, in which no other thread runs.
_MOST_ROWS = 500
# Rows each tree is grown on, as the paper has it.
MOST_SAMPLES = 256
_EULER = 0.5772156649015329
# In the year 2255; dates of any day before can be written down.
_MOST_TOLD = 9 * 10**15


class Reason(NamedTuple):
    """Why a bar was flagged: the most unusual feature, and by how many deviations."""

    feature: str
    value: float
    deviations: float


@dataclass(frozen=True, eq=False)
class Forest:
    """A trained model, with all that says where it comes from.

    Attributes
    ----------
    features : tuple of str
        Columns it takes, in order.
    from_us, to_us, bars : int
        What it was trained on.
    contamination, cut : float
        The share asked for, and the score only that share of the training bars is above.
    version : str
        Digest of all of it.
    arrays : dict
        The trees; and of each feature the median and deviation (of the MAD) in training.
    """

    features: tuple[str, ...]
    from_us: int
    to_us: int
    bars: int
    samples: int
    contamination: float
    cut: float
    arrays: dict[str, npt.NDArray[Any]]
    version: str = ""

    def __post_init__(self) -> None:
        digest = hashlib.sha256(json.dumps(self._told(), sort_keys=True).encode())
        for name, kind in _ARRAYS.items():
            digest.update(np.ascontiguousarray(self.arrays[name], kind).tobytes())
        object.__setattr__(self, "version", f"{FORMAT}-{digest.hexdigest()[:12]}")

    def score(self, rows: npt.ArrayLike) -> Floats:
        """Return the anomaly score of each row, from 0 to 1; NaN where a feature is missing.

        For the same trees it is scikit-learn's ``-score_samples``.

        Parameters
        ----------
        rows : array of shape (n_bars, n_features)
        """
        given = np.atleast_2d(np.asarray(rows, np.float64))
        if given.shape[1] != len(self.features):
            raise DataError(
                f"The model expects {', '.join(self.features)}; got {given.shape[1]} columns."
            )
        out = np.full(len(given), np.nan)
        usable = np.isfinite(given).all(axis=1) & (np.abs(given) < 1e30).all(axis=1)
        narrow = given[usable].astype(np.float32)
        scores = np.empty(len(narrow))
        part = self.arrays
        for start in range(0, len(narrow), _MOST_ROWS):
            piece = slice(start, start + _MOST_ROWS)
            score_forest(
                narrow[piece], part["starts"], part["feature"], part["threshold"], part["left"],
                part["right"], part["length"], _average_path(self.samples), scores[piece],
            )  # fmt: skip
        out[usable] = scores
        return out

    def explain(self, row: npt.ArrayLike) -> Reason:
        """Return which feature of a row is furthest out, in deviations of the training bars."""
        values = np.asarray(row, np.float64)
        away = (values - self.arrays["middle"]) / self.arrays["spread"]
        at = int(np.nanargmax(np.abs(np.where(np.isfinite(away), away, 0.0))))
        return Reason(self.features[at], float(values[at]), float(away[at]))

    def to_bytes(self) -> bytes:
        """Return the model as a file of plain arrays and JSON; nothing in it is ever run."""
        file = io.BytesIO()
        told = np.frombuffer(json.dumps(self._told() | {"format": FORMAT}).encode(), np.uint8)
        np.savez_compressed(file, allow_pickle=False, told=told, **self.arrays)
        return file.getvalue()

    def save(self, path: Path) -> None:
        """Write the model into a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.to_bytes())

    def _told(self) -> dict[str, Any]:
        names = ("features", "from_us", "to_us", "bars", "samples", "contamination", "cut")
        return {name: getattr(self, name) for name in names}


def train(
    rows: Floats,
    features: tuple[str, ...],
    time_us: npt.NDArray[np.int64],
    contamination: float = 0.001,
    trees: int = 100,
    least_bars: int = 600,
    seed: int = 0,
) -> Forest:
    """Train a model on bars; a feature that is missing or constant in them is left out.

    Parameters
    ----------
    rows : ndarray of shape (n_bars, n_features)
        Bars with a missing value are left out.
    time_us : ndarray of shape (n_bars,)

    Raises
    ------
    DataError
        Fewer than `least_bars` are left, or no feature changes.
    """
    finite = np.isfinite(rows) & (np.abs(rows) < 1e30)
    known = finite.mean(axis=0) > 0.5 if len(rows) else np.zeros(len(features), np.bool_)
    usable = finite[:, known].all(axis=1) if known.any() else np.zeros(len(rows), np.bool_)
    if usable.sum() < least_bars:
        raise DataError(
            f"The Isolation Forest has {int(usable.sum())} complete training bars and needs "
            f"{least_bars}; z-scores work without it. Wait, or download history."
        )
    values = rows[usable][:, known]
    moving = values.std(axis=0) > 0.0
    if not moving.any():
        raise DataError(
            "The Isolation Forest cannot be trained: no feature varies (constant prices?)."
        )
    names = tuple(name for name, one in zip(features, known, strict=True) if one)
    names = tuple(name for name, one in zip(names, moving, strict=True) if one)
    values = values[:, moving]
    samples = min(MOST_SAMPLES, len(values))
    arrays = _grow(values, trees, samples, seed)
    middle = np.median(values, axis=0)
    spread = np.median(np.abs(values - middle), axis=0) * MAD_TO_DEVIATION
    arrays["middle"] = middle
    arrays["spread"] = np.where(spread > 0.0, spread, values.std(axis=0))
    times = time_us[usable]
    given = (names, int(times[0]), int(times[-1]), len(values), samples)
    forest = Forest(*given, contamination, math.nan, arrays)
    cut = float(np.quantile(forest.score(values), 1.0 - contamination))
    return Forest(*given, contamination, cut, arrays)


def load(source: Path | bytes) -> Forest:
    """Return a model from its file, which is read as data only.

    Raises
    ------
    DataError
        It is none, is damaged, or is of another version of Tandem; train it again.
    """
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
        if len(content) > MOST_BYTES:
            raise ValueError("too large")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
                raise ValueError("too large")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            told = json.loads(bytes(file["told"]))
            arrays = {name: file[name] for name in _ARRAYS} if told.get("format") == FORMAT else {}
    except _DAMAGED as error:
        raise DataError(f"Not a Tandem model ({type(error).__name__}); retrain it.") from None
    if told.pop("format", None) != FORMAT:
        raise DataError("The model was saved by another version of Tandem; retrain it.")
    try:
        _check(arrays, len(told["features"]))
        _check_told(told)
        told["features"] = tuple(told["features"])
        return Forest(arrays=arrays, **told)
    except (TypeError, KeyError, ValueError) as error:
        raise DataError(f"The model is damaged ({error}); retrain it.") from None


def _check(arrays: dict[str, npt.NDArray[Any]], features: int) -> None:
    """Refuse trees that the compiled loop would leave, or never leave."""
    for name, kind in _ARRAYS.items():
        if arrays[name].dtype != kind or arrays[name].ndim != 1:
            raise ValueError(f"{name} has the wrong type")
    nodes = len(arrays["feature"])
    if any(len(arrays[name]) != nodes for name in ("threshold", "left", "right", "length")):
        raise ValueError("its arrays differ in length")
    if any(len(arrays[name]) != features for name in ("middle", "spread")):
        raise ValueError("its features differ in number")
    starts, feature = arrays["starts"], arrays["feature"]
    inner = feature >= 0
    own = np.flatnonzero(inner)
    sound = (
        len(starts) > 0
        and (starts >= 0).all()
        and (starts < nodes).all()
        and (feature < features).all()
    )
    for side in ("left", "right"):
        # A child stands behind its parent, so every walk ends.
        sound = sound and (arrays[side][inner] > own).all() and (arrays[side][inner] < nodes).all()
    if not sound or not all(np.isfinite(arrays[name]).all() for name in ("length", "threshold")):
        raise ValueError("invalid tree structure")


def _check_told(told: dict[str, Any]) -> None:
    """Refuse what would stop whoever scores with the model or shows it."""
    if not all(isinstance(name, str) for name in told["features"]):
        raise ValueError("feature names are not text")
    for name in ("from_us", "to_us", "bars", "samples"):
        if type(told[name]) is not int or not 0 <= told[name] <= _MOST_TOLD:
            raise ValueError(f"{name} is not an integer")
    if told["samples"] < 2:
        raise ValueError("no training bars")
    for name in ("contamination", "cut"):
        if type(told[name]) is not float or not 0.0 < told[name] <= 1.0:
            raise ValueError(f"{name} is not a share between 0 and 1")


def _grow(values: Floats, trees: int, samples: int, seed: int) -> dict[str, npt.NDArray[Any]]:
    """Return trees as plain arrays."""
    most = trees * (2 * samples - 1)
    names = list(_ARRAYS)[:6]
    nodes = {name: np.empty(most, _ARRAYS[name]) for name in names} | {
        "starts": np.empty(trees, np.int64)
    }
    paths = np.array([_average_path(count) for count in range(samples + 1)])
    depth = math.ceil(math.log2(samples))
    count = grow_forest(
        values.astype(np.float32), samples, depth, seed, paths, *(nodes[name] for name in names)
    )
    return {name: array[:count].copy() for name, array in nodes.items()}


def _average_path(samples: int) -> float:
    """Return the mean path length of an unsuccessful search among so many (Liu et al. 2008)."""
    if samples <= 1:
        return 0.0
    if samples == 2:
        return 1.0
    return 2.0 * (math.log(samples - 1.0) + _EULER) - 2.0 * (samples - 1.0) / samples
