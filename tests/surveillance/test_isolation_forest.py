"""The Isolation Forest: equal to scikit-learn's, explained, and kept in files that cannot run."""

import io
import json
import math
import pickle
import zipfile
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from tandem.core.errors import DataError
from tandem.surveillance import isolation_forest
from tandem.surveillance.isolation_forest import load, train

NAMES = ("rsi", "volatility", "volume_change")


def rows(count: int = 2_000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3)) * [10, 1e-4, 1] + [50, 3e-4, 0]


def model(**more):
    return train(rows(), NAMES, np.arange(2_000), **more)


def nodes_of(theirs: IsolationForest) -> dict[str, np.ndarray]:
    """Return the trees of scikit-learn's model as our arrays."""
    parts: dict[str, list[np.ndarray]] = {}
    starts, first = [], 0
    for estimator in theirs.estimators_:
        tree = estimator.tree_
        is_leaf = tree.children_left < 0
        depth = np.zeros(tree.node_count)
        for node in np.flatnonzero(~is_leaf):
            depth[[tree.children_left[node], tree.children_right[node]]] = depth[node] + 1
        rest = [isolation_forest._average_path(int(count)) for count in tree.n_node_samples]
        found = {
            "feature": np.where(is_leaf, -1, tree.feature),
            "threshold": np.where(is_leaf, 0.0, tree.threshold),
            "left": np.where(is_leaf, 0, tree.children_left + first),
            "right": np.where(is_leaf, 0, tree.children_right + first),
            "length": np.where(is_leaf, depth + rest, 0.0),
        }
        for name, one in found.items():
            parts.setdefault(name, []).append(one)
        starts.append(first)
        first += tree.node_count
    return {"starts": np.array(starts), **{k: np.concatenate(one) for k, one in parts.items()}}


@pytest.mark.parametrize("trees", [1, 7, 100])
def test_the_same_trees_score_as_scikit_learns(trees: int) -> None:
    coarse = np.round(rows(), 4).astype(np.float32).astype(np.float64)
    theirs = IsolationForest(n_estimators=trees, random_state=0).fit(coarse)
    ours = model(trees=trees)
    ours.arrays.update(nodes_of(theirs))
    # On the very thresholds too.
    at = np.unique(np.concatenate([tree.tree_.threshold for tree in theirs.estimators_]))
    for tried in (rows(500, 1) * [1.0, 5.0, 3.0], np.stack([at, at, at], axis=1)):
        np.testing.assert_allclose(ours.score(tried), -theirs.score_samples(tried), rtol=1e-12)


@pytest.mark.parametrize("count", [40, 2_000])
def test_our_trees_judge_as_scikit_learns_do(count: int) -> None:
    """Both draw at random: forests of either differ by as much as two of one kind."""
    given, tried, at = rows(count), rows(200, 1) * [1.0, 2.0, 2.0], np.arange(count)
    ours, theirs = [], []
    for seed in range(5):
        ours.append(train(given, NAMES, at, least_bars=30, seed=seed).score(tried))
        theirs.append(-IsolationForest(random_state=seed).fit(given).score_samples(tried))

    def distance(some: list[np.ndarray], others: list[np.ndarray]) -> float:
        pairs = [(a, b) for a in some for b in others if a is not b]
        return float(np.median([np.sqrt(np.mean((a - b) ** 2)) for a, b in pairs]))

    assert 0.7 < distance(ours, theirs) / distance(theirs, theirs) < 1.4
    assert abs(np.mean(ours) - np.mean(theirs)) < 0.006


@pytest.mark.parametrize("count", [2, 3, 40, 700])
def test_each_tree_parts_its_rows_as_far_as_it_may(count: int) -> None:
    given = np.round(rows(count), 1)
    samples = min(256, count)
    arrays = isolation_forest._grow(given, 20, samples, 3)
    starts, feature = arrays["starts"], arrays["feature"]
    ends = [*starts[1:], len(feature)]
    for first, end in zip(starts, ends, strict=True):
        leaves = int((feature[first:end] < 0).sum())
        assert 1 <= leaves <= samples
        assert end - first == 2 * leaves - 1
    inner = feature >= 0
    low, high = given.astype(np.float32).min(axis=0), given.astype(np.float32).max(axis=0)
    threshold, of = arrays["threshold"][inner], feature[inner]
    assert ((low[of] <= threshold) & (threshold < high[of])).all()
    deepest = math.ceil(math.log2(samples)) + isolation_forest._average_path(samples)
    assert (arrays["length"][~inner] <= deepest).all()


def test_the_same_seed_gives_the_same_model() -> None:
    assert model(seed=4).version == model(seed=4).version != model(seed=5).version


def test_the_cut_leaves_the_asked_share_beyond_it() -> None:
    one = model(contamination=0.05)
    assert np.mean(one.score(rows()) > one.cut) == pytest.approx(0.05, abs=0.002)
    assert (one.from_us, one.to_us, one.bars, one.contamination) == (0, 1_999, 2_000, 0.05)


def test_what_is_furthest_out_is_the_reason() -> None:
    reason = model().explain([50.0, 13e-4, 0.5])
    assert reason.feature == "volatility"
    assert reason.value == 13e-4
    assert reason.deviations == pytest.approx(10.0, rel=0.1)


def test_missing_and_huge_values_get_no_score() -> None:
    tried = rows(5)
    tried[0, 0], tried[1, 1], tried[2, 2] = np.nan, np.inf, 1e40
    assert np.isnan(model().score(tried)).tolist() == [True, True, True, False, False]
    with pytest.raises(DataError, match="expects rsi"):
        model().score([[1.0]])


def test_a_model_comes_back_from_its_file(tmp_path) -> None:
    one = model()
    one.save(tmp_path / "models" / "a.npz")
    again = load(tmp_path / "models" / "a.npz")
    assert again.version == one.version
    np.testing.assert_array_equal(again.score(rows()), one.score(rows()))
    assert model(contamination=0.01).version != one.version


@cache
def content_of_a_model() -> bytes:
    return model().to_bytes()


def altered(**arrays) -> bytes:
    with np.load(io.BytesIO(content_of_a_model()), allow_pickle=False) as file:
        parts = {name: file[name] for name in file.files}
    told = json.loads(bytes(parts.pop("told")))
    told |= arrays.pop("say", {})
    file = io.BytesIO()
    text = np.frombuffer(json.dumps(told).encode(), np.uint8)
    np.savez(file, told=text, **(parts | arrays))
    return file.getvalue()


def loops() -> np.ndarray:
    with np.load(io.BytesIO(content_of_a_model()), allow_pickle=False) as file:
        left = file["left"].copy()
        left[np.flatnonzero(file["feature"] >= 0)[3]] = 0
        return left


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"",
        lambda: b"PK\x03\x04nonsense",
        lambda: pickle.dumps({"a": 1}),
        lambda: altered(say={"format": 2}),
        lambda: altered(say={"format": None}),
        lambda: altered(say={"surprise": 1}),
        lambda: altered(left=loops()),
        lambda: altered(starts=np.array([10**9])),
        lambda: altered(starts=np.array([-1])),
        lambda: altered(feature=np.array([7])),
        lambda: altered(threshold=np.array([np.nan])),
        lambda: altered(middle=np.zeros(1)),
        lambda: altered(length=np.array(["x"], object)),
        lambda: altered(say={"cut": "x"}),
        lambda: altered(say={"cut": None}),
        lambda: altered(say={"cut": math.nan}),
        lambda: altered(say={"samples": "9"}),
        lambda: altered(say={"samples": 0}),
        lambda: altered(say={"bars": "x"}),
        lambda: altered(say={"from_us": 2**62}),
        lambda: altered(say={"features": [["rsi"], 2, 3]}),
    ],
    ids=["empty", "no zip", "a pickle", "newer", "no format", "unknown key", "a loop", "far start",
         "negative start", "short", "not a number", "features", "objects", "cut text", "no cut",
         "cut none", "samples text", "no samples", "bars text", "far date", "features no names"],
)  # fmt: skip
def test_what_is_no_model_is_refused_and_never_run(make: Callable[[], bytes]) -> None:
    with pytest.raises(DataError, match="retrain it"):
        load(make())


def test_a_file_that_swells_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("told.npy", bytes(80 * 2**20))
    with pytest.raises(DataError, match="retrain it"):
        load(file.getvalue())


def test_a_file_that_is_not_there_is_said(tmp_path) -> None:
    with pytest.raises(DataError, match="FileNotFoundError"):
        load(tmp_path / "none")


@pytest.mark.parametrize(
    ("given", "hint"),
    [(rows(100), "needs 600"), (np.ones((700, 3)), "no feature varies"),
     (np.full((700, 3), np.nan), "has 0 complete"), (np.empty((0, 3)), "has 0 complete")],
)  # fmt: skip
def test_what_cannot_be_learned_is_said(given, hint) -> None:
    with pytest.raises(DataError, match=hint):
        train(given, NAMES, np.arange(len(given)))


def test_a_feature_that_is_missing_or_constant_is_left_out() -> None:
    given = rows()
    given[:, 0], given[:, 2] = np.nan, 3.0
    assert train(given, NAMES, np.arange(2_000)).features == ("volatility",)
