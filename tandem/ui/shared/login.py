"""Logging in as operator in public mode, and logging out."""

from __future__ import annotations

import logging
import time
from functools import cache

import streamlit as st

from tandem.config import EVERYONE, Settings
from tandem.ui.shared import messages as say
from tandem.ui.shared import state
from tandem.ui.shared.visitors import verified_address

log = logging.getLogger("tandem.login")


def offer_operator() -> None:
    """Let whoever knows the operator's secret take the operator's rights, or give them back."""
    if state.is_own_desk():
        return
    if state.is_operator():
        _offer_logout()
        return
    if not state.part(Settings).is_public:
        _log_proxy()
    st.caption("Public mode: you can view everything and change your own view.")
    if state.part(Settings).operator_secret:
        _ask_for_secret()


@cache
def _log_proxy() -> None:
    log.warning(
        "Visitors come through a proxy: they have read-only access, as in public mode. Set "
        "TANDEM_OPERATOR_SECRET, or TANDEM_PUBLIC=%s if everybody behind it may change everything.",
        EVERYONE,
    )


def _offer_logout() -> None:
    if st.button("Log out", icon=":material/logout:", help="You have operator rights."):
        state.set_operator(False)
        log.info("The operator logged out (%s)", _called())
        st.rerun()


@st.fragment
def _ask_for_secret() -> None:
    """Ask for it in a fragment: a guess that waits holds up nothing else."""
    given = st.text_input("Operator secret", type="password", key="tandem_secret")
    # A rerun brings the same text again; only a new text is a new guess.
    if not given or given == st.session_state.get("tandem_guess"):
        return
    if _is_right(given):
        state.set_operator(True)
        st.session_state.pop("tandem_guess", None)
        log.info("The operator logged in (%s)", _called())
        st.rerun()
    st.session_state["tandem_guess"] = given
    log.warning("A wrong operator secret was given (%s)", _called())
    say.problem("Wrong operator secret.")


def _is_right(given: str) -> bool:
    guesses = state.guesses()
    address = _address()
    names = (address,) if address else (f"session {state.session_id()}", "unverified")
    wait_s = guesses.wait_s(names)
    if wait_s > 0.0:
        with st.spinner(f"After wrong guesses, the next one is looked at in {wait_s:.0f} s"):
            time.sleep(wait_s)
    return guesses.is_right(names, given, state.part(Settings).operator_secret)


def _address() -> str:
    """Return the visitor's address; empty where it cannot be verified."""
    headers = st.context.headers
    # Streamlit names no address for loopback.
    peer = st.context.ip_address or "127.0.0.1"
    forwarded_for = headers.get_all("X-Forwarded-For")
    proxies = state.part(Settings).proxies
    return verified_address(peer, state.is_forwarded_session(), forwarded_for, proxies)


def _called() -> str:
    return _address() or "its address cannot be verified"
