"""What users read is in the field's standard terms: no phrase that was retired comes back."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tandem.ui.shared.links import RENAMED
from tests.support.retired_words import RETIRED, retired_in, shown_to_users
from tests.support.written import Passage, passages

# Links of earlier versions hold them.
EARLIER = {old for names in RENAMED.values() for old in names}
# Which hold the phrases to find them.
OWN = ("tests/support/retired_words.py", "tests/test_words.py")


def wrong(found: Iterable[Passage]) -> str:
    return "\n".join(
        f"{one.place}: {phrase!r}; write {RETIRED[phrase]!r}"
        for one in found
        if one.text not in EARLIER
        for phrase in retired_in(one.text)
    )


def test_no_text_that_users_read_holds_a_retired_phrase() -> None:
    assert not wrong(shown_to_users())


def test_no_docstring_or_comment_holds_a_retired_phrase() -> None:
    assert not wrong(one for one in passages() if not one.place.startswith(OWN))


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
