"""Crosswalks into a metadata service, and out of it: Gen3's, as far as a stand-in is like it, and a broker's."""

from __future__ import annotations

import csv
import json

import httpx
import jwt
import pytest

from broker.gen3 import publication
from broker.gen3.export import write_crosswalks
from broker.gen3.publication import Published, publish
from broker.gen3.remote import MetadataService, read_records
from pprl.errors import GovernanceError, PprlError

from .plain_mds import PlainService
from .test_documents import BDC, MIDRC, subject

URL = "https://data.example.org"


BATCH = 20


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setattr(publication, "BATCH", BATCH)
    return PlainService()


def service(plain, credential="secret\n", url=URL):
    pauses = plain.pauses = []
    return MetadataService(url, credential, transport=plain.transport, sleep=pauses.append)


def record(number, *, also=True):
    cells = {(MIDRC, "Case"): f"A-{number}"} | ({(BDC, "Subject"): f"S-{number}"} if also else {})
    return {"guid": f"dg.TEST/{number}", "data": subject(cells, ["m"])}


def test_records_go_in_batches_and_are_found_by_their_values(plain):
    records = [record(number) for number in range(BATCH + 10)]
    done = publish(service(plain), records)
    assert done == Published(n_created=BATCH + 10)
    assert plain.calls.count("POST mds-admin") == 2
    assert plain.aliases == {f"{letter}-{n}": f"dg.TEST/{n}" for n in range(BATCH + 10) for letter in "AS"}
    assert plain.records == {one["guid"]: one["data"] for one in records}


def test_what_broke_off_is_made_again(plain):
    records = [record(number) for number in range(BATCH + 10)]
    with service(plain) as first:
        publish(first, records[:7])
    del plain.aliases["A-3"]
    done = publish(service(plain), records)
    assert done == Published(n_created=BATCH + 3, n_same=7)
    assert plain.aliases["A-3"] == "dg.TEST/3"
    held = json.dumps([plain.records, plain.aliases], sort_keys=True)
    assert publish(service(plain), records) == Published(n_same=BATCH + 10)
    assert json.dumps([plain.records, plain.aliases], sort_keys=True) == held


def test_what_others_keep_in_a_record_stays(plain):
    publish(service(plain), [record(1, also=False)])
    plain.records["dg.TEST/1"] |= {"beside": 1}
    assert publish(service(plain), [record(1)]) == Published(n_updated=1)
    assert plain.records["dg.TEST/1"] == record(1)["data"] | {"beside": 1}


def test_records_of_the_release_before_are_deleted(plain):
    old = [record(1), record(2), record(3)]
    publish(service(plain), old)
    # The subject of 2 is that of another entity now.
    new = [record(1), {"guid": "dg.TEST/9", "data": record(2)["data"]}]
    assert publish(service(plain), new, previous=old) == Published(n_created=1, n_same=1, n_deleted=2)
    assert set(plain.records) == {"dg.TEST/1", "dg.TEST/9"}
    assert plain.aliases["S-2"] == "dg.TEST/9"


def test_values_that_another_record_has_are_told_of(plain):
    publish(service(plain), [record(1)])
    other = {"guid": "dg.TEST/9", "data": record(1)["data"]}
    assert publish(service(plain), [other, record(2)]) == Published(n_created=2, n_aliases_refused=1)


def test_it_goes_on_when_the_service_is_busy_or_the_token_has_expired(plain):
    key = jwt.encode({"iss": f"{URL}/user", "pprl": "x"}, "", "none")
    with service(plain, json.dumps({"api_key": key})) as to:
        plain.fails = [503, 502, 429]
        publish(to, [record(1)])
        plain.tokens.append("newer")
        publish(to, [record(2)])
    assert set(plain.records) == {"dg.TEST/1", "dg.TEST/2"}
    assert plain.pauses[:2] == [1.0, 1.0]
    assert plain.calls.count("POST user") == 5  # three were refused


def test_it_gives_up(plain):
    plain.fails = [503] * 6
    with pytest.raises(PprlError, match="cannot do this now"):
        publish(service(plain), [record(1)])
    with pytest.raises(PprlError, match="check the token"):
        publish(service(plain, "wrong"), [record(1)])

    def broken(request):
        raise httpx.ConnectError("no")

    with pytest.raises(PprlError, match="cannot be reached"):
        MetadataService(URL, "x", transport=httpx.MockTransport(broken), sleep=lambda _: None).get("x")
    page = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>"))
    with pytest.raises(PprlError, match="does not answer as one"):
        publish(MetadataService(URL, "x", transport=page), [record(1)])


def test_nothing_is_sent_of_what_is_no_record(plain):
    with pytest.raises(GovernanceError):
        publish(service(plain), [record(1), {"guid": " ", "data": {}}])
    assert plain.calls == []
    blank = {"guid": "g", "data": subject({(MIDRC, "Case"): "A-1", (BDC, "Subject"): ""})}
    publish(service(plain), [blank])
    assert plain.records == {"g": subject({(MIDRC, "Case"): "A-1"})}
    assert plain.aliases == {"A-1": "g"}


@pytest.mark.parametrize(
    "url", ["http://data.example.org", "data.example.org", "ftp://x", "https://x?y=1", "https://"]
)
def test_addresses_that_cannot_be(plain, url):
    with pytest.raises(PprlError):
        service(plain, url=url)


def test_an_api_key_is_shown_to_its_own_service_alone(plain):
    key = jwt.encode({"iss": "https://elsewhere.example.org/user"}, "", "none")
    with pytest.raises(PprlError, match="for another service"):
        service(plain, json.dumps({"api_key": key}))
    for wrong in ("{}", '{"api_key": 5}', '{"api_key": "a.b"}', "{"):
        with pytest.raises(PprlError, match="without an API key"):
            service(plain, wrong)


def test_all_records_are_read_however_many(plain, tmp_path):
    plain.records = {f"g{n}": record(n, also=n % 3 > 0)["data"] for n in range(4321)}
    plain.records["odd"] = {"_guid_type": "subject"}
    counts = write_crosswalks(service(plain).records("subject"), tmp_path)
    assert counts == {"crosswalk-1.csv": 1441, "crosswalk-2.csv": 2880}
    header = f"{MIDRC}|t|Case"
    rows = list(csv.reader((tmp_path / "crosswalk-2.csv").read_text().splitlines()))
    assert rows[:2] == [[header, f"{BDC}|t|Subject"], ["A-1", "S-1"]]
    assert all(all(row) for row in rows)
    assert (tmp_path / "crosswalk-info.csv").read_text().splitlines()[1:] == [
        f"{MIDRC},Case,",
        f"{BDC},Subject,",
    ]


def test_files_of_records(tmp_path):
    path = tmp_path / "mds.json"
    path.write_text(json.dumps([record(1)]))
    assert read_records(path) == read_records(tmp_path) == [record(1)]
    for wrong in ("{", "{}", '[{"guid": 5, "data": {}}]', '[{"guid": "g"}]'):
        path.write_text(wrong)
        with pytest.raises(PprlError):
            read_records(path)
    with pytest.raises(PprlError, match="cannot be read"):
        read_records(tmp_path / "none")
