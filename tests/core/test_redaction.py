"""Secrets are taken out whole."""

from __future__ import annotations

import pytest

from tandem.core.redaction import redact


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("open sesame and open sesame, please", "*** and ***"),
        ("sesame open", "sesame open"),
        ("a key.+: or 123456:AAbbCCdd-eeFF_99", "a *** or ***"),
    ],
)
def test_every_secret_is_taken_out_whole(text: str, redacted: str) -> None:
    assert redact(text, ["open sesame", "open sesame, please", "key.+:"]) == redacted


def test_without_secrets_only_tokens_are() -> None:
    assert redact("token 123456:AAbbCCdd-eeFF_99", []) == "token ***"
