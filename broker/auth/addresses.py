"""URLs of login services and of Arborist, and asking them: little, soon, and nobody else."""

from __future__ import annotations

import ipaddress
import time
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

import httpx

from pprl.errors import GovernanceError

MOST_BYTES = 1024 * 1024
"""Of an answer."""

TIMEOUT_S = 5.0
"""For an answer as a whole."""

_MOST_URL_CHARACTERS = 500


class Fetch(Protocol):
    """Asks a server; `HttpFetch` does, and in tests a stand-in."""

    def __call__(self, url: str, *, body: bytes | None = None) -> bytes:
        """The body of the answer to a GET, or to a POST of JSON.

        Raises
        ------
        OSError
            There is no answer in time, or one that is too long or no success.
        """


class HttpFetch:
    """Asks over the network, without following redirects.

    Parameters
    ----------
    timeout_s : float
        For an answer as a whole; a server that dribbles can take twice as long.
    most_bytes : int
        An answer that is longer is none.
    transport : httpx.BaseTransport, optional
        Stand-in for the network.
    """

    def __init__(
        self,
        *,
        timeout_s: float = TIMEOUT_S,
        most_bytes: int = MOST_BYTES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._timeout_s, self._most_bytes = timeout_s, most_bytes
        # Uncompressed, as a short answer could unpack to a long one.
        self._client = httpx.Client(
            timeout=timeout_s,
            follow_redirects=False,
            transport=transport,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )

    def __call__(self, url: str, *, body: bytes | None = None) -> bytes:
        """As `Fetch`."""
        check_address(url, what="an address")
        method, headers = ("GET", {}) if body is None else ("POST", {"Content-Type": "application/json"})
        until, found = time.monotonic() + self._timeout_s, bytearray()
        try:
            with self._client.stream(method, url, content=body, headers=headers) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise ConnectionError(f"the server answers with status {answer.status_code}")
                for chunk in answer.iter_raw():
                    found += chunk
                    if len(found) > self._most_bytes or time.monotonic() > until:
                        raise ConnectionError("the server's answer is too long or takes too long")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise ConnectionError(f"the server does not answer ({type(error).__name__})") from None
        return bytes(found)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def check_address(url: str, *, what: str) -> None:
    """Refuse a URL that others could read along with, or that holds more than where something is.

    Parameters
    ----------
    url : str
        ``https://...``; on this machine itself ``http://`` as well.
    what : str
        What it is the URL of, with its article, for the error.

    Raises
    ------
    GovernanceError
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if (
        not host
        or len(url) > _MOST_URL_CHARACTERS
        or not (url.isascii() and url.isprintable() and " " not in url)
        or parts.scheme not in {"http", "https"}
        or "@" in parts.netloc
        or "?" in url
        or "#" in url
    ):
        raise GovernanceError(f"{what} is a URL such as https://data.example.org/user, without a query")
    if parts.scheme == "http" and not _is_this_machine(host):
        raise GovernanceError(f"{what} needs https; http is for this machine alone")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
