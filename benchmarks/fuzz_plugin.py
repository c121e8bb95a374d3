"""Loaded into pytest by `benchmarks.fuzz`: every property test gets its share of the time.

The tests come in an order drawn from the seed. Each may take what is left, divided by the tests
that are left: what quick ones do not need goes to the others. A test whose share is used up is cut
short before its next example; Hypothesis must not be interrupted within one.
"""

from __future__ import annotations

import functools
import json
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import is_hypothesis_test
from hypothesis.errors import HypothesisException, StopTest

LEAST_S = 1.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take what `benchmarks.fuzz` tells."""
    parser.addoption("--fuzz-until", type=float)  # by time.monotonic(), which all processes share
    parser.addoption("--fuzz-log", type=Path)


def pytest_configure(config: pytest.Config) -> None:
    """Divide the time, where there is one to divide."""
    if config.getoption("--fuzz-log"):
        config.pluginmanager.register(_Shares(config), "shares")


class _Shares:
    """Hands out the time and writes down what came of it, a line for each start and end."""

    def __init__(self, config: pytest.Config) -> None:
        self.until = config.getoption("--fuzz-until")
        self.log = config.getoption("--fuzz-log")
        self.seed = config.getoption("--hypothesis-seed")
        self.left = 0
        self.share_until = 0.0
        self.is_cut = False
        self.examples: Counter[Any] = Counter()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items.sort(key=lambda item: item.nodeid)
        random.Random(self.seed).shuffle(items)
        self.left = len(items)
        for test in {item.obj for item in items if is_hypothesis_test(item.obj)}:
            test.hypothesis.inner_test = self._counted(test, test.hypothesis.inner_test)

    def _counted(self, test: Any, inner: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(inner)
        def counted(*args: Any, **given: Any) -> Any:
            if self.examples[test] and time.monotonic() > self.share_until:
                self.is_cut = True
                pytest.skip("its share of the time is used up")
            self.examples[test] += 1
            try:
                return inner(*args, **given)
            except (HypothesisException, StopTest):  # no example, or not all of one
                raise
            except BaseException:
                self.share_until = math.inf  # it is tried again, to be sure and to be told
                raise

        return counted

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: Any) -> None:
        now = time.monotonic()
        self.share_until = now + max((self.until - now) / self.left, LEAST_S)
        self.left -= 1
        self.is_cut = False
        self.examples[item.obj] = 0
        self._write(test=item.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Generator[None, Any, Any]:
        report = yield
        if report.when == "call" or not report.passed:
            # Where a test draws as it goes, Hypothesis takes the cut for a draw that was left out.
            is_cut = self.is_cut and report.when == "call"
            self._write(
                test=item.nodeid,
                outcome="cut" if is_cut else report.outcome,
                examples=self.examples[item.obj],
                text=str(report.longrepr) if report.failed else "",
            )
        return report

    def _write(self, **entry: Any) -> None:
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
