"""Log lines for machines: one JSON object a line on stderr, without anything that came from a site's data.

What is logged of a request is its method, the *template* of its route, the status, how long it took, and the ids of the
request and of the party. Paths and queries are not: those of the metadata service hold values.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from traceback import extract_tb
from typing import TextIO

FIELDS = (
    *("request", "party", "method", "route", "status", "seconds"),
    *("job", "kind", "attempt", "outcome", "reference", "worker"),
)
"""What a line may have besides time, level, logger and message."""

_SECRET = re.compile(
    r"pprl_1[02-9ac-hj-np-z]{20,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]*|AGE-SECRET-KEY-\S+|PPRL-\S+-KEY-\S+",
    re.I,
)


class JsonLines(logging.Formatter):
    """A record as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, message, and the fields that are known."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _SECRET.sub("[secret]", record.getMessage()),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__  # its text may hold anything
        return json.dumps(line, default=str)


def place_of(error: BaseException) -> str:
    """Where an error was raised, the innermost place first; its text, which may hold anything, is left out."""
    frames = reversed(extract_tb(error.__traceback__))
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)


def set_up(stream: TextIO = sys.stderr, *, level: int = logging.INFO) -> None:
    """Send all logs of the process to a stream, as lines of JSON."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Requests are logged here; its own access log has paths.
    logging.getLogger("uvicorn.access").disabled = True
    for chatty in ("httpx", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
