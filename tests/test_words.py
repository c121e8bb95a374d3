"""What users read is in the field's standard terms: no phrase that was retired comes back."""

from __future__ import annotations

import pytest

from tests.support.retired_words import RETIRED, retired_in, shown_to_users


def test_no_text_that_users_read_holds_a_retired_phrase() -> None:
    wrong = [
        f"{one.place}: {phrase!r}; write {RETIRED[phrase]!r}"
        for one in shown_to_users()
        for phrase in retired_in(one.text)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "Watch with no one here",
        "ETH priced\nin BTC",
        "At most left at the exit",
        "By luck alone, p below 5 %",
        "Volatility, % a year",
        "KEEP THIS RULE",
    ],
)
def test_a_retired_phrase_is_found(text: str) -> None:
    assert retired_in(text)


@pytest.mark.parametrize("text", ["pair at its best", "mostly quiet", "the lucky alone stand"])
def test_only_whole_phrases_count(text: str) -> None:
    assert not retired_in(text)
