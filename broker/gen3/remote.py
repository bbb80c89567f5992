"""Another metadata service, a commons' or a broker's: how it is spoken to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from broker.gen3.documents import Document
from pprl.errors import GovernanceError, PprlError

AT_ONCE = 2_000
"""Records of a page; more is given by no service."""

_ATTEMPTS, _FIRST_PAUSE_S, _LONGEST_PAUSE_S = 6, 0.5, 20.0
_PASSING = (429, 500, 502, 503, 504)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class MetadataService:
    """A metadata service.

    Parameters
    ----------
    url : str
        Of the commons: ``https://data.example.org``. Where it ends in a path, that is the one of the service itself.
    credential : str
        What a token file holds: a token, or the ``credentials.json`` that Gen3 clients have.
    transport : httpx.BaseTransport, optional
        In place of the network.
    sleep : callable
        Pauses for so many seconds.

    Raises
    ------
    PprlError
        The address cannot be, or the credential is for another one.
    """

    def __init__(
        self,
        url: str,
        credential: str,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise PprlError("the address of the metadata service must be like https://data.example.org")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise PprlError("a token would go over plain http to another machine; use https")
        self._origin = f"{parts.scheme}://{parts.netloc}"
        path = parts.path.rstrip("/")
        self._read, self._write = ("/mds", "/mds-admin") if path in ("", "/mds") else (path, path)
        self._api_key = _api_key_in(credential, self._origin)
        self._token = None if self._api_key is not None else credential.strip()
        self._sleep = sleep
        self._client = httpx.Client(
            base_url=self._origin, transport=transport, timeout=120, follow_redirects=False
        )

    def __enter__(self) -> MetadataService:
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.close()

    def records(self, guid_type: str) -> Iterator[tuple[str, Document]]:
        """All records of a type that may be read, page by page."""
        seen: set[str] = set()  # a page can come twice where records come and go meanwhile
        offset = 0
        while True:
            page = self._ask(
                "GET",
                f"{self._read}/metadata",
                params={"_guid_type": guid_type, "data": "True", "limit": AT_ONCE, "offset": offset},
            )
            if not isinstance(page, dict):
                raise PprlError("the metadata service does not answer as one")
            for guid, document in page.items():
                if guid not in seen:
                    seen.add(guid)
                    yield guid, document
            offset += len(page)
            # Less than asked for does not mean the end: a service may give fewer at once.
            if not page:
                return

    def get(self, name: str) -> Document | None:
        """A record, or None where there is none that may be read."""
        found = self._ask("GET", f"{self._read}/metadata/{_quoted(name)}", missing=(403, 404))
        return found if isinstance(found, dict) else None

    def create(self, records: Sequence[Mapping[str, Any]], **parameters: str) -> list[str]:
        """Publish records that are not there yet; gives the GUIDs of those that are taken."""
        done = self._ask(
            "POST",
            f"{self._write}/metadata",
            params={"overwrite": "False", **parameters},
            content=list(records),
        )
        conflict = done.get("conflict") if isinstance(done, dict) else None
        if not isinstance(conflict, list):
            raise PprlError("the metadata service does not answer as one")
        return conflict

    def put(self, guid: str, document: Document, **parameters: str) -> bool:
        """Change a record; whether there was one that may be changed."""
        path, params = f"{self._write}/metadata/{_quoted(guid)}", {"merge": "True", **parameters}
        return self._ask("PUT", path, params=params, content=document, missing=(403, 404, 409)) is not None

    def delete(self, guid: str) -> bool:
        """Delete a record; whether there was one that may be deleted."""
        path = f"{self._write}/metadata/{_quoted(guid)}"
        return self._ask("DELETE", path, missing=(403, 404)) is not None

    def aliases(self, guid: str) -> set[str]:
        """The aliases of a record."""
        found = self._ask("GET", f"{self._read}/metadata/{_quoted(guid)}/aliases", missing=(403, 404))
        return set(found["aliases"]) if isinstance(found, dict) and "aliases" in found else set()

    def name(self, guid: str, aliases: Sequence[str]) -> bool:
        """Give a record aliases beside those it has; whether none of them is taken."""
        path = f"{self._write}/metadata/{_quoted(guid)}/aliases"
        body = {"aliases": list(aliases)}
        return self._ask("PUT", path, params={"merge": "True"}, content=body, missing=(409,)) is not None

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        content: object = None,
        missing: Sequence[int] = (),
    ) -> Any:
        """The JSON of an answer; None for a status that is ``missing``."""

        def asked() -> httpx.Response:
            headers = {"Authorization": f"Bearer {self._bearer()}"}
            return self._tried(method, path, params=params, json=content, headers=headers)

        answer = asked()
        if answer.status_code == 401 and self._api_key is not None:
            self._token = None
            answer = asked()
        return None if answer.status_code in missing else self._content(method, answer)

    def _tried(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Ask, again where that may help."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = self._client.request(method, path, **request)
            except httpx.TransportError:
                if attempt == _ATTEMPTS:
                    raise PprlError(f"{self._origin}: cannot be reached; try again later") from None
                self._sleep(_pause(attempt))
                continue
            if answer.status_code not in _PASSING:
                return answer
            if attempt < _ATTEMPTS:
                self._sleep(max(_pause(attempt), _asked_for(answer)))
        raise PprlError(f"{self._origin}: cannot do this now (status {answer.status_code}); try again later")

    def _content(self, method: str, answer: httpx.Response) -> Any:
        status = answer.status_code
        if status in (401, 403):
            raise PprlError(f"{self._origin}: does not let you do this (status {status}); check the token")
        if status == 413:
            raise PprlError(f"{self._origin}: takes no request of this size; make batches smaller")
        if not answer.is_success:
            raise PprlError(f"{self._origin}: answers {method} with status {status}")
        if not answer.content:
            return {}
        try:
            return answer.json()
        except ValueError:
            raise PprlError(f"{self._origin}: the metadata service does not answer as one") from None

    def _bearer(self) -> str:
        if self._token is None:
            path = "/user/credentials/cdis/access_token"
            answer = self._tried("POST", path, json={"api_key": self._api_key})
            try:
                token = answer.json()["access_token"] if answer.is_success else None
            except (ValueError, KeyError, TypeError):
                token = None
            if not isinstance(token, str):
                raise PprlError(
                    f"{self._origin}: gives no access token for the API key (status {answer.status_code})"
                )
            self._token = token
        return self._token


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of an ``mds.json``, or of the folder of an opened release.

    Raises
    ------
    PprlError
    """
    path = path / "mds.json" if path.is_dir() else path
    try:
        records = json.loads(path.read_bytes())
    except OSError as error:
        raise PprlError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise PprlError(f"{path}: not JSON") from None
    if not isinstance(records, list) or not all(
        isinstance(one, dict) and isinstance(one.get("guid"), str) and isinstance(one.get("data"), dict)
        for one in records
    ):
        raise GovernanceError(
            f"{path}: not a list of records with guid and data, such as a release's mds.json"
        )
    return records


def _api_key_in(credential: str, origin: str) -> str | None:
    """The API key in what a file holds, where it is one for this service: it must be shown to no other."""
    if not credential.lstrip().startswith("{"):
        return None
    try:
        key = json.loads(credential)["api_key"]
        claims = _claims(key)
        issuer = urlsplit(claims["iss"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PprlError("the token file is JSON without an API key as of Gen3") from None
    if f"{issuer.scheme}://{issuer.netloc}" != origin:
        raise PprlError("the API key is for another service; take the one that this service gave you")
    return str(key)


def _claims(token: str) -> dict[str, Any]:
    import jwt

    try:
        return jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise ValueError from None


def _quoted(name: str) -> str:
    return quote(name, safe="/")


def _pause(attempt: int) -> float:
    return float(min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _LONGEST_PAUSE_S))


def _asked_for(answer: httpx.Response) -> float:
    text = answer.headers.get("Retry-After", "")
    return min(float(text), 60.0) if text.isdigit() else 0.0
