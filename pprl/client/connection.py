"""Requests to a broker's service, tried again where that may help and is safe.

Safe it is for all of them: reading, putting and deleting again changes nothing, and every POST bears an
``Idempotency-Key``, the same whenever one call is tried again. Pieces of an upload are sent by `Connection.once`: where
to go on must be asked first (`pprl.client.sending`).
"""

from __future__ import annotations

import email.utils
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from pprl import __version__
from pprl.client.address import check_token, check_url, is_loopback
from pprl.client.problems import error_of, unreachable
from pprl.errors import PprlError, ServiceError
from pprl.guid import RandomBytes

try:
    import httpx
except ModuleNotFoundError:
    raise PprlError("a broker's service is spoken to with httpx; run: pip install 'pprl[client]'") from None

PREFIX = "/api/v1"
PASSING = (423, 429, 502, 503, 504)
"""Statuses that say: not now. 423: the broken request before still holds what this one is about."""

_TIMEOUT = httpx.Timeout(
    connect=15, read=120, write=60, pool=15
)  # seconds; the last byte of an upload is answered late


@dataclass(frozen=True, slots=True)
class Retries:
    """How long to go on trying while nothing succeeds.

    Attributes
    ----------
    n_attempts : int
        In all.
    n_first_attempts : int
        In all, as long as the service has never answered: the address may be wrong.
    first_delay_s, longest_delay_s : float
        The pause is drawn between half and all of a span that doubles each time.
    total_s : float
        No attempt is begun later than this after the first.
    """

    n_attempts: int = 10
    n_first_attempts: int = 3
    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0
    total_s: float = 600.0


class PassingError(ServiceError):
    """What may be otherwise a little later.

    Parameters
    ----------
    message, code, status
        As `ServiceError`.
    after_s : float, optional
        The pause that the service asked for.
    is_stranger : bool
        Whether the service has never answered.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int | None = None,
        after_s: float | None = None,
        is_stranger: bool = False,
    ) -> None:
        super().__init__(message, code=code, status=status)
        self.after_s, self.is_stranger = after_s, is_stranger


class Patience:
    """What is left of the retries of one undertaking."""

    def __init__(
        self,
        retries: Retries,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        random_bytes: RandomBytes,
        on_pause: Callable[[ServiceError, float], object],
    ) -> None:
        self._retries, self._clock, self._sleep, self._random = retries, clock, sleep, random_bytes
        self._on_pause = on_pause
        self.renew()

    def renew(self) -> None:
        """Something succeeded: count from the beginning."""
        self._n_failures, self._began = 0, self._clock()

    def wait(self, error: PassingError) -> None:
        """Pause before the next attempt.

        Raises
        ------
        PassingError
            The same, where there is to be none.
        """
        retries = self._retries
        self._n_failures += 1
        span = min(retries.longest_delay_s, retries.first_delay_s * 2 ** min(self._n_failures - 1, 30))
        drawn = int.from_bytes(self._random(4), "big") / 2**32
        pause = max(span * (1 + drawn) / 2, error.after_s or 0.0)
        is_late = self._clock() - self._began + pause > retries.total_s
        n_attempts = retries.n_first_attempts if error.is_stranger else retries.n_attempts
        if self._n_failures >= n_attempts or is_late:
            raise error
        self._on_pause(error, pause)
        self._sleep(pause)


class Connection:
    """To one service, as one party.

    Parameters
    ----------
    url : str
        ``https://...``; see `pprl.client.address.check_url`.
    token : str
    transport : httpx.BaseTransport, optional
        In place of the network.
    clock, sleep : callable
        Seconds of any beginning; and a pause of so many.
    random_bytes : callable
        For keys of idempotency and for pauses.
    retries : Retries
    on_pause : callable
        Called before a pause, with what went wrong and for how many seconds.
    allow_http : bool
        Whether the token may go over plain http to other machines.

    Attributes
    ----------
    url : str
    """

    def __init__(
        self,
        url: str | None,
        token: str,
        *,
        transport: httpx.BaseTransport | None,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        random_bytes: RandomBytes,
        retries: Retries,
        on_pause: Callable[[ServiceError, float], object],
        allow_http: bool,
    ) -> None:
        self.url = check_url(url, allow_http=allow_http)
        self._token = check_token(token)
        self._clock, self._sleep, self._random, self._retries = clock, sleep, random_bytes, retries
        self._on_pause, self._is_stranger = on_pause, True
        self._http = httpx.Client(
            transport=transport,
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=not is_loopback(
                self.url
            ),  # which a proxy could not reach, and must not see the token of
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": f"pprl/{__version__}",
            },
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def close(self) -> None:
        """Let the network go."""
        self._http.close()

    def patience(self) -> Patience:
        """The retries of an undertaking that begins."""
        return Patience(
            self._retries,
            clock=self._clock,
            sleep=self._sleep,
            random_bytes=self._random,
            on_pause=self._on_pause,
        )

    def pause(self, seconds: float) -> None:
        """Wait."""
        self._sleep(seconds)

    def now(self) -> float:
        """Seconds of any beginning."""
        return self._clock()

    def json(self, method: str, *path: str, **options: Any) -> Any:
        """The document that a call is answered with, or None where there is none; as `call`.

        Raises
        ------
        ServiceError
        """
        response = self.call(method, *path, **options)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError:
            raise ServiceError(
                f"{self.url}: answers with something that no broker does; is the address right?",
                code="answer",
                status=response.status_code,
            ) from None

    def call(
        self,
        method: str,
        *path: str,
        json: object = None,
        params: Mapping[str, str | int] | None = None,
    ) -> httpx.Response:
        """Make a request until it is answered for good.

        Parameters
        ----------
        method : str
            Of HTTP.
        *path : str
            Parts behind the prefix, quoted here.
        json : object, optional
            To send.
        params : mapping, optional
            Of the query.

        Raises
        ------
        ServiceError
            It is refused, or the retries are used up.
        """
        headers = {"Idempotency-Key": self._random(16).hex()} if method == "POST" else {}
        patience = self.patience()
        while True:
            try:
                return self.once(method, *path, json=json, params=params, headers=headers)
            except PassingError as error:
                patience.wait(error)

    def once(
        self,
        method: str,
        *path: str,
        headers: Mapping[str, str] | None = None,
        content: Iterator[bytes] | None = None,
        json: object = None,
        params: Mapping[str, str | int] | None = None,
        expected: Collection[int] = (),
    ) -> httpx.Response:
        """Make a request once.

        Parameters
        ----------
        method, *path, json, params
            As `call`.
        headers : mapping, optional
            Beside the usual ones.
        content : iterator of bytes, optional
            What is sent; ``Content-Length`` must be among the headers.
        expected : collection of int
            Statuses that are no error here, beside those of success.

        Raises
        ------
        PassingError
            No answer, or one that says: not now.
        ServiceError
        """
        try:
            response = self._http.request(
                method, self._address(path), headers=headers, content=content, json=json, params=params
            )
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        self.check(response, expected)
        return response

    @contextmanager
    def streamed(
        self, *path: str, headers: Mapping[str, str], expected: Collection[int] = ()
    ) -> Iterator[httpx.Response]:
        """GET a body in pieces, as `once`; what breaks within the block is a `PassingError` as well."""
        try:
            with self._http.stream(
                "GET", self._address(path), headers={"Accept": "*/*", **headers}
            ) as response:
                if not response.is_success:
                    response.read()
                self.check(response, expected)
                yield response
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def _address(self, path: tuple[str, ...]) -> str:
        return f"{self.url}{PREFIX}/" + "/".join(quote(part, safe="") for part in path)

    def check(self, response: httpx.Response, expected: Collection[int] = ()) -> None:
        """Refuse an answer that is none of success, as `once`.

        Raises
        ------
        PassingError, ServiceError
        """
        status = response.status_code
        self._is_stranger = False
        if response.is_success or status in expected:
            return
        error = error_of(response.content, status, url=self.url, token=self._token)
        if response.has_redirect_location:
            host = urlsplit(response.headers["Location"]).hostname or "another page"
            error = ServiceError(
                f"{self.url}: answers with a redirect to {host}, which is not followed; give the broker's own address",
                code="redirect",
                status=status,
            )
        if status in PASSING or error.code == "busy":
            raise PassingError(str(error), code=error.code, status=status, after_s=_after(response.headers))
        raise error

    def _unreachable(self, error: httpx.HTTPError) -> ServiceError:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
            cause = cause.__cause__ or cause.__context__
        if cause is not None:
            return ServiceError(
                f"{self.url}: its certificate is not one that this machine trusts; where your house has an authority "
                "of its own, set SSL_CERT_FILE to its certificates",
                code="certificate",
            )
        if not isinstance(error, httpx.TransportError) or isinstance(
            error, httpx.UnsupportedProtocol | httpx.LocalProtocolError
        ):
            return ServiceError(f"{self.url}: cannot be asked ({type(error).__name__})", code="unreachable")
        return PassingError(unreachable(self.url, error), code="unreachable", is_stranger=self._is_stranger)


def _after(headers: Mapping[str, str]) -> float | None:
    """Seconds of ``Retry-After``, a number or a date; a date counts from the service's own clock."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        until, now = (email.utils.parsedate_to_datetime(word) for word in (text, headers.get("Date", "")))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        return None
