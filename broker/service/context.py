"""What every route works with."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from broker.auth import Authenticator
from broker.clock import Clock
from broker.store import Store
from broker.work import BrokerKeys
from pprl.errors import PprlError
from pprl.guid import RandomBytes

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Settings:
    """How a service is set up.

    Attributes
    ----------
    public_url : str
        Scheme, host and port under which others reach it; in DRS addresses and credentials.
    open_metadata : bool
        Whether owners of metadata records may let everybody read them. What is in them can then be looked up by
        whoever has a value.
    guid_prefix : str
        Before the GUIDs that are given out for metadata records: ``dg.TEST/``.
    most_upload_bytes : int
        Of one package.
    most_uploads : int
        Open at the same time, of one dataset.
    upload_lasts : timedelta
        After its beginning; then what came of it is cleared away.
    answers_kept : timedelta
        For how long a repeated request with an idempotency key gets its answer again.
    """

    public_url: str = "http://127.0.0.1:8440"
    open_metadata: bool = False
    guid_prefix: str = ""
    most_upload_bytes: int = 1 << 40
    most_uploads: int = 16
    upload_lasts: timedelta = timedelta(days=7)
    answers_kept: timedelta = timedelta(days=2)

    def __post_init__(self) -> None:
        url = urlsplit(self.public_url)
        if url.scheme not in ("http", "https") or not url.hostname or url.path not in ("", "/"):
            raise PprlError("the public URL must be like https://broker.example.org, without a path")

    @property
    def host(self) -> str:
        """Host and port of the public URL."""
        return urlsplit(self.public_url).netloc


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker.

    Attributes
    ----------
    store : Store
    keys : BrokerKeys
    authenticator : Authenticator
    settings : Settings
    random_bytes : callable
        ``random_bytes(k)`` gives ``k`` bytes.
    """

    store: Store
    keys: BrokerKeys
    authenticator: Authenticator
    settings: Settings = field(default_factory=Settings)
    random_bytes: RandomBytes = os.urandom

    @property
    def clock(self) -> Clock:
        """The store's."""
        return self.store.clock
