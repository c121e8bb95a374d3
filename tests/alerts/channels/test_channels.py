"""The channels themselves, and the addresses they may write to."""

import json

import pytest

from tandem.alerts.channels.address import Reach
from tandem.alerts.channels.factory import channels_from
from tandem.alerts.channels.web import signature
from tandem.alerts.rules import Reading
from tests.support.alert_channels import WORD, alerts_of, fate, raise_one, settings
from tests.support.message_servers import MailServer, PostServer
from tests.support.waiting import wait_until


@pytest.mark.parametrize(
    ("address", "plain", "private", "public"),
    [
        ("93.184.216.34", True, True, True),
        ("2606:2800:220:1::1", True, True, True),
        ("127.0.0.1", True, True, False),
        ("::1", True, True, False),
        ("::ffff:127.0.0.1", True, True, False),
        ("10.1.2.3", False, True, False),
        ("192.168.0.1", False, True, False),
        ("::ffff:10.0.0.1", False, True, False),
        ("fd00::1", False, True, False),
        ("169.254.169.254", False, False, False),
        ("fe80::1%eth0", False, False, False),
        ("0.0.0.0", False, False, False),
        ("224.0.0.1", False, False, False),
        ("240.0.0.1", False, False, False),
        # Where clouds answer their machines' questions.
        ("192.0.0.192", False, False, False),
        ("168.63.129.16", False, False, False),
        ("100.100.100.200", False, False, False),
        ("fd00:ec2::254", False, False, False),
        # IPv4 addresses in IPv6 ones: at best private.
        ("64:ff9b::5db8:d822", False, True, False),
        ("64:ff9b::a01:203", False, True, False),
        ("64:ff9b::a9fe:a9fe", False, False, False),
        ("64:ff9b::7f00:1", False, False, False),
        ("64:ff9b:1::a01:203", False, True, False),
        ("2002:5db8:d822::1", False, True, False),
        ("2002:a9fe:a9fe::1", False, False, False),
        ("::10.1.2.3", False, True, False),
        ("::169.254.169.254", False, False, False),
        ("::ffff:169.254.169.254", False, False, False),
        ("::ffff:0:10.1.2.3", False, True, False),
        ("fec0::1", False, True, False),
        ("::", False, False, False),
        ("nonsense", False, False, False),
    ],
)
def test_which_addresses_may_be_written_to(address, plain, private, public) -> None:
    assert (Reach().refused(address) == "") is plain
    assert (Reach(private=True).refused(address) == "") is private
    assert (Reach(loopback=False).refused(address) == "") is public


def test_a_refused_address_is_not_connected_to(server: PostServer) -> None:
    given = settings(server, public="on", alert_private="on")
    alerts = alerts_of(given)
    assert "not allowed" in alerts.test("telegram")
    assert not server.taken


def test_a_redirect_is_not_followed(server: PostServer) -> None:
    server.plan.append((302, {"Location": "http://169.254.169.254/"}, b""))
    assert "redirect" in alerts_of(settings(server)).test("telegram")
    assert len(server.taken) == 1


def test_a_webhook_is_signed_and_reads_back(server: PostServer) -> None:
    given = settings(webhook_address=f"{server.url}/hook", webhook_key=WORD)
    alerts = alerts_of(given, None, "webhook")
    alerts.start()
    alert = raise_one(alerts)
    server.wait_for(1)
    alerts.stop()
    _, headers, body = server.accepted[0]
    assert headers["x-tandem-signature"] == signature(WORD, headers["x-tandem-time"], body)
    assert headers["x-tandem-signature"] != signature("other", headers["x-tandem-time"], body)
    assert headers["x-tandem-id"] == alert.id
    assert json.loads(body)["numbers"] == {"price": 100.0}


def test_slack_and_discord_take_text_as_text(server: PostServer) -> None:
    given = settings(slack_address=server.url + "/s", discord_address=server.url + "/d")
    alerts = alerts_of(given, None, "slack", "discord")
    alerts.start()
    alerts.observe([Reading("bar_return_z", "<!channel>&@everyone", 0, 9.0)])
    server.wait_for(2)
    alerts.stop()
    told = {path: json.loads(body) for path, _, body in server.accepted}
    assert "&lt;!channel&gt;&amp;" in told["/s"]["text"]
    assert told["/d"]["allowed_mentions"] == {"parse": []}


def test_mail_is_taken_and_its_faults_are_told() -> None:
    with MailServer() as server:
        server.plan.extend(["drop", "451 later", "250 taken"])
        given = settings(
            mail_host="127.0.0.1", mail_port=server.port, mail_security="none", mail_user="u",
            mail_password=WORD, mail_from="desk@example.com",
            mail_to="a@example.com, b@example.com",
        )  # fmt: skip
        alerts = alerts_of(given, None, "mail")
        alerts.start()
        alert = raise_one(alerts)
        server.wait_for(1)
        wait_until(lambda: fate(alerts, alert, "mail") == "sent")
        alerts.stop()
        assert "Subject: [ALERT] sim:A0 z=9.00 price=100.0 rule=Far" in server.mails[0]
        assert "To: a@example.com, b@example.com" in server.mails[0]


def test_a_mail_server_that_hangs_is_cut() -> None:
    with MailServer() as server:
        server.plan.append("hang")
        given = settings(
            mail_host="127.0.0.1", mail_port=server.port, mail_security="none",
            mail_from="desk@example.com", mail_to="a@example.com",
        )  # fmt: skip
        assert "could not be used" in alerts_of(given, total_s=0.3).test("mail")


def test_a_wrong_password_is_final_and_not_shown() -> None:
    with MailServer(refuses_password=True) as server:
        given = settings(
            mail_host="127.0.0.1", mail_port=server.port, mail_security="none", mail_user="u",
            mail_password=WORD, mail_from="desk@example.com", mail_to="a@example.com",
        )  # fmt: skip
        said = alerts_of(given).test("mail")
    assert "rejected the user name or password (535)" in said


def test_a_password_is_not_given_to_a_server_without_encryption() -> None:
    with MailServer() as server:
        given = settings(
            mail_host="127.0.0.1", mail_port=server.port, mail_user="u", mail_password=WORD,
            mail_from="desk@example.com", mail_to="a@example.com",
        )  # fmt: skip
        assert "does not offer STARTTLS" in alerts_of(given).test("mail")
        assert not any(word.startswith("AUTH") for word in server.heard)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (
            {"mail_security": "none", "mail_host": "mail.example.com"},
            "only for a server on this machine",
        ),
        ({"mail_to": "nobody"}, "must be e-mail addresses"),
        ({"mail_from": "a@b\nBcc: c@d"}, "must be e-mail addresses"),
    ],
)
def test_wrong_mail_settings_are_said(given, hint) -> None:
    base = {"mail_host": "127.0.0.1", "mail_from": "a@example.com", "mail_to": "b@example.com"}
    _, missing = channels_from(settings(**(base | given)))
    assert hint in missing["mail"]
