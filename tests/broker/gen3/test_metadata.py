"""Records of the metadata service, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from broker.gen3 import aliases, metadata
from broker.gen3.metadata import Sharing
from broker.gen3.search import search
from broker.store.tables import MetadataAlias, MetadataRecord, Party, PartyKind
from pprl.errors import ConflictError, DeniedError, GovernanceError, NotFoundError

from .test_documents import BDC, MIDRC, subject

PREFIX = "dg.TEST/"


class Service:
    """The service as one party after the other uses it; every call is a transaction."""

    def __init__(self, store):
        self.store, self.parties = store, {}
        with store.begin() as session:
            for number, name in enumerate(("rita", "rob"), start=1):
                party = Party(
                    id=f"{number}" * 36, kind=PartyKind.RESEARCHER, name=name, created_at=store.clock()
                )
                session.add(party)
                self.parties[name] = party

    def _do(self, act, *given, by="rita", **settings):
        with self.store.begin() as session:
            return act(session, *given, by=self.parties[by], now=self.store.clock(), **settings)

    def create(self, guid, document, **settings):
        record, is_new = self._do(metadata.create, guid, document, **settings)
        return record.guid, is_new

    def batch(self, items, **settings):
        return self._do(metadata.create_batch, items, **settings)

    def update(self, guid, document, **settings):
        record = self._do(metadata.update, guid, document, **settings)
        return record.guid, record.data

    def delete(self, guid, **settings):
        return self._do(metadata.delete, guid, **settings)

    def get(self, name, by: str | None = "rita"):
        with self.store.read() as session:
            party = None if by is None else self.parties[by]
            return metadata.get(session, name, party=party, now=self.store.clock()).data

    def search(self, by: str | None = "rita", *, limit=10, offset=0, **filters):
        with self.store.read() as session:
            found = search(
                session,
                filters,
                party=None if by is None else self.parties[by],
                now=self.store.clock(),
                limit=limit,
                offset=offset,
            )
            return [record.guid for record in found]

    def aliases(self, guid, act=None, *given, by="rita", **settings):
        with self.store.begin() as session:
            record = metadata.owned(session, guid, by=self.parties[by], now=self.store.clock())
            if act is None:
                return aliases.aliases_of(session, record)
            return act(session, record, *given, **settings)


@pytest.fixture
def service(store):
    return Service(store)


def minted(number):
    return f"{PREFIX}{number:08x}-0000-4000-8000-000000000000"


def test_a_guid_is_taken_once(service):
    assert service.create("g/1", {"a": 1}) == ("g/1", True)
    with pytest.raises(ConflictError, match="record of that GUID already"):
        service.create("g/1", {"b": 1})
    assert service.create("g/1", {"b": 2}, overwrite=True) == ("g/1", False)
    assert service.get("g/1") == {"b": 2}


def test_a_merge_replaces_whole_keys(service):
    service.create("g", {"a": {"x": 1}, "b": 1})
    assert service.update("g", {"a": {"y": 2}, "c": 3}, merge=True)[1] == {"a": {"y": 2}, "b": 1, "c": 3}
    assert service.update("g", {"c": 4})[1] == {"c": 4}
    with pytest.raises(NotFoundError):
        service.update("other", {})
    assert service.delete("g") == {"c": 4}
    with pytest.raises(NotFoundError):
        service.delete("g")


def test_aliases_stand_for_one_record(service):
    service.create("g", {"a": 1})
    service.create("h", {"a": 2})
    assert service.aliases("g", aliases.add_aliases, ["x", "", " ", "y", "x"]) == ["x", "y"]
    assert service.aliases("g", aliases.add_aliases, ["x"]) == ["x"]
    assert service.get("x") == {"a": 1}
    for taken in ("y", "g"):
        with pytest.raises(ConflictError, match="another of your records"):
            service.aliases("h", aliases.add_aliases, ["z", taken])
    assert service.aliases("h") == []
    assert service.aliases("g", aliases.set_aliases, ["z"], merge=True) == ["x", "y", "z"]
    assert service.aliases("g", aliases.set_aliases, ["z", "w"], merge=False) == ["w", "z"]
    service.aliases("g", aliases.delete_alias, "w")
    with pytest.raises(NotFoundError):
        service.aliases("g", aliases.delete_alias, "w")
    service.aliases("g", aliases.delete_aliases)
    with pytest.raises(NotFoundError):
        service.aliases("g", aliases.delete_aliases)
    service.aliases("g", aliases.add_aliases, ["k"])
    with pytest.raises(ConflictError, match="for an alias"):
        service.create("k", {})
    for wrong in (["x", 5], "x", ["x"] * 201, ["x\n\ty"], ["x" * 501]):
        with pytest.raises(GovernanceError):
            service.aliases("g", aliases.add_aliases, wrong)


def test_values_of_a_crosswalk_are_aliases_as_long_as_it_has_them(service):
    service.create("g", subject({(MIDRC, "Case"): "A-1", (BDC, "Subject"): "S-1"}))
    assert service.aliases("g") == ["A-1", "S-1"]
    assert service.get("S-1") == service.get("A-1") == service.get("g")
    service.aliases("g", aliases.set_aliases, ["name"], merge=False)
    service.update("g", subject({(MIDRC, "Case"): "A-2", (BDC, "Subject"): "S-1"}))
    assert service.aliases("g") == ["A-2", "S-1", "name"]
    with pytest.raises(ConflictError):
        service.create("h", subject({(MIDRC, "Case"): "A-2"}))
    service.delete("g")
    service.create("h", subject({(MIDRC, "Case"): "A-2"}))


def test_searches(service):
    for number, document in enumerate(
        [
            {"_guid_type": "subject", "a": {"b": {"c": 3, "d": 4}}},
            {"_guid_type": "subject", "a": {"b": {"c": "33", "d": 4}}},
            {"_guid_type": "other", "a": {"b": {"c": "*", "d": 1.5}}},
            {"a": {"b": None}, "t": True},
            {"a": "text", "t": False, "_guid_type": 5},
        ]
    ):
        service.create(f"g{number}", document)
    assert service.search() == ["g0", "g1", "g2", "g3", "g4"]
    assert service.search(_guid_type=["subject"]) == ["g0", "g1"]
    assert service.search(_guid_type=["subject", "other"]) == ["g0", "g1", "g2"]
    assert service.search(_guid_type=["*"]) == ["g0", "g1", "g2", "g4"]
    assert service.search(**{"a.b.c": ["3", "33"], "a.b.d": ["4"]}) == ["g0", "g1"]
    assert service.search(**{"a.b.c": ["3"]}) == ["g0"]
    assert service.search(**{"a.b.c": ["*"]}) == ["g0", "g1", "g2"]
    assert service.search(**{"a.b.c": ["\\*"]}) == ["g2"]
    assert service.search(**{"a.b.d": ["1.5"]}) == ["g2"]
    assert service.search(**{"a.b": ["*"]}) == ["g0", "g1", "g2", "g3"]
    assert service.search(a=["text"]) == ["g4"]
    assert service.search(t=["true"]) == ["g3"]
    assert service.search(t=["false"]) == ["g4"]
    assert service.search(none=["*"]) == []
    assert service.search(limit=2, offset=1) == ["g1", "g2"]
    assert service.search(offset=9) == []
    for wrong in ('a"b', "a..b", "a\\b", ".", ".".join("x" * 30)):
        with pytest.raises(GovernanceError, match="path of a search"):
            service.search(**{wrong: ["1"]})
    with pytest.raises(GovernanceError, match="not be negative"):
        service.search(limit=-1)


def test_a_search_gives_ten_records_and_never_more_than_two_thousand(service):
    items = [{"guid": f"g{number}", "data": {}} for number in range(metadata.MOST_IN_BATCH)]
    assert len(service.batch(items).created) == 2000
    service.batch([{"guid": "one more", "data": {}}])
    assert len(service.search()) == 10
    assert len(service.search(limit=9999)) == 2000
    assert service.search(limit=9999, offset=2000) == ["one more"]


def test_a_batch_publishes_what_it_can(service):
    service.create("g1", {"a": 0})
    service.create("theirs", {"a": 0}, by="rob")
    service.create("g2", subject({(MIDRC, "Case"): "A-1"}))
    items = [
        {"guid": "g0", "data": {"a": 1}},
        {"guid": "g1", "data": {"a": 1}},
        {"guid": "g3", "data": subject({(MIDRC, "Case"): "A-1"})},
        {"guid": "theirs", "data": {"a": 1}},
    ]
    batch = service.batch(items)
    assert (batch.created, batch.updated, batch.conflict) == (["g0"], ["g1"], ["g3", "theirs"])
    again = service.batch(items, overwrite=False)
    assert (again.created, again.updated) == ([], [])
    assert again.conflict == ["g0", "g1", "g3", "theirs"]
    assert service.get("g1") == {"a": 1}
    for wrong in ({}, [{"guid": "g"}], [5], [{"guid": "g", "data": {}}] * 2001):
        with pytest.raises(GovernanceError, match="batch"):
            service.batch(wrong)
    with pytest.raises(GovernanceError, match="record 2 of the batch"):
        service.batch([{"guid": "g9", "data": {}}, {"guid": "", "data": {}}])
    with pytest.raises(NotFoundError):
        service.get("g9")


def test_records_are_seen_by_their_owners(service, store):
    service.create("g", subject({(MIDRC, "Case"): "A-1"}))
    for by in ("rob", None):
        for name in ("g", "A-1"):
            with pytest.raises(NotFoundError):
                service.get(name, by)
        assert service.search(by) == []
    for act in (service.delete, lambda guid, by: service.update(guid, {}, by=by)):
        with pytest.raises(NotFoundError):
            act("g", by="rob")
    with pytest.raises(ConflictError):
        service.create("g", {}, by="rob", overwrite=True)
    # Nor does anybody learn by a conflict of aliases what others hold.
    service.create("h", subject({(MIDRC, "Case"): "A-1", (BDC, "Subject"): "S-1"}), by="rob")
    assert len(service.get("A-1")["crosswalk"]["subject"]) == 2
    assert len(service.get("A-1", "rob")["crosswalk"]["subject"]) == 3


def test_records_are_open_where_their_owner_says_so(service):
    service.create("g", subject({(MIDRC, "Case"): "A-1"}), sharing=Sharing(is_open=True))
    for by in ("rob", None):
        assert service.get("A-1", by) == service.get("g")
        assert service.search(by) == ["g"]
    with pytest.raises(DeniedError, match="you may read it only"):
        service.update("g", {}, by="rob")
    service.update("g", {"a": 1})
    assert service.get("g", None) == {"a": 1}
    service.update("g", {"a": 1}, sharing=Sharing())
    assert service.search(None) == []


@pytest.mark.parametrize("as_new", [True, False])
def test_what_a_client_publishes_again_under_a_new_guid_is_an_update(service, store, as_new):
    """It looks without a token whether a value is known; told no, it creates, told yes, it changes a new GUID."""
    service.create(minted(1), subject({(MIDRC, "Case"): "A-1"}, ["m"]), prefix=PREFIX)
    again = subject({(MIDRC, "Case"): "A-1", (BDC, "Subject"): "S-1"}, ["n"])
    if as_new:
        assert service.create(minted(2), again, prefix=PREFIX) == (minted(1), False)
    else:
        service.update(minted(2), again, merge=True, prefix=PREFIX)
    both = subject({(MIDRC, "Case"): "A-1", (BDC, "Subject"): "S-1"}, ["m", "n"])
    for name in (minted(1), minted(2), "A-1", "S-1"):
        assert service.get(name) == both
    # Its next call is for aliases of the GUID that it took for its own.
    assert service.aliases(minted(2), aliases.add_aliases, ["A-1", "S-1"]) == ["A-1", "S-1"]
    assert service.aliases(minted(2), aliases.set_aliases, ["A-1", "S-1"], merge=True) == ["A-1", "S-1"]
    assert service.aliases(minted(1)) == ["A-1", "S-1"]
    with store.read() as session:
        assert session.scalar(select(func.count()).select_from(MetadataRecord)) == 1
    service.delete(minted(2))
    with store.read() as session:
        assert session.scalar(select(func.count()).select_from(MetadataAlias)) == 0


def test_only_ones_own_records_are_updated_so_and_only_by_guids_that_were_given_out(service):
    service.create(minted(1), subject({(MIDRC, "Case"): "A-1"}), prefix=PREFIX, sharing=Sharing(is_open=True))
    again = subject({(MIDRC, "Case"): "A-1", (BDC, "Subject"): "S-1"})
    with pytest.raises(NotFoundError):
        service.update(minted(2), again, merge=True, prefix=PREFIX, by="rob")
    with pytest.raises(NotFoundError):
        service.update("dg.OTHER" + minted(2), again, merge=True, prefix=PREFIX)
    with pytest.raises(NotFoundError):
        service.update(minted(2), subject({(MIDRC, "Case"): "unknown"}), merge=True, prefix=PREFIX)
    assert service.create(minted(2), again, prefix=PREFIX, by="rob") == (minted(2), True)
    with pytest.raises(ConflictError):
        service.create("own", again, prefix=PREFIX)
    service.create(minted(3), subject({(MIDRC, "Case"): "A-3"}), prefix=PREFIX)
    with pytest.raises(ConflictError, match="values of two records"):
        service.create(minted(4), subject({(MIDRC, "Case"): "A-1", (MIDRC, "Other"): "A-3"}), prefix=PREFIX)


def test_guids_are_given_out(service):
    guids = metadata.mint(1000, prefix=PREFIX)
    assert len(set(guids)) == 1000
    assert all(metadata._MINTED.fullmatch(guid)["prefix"] == PREFIX for guid in guids)
    for count in (0, -1, 10_001):
        with pytest.raises(GovernanceError, match="from 1 to 10000"):
            metadata.mint(count, prefix=PREFIX)
