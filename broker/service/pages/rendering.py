"""Pages as they are sent: templates with what all of them need, and headers that let in nothing from elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from broker.report import add_filters
from broker.service.pages.visitor import ROOT, Visitor

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
_LIVE_POLICY = f"{_POLICY}; script-src 'self'; connect-src 'self'"
JOB_TITLES = {
    "intake": "Intake of a delivery",
    "link": "Linkage run",
    "release": "Making of a release",
    "withdraw": "Clearing away of withdrawn records",
}
_ASSETS = {"console.css": "text/css; charset=utf-8", "live.js": "text/javascript; charset=utf-8"}


def show(
    template: str,
    visitor: Visitor | None,
    *,
    status: int = 200,
    live: bool = False,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Answer with a page.

    Parameters
    ----------
    template : str
        Its name, without ``.html.j2``.
    visitor : Visitor or None
        Who has signed in.
    status : int
        Of the answer.
    live : bool
        Whether something on the page goes on: it then looks for news by itself.
    headers : mapping, optional
        Of the answer, beside those of all pages.
    **values
        For the template.
    """
    shown = _environment().get_template(f"{template}.html.j2")
    text = shown.render(
        me=visitor,
        live=live,
        root=ROOT,
        notice=None if visitor is None else visitor.session.take_notice(),
        form_key=None if visitor is None else visitor.session.form_key,
        form_id="" if visitor is None else visitor.asking.broker.random_bytes(16).hex(),
        now=None if visitor is None else visitor.asking.now,
        **values,
    )
    return HTMLResponse(
        text,
        status,
        headers={
            "Content-Security-Policy": _LIVE_POLICY if live else _POLICY,
            "Cache-Control": "no-store",
            # With no referrer at all browsers would send forms without saying where they are from.
            "Referrer-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
            "Cross-Origin-Opener-Policy": "same-origin",
            **(headers or {}),
        },
    )


def confirm(
    visitor: Visitor,
    *,
    title: str,
    says: Sequence[str],
    action: str,
    button: str,
    back: str,
    frame: object = None,
    rows: Sequence[tuple[str, str]] = (),
    carried: Sequence[tuple[str, str]] = (),
    back_says: str = "Go back",
    dangerous: bool = False,
) -> HTMLResponse:
    """Ask once more before something is done.

    Parameters
    ----------
    visitor : Visitor
        Who is asked.
    title : str
        What is to be done.
    says : sequence of str
        What comes of it, a sentence each.
    action, button : str
        Where the form goes, and what its button says.
    back, back_says : str
        The page of who thinks better of it, and what its link says.
    frame : Frame, optional
        The project that it is about.
    rows : sequence of (str, str)
        What it is done to, by name.
    carried : sequence of (str, str)
        Fields that the form sends on.
    dangerous : bool
        Whether something is lost by it for good.
    """
    return show(
        "confirm",
        visitor,
        title=title,
        says=says,
        action=action,
        button=button,
        back=back,
        frame=frame,
        rows=rows,
        carried=carried,
        back_says=back_says,
        dangerous=dangerous,
    )


@cache
def asset(name: str) -> tuple[bytes, str] | None:
    """A file that pages load, and its media type."""
    if name not in _ASSETS:
        return None
    return files("broker.service").joinpath("templates", name).read_bytes(), _ASSETS[name]


@cache
def asset_path(name: str) -> str:
    """Where a page loads a file from; a changed file has another address."""
    found = asset(name)
    assert found is not None  # noqa: S101 - templates name what there is
    return f"{ROOT}/assets/{hashlib.sha256(found[0]).hexdigest()[:16]}/{name}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("broker.service"), PackageLoader("broker")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    add_filters(environment)
    environment.filters |= {
        "day": _day,
        "moment": _moment,
        "short": short,
        "size": _size,
        "iso": _iso,
        "share": _share,
    }
    environment.globals |= {"asset": asset_path, "days_to": _days_to, "job_titles": JOB_TITLES}
    return environment


def short(public_id: str) -> str:
    """Enough of an id to tell it from others on a page."""
    return public_id[:8]


def _day(when: datetime) -> str:
    return f"{when.astimezone(UTC).day} {when.astimezone(UTC):%b %Y}"


def _moment(when: datetime) -> str:
    return f"{_day(when)}, {when.astimezone(UTC):%H:%M}"


def _iso(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _days_to(when: datetime, now: datetime) -> int:
    return (when - now).days


def _size(n_bytes: int) -> str:
    size, unit = float(n_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"


def _share(share: object) -> str:
    """A share of records; what intake hides comes as None, 0.0 or 1.0."""
    if not isinstance(share, int | float):
        return "not shown"
    return f"{100 * share:.1f} %"
