"""A package on its way, whatever breaks."""

from __future__ import annotations

import hashlib
import itertools
import json
import tracemalloc
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.client import Client
from pprl.client.answers import Upload
from pprl.client.sending import send
from pprl.errors import (
    ConflictError,
    DeniedError,
    ExpiredError,
    NotFoundError,
    PackageError,
    PprlError,
    ReplayedError,
    ServiceError,
    SignatureError,
    WrongProjectError,
    WrongRecipientError,
    WrongSchemaError,
)
from pprl.package import Identity, SigningKey

from .packages import SCHEMA, write
from .twin import NOW, TOKEN, Fault, Twin, guid


class Bar:
    """A bar of progress that is asked about afterwards."""

    def __init__(self):
        self.done = {}

    @contextmanager
    def __call__(self, label, total, *, unit=""):
        def advance(n):
            self.done[label] = self.done.get(label, 0) + n

        yield advance


def beside(package):
    return Path(f"{package}.upload.json")


def only_upload(twin):
    (upload,) = twin.uploads.values()
    return upload


def test_a_package_is_sent_and_accepted(twin, client, package):
    twin.n_looks_at_jobs = 2
    bar = Bar()
    sent = client.submit(package, progress=bar)
    assert (sent.state, sent.dataset, sent.project, sent.sequence, sent.n_records) == (
        *("accepted", "clinic", "heart"),
        *(7, 400),
    )
    assert (sent.delivery, sent.refusal, sent.job) == (guid(300), None, guid(200))
    n_bytes = package.stat().st_size
    assert only_upload(twin).data == package.read_bytes()
    assert twin.methods("uploads").count("PATCH") == -(-n_bytes // 1000)
    assert bar.done == {"reading": n_bytes, "sending": n_bytes}
    assert not beside(package).exists()


def test_it_is_refused_by_the_broker(twin, client, package):
    twin.intake = {"state": "refused", "refusal": "another linkage key"}
    sent = client.submit(package)
    assert (sent.state, sent.refusal) == ("refused", "another linkage key")
    assert not beside(package).exists()


def test_without_waiting(twin, client, package):
    sent = client.submit(package, wait=False)
    assert (sent.state, sent.job) == ("sent", guid(200))
    assert twin.methods("jobs") == []


def test_an_intake_that_fails(twin, client, package):
    client.submit(package, wait=False)
    twin.jobs[guid(200)] |= {"state": "failed", "error": "the disk is full"}
    beside(package).write_text(json.dumps(kept(package, twin)))
    with pytest.raises(ServiceError, match="its intake failed: the disk is full; send it again"):
        client.submit(package)


def kept(package, twin):
    upload, facts = only_upload(twin), package.stat()
    return {
        "format": 1,
        "facts": {"n_bytes": facts.st_size, "mtime_ns": facts.st_mtime_ns},
        "sha256": upload.sha256,
        "broker": "https://broker.example/pprl",
        "dataset": upload.dataset,
        "upload": upload.id,
    }


def test_what_is_kept_beside_it(twin, client, package):
    twin.faults = [Fault("PATCH", "cut", n=300), *[Fault("HEAD", "status", status=403)] * 2]
    with pytest.raises(ServiceError):
        client.submit(package)  # its first question of how far it is
    assert json.loads(beside(package).read_text()) == kept(package, twin)
    assert oct(beside(package).stat().st_mode)[-3:] == "600"


def test_the_same_command_again_goes_on(twin, client, package):
    twin.faults = [Fault("PATCH", "lost"), Fault("PATCH", "cut", n=300), Fault("PATCH", "status", status=403)]
    with pytest.raises(ServiceError):
        client.submit(package)
    had = len(only_upload(twin).data)
    assert had == 1300
    twin.requests.clear()
    bar = Bar()
    assert client.submit(package, progress=bar).state == "accepted"
    assert bar.done == {"sending": package.stat().st_size}  # it is not read again for its digest
    assert ("POST", f"datasets/{guid(20)}/uploads") not in twin.requests
    assert only_upload(twin).data == package.read_bytes()


def test_ended_while_the_broker_was_at_it(twin, client, package):
    """Accepted meanwhile: what would look like a replay is the delivery itself."""
    client.submit(package, wait=False)
    beside(package).write_text(json.dumps(kept(package, twin)))
    twin.deliveries = [delivery(7)]
    twin.requests.clear()
    assert client.submit(package).state == "accepted"
    assert twin.methods("uploads") == ["GET"]


@pytest.mark.parametrize(
    "what", ["changed", "other broker", "garbage", "gone at the broker", "unknown format"]
)
def test_what_is_kept_is_only_believed_where_it_fits(twin, client, package, what):
    twin.faults = [Fault("PATCH", "status", status=403)]
    with pytest.raises(ServiceError):
        client.submit(package)
    document = json.loads(beside(package).read_text())
    if what == "changed":
        write(package, n_records=410)
    if what == "other broker":
        beside(package).write_text(json.dumps(document | {"broker": "https://other.example"}))
    if what == "garbage":
        beside(package).write_text("[" * 100_000)
    if what == "gone at the broker":
        twin.uploads.clear()
    if what == "unknown format":
        beside(package).write_text(json.dumps(document | {"format": 2}))
    assert client.submit(package).state == "accepted"
    assert list(twin.uploads.values())[-1].data == package.read_bytes()


def test_an_upload_that_took_too_long(twin, client, package):
    twin.faults = [Fault("PATCH", "lost"), Fault("PATCH", "status", status=410)]
    with pytest.raises(ServiceError, match="given this upload up") as caught:
        client.submit(package)
    assert caught.value.code == "expired"
    twin.uploads.clear()
    bar = Bar()
    assert client.submit(package, progress=bar).state == "accepted"
    assert set(bar.done) == {"sending"}


def test_a_folder_that_cannot_be_written_to(twin, client, package, monkeypatch):
    def refused(*_, **__):
        raise PprlError("cannot be written")

    monkeypatch.setattr("pprl.client.resumption.new_file", refused)
    assert client.submit(package).state == "accepted"


def test_other_bytes_than_were_sent(twin, client, package):
    twin.faults = [Fault("PATCH", "flip")]
    sent = client.submit(package)
    assert (sent.state, sent.refusal) == ("refused", "its SHA-256 is another one than was announced")
    assert client.submit(package).state == "accepted"


def test_refused_while_nobody_waited(twin, client, package):
    """Its upload is given up, and the reason is told without sending it again."""
    twin.intake = {"state": "refused", "refusal": "another linkage key"}
    client.submit(package, wait=False)
    beside(package).write_text(json.dumps(kept(package, twin)))
    twin.requests.clear()
    assert client.submit(package).refusal == "another linkage key"
    assert twin.methods("uploads") == ["GET"]


def test_an_upload_that_somebody_cancels(twin, client, package):
    class Cancelling(Bar):
        @contextmanager
        def __call__(self, label, total, *, unit=""):
            if label == "sending":
                only_upload(twin).state = "failed"
            yield lambda n: None

    with pytest.raises(ServiceError, match=r"gave this upload up: .* send it again") as caught:
        client.submit(package, progress=Cancelling())
    assert caught.value.code == "failed"
    assert client.submit(package).state == "accepted"


def test_an_upload_that_is_past_its_time(twin, client, package):
    twin.faults = [Fault("PATCH", "lost"), Fault("PATCH", "status", status=403)]
    with pytest.raises(ServiceError):
        client.submit(package)
    only_upload(twin).expires_at = NOW
    assert client.submit(package).state == "accepted"
    assert len(twin.uploads) == 2


def test_a_package_that_changes_meanwhile(twin, client, package):
    class Changing(Bar):
        @contextmanager
        def __call__(self, label, total, *, unit=""):
            yield lambda n: None
            if label == "sending":
                with package.open("ab") as file:
                    file.write(b"more")

    with pytest.raises(PackageError, match="was changed while it was sent"):
        client.submit(package, progress=Changing())
    assert not beside(package).exists()


def test_a_package_that_is_cut_short_meanwhile(twin, client, package):
    class Cut(Bar):
        @contextmanager
        def __call__(self, label, total, *, unit=""):
            if label == "sending":
                with package.open("r+b") as file:
                    file.truncate(1500)
            yield lambda n: None

    with pytest.raises(PackageError, match="was changed while it was sent"):
        client.submit(package, progress=Cut())


def test_a_proxy_that_takes_less(twin, time, package):
    twin.faults = [Fault("PATCH", "status", status=413)] * 2
    write(package, n_records=20_000)
    with Client("https://b.example", TOKEN, transport=twin, clock=time, sleep=time.sleep) as client:
        assert client.submit(package).state == "accepted"
    assert only_upload(twin).data == package.read_bytes()
    n_bytes = package.stat().st_size
    assert n_bytes > 4 * 256 * 1024
    assert twin.methods("uploads").count("PATCH") == 2 + -(-n_bytes // (n_bytes // 4))


def test_a_service_that_takes_nothing(twin, client, time, package):
    twin.faults = [Fault("PATCH", "offset", n=0)] * 1000
    with pytest.raises(ServiceError, match="takes nothing of the upload") as caught:
        client.submit(package)
    assert caught.value.code == "offset"
    assert twin.methods("uploads").count("PATCH") < 50


def test_progress_makes_patient(twin, client, time, package):
    """However many breaks, as long as something comes through."""
    n_breaks = 60
    twin.faults = [Fault("PATCH", "cut", n=50) for _ in range(n_breaks)]
    assert client.submit(package).state == "accepted"
    assert only_upload(twin).data == package.read_bytes()
    assert len(time.pauses) == n_breaks
    assert max(time.pauses) <= 0.5


breaks = st.lists(
    st.one_of(
        st.builds(Fault, st.just("PATCH"), st.sampled_from(["cut", "offset"]), n=st.integers(0, 400)),
        st.builds(Fault, st.sampled_from(["PATCH", "HEAD", "GET"]), st.just("lost")),
        st.builds(
            Fault,
            st.sampled_from(["PATCH", "HEAD", "GET", "POST"]),
            st.just("status"),
            status=st.sampled_from([429, 502, 503, 504]),
            headers=st.sampled_from([{}, {"Retry-After": "3"}]),
        ),
    ),
    max_size=8,
)


@given(st.binary(min_size=1, max_size=3000), breaks, st.integers(1, 700))
def test_whatever_breaks_the_broker_has_the_file(tmp_path_factory, content, faults, piece_bytes):
    path = tmp_path_factory.mktemp("property") / "file"
    path.write_bytes(content)
    twin, bar, counter = Twin(), Bar(), itertools.count(1)
    twin.faults = [replace(fault, headers=dict(fault.headers)) for fault in faults]
    client = Client(
        "https://broker.example",
        TOKEN,
        transport=twin,
        clock=lambda: 0.0,
        sleep=lambda _: None,
        random_bytes=lambda n: next(counter).to_bytes(n, "big"),
    )
    digest = hashlib.sha256(content).hexdigest()
    upload = client.begin_upload(guid(20), sha256=digest, n_bytes=len(content))
    with path.open("rb") as file, bar("sending", None) as advance:
        send(client.connection, upload, file, advance=advance, piece_bytes=piece_bytes)
    assert only_upload(twin).data == content
    assert only_upload(twin).state == "complete"
    assert bar.done["sending"] == len(content)


class Counting:
    """In place of the bytes, their number and digest."""

    def __init__(self):
        self.n, self.digest = 0, hashlib.sha256()

    def __len__(self):
        return self.n

    def __iadd__(self, chunk):
        self.n += len(chunk)
        self.digest.update(chunk)
        return self


def test_memory_does_not_grow_with_the_file(tmp_path, twin, time):
    path, n_bytes = tmp_path / "large", 128 * 1024 * 1024
    with path.open("wb") as file:
        file.truncate(n_bytes)
    upload = Upload(guid(100), guid(20), "0" * 64, n_bytes, 0, "open")
    twin._complete = lambda _: None
    with Client("https://b.example", TOKEN, transport=twin, clock=time, sleep=time.sleep) as client:
        begun = client.begin_upload(guid(20), sha256="0" * 64, n_bytes=n_bytes)
        data = twin.uploads[begun.id].data = Counting()
        tracemalloc.start()
        try:
            with path.open("rb") as file:
                send(client.connection, upload, file, advance=lambda _: None)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert data.n == n_bytes
    assert peak < 4 * 1024 * 1024


def delivery(sequence, **changes):
    return {
        "id": guid(300),
        "dataset": guid(20),
        "sequence": sequence,
        "state": "accepted",
        "n_records": 400,
        "refusal": None,
        "received_at": NOW,
        "settled_at": NOW,
        "quality": None,
    } | changes


OTHER = SigningKey(b"\x05" * 32)


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ("recipient", WrongRecipientError, "this broker opens what is sealed to"),
        ("signer", SignatureError, "tokenise again with the key of that"),
        ("no key", SignatureError, "pprl register --site-key"),
        ("researcher", DeniedError, "takes you for the researcher St. Mary's"),
        ("expired", ExpiredError, "has expired on"),
        ("project", WrongProjectError, r"other projects \(lung of epoch 2026\)"),
        ("asked", WrongProjectError, "not of the project that --project names"),
        ("schema", WrongSchemaError, "get the project's linkage.toml"),
        ("closed", ConflictError, "which is closed"),
        ("dataset", NotFoundError, r"other datasets of yours \(ward\)"),
        ("other site", DeniedError, "another site's"),
        ("retired", ConflictError, "is retired"),
        ("replayed", ReplayedError, "accepted this one on 2026-03-01 already"),
        ("older", ReplayedError, "accepted delivery 8 on 2026-03-01 already"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_sent(twin, client, package, how, error, said):
    match how:
        case "recipient":
            twin.broker["recipient"] = str(Identity(b"\x09" * 32).recipient)
        case "signer":
            write(package, signing_key=OTHER)
        case "no key":
            twin.me["site_key"] = None
        case "researcher":
            twin.me["kind"] = "researcher"
        case "expired":
            twin.broker["time"] = "2036-03-01T12:00:00Z"
        case "project":
            twin.projects[0]["name"] = "lung"
        case "schema":
            twin.projects[0]["schema_sha256"] = "1" * 64
        case "closed":
            twin.projects[0]["closed_at"] = NOW
        case "dataset":
            twin.datasets[0]["name"] = "ward"
        case "other site":
            twin.datasets[0]["site"] = guid(2)
        case "retired":
            twin.datasets[0]["retired_at"] = NOW
        case "replayed":
            twin.deliveries = [delivery(7, state="superseded"), delivery(3)]
        case "older":
            twin.deliveries = [delivery(8), delivery(9, state="refused")]
    with pytest.raises(error, match=said) as caught:
        client.submit(package, project="lung" if how == "asked" else None)
    assert "\n" not in str(caught.value)
    assert "POST" not in twin.methods()
    assert twin.uploads == {}


def test_what_is_no_package(client, tmp_path, twin):
    with pytest.raises(PackageError):
        client.submit(tmp_path / "nothing.pprl")
    assert twin.requests == []


def test_the_schema_of_the_twin_is_that_of_the_package(twin):
    assert twin.projects[0]["schema_sha256"] == SCHEMA.fingerprint
