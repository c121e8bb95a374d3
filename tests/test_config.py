from pathlib import Path

import pytest

from tandem.config import Settings, exposures, host_and_port
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
        ("TANDEM_COINBASE_URL", "ws://example.com"),
        ("TANDEM_COINBASE_URL", "ws://localhost.example.com"),
        ("TANDEM_COINBASE_REST_URL", "http://example.com"),
        ("TANDEM_COINBASE_REST_URL", "http://192.168.1.5"),
        ("TANDEM_COINBASE_REST_URL", "https://user:secret@example.com"),
    ],
)
def test_a_bad_value_names_its_setting(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        build({name: value})


@pytest.mark.parametrize("name", ["TANDEM_OPERATOR_SECRET", "TANDEM_COINGECKO_KEY"])
def test_secrets_are_never_shown(name: str) -> None:
    settings = build({name: "open sesame, please"})
    assert "sesame" not in repr(settings)
    assert "***" in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TANDEM_COINBASE_URL", "ws://localhost:9000"),
        ("TANDEM_COINBASE_URL", "wss://example.com"),
        ("TANDEM_COINBASE_REST_URL", "http://127.0.0.1:9000"),
        ("TANDEM_COINBASE_REST_URL", "http://[::1]:9000"),
        ("TANDEM_COINBASE_REST_URL", ""),
    ],
)
def test_a_venue_is_asked_in_clear_on_this_machine_only(name: str, value: str) -> None:
    assert build({name: value}).of_venues == {name.removeprefix("TANDEM_").lower(): value}


SECRET = {"TANDEM_OPERATOR_SECRET": "open sesame, please"}
CLOUD = {"HOME": "/home/appuser"}
# Settings and the server's address that let others in, and the reason that is given.
EXPOSED = [
    (CLOUD, "localhost", "Community Cloud"),
    (SECRET, "localhost", "OPERATOR_SECRET is set"),
    ({"TANDEM_HOSTS": "desk.example"}, "localhost", "HOSTS is set"),
    ({}, "0.0.0.0", "listens on 0.0.0.0"),
    ({}, "192.168.1.5", "listens on 192.168.1.5"),
    ({}, None, "listens on every interface"),
]


def moded(environ: dict[str, str], address: str | None, public: str = "auto") -> Settings:
    return load(None, environ | {"TANDEM_PUBLIC": public}, Path("no such file"), address)


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "::1"])
def test_a_desk_on_loopback_alone_is_private(address: str) -> None:
    settings = moded({}, address)
    assert not settings.is_public
    assert exposures(settings, address, {}) == ()
    assert moded({}, address, "off").public == "off"


@pytest.mark.parametrize(("environ", "address", "reason"), EXPOSED)
def test_a_desk_that_others_reach_is_public_and_says_why(
    environ: dict[str, str], address: str | None, reason: str
) -> None:
    settings = moded(environ, address)
    assert settings.is_public
    (found,) = exposures(settings, address, environ)
    assert reason in found


@pytest.mark.parametrize(("environ", "address", "reason"), EXPOSED)
def test_everybody_is_its_operator_only_where_that_is_said(
    environ: dict[str, str], address: str | None, reason: str
) -> None:
    with pytest.raises(SettingError, match=f"{reason}.*everyone-is-operator"):
        moded(environ, address, "off")
    assert not moded(environ, address, "everyone-is-operator").is_public


def test_a_desk_can_be_public_for_no_other_reason() -> None:
    assert moded({}, "localhost", "on").is_public


@pytest.mark.parametrize("secret", ["x", "open sesame"])
def test_a_short_secret_is_refused(secret: str) -> None:
    with pytest.raises(SettingError, match="TANDEM_OPERATOR_SECRET is too short") as caught:
        build({"TANDEM_OPERATOR_SECRET": secret})
    assert repr(secret) not in str(caught.value)


def test_names_of_hosts_are_taken_as_people_write_them() -> None:
    settings = build({"TANDEM_HOSTS": "Desk.Example, 192.168.1.5 [FD00::5]"})
    assert settings.host_names == {"desk.example", "192.168.1.5", "fd00::5"}
    assert build().host_names == frozenset()


@pytest.mark.parametrize("hosts", ["https://desk.example", "desk.example:80", "*", "a/b", "a@b"])
def test_what_is_no_host_s_name_is_refused(hosts: str) -> None:
    with pytest.raises(SettingError, match="TANDEM_HOSTS"):
        build({"TANDEM_HOSTS": hosts})


def test_trusted_proxies_are_addresses_and_networks() -> None:
    assert len(build({"TANDEM_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8 ::1"}).proxies) == 3
    with pytest.raises(SettingError, match="TANDEM_TRUSTED_PROXIES"):
        build({"TANDEM_TRUSTED_PROXIES": "nginx"})


def test_a_line_of_the_file_that_is_no_setting_is_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("TANDEM_VENUE sim\n")
    with pytest.raises(SettingError, match="line 1"):
        build(env_file=file)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9464", ("127.0.0.1", 9_464)),
        (":9464", ("127.0.0.1", 9_464)),
        ("0.0.0.0:9464", ("0.0.0.0", 9_464)),
        ("[::1]:9464", ("::1", 9_464)),
        ("metrics.example:1", ("metrics.example", 1)),
    ],
)
def test_where_metrics_are_served(text: str, expected: tuple[str, int]) -> None:
    assert host_and_port(build({"TANDEM_METRICS": text}).metrics) == expected


@pytest.mark.parametrize("text", ["on", "localhost", "localhost:", "1.2.3.4:0", "65536", "a:-1"])
def test_what_is_no_address_for_metrics(text: str) -> None:
    with pytest.raises(SettingError, match="TANDEM_METRICS is .*; give HOST:PORT, as 127"):
        build({"TANDEM_METRICS": text})
