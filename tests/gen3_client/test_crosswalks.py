"""Crosswalks by the unmodified client, into the broker's service and out of it."""

from __future__ import annotations

import csv
import json

from .loopback import BDC, MIDRC, Party

ENTITY = "https://broker.example.org|pprl_entity|Entity GUID"


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def in_order(rows):
    return sorted(({name: value for name, value in row.items() if value} for row in rows), key=repr)


def write(path, columns, *rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def test_a_release_goes_in_by_the_client_and_comes_out(service, party, tmp_path):
    files = sorted(service.opened.glob("crosswalk-[0-9]*.csv"))
    assert len(files) == 2  # those in both commons, and those in one
    for path in files:
        party.publish(path, service.opened / "crosswalk-info.csv")
    published = in_order(row for path in files for row in rows_of(path))
    assert len(published) == 3
    assert in_order(party.read()) == published
    info = (party.home / "read_info.csv").read_text()
    assert f"{MIDRC.commons_url},Case.submitter_id,The case" in info

    # Published again, by a client that does not see that they are there.
    for path in files:
        party.publish(path)
    assert in_order(party.read()) == published
    # And with another identifier.
    other = "https://data.example.org|gen3_node_property|Person.id"
    first = rows_of(files[0])[0]
    more = write(tmp_path / "more.csv", [MIDRC.header, other], [first[MIDRC.header], "P-1"])
    party.publish(more)
    read = party.read()
    assert len(read) == 3
    assert {**first, other: "P-1"} in in_order(read)

    # What the client wrote, and what the broker's own reading gives, can be published again.
    at = ("--mds", service.url, "--token-file", party.credentials)
    service.broker("gen3", "read", tmp_path / "out", *at)
    other_party = Party(service)
    assert other_party.read() == []
    for path in sorted((tmp_path / "out").glob("crosswalk-[0-9]*.csv")):
        other_party.publish(path, tmp_path / "out" / "crosswalk-info.csv")
    assert in_order(other_party.read()) == in_order(read)


def test_a_release_goes_in_by_the_broker_and_comes_out_by_the_client(service, party):
    at = ("--mds", service.url, "--token-file", party.credentials)
    done = service.broker("gen3", "publish", service.opened, *at, "--json")
    assert json.loads(done.stdout)["n_created"] == 3
    expected = [row for path in service.opened.glob("crosswalk-[0-9]*.csv") for row in rows_of(path)]
    assert in_order(party.read()) == in_order(expected)
    again = json.loads(service.broker("gen3", "publish", service.opened, *at, "--json").stdout)
    assert (again["n_created"], again["n_same"]) == (0, 3)
    # Either commons finds the other.
    records = json.loads((service.opened / "mds.json").read_text())
    both = next(one for one in records if BDC.commons_url in one["data"]["crosswalk"]["subject"])
    subject = both["data"]["crosswalk"]["subject"]
    case = subject[MIDRC.commons_url][MIDRC.name]["value"]
    person = subject[BDC.commons_url][BDC.name]["value"]
    found = party.python(
        "import json\n"
        "from gen3.auth import Gen3Auth\n"
        "from gen3.metadata import Gen3Metadata\n"
        f"mds = Gen3Metadata(auth_provider=Gen3Auth(refresh_file={str(party.credentials)!r}))\n"
        f"names = {[case, person, both['guid']]!r}\n"
        "print(json.dumps([mds.get(name) for name in names]))\n"
    )
    assert json.loads(found) == [both["data"]] * 3
    # And the client updates what the broker has published.
    for path in service.opened.glob("crosswalk-[0-9]*.csv"):
        party.publish(path, service.opened / "crosswalk-info.csv")
    assert in_order(party.read()) == in_order(expected)


def test_an_access_token_given_for_the_key(service, party):
    token = party.python(
        "from gen3.auth import Gen3Auth\n"
        f"print(Gen3Auth(refresh_file={str(party.credentials)!r}).get_access_token())\n"
    )
    auth = f"accesstoken:///{token.strip()}"
    (path, *_) = sorted(service.opened.glob("crosswalk-[0-9]*.csv"))
    party.publish(path, auth=auth)
    assert in_order(party.read(auth=auth)) == in_order(rows_of(path))


def test_the_client_ends_at_500_records_and_the_broker_does_not(service, party, tmp_path):
    columns = [MIDRC.header, BDC.header]
    records = [
        {
            "guid": f"dg.TEST/{number}",
            "data": {
                "_guid_type": "subject",
                "crosswalk": {
                    "subject": {
                        one.commons_url: {one.name: {"value": f"{letter}-{number}", "type": one.type}}
                        for letter, one in (("A", MIDRC), ("S", BDC))
                    }
                },
            },
        }
        for number in range(620)
    ]
    (tmp_path / "mds.json").write_text(json.dumps(records))
    at = ("--mds", service.url, "--token-file", party.credentials)
    service.broker("gen3", "publish", tmp_path / "mds.json", *at)
    assert len(party.read()) == 500
    service.broker("gen3", "read", tmp_path / "out", *at)
    read = rows_of(tmp_path / "out" / "crosswalk-1.csv")
    assert in_order(read) == in_order(
        dict(zip(columns, (f"A-{n}", f"S-{n}"), strict=True)) for n in range(620)
    )
