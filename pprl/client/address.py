"""Where a broker's service is, and the token that a party comes with, which is never shown nor sent in clear."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pprl.errors import PprlError
from pprl.package.keyfiles import read_secret_file

URL_VARIABLE, TOKEN_VARIABLE = "PPRL_BROKER_URL", "PPRL_TOKEN"
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")


def check_url(text: str | None, *, allow_http: bool = False) -> str:
    """The address of a service without a slash at its end.

    Parameters
    ----------
    text : str or None
        ``https://...``, as given.
    allow_http : bool
        Whether ``http`` will do for other hosts than this machine: whoever listens can then take the token.

    Raises
    ------
    PprlError
        It is none, or not https.
    """
    if not text:
        raise PprlError(f"no broker is named; give --broker https://..., or set {URL_VARIABLE}")
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https") or re.search(r"[\s\x00-\x1f]", text.strip()):
        raise PprlError("the broker's address is not one; expected https://HOST")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise PprlError(
            f"the broker's address has a name, a password or a question in it; expected https://{host}"
        )
    if parts.scheme == "http" and not allow_http and not is_loopback(text):
        raise PprlError(
            f"http://{host}: the token would go there unencrypted; use https (--allow-http where the way there is "
            "safe by other means)"
        )
    return text.strip().rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def find_token(file: Path | None = None, *, environment: Mapping[str, str] = os.environ) -> str:
    """The token: of a file that nobody but its owner may read, or else of the environment.

    Raises
    ------
    KeyFileError
        The file is missing, others may read it, or it holds something else.
    PprlError
        There is no token, or it is none.
    """
    if file is not None:
        lines = read_secret_file(file, what="a token")
        if len(lines) != 1:
            raise PprlError(f"{file}: expected one line, the token; found {len(lines)}")
        return check_token(lines[0], where=str(file))
    token = environment.get(TOKEN_VARIABLE, "")
    if not token:
        raise PprlError(f"no token; put it in a file and give --token-file, or set {TOKEN_VARIABLE}")
    return check_token(token.strip(), where=TOKEN_VARIABLE)


def check_token(token: str, *, where: str = "the token") -> str:
    """The same token.

    Raises
    ------
    PprlError
        It holds what no token does; the message does not repeat it.
    """
    if not _TOKEN.fullmatch(token):
        raise PprlError(f"{where}: is not a token, which is one word of letters, digits and signs")
    return token
