"""People at the console: each with a browser that keeps cookies and sends forms, and runs no script."""

from __future__ import annotations

from html.parser import HTMLParser

from fastapi.testclient import TestClient

from ..hospital import Hospital

HTTPS = "https://broker.example.org"


class Form:
    """A form of a page: where it goes, and what it brings along."""

    def __init__(self, action: str, method: str) -> None:
        self.action, self.method, self.values, self.button = action, method, [], ""


class Read(HTMLParser):
    """What is on a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._select = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.tags.append((tag, known))
        form = self.forms[-1] if self.forms else None
        if tag == "a" and known.get("href"):
            self.links.append(known["href"])
        elif tag == "form":
            self.forms.append(Form(known["action"], known.get("method", "get")))
        elif tag == "input" and form and known.get("name"):
            if known.get("type") not in ("checkbox", "radio") or "checked" in known:
                form.values.append((known["name"], known.get("value") or ""))
        elif tag == "select" and form:
            self._select = known["name"]
            form.values.append((known["name"], ""))
        elif tag == "option" and ("selected" in known or form.values[-1] == (self._select, "")):
            form.values[-1] = (self._select, known["value"])

    def handle_data(self, data):
        self.text += data + " "

    def form(self, ending: str) -> Form:
        """The form that goes to an address with this ending."""
        return next(form for form in self.forms if form.action.endswith(ending))


class Person:
    """Somebody with a browser."""

    def __init__(self, hospital: Hospital, *, base_url: str = HTTPS) -> None:
        self.client = TestClient(
            hospital.app, base_url=base_url, raise_server_exceptions=False, follow_redirects=True
        )
        self.hospital = hospital

    def sign_in(self, token: str, **more):
        """Paste a token into the first page."""
        page = Read(self.client.get("/console/sign-in", **more).text)
        return self.send(page.form("/sign-in"), token=token)

    def get(self, path: str):
        """Open a page; the way there leads to where it is."""
        return self.client.get(path if path.startswith("/") else f"/console/{path}")

    def read(self, path: str) -> Read:
        """What is on a page that must be there."""
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, Read(answer.text).text[:500])
        return Read(answer.text)

    def send(self, form: Form, **changes):
        """Send a form with other values in some fields; None leaves one out, a list sends several."""
        values = [(name, value) for name, value in form.values if name not in changes]
        for name, value in changes.items():
            several = value if isinstance(value, list) else [] if value is None else [value]
            values += [(name, one) for one in several]
        if form.method == "get":
            return self.client.get(form.action, params=values)
        data: dict[str, list[str]] = {}
        for name, value in values:
            data.setdefault(name, []).append(value)
        return self.client.post(form.action, data=data)


def visit(hospital: Hospital, who: str) -> Person:
    """Somebody who has signed in."""
    person = Person(hospital)
    answer = person.sign_in(hospital.tokens[who])
    assert answer.url.path == "/console/", answer.text
    return person
