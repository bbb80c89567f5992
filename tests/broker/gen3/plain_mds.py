"""A metadata service with the rules of Gen3's own, and nothing of a broker's: one owner, aliases by their own calls."""

from __future__ import annotations

import json
import threading
from urllib.parse import unquote

import httpx


class PlainService:
    """Answers httpx in place of the network; ``fails`` statuses come before the answers."""

    def __init__(self) -> None:
        self.records: dict[str, dict] = {}
        self.aliases: dict[str, str] = {}
        self.calls: list[str] = []
        self.fails: list[int] = []
        self.tokens = ["secret"]
        self.transport = httpx.MockTransport(self.answer)
        self._lock = threading.Lock()

    def answer(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            return self._answer(request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = unquote(request.url.path)
        self.calls.append(f"{request.method} {path.split('/')[1]}")
        if self.fails:
            return httpx.Response(self.fails.pop(0), headers={"Retry-After": "1"})
        if path == "/user/credentials/cdis/access_token":
            return httpx.Response(200, json={"access_token": self.tokens[-1]})
        if request.headers["Authorization"] != f"Bearer {self.tokens[-1]}":
            return httpx.Response(401)
        body = json.loads(request.content) if request.content else None
        _, family, _, *rest = path.split("/", 3)
        assert family == ("mds" if request.method == "GET" else "mds-admin")
        name = rest[0] if rest else ""
        guid, is_aliases, _ = name.partition("/aliases")
        if is_aliases:
            return self._aliases(request.method, guid, body)
        return self._record(request, name, body)

    def _aliases(self, method, guid, body):
        mine = {alias for alias, of in self.aliases.items() if of == guid}
        if method == "GET":
            return httpx.Response(200, json={"guid": guid, "aliases": sorted(mine)})
        assert method == "PUT"
        if guid not in self.records:
            return httpx.Response(404)
        if any(self.aliases.get(alias, guid) != guid for alias in body["aliases"]):
            return httpx.Response(409)
        self.aliases |= dict.fromkeys(body["aliases"], guid)
        return httpx.Response(201, json={"guid": guid, "aliases": sorted({*mine, *body["aliases"]})})

    def _record(self, request, name, body):
        if request.method == "POST":
            taken = [one["guid"] for one in body if one["guid"] in self.records]
            self.records = {**{one["guid"]: one["data"] for one in body}, **self.records}
            created = [one["guid"] for one in body if one["guid"] not in taken]
            return httpx.Response(200, json={"created": created, "updated": [], "conflict": taken})
        if request.method == "GET" and not name:
            query = request.url.params
            start = int(query["offset"])
            page = list(self.records.items())[start : start + min(int(query["limit"]), 2000)]
            return httpx.Response(200, json=dict(page))
        guid = name if name in self.records else self.aliases.get(name) if request.method == "GET" else None
        if guid is None:
            return httpx.Response(404)
        if request.method == "PUT":
            self.records[guid] = {**self.records[guid], **body}
        if request.method == "DELETE":
            self.aliases = {alias: of for alias, of in self.aliases.items() if of != guid}
            return httpx.Response(200, json=self.records.pop(guid))
        return httpx.Response(200, json=self.records[guid])
