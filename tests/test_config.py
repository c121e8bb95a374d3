from pathlib import Path

import pytest

from tandem.config import Settings
from tandem.core.errors import SettingError
from tandem.venues.settings import load


def build(
    environ: dict[str, str] | None = None, secrets: dict[str, str] | None = None, **more: Path
) -> Settings:
    return load(secrets, environ or {}, more.get("env_file", Path("no such file")))


def test_defaults_need_no_environment() -> None:
    assert build() == Settings(public="off")


def test_secrets_win_over_environment_and_environment_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# comment\nTANDEM_VENUE=sim\nTANDEM_GRACE_MS = '100'\nTANDEM_BATCH_MS=50\n")
    settings = build(
        {"TANDEM_VENUE": "coinbase", "TANDEM_GRACE_MS": "200"},
        {"TANDEM_VENUE": "replay"},
        env_file=file,
    )
    assert (settings.venue, settings.grace_ms, settings.batch_ms) == ("replay", 200, 50)


def test_an_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(SettingError, match="Did you mean TANDEM_DATABASE"):
        build({"TANDEM_DATABSE": "x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TANDEM_VENUE", "mars"),
        ("TANDEM_HOT_TRADES", "many"),
        ("TANDEM_HOT_TRADES", "1"),
        ("TANDEM_STALE_S", "nan"),
        ("TANDEM_SYMBOLS", "ETH,"),
        ("TANDEM_PUBLIC", "maybe"),
        ("TANDEM_COINBASE_URL", "http://example.com"),
        ("TANDEM_COINBASE_REST_URL", "wss://example.com"),
    ],
)
def test_a_bad_value_names_its_setting(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        build({name: value})


@pytest.mark.parametrize("name", ["TANDEM_OPERATOR_SECRET", "TANDEM_COINGECKO_KEY"])
def test_secrets_are_never_shown(name: str) -> None:
    settings = build({name: "open sesame"})
    assert "open sesame" not in repr(settings)
    assert "***" in repr(settings)


@pytest.mark.parametrize(
    ("environ", "public"),
    [
        ({}, False),
        ({"HOME": "/home/appuser"}, True),
        ({"HOME": "/home/appuser", "TANDEM_PUBLIC": "off"}, False),
        ({"TANDEM_PUBLIC": "1"}, True),
    ],
)
def test_public_mode_is_on_by_default_on_community_cloud_only(
    environ: dict[str, str], public: bool
) -> None:
    assert build(environ).is_public is public


def test_a_line_of_the_file_that_is_no_setting_is_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("TANDEM_VENUE sim\n")
    with pytest.raises(SettingError, match="line 1"):
        build(env_file=file)
