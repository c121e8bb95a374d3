"""The curves of growth: their exponents, and a short run."""

from __future__ import annotations

import pytest

from benchmarks import growth
from benchmarks.growth import Line, exponent, main, report


def test_an_exponent_is_the_slope_of_the_logarithms() -> None:
    assert exponent((1, 10, 100), (2.0, 2.0, 2.0)) == pytest.approx(0.0)
    assert exponent((1, 10, 100), (0.5, 5.0, 50.0)) == pytest.approx(1.0)


def test_what_breaks_first_is_the_nearest_to_a_full_core() -> None:
    far = Line("far", (10, 100), [0.01, 0.1], 1.0, 1.0)
    near = Line("near", (10, 100), [0.05, 0.5], 1.0, 1.0)
    idle = Line("idle", (10, 100), [0.05, 0.5], 1.0, 0.0)
    assert near.full_at == pytest.approx(200.0)
    told = report([far, near, idle])
    assert "What breaks first: near, at 200." in told
    assert "| idle | 10 / 100 | 50 / 500 | 1.00 | on demand or flat |" in told


def test_a_quick_run_prints_its_curves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["growth", "--quick", "--only", "history,database"])
    main()
    printed = capsys.readouterr().out
    for name in ("history", "database"):
        sizes = " / ".join(f"{size:,}" for size in growth.CURVES[name].quick)
        assert f"| {name} | {sizes} | " in printed
