"""What docs/SIZE.md promises: of unrelated prices a 5 % test rejects 5 %, and it sees pairs."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import size, worlds
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "SIZE.md"
# Seeds that the page was not made with.
FIRST = 1_000_000
# Statsmodels' critical values for Johansen's test are for prices that drift; these do not. The
# half-life's interval is another promise.
HONEST = [
    (question, place)
    for question, named in size.QUESTIONS.items()
    for place, name in enumerate(named.names)
    if "statsmodels' critical" not in name and "half-life" not in name
]


def named(cell):
    question, place = cell
    return size.QUESTIONS[question].names[place]


@pytest.fixture(scope="module")
def found():
    """Return shares by question, kind, bars and repeats, each simulated once."""
    known = {}

    def ask(question, kind, bars, repeats):
        key = question, kind, bars, repeats
        if key not in known:
            known[key] = size.shares(size.QUESTIONS[question], kind, bars, repeats, FIRST)
        return known[key]

    return ask


def _cells():
    """Yield the cells; those that a library computes are slow."""
    for cell in HONEST:
        marks = [pytest.mark.slow] if "(arch)" in named(cell) or "Johansen" in named(cell) else []
        yield pytest.param(cell, id=named(cell), marks=marks)


@pytest.mark.parametrize("cell", list(_cells()))
def test_size_is_roughly_five_percent(found, cell):
    # 300 repeats: the standard error is 1.3 %.
    question, place = cell
    assert 0.01 < found(question, "independent", 1_000, 300)[place] < 0.09


def test_what_is_not_five_percent_would_be_seen(found):
    assert found("engle_granger", "bid-ask bounce", 50, 200)[0] > 0.15
    honest, _, asymptotic, _ = found("engle_granger", "independent", 50, 800)
    assert honest < 0.07 < asymptotic


def test_power_grows_with_bars_and_falls_with_the_half_life():
    quick, slow = size.power(10.0, 1_000, 60), size.power(200.0, 1_000, 60)
    assert quick > 0.95
    assert slow < 0.4
    assert size.power(10.0, 100, 60) < quick


@pytest.mark.parametrize("kind", worlds.KINDS)
def test_the_same_seed_is_the_same_pair(kind):
    number = worlds.KINDS[kind]
    one, again, other = (worlds.unrelated(number, 200, seed) for seed in (3, 3, 4))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert np.isfinite(one).all()


def test_noises_are_what_they_are_called():
    def changes(kind):
        return np.diff(worlds.unrelated(worlds.KINDS[kind], 20_000, 1))

    def memory(column):
        return np.corrcoef(column[1:], column[:-1])[0, 1]

    plain, clustered, shared, bounced = (changes(kind) for kind in worlds.KINDS)
    assert abs(memory(plain[0])) < 0.03
    assert abs(memory(plain[0] ** 2)) < 0.03
    assert abs(np.corrcoef(plain)[0, 1]) < 0.03
    assert memory(clustered[0] ** 2) > 0.1
    assert abs(np.corrcoef(clustered)[0, 1]) < 0.05
    assert np.corrcoef(shared)[0, 1] == pytest.approx(1.0 / 1.25, abs=0.1)
    # A change holds two bounces of opposite sign: -h^2 of 1 + 2 h^2 with h = 1.5.
    assert memory(bounced[0]) == pytest.approx(-2.25 / 5.5, abs=0.03)


def test_the_page_has_every_test_and_every_length():
    text = PAGE.read_text(encoding="utf-8")
    for question in size.QUESTIONS.values():
        for name in question.names:
            assert f"### {name[0].upper()}{name[1:]}" in text
    for bars in size.LENGTHS:
        assert f"{bars:,} bars" in text
    for kind in worlds.KINDS:
        assert f"| {kind} |" in text


@pytest.mark.slow
@pytest.mark.parametrize("cell", HONEST, ids=named)
@pytest.mark.parametrize(("bars", "part"), [(1_000, 1.0), (5_000, 0.3)])
def test_size_is_four_to_six_percent_from_a_thousand_bars(found, cell, bars, part):
    # Of 20,000 repeats the standard error is 0.15 %, of 4,000 it is 0.34 %.
    question, place = cell
    repeats = int(part * max(10_000, size.QUESTIONS[question].repeats))
    assert 0.04 <= found(question, "independent", bars, repeats)[place] <= 0.06


@pytest.mark.slow
@pytest.mark.parametrize("bars", [50, 100, 250])
@pytest.mark.parametrize("question", ["engle_granger", "known_hedge"])
def test_short_samples_are_honest_where_the_search_is_allowed_for(found, question, bars):
    assert 0.04 <= found(question, "independent", bars, 10_000)[0] <= 0.06
