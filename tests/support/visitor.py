"""A browser's side of Streamlit's protocol, so that a running app can be attacked."""

from __future__ import annotations

import http.client
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import websocket
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

PATIENCE_S = 60.0
_TEXTS = ("alert", "heading", "markdown")


def ask(
    url: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
    body: bytes | None = None,
) -> tuple[int, bytes, dict[str, str]]:
    """Return status, body and headers of a request whose headers, Host too, are as given."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


class Visitor:
    """One browser session; its websocket's Host, Origin and other headers are as given.

    Raises
    ------
    websocket.WebSocketBadStatusException
        The server refuses the websocket.
    """

    def __init__(
        self,
        url: str,
        *,
        host: str | None = None,
        origin: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._url = url
        self._line = websocket.create_connection(
            f"{url.replace('http', 'ws', 1)}/_stcore/stream",
            timeout=PATIENCE_S,
            host=host,
            origin=origin or url,
            header=[f"{name}: {value}" for name, value in (headers or {}).items()],
            subprotocols=["streamlit"],
        )
        self._headers = dict(headers or {}) | ({"Host": host} if host else {})
        self._elements: dict[tuple[int, ...], Element] = {}
        self._pages: dict[str, str] = {}
        self._page = ""
        self._values: dict[str, WidgetState] = {}
        self.session = ""

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()

    def open(self, page: str = "", query: str = "") -> Visitor:
        """Open a page by its address, as `data`, and wait until its script has run."""
        if page and page not in self._pages:
            self._run("")
        self._page = self._pages.get(page, "")
        self._values.clear()
        return self._run(query)

    def set(self, label: str, text: str) -> Visitor:
        """Type into a text field, and wait until the script has run."""
        found = self._widget("text_input", label)
        self._values[found.id] = WidgetState(id=found.id, string_value=text)
        return self._run()

    def click(self, label: str) -> Visitor:
        """Press a button, and wait until the script has run."""
        found = self._widget("button", label)
        self._values[found.id] = WidgetState(id=found.id, trigger_value=True)
        self._run()
        del self._values[found.id]
        return self

    def kinds(self) -> set[str | None]:
        """Return the kinds of all that is on the page."""
        return {one.WhichOneof("type") for one in self._elements.values()}

    def text(self) -> str:
        """Return every sentence on the page."""
        found = []
        for one in self._elements.values():
            kind = one.WhichOneof("type")
            if kind in _TEXTS:
                found.append(getattr(one, kind).body)
        return "\n".join(found)

    def upload(self, content: bytes, name: str = "prices.csv") -> int:
        """Send a file to the address file widgets send theirs to; return the answer's status."""
        _, _, told = ask(self._url, "/_stcore/health", self._headers)
        cookie = told["set-cookie"].split(";")[0]
        boundary = uuid.uuid4().hex
        head = (
            f"--{boundary}\r\nContent-Disposition: form-data; "
            f'name="file"; filename="{name}"\r\nContent-Type: text/csv\r\n\r\n'
        )
        headers = self._headers | {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Cookie": cookie,
            "X-Xsrftoken": cookie.partition("=")[2],
        }
        body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        path = f"/_stcore/upload_file/{self.session}/{uuid.uuid4()}"
        try:
            return ask(self._url, path, headers, "PUT", body)[0]
        except ConnectionError:
            # Refused before the body was read.
            return 413

    def _of(self, kind: str) -> Iterator[Element]:
        return (one for one in self._elements.values() if one.WhichOneof("type") == kind)

    def _widget(self, kind: str, label: str) -> Any:
        return next(found for one in self._of(kind) if label in (found := getattr(one, kind)).label)

    def _run(self, query: str = "") -> Visitor:
        message = BackMsg()
        message.rerun_script.query_string = query
        message.rerun_script.page_script_hash = self._page
        message.rerun_script.widget_states.widgets.extend(self._values.values())
        self._line.send_binary(message.SerializeToString())
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            told = ForwardMsg.FromString(self._line.recv())
            kind = told.WhichOneof("type")
            if kind == "new_session":
                self.session = told.new_session.initialize.session_id
                self._elements.clear()
            elif kind == "navigation":
                self._pages = {
                    page.url_pathname: page.page_script_hash for page in told.navigation.app_pages
                }
            elif kind == "delta" and told.delta.WhichOneof("type") == "new_element":
                self._elements[tuple(told.metadata.delta_path)] = told.delta.new_element
            elif (
                kind == "script_finished"
                and told.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
            ):
                return self
        raise TimeoutError(f"the script did not end within {PATIENCE_S:g} s")
