"""Which hosts are this machine, and which addresses nothing travels to in clear."""

from __future__ import annotations

import ast

import pytest

from tandem.core.addresses import check_url, host_of, is_loopback, kind_of
from tandem.core.errors import SettingError
from tests.support.architecture import mentioning, nodes


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1"])
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "localhost.example.com", "0.0.0.0", "::", "10.0.0.1", "127.1"]
)
def test_others_are_not_this_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("Desk.Example:443", "desk.example"),
        ("desk.example.", "desk.example"),
        ("[::1]:8501", "::1"),
        ("desk.example:port", ""),
        ("user@desk.example", ""),
        ("desk.example/path", ""),
        ("::1", ""),
    ],
)
def test_a_host_is_read_from_an_authority(authority: str, host: str) -> None:
    assert host_of(authority) == host


def test_an_embedded_address_is_at_best_private() -> None:
    assert kind_of("93.184.216.34") == kind_of("::ffff:93.184.216.34") == "global"
    assert kind_of("2002:5db8:d822::1") == kind_of("64:ff9b::5db8:d822") == "private"


@pytest.mark.parametrize(
    "url",
    ["http://example.com/x", "ftp://a/b", "https:///path", "https://u:p@h/x", "https://a b/", "http://[",
     "https://h:port/", "javascript:alert(1)", "https://ü.example/"],
)  # fmt: skip
def test_an_address_that_is_none_or_not_secure_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingError, match="TANDEM_X") as raised:
        check_url(url, "TANDEM_X")
    assert url not in str(raised.value)


@pytest.mark.parametrize("url", ["https://example.com/x", "http://127.0.0.1:9/x", "http://[::1]/"])
def test_what_is_encrypted_or_stays_here_is_taken(url: str) -> None:
    assert check_url(url, "TANDEM_X") == url


def test_what_is_this_machine_stands_in_one_place() -> None:
    kinds = ("is_loopback", "is_link_local", "is_private", "is_global")
    owners = {
        name
        for name, path in mentioning(*kinds, "localhost").items()
        for node in nodes(path)
        if isinstance(node, ast.Attribute)
        and node.attr in kinds
        or isinstance(node, ast.Set | ast.Tuple | ast.List)
        and any(isinstance(one, ast.Constant) and one.value == "localhost" for one in node.elts)
    }
    assert owners == {"tandem.core.addresses"}
