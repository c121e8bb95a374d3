"""Fixtures of several folders, and how much the property tests try.

The property tests try the same examples every time or, to find faults, new ones.

The profile is chosen by the variable HYPOTHESIS_PROFILE or by `--hypothesis-profile`:

default : the same examples every time, on every machine, whatever else runs.
fuzz : other examples every time, several times as many; a failure is made as small as it gets.
search : as fuzz, but a failure is told as it was found; `benchmarks.fuzz` runs this one.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, is_hypothesis_test, settings
from hypothesis.internal.conjecture import providers

from tests.support import kernel_cache
from tests.support.candle_venue import CandleVenue
from tests.support.exchange import Exchange

TIMES = 5  # as many examples when fuzzing

# Hypothesis draws some values from the constants of all project files that happen to be loaded:
# which they are depends on the tests that ran before, and any change of code changes them.
providers._get_local_constants = providers.Constants

settings.register_profile(
    "default",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no fault
)
settings.register_profile(
    "fuzz", settings.get_profile("default"), derandomize=False, print_blob=True
)
settings.register_profile(
    "search", settings.get_profile("fuzz"), phases=[Phase.explicit, Phase.generate]
)
# Before any test module is imported: what `@settings` leaves open is taken from the profile then.
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every property test several times its own number of examples when fuzzing."""
    if settings.get_current_profile_name().split("-")[0] not in ("fuzz", "search"):
        return
    tests = {getattr(item, "obj", None) for item in items}
    for test in filter(is_hypothesis_test, tests):
        own = test._hypothesis_internal_use_settings
        test._hypothesis_internal_use_settings = settings(
            own, max_examples=TIMES * own.max_examples
        )


def pytest_collection_finish() -> None:
    """Leave the test modules out of every later collection of garbage: they stay to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> Iterator[None]:
    """Let no variable of whoever runs the tests be a setting, or a wrong one, of what they test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("TANDEM_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def signals_end() -> Iterator[None]:
    """Let SIGHUP and SIGINT end processes as at a terminal, also where the tests do not run at one.

    `nohup` has the one ignored and a shell's background the other; processes inherit that.
    """
    before = {
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    yield
    for name, handler in before.items():
        signal.signal(name, handler)


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange() as exchange:
        yield exchange


@pytest.fixture
def candle_venue() -> Iterator[CandleVenue]:
    with CandleVenue() as venue:
        yield venue


def pytest_configure(config: pytest.Config) -> None:
    """Compile every kernel once before the workers start: they then read the cache."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        kernel_cache.fill()
