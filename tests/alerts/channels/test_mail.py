"""Mail over TLS: who is believed, and what is said to whom before."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from tandem.alerts.channels.address import Reach
from tandem.alerts.channels.base import NotSent, Secret
from tandem.alerts.channels.factory import channels_from
from tandem.alerts.channels.mail import Mail
from tandem.alerts.channels.mail import MailServer as Where
from tandem.alerts.rules import Alert
from tandem.config import Settings
from tests.support.message_servers import MailServer

WORD = "pa55-word-that-must-never-show"
ALERT = Alert(
    id="1", rule="Far", measure="bar_return_z", scope="sim:A", time_us=0, raised_us=0, value=9.0,
    comparison="beyond", threshold=3.0, severity="warning", channels=("mail",),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a certificate and key for this machine, and another name's."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    folder = tmp_path_factory.mktemp("certificates")
    for name, host in (("own", "DNS:localhost,IP:127.0.0.1"), ("other", "DNS:elsewhere.invalid")):
        command = f"""openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2
            -subj /CN=stand-in -addext subjectAltName={host} -keyout {name}.key -out {name}.pem"""
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True, timeout=60)
    return folder


def serving(folder: Path, name: str = "own") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


def mail(server: MailServer, security: str, authority: Path | None) -> Mail:
    where = Where(
        "localhost", server.port, security, "u", Secret(WORD), "a@b.example", ("c@d.example",)
    )
    context = ssl.create_default_context(cafile=authority) if authority else None
    return Mail(where, Reach(), 10.0, context)


def told_nothing(server: MailServer) -> bool:
    said = {line.split()[0].upper() for line in server.heard if line}
    return said <= {"EHLO", "STARTTLS", "QUIT"} and not server.mails


@pytest.mark.parametrize(("security", "starttls"), [("tls", ""), ("starttls", "offered")])
def test_a_server_that_is_known_gets_the_password_and_the_mail(folder, security, starttls) -> None:
    with MailServer(tls=serving(folder), starttls=starttls) as server:
        mail(server, security, folder / "own.pem").send([ALERT])
        server.wait_for(1)
    assert any(line.startswith("AUTH") for line in server.heard)
    assert "z=9.00" in server.mails[0]


@pytest.mark.parametrize(("security", "starttls"), [("tls", ""), ("starttls", "offered")])
@pytest.mark.parametrize(
    ("certificate", "authority"),
    [("own", None), ("own", "other.pem"), ("other", "other.pem")],
    ids=["known to nobody", "another authority's", "another host's"],
)
def test_a_server_that_is_not_known_is_told_nothing(
    folder, security, starttls, certificate, authority
) -> None:
    with MailServer(tls=serving(folder, certificate), starttls=starttls) as server:
        channel = mail(server, security, folder / authority if authority else None)
        with pytest.raises(NotSent, match="certificate could not be verified") as raised:
            channel.send([ALERT])
    assert told_nothing(server)
    assert WORD not in str(raised.value)
    assert not raised.value.is_final


@pytest.mark.parametrize(
    ("starttls", "hint", "is_final"),
    [("", "does not offer STARTTLS", True), ("refused", "454", False)],
)
def test_no_password_is_sent_in_clear(folder, starttls, hint, is_final) -> None:
    with MailServer(starttls=starttls) as server, pytest.raises(NotSent, match=hint) as raised:
        mail(server, "starttls", folder / "own.pem").send([ALERT])
    assert told_nothing(server)
    assert WORD not in str(raised.value)
    assert raised.value.is_final is is_final


def test_a_server_without_tls_is_no_server_for_tls(folder) -> None:
    with MailServer() as server, pytest.raises(NotSent, match="could not be used"):
        mail(server, "tls", folder / "own.pem").send([ALERT])
    assert not server.mails
    assert not any("AUTH" in line for line in server.heard)


def test_a_server_that_takes_no_password_is_said(folder) -> None:
    encrypted = MailServer(tls=serving(folder), offers="8BITMIME")
    with encrypted as server, pytest.raises(NotSent, match="does not support authentication"):
        mail(server, "tls", folder / "own.pem").send([ALERT])


def test_a_desks_own_authority_is_named_by_the_environment(folder, monkeypatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "own.pem"))
    with MailServer(tls=serving(folder)) as server:
        made, _ = channels_from(
            Settings(
                mail_host="localhost", mail_port=server.port, mail_security="tls",
                mail_from="a@b.example", mail_to="c@d.example", mail_user="u", mail_password=WORD,
            )
        )  # fmt: skip
        made["mail"].send([ALERT])
        server.wait_for(1)
