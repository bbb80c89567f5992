"""A broker's service made of dictionaries, to the contract, with faults on demand.

A fault waits for the next request of its method and kind of path, and is used up by it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from pprl.package import Identity, SigningKey
from pprl.release import ReleaseKey

TOKEN = "a-token-that-nobody-may-see"
NOW = "2026-03-01T12:00:00Z"
BROKER, SITE_KEY = Identity(b"\x02" * 32), SigningKey(b"\x01" * 32)
RELEASE_KEY = ReleaseKey(b"\x07" * 32)


def guid(number):
    return f"00000000-0000-4000-8000-{number:012x}"


class Answer(Exception):
    """What a request ends with, where it does not end well."""

    def __init__(self, status, code, detail="that cannot be", **headers):
        self.status, self.code, self.detail, self.headers = status, code, detail, headers


@dataclass
class Fault:
    """What goes wrong.

    ``cut``: after ``n`` bytes of a body. ``lost``: done but not answered. ``status``: an answer in place of doing it.
    ``offset``: the upload has only ``n`` bytes left. ``flip``: the first bit of a body.
    """

    method: str
    kind: str
    n: int = 0
    status: int = 503
    headers: dict = field(default_factory=dict)
    path: str = ""


@dataclass
class Upload:
    id: str
    dataset: str
    sha256: str
    n_bytes: int
    state: str = "open"
    job: str | None = None
    expires_at: str = "2026-03-08T12:00:00Z"
    data: bytearray = field(default_factory=bytearray)


class Twin(httpx.BaseTransport):
    """The service, and the transport to it."""

    def __init__(self, *, schema_sha256="0" * 64, kind="site"):
        self.requests, self.faults, self.seen = [], [], {}
        self.me = {
            "id": guid(1),
            "kind": kind,
            "name": "St. Mary's",
            "recipient": None,
            "site_key": str(SITE_KEY.verify_key),
        }
        self.broker = {
            "version": "1.0",
            "recipient": str(BROKER.recipient),
            "release_key": str(RELEASE_KEY.public_half),
            "journal_key": None,
            "time": NOW,
            "something_new": {"a": 1},
        }
        self.projects = [
            {
                "id": guid(10),
                "name": "heart",
                "epoch": "2026",
                "profile": "standard",
                "schema_sha256": schema_sha256,
                "smallest_count": 11,
                "created_at": NOW,
                "closed_at": None,
                "role": "site",
            }
        ]
        self.datasets = [self.dataset(guid(20), "clinic")]
        self.deliveries, self.uploads, self.jobs, self.withdrawals = [], {}, {}, []
        self.releases, self.folders = [], {}
        self.intake = {"state": "accepted", "refusal": None}
        self.n_looks_at_jobs, self.page, self.n_linked = 0, 500, None

    @staticmethod
    def dataset(id_, name, **changes):
        return {
            "id": id_,
            "name": name,
            "project": guid(10),
            "site": guid(1),
            "stable_guids": True,
            "created_at": NOW,
            "retired_at": None,
            "current_delivery": None,
        } | changes

    def publish(self, folder: Path, number=1, **changes):
        """A release of the files of a folder."""
        manifest = json.loads((folder / "release.json").read_text())["manifest"]
        made = {
            "id": manifest["release"],
            "project": guid(10),
            "recipient": self.me["id"],
            "number": number,
            "state": "published",
            "sealed_to": manifest["recipient"],
            "n_rows": manifest["counts"]["rows"],
            "n_entities": manifest["counts"]["entities"],
            "n_added": 0,
            "n_changed": 0,
            "n_tombstones": manifest["counts"]["removed"],
            "published_at": NOW,
            "acknowledged_at": None,
            "files": [
                {
                    "id": guid(1000 + place),
                    "name": path.name,
                    "role": "file",
                    "media_type": "application/octet-stream",
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                    "n_bytes": path.stat().st_size,
                    "drs_uri": None,
                }
                for place, path in enumerate(sorted(folder.iterdir()))
            ],
        } | changes
        self.releases.append(made)
        self.folders[made["id"]] = folder
        return made

    def methods(self, start=""):
        """What was asked, in order, of the paths that begin so."""
        return [method for method, path in self.requests if path.startswith(start)]

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().partition("?")[0].partition("/api/v1/")[2]
        self.requests.append((request.method, path))
        fault = self._fault(request.method, path)
        if fault is not None and fault.kind == "status":
            for _ in request.stream:
                pass
            body = {"title": "Service Unavailable", "status": fault.status}
            return httpx.Response(fault.status, json=body, headers=fault.headers)
        try:
            if request.headers.get("Authorization") != f"Bearer {TOKEN}":
                raise Answer(
                    401, "unauthenticated", "the token is not known", **{"WWW-Authenticate": "Bearer"}
                )
            if request.method == "PATCH":
                answer = self._patch(request, path.split("/")[1], fault)
            else:
                body = b"".join(request.stream)
                answer = self._idempotent(request, path.split("/"), json.loads(body) if body else None, fault)
        except Answer as error:
            answer = httpx.Response(
                error.status,
                json={
                    "type": "about:blank",
                    "title": "no",
                    "status": error.status,
                    "detail": error.detail,
                    "code": error.code,
                },
                headers=error.headers,
            )
        if fault is not None and fault.kind == "lost":
            raise httpx.ReadError("lost")
        return answer

    def _fault(self, method, path):
        for fault in self.faults:
            if fault.method == method and fault.path in path:
                self.faults.remove(fault)
                return fault
        return None

    def _idempotent(self, request, parts, body, fault):
        if request.method != "POST":
            return self._answer(request, parts, body, fault)
        key = request.headers["Idempotency-Key"]
        asked = (parts, body)
        if key in self.seen:
            if self.seen[key][0] != asked:
                raise Answer(422, "invalid", "the key was used for something else")
            status, document = self.seen[key][1]
            return httpx.Response(status, json=document, headers={"Idempotency-Replayed": "true"})
        answer = self._answer(request, parts, body, fault)
        self.seen[key] = (asked, (answer.status_code, json.loads(answer.content)))
        return answer

    def _answer(self, request, parts, body, fault):
        match request.method, parts:
            case "GET", ["broker"]:
                return httpx.Response(200, json=self.broker)
            case "GET", ["me"]:
                return httpx.Response(200, json={"party": self.me, "scopes": ["all"], "expires_at": None})
            case "PUT", ["me", "site-key"]:
                if self.me["site_key"] is not None:
                    raise Answer(409, "conflict", "a key is registered already")
                self.me["site_key"] = body["public"]
                return httpx.Response(204)
            case "PUT", ["me", "recipient"]:
                self.me["recipient"] = body["recipient"]
                return httpx.Response(204)
            case "GET", ["projects"]:
                return self._list(request, self.projects)
            case "GET", ["projects", project, "datasets"]:
                return self._list(request, [one for one in self.datasets if one["project"] == project])
            case "GET", ["projects", project, "jobs"]:
                if self.me["kind"] == "researcher":
                    raise Answer(403, "denied", "you may not see jobs")
                return self._list(request, [one for one in self.jobs.values() if one["project"] == project])
            case "GET", ["datasets", dataset, "deliveries"]:
                return self._list(request, [one for one in self.deliveries if one["dataset"] == dataset])
            case "GET", ["datasets", dataset, "withdrawals"]:
                return self._list(request, [one for one in self.withdrawals if one["dataset"] == dataset])
            case "POST", ["datasets", dataset, "uploads"]:
                return self._begin(dataset, body)
            case "GET", ["uploads", upload]:
                return httpx.Response(200, json=self.shown(self._upload(upload)))
            case "HEAD", ["uploads", upload]:
                found = self._upload(upload)
                headers = {"Upload-Offset": str(len(found.data)), "Upload-Length": str(found.n_bytes)}
                return httpx.Response(200, headers=headers)
            case "GET", ["jobs", job] if job in self.jobs:
                return httpx.Response(200, json=self._job(job))
            case "POST", ["datasets", dataset, "withdrawals"]:
                return self._withdraw(dataset, body["records"])
            case "GET", ["withdrawals", withdrawal]:
                found = next(one for one in self.withdrawals if one["id"] == withdrawal)
                return httpx.Response(200, json=found)
            case "GET", ["releases"]:
                project = request.url.params.get("project")
                return self._list(
                    request, [one for one in self.releases if project in (None, one["project"])]
                )
            case "GET", ["releases", release]:
                return httpx.Response(200, json=self._release(release))
            case "POST", ["releases", release, "acknowledge"]:
                self._release(release)["acknowledged_at"] = NOW
                return httpx.Response(200, json=self._release(release))
            case "GET", ["releases", release, "files", name]:
                return self._file(request, self.folders[release] / name, fault)
        raise Answer(404, "not-found", "there is no such thing")

    def _list(self, request, items):
        start = int(request.url.params.get("after", 0))
        end = start + min(self.page, int(request.url.params["limit"]))
        following = str(end) if end < len(items) else None
        return httpx.Response(200, json={"items": items[start:end], "next": following})

    def _upload(self, upload) -> Upload:
        if upload not in self.uploads:
            raise Answer(404, "not-found", "there is no such upload")
        return self.uploads[upload]

    def _release(self, release):
        for one in self.releases:
            if one["id"] == release:
                return one
        raise Answer(404, "not-found", "there is no such release")

    def _job(self, job):
        if self.n_looks_at_jobs:
            self.n_looks_at_jobs -= 1
            return self.jobs[job] | {"state": "running", "result": None}
        return self.jobs[job]

    def shown(self, upload: Upload):
        return {
            "id": upload.id,
            "dataset": upload.dataset,
            "sha256": upload.sha256,
            "n_bytes": upload.n_bytes,
            "n_received": len(upload.data),
            "state": upload.state,
            "expires_at": upload.expires_at,
            "job": None if upload.job is None else self._job(upload.job),
        }

    def _begin(self, dataset, body):
        for upload in self.uploads.values():
            is_same = (upload.dataset, upload.sha256, upload.state) == (dataset, body["sha256"], "open")
            if is_same and upload.expires_at > self.broker["time"]:
                return httpx.Response(200, json=self.shown(upload))
        made = Upload(guid(100 + len(self.uploads)), dataset, body["sha256"], body["n_bytes"])
        self.uploads[made.id] = made
        return httpx.Response(201, json=self.shown(made), headers={"Location": f"/api/v1/uploads/{made.id}"})

    def _patch(self, request, upload, fault):
        assert request.headers["Content-Type"] == "application/offset+octet-stream"
        found = self._upload(upload)
        if fault is not None and fault.kind == "offset":
            del found.data[fault.n :]
        if found.state != "open":
            for _ in request.stream:
                pass
            raise Answer(409, "conflict", f"the upload is {found.state}")
        if int(request.headers["Upload-Offset"]) != len(found.data):
            for _ in request.stream:
                pass
            raise Answer(409, "offset", "that is not where it is", **{"Upload-Offset": str(len(found.data))})
        taken = 0
        for chunk in request.stream:
            kept = chunk
            if fault is not None and fault.kind == "cut":
                kept = chunk[: fault.n - taken]
            if fault is not None and fault.kind == "flip" and not taken:
                kept = bytes([chunk[0] ^ 1]) + chunk[1:]
            found.data += kept
            taken += len(kept)
            if len(kept) < len(chunk):
                raise httpx.WriteError("cut")
        if taken < int(request.headers["Content-Length"]):
            raise httpx.LocalProtocolError("less than was announced")
        if len(found.data) == found.n_bytes:
            self._complete(found)
        return httpx.Response(204, headers={"Upload-Offset": str(len(found.data))})

    def _complete(self, upload):
        """The intake looks at the digest, and is done at once."""
        upload.state, upload.job = "complete", guid(200 + len(self.jobs))
        intake = self.intake
        if hashlib.sha256(upload.data).hexdigest() != upload.sha256:
            intake = {"state": "refused", "refusal": "its SHA-256 is another one than was announced"}
        if intake["state"] == "refused":
            upload.state = "failed"
        delivery = guid(300 + len(self.deliveries))
        self.jobs[upload.job] = self.job(
            upload.job, "intake", result={"delivery": delivery} | intake, dataset=upload.dataset
        )

    @staticmethod
    def job(id_, kind, **changes):
        return {
            "id": id_,
            "kind": kind,
            "project": guid(10),
            "dataset": guid(20),
            "state": "done",
            "stage": "",
            "n_done": 0,
            "n_total": 0,
            "attempts": 1,
            "created_at": NOW,
            "started_at": NOW,
            "finished_at": NOW,
            "error": None,
            "result": None,
        } | changes

    def _withdraw(self, dataset, records):
        made = {
            "id": guid(400 + len(self.withdrawals)),
            "dataset": dataset,
            "requested_at": NOW,
            "n_records": len(records) if self.n_linked is None else self.n_linked,
            "purged_at": None,
            "waiting_for": [],
        }
        self.withdrawn = records
        job = guid(500 + len(self.withdrawals))
        self.jobs[job] = self.job(job, "withdraw", result={"withdrawal": made["id"], "releases": []})
        self.withdrawals.append(made | {"purged_at": NOW, "waiting_for": ["Dr. Gray"]})
        return httpx.Response(202, json={"withdrawal": made, "job": self.jobs[job] | {"state": "queued"}})

    def _file(self, request, path, fault):
        content = path.read_bytes()
        if fault is not None and fault.kind == "flip":
            content = bytes([content[0] ^ 1]) + content[1:]
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers, status = {"ETag": tag, "Accept-Ranges": "bytes"}, 200
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if wanted and request.headers.get("If-Range", tag) == tag:
            start = int(wanted[1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content, status = content[start:], 206
        headers["Content-Length"] = str(len(content))
        cut = fault.n if fault is not None and fault.kind == "cut" else None
        return httpx.Response(status, headers=headers, stream=_Body(content, cut))


class _Body(httpx.SyncByteStream):
    """A body that may break off."""

    def __init__(self, content: bytes, cut: int | None) -> None:
        self.content, self.cut = content, cut

    def __iter__(self) -> Iterator[bytes]:
        yield self.content[: self.cut]
        if self.cut is not None:
            raise httpx.ReadError("cut")
