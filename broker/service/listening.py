"""The address that a service answers at, and answering there."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI

from broker.service.context import LOOPBACK
from pprl.errors import PprlError

_ENDS_WITHIN_S = 10
_MOST_HEADER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate and its key, PEM files.

    Raises
    ------
    PprlError
        They are missing, are none, or do not belong together.
    """

    certificate: Path
    key: Path

    def __post_init__(self) -> None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self.certificate, self.key)
        except ssl.SSLError:
            raise PprlError(
                f"{self.certificate}, {self.key}: are not a certificate and its key, in PEM"
            ) from None
        except OSError as error:
            raise PprlError(f"{self.certificate}, {self.key}: cannot be read ({error.strerror})") from None


class Listener:
    """A socket that is bound.

    Parameters
    ----------
    host : str
        An address of this machine.
    port : int
        0: any free one.
    tls : Tls, optional
        To answer by https.

    Raises
    ------
    PprlError
        The address is none of this machine's, or taken.
    """

    def __init__(self, host: str, port: int, *, tls: Tls | None = None) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            reason = (getattr(error, "strerror", None) or str(error)).split(" (while")[0]
            raise PprlError(f"cannot listen on {host}, port {port} ({reason}); choose another") from None
        self._tls = tls
        scheme = "http" if tls is None else "https"
        name = f"[{host}]" if ":" in host else host
        self.url = f"{scheme}://{name}:{self._socket.getsockname()[1]}"
        self.is_in_the_clear = tls is None and host not in LOOPBACK

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def serve(self, app: FastAPI) -> None:
        """Answer until a signal comes."""
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            ssl_certfile=None if self._tls is None else self._tls.certificate,
            ssl_keyfile=None if self._tls is None else self._tls.key,
            timeout_graceful_shutdown=_ENDS_WITHIN_S,
            h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
        )
        uvicorn.Server(config).run(sockets=[self._socket])
