"""Whatever is changed in a journal is found, and at which entry."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.journal import JournalKey, Row, SignedCheckpoint, check_chain, genesis
from broker.journal.chain import canonical, next_hash
from broker.journal.verification import verify_rows

STORE = "7c0f0c9e-1111-4222-8333-444455556666"
OTHER_STORE = "7c0f0c9e-1111-4222-8333-444455556667"
KEY, OTHER_KEY = JournalKey(bytes(range(32))), JournalKey(bytes(32))
VECTORS = Path(__file__).parents[2] / "vectors" / "journal.json"


def entry(number, **more):
    return {"act": "party.created", "at": "2026-03-01T12:00:00.000000Z", "by": "local", "n": number, **more}


def chain(entries, *, store=STORE):
    previous, rows = genesis(store), []
    for one in entries:
        body = canonical(one)
        previous = next_hash(previous, body)
        rows.append(Row(one["n"], body, previous))
    return rows


def journal(n=8):
    return chain([entry(number, counts={"records": number * 10}) for number in range(1, n + 1)])


def checkpoint(rows, n, *, key=KEY, store=STORE):
    digest = rows[n - 1].hash
    unsigned = SignedCheckpoint(store, n, digest, "2026-03-01T12:00:00Z", str(key.public_half), "")
    return replace(unsigned, signature=key.sign(unsigned.message()).hex())


def faults(rows, **more):
    return verify_rows(rows, STORE, **more).faults


def test_the_vectors():
    """The format as other programs would check it."""
    vectors = json.loads(VECTORS.read_text())
    previous = genesis(vectors["store"])
    assert previous == vectors["genesis"]
    for one in vectors["entries"]:
        previous = next_hash(previous, one["body"])
        assert previous == one["hash"]
    signed = SignedCheckpoint(**vectors["checkpoint"])
    assert signed.hash == previous
    assert signed.is_signed()
    rows = [Row(number, one["body"], one["hash"]) for number, one in enumerate(vectors["entries"], 1)]
    assert verify_rows(rows, vectors["store"], others=[signed]).faults == ()


@given(st.integers(0, 12), st.data())
def test_an_untouched_journal_has_no_fault(n, data):
    rows = journal(n)
    at = data.draw(st.sets(st.integers(1, n))) if n else set()
    found = verify_rows(rows, STORE, own=[checkpoint(rows, number) for number in at])
    assert found.faults == ()
    assert (found.n_entries, found.n_checkpoints, found.covered) == (n, len(at), max(at, default=0))


@given(st.data())
def test_any_other_text_of_an_entry_is_found_there(data):
    rows = journal()
    at = data.draw(st.integers(0, len(rows) - 1))
    body = rows[at].body
    place = data.draw(st.integers(0, len(body)))
    how = data.draw(st.sampled_from(["insert", "remove", "replace"]))
    character = data.draw(st.characters(codec=None))
    rest = body[place:] if how == "insert" else body[place + 1 :]
    changed = body[:place] + ("" if how == "remove" else character) + rest
    if changed == body:
        return
    rows[at] = rows[at]._replace(body=changed)
    assert faults(rows)[0].number == at + 1


@given(st.data())
def test_another_count_in_an_entry_is_found_there(data):
    rows = journal()
    at = data.draw(st.integers(0, len(rows) - 1))
    count = data.draw(st.integers(0, 1000).filter(lambda n: n != (at + 1) * 10))
    rows[at] = rows[at]._replace(body=canonical(entry(at + 1, counts={"records": count})))
    assert [fault.number for fault in faults(rows)] == [at + 1]


@given(st.integers(1, 8), st.sampled_from(["", "0" * 64, "g" * 64, "upper", " "]))
def test_another_hash_is_found_there(number, other):
    rows = journal()
    changed = rows[number - 1].hash.upper() if other == "upper" else other
    rows[number - 1] = rows[number - 1]._replace(hash=changed)
    assert faults(rows)[0].number == number


@given(st.integers(1, 7), st.booleans())
def test_a_missing_entry_is_found(number, renumbered):
    rows = journal()
    del rows[number - 1]
    if renumbered:
        rows = [row._replace(number=at) for at, row in enumerate(rows, 1)]
    assert faults(rows)[0].number == number


@given(st.integers(1, 8), st.integers(1, 8), st.booleans())
def test_exchanged_entries_are_found(one, other, renumbered):
    if one == other:
        return
    rows = journal()
    rows[one - 1], rows[other - 1] = rows[other - 1], rows[one - 1]
    if renumbered:
        rows = [row._replace(number=at) for at, row in enumerate(rows, 1)]
    assert min(fault.number for fault in check_chain(rows, genesis(STORE))) == min(one, other)


@given(st.integers(1, 8), st.booleans())
def test_an_inserted_entry_is_found(number, copied):
    rows = journal()
    body = rows[number - 1].body if copied else canonical(entry(number))
    rows.insert(number - 1, Row(number, body, next_hash(rows[number - 1].hash, body)))
    renumbered = [row._replace(number=at) for at, row in enumerate(rows, 1)]
    assert faults(renumbered)[0].number in (number, number + 1)
    assert faults(rows)


@given(st.integers(1, 7))
def test_a_cut_is_found_by_a_checkpoint_from_elsewhere(left):
    whole = journal()
    cut = whole[:left]
    assert faults(cut) == ()  # nothing in the journal itself shows it
    (fault,) = faults(cut, others=[checkpoint(whole, 8)])
    assert fault.number == left + 1
    assert "cut" in fault.what


@given(st.integers(1, 8), st.data())
def test_a_chain_made_anew_is_found_by_checkpoints(changed, data):
    """Whoever computes all hashes anew deceives the chain, not the checkpoints after the change."""
    whole = journal()
    at = data.draw(st.sets(st.integers(1, 8)))
    checkpoints = [checkpoint(whole, number) for number in at]
    entries = [json.loads(row.body) for row in whole]
    entries[changed - 1]["counts"]["records"] += 1
    found = faults(chain(entries), others=checkpoints)
    later = sorted(number for number in at if number >= changed)
    assert len(found) == len(later)
    if later:
        good = max((number for number in at if number < changed), default=0)
        assert found[0].number == good + 1
        assert f"entry {later[0]}" in found[0].what


def test_checkpoints_that_do_not_count():
    rows = journal()
    good = checkpoint(rows, 5)
    forged = replace(good, hash=rows[3].hash)
    for bad, says in (
        (forged, "does not fit"),
        (replace(good, signature="00"), "does not fit"),
        (replace(good, signature="zz"), "does not fit"),
        (replace(good, signer="nobody"), "does not fit"),
        (checkpoint(rows, 5, store=OTHER_STORE), "another store"),
    ):
        (fault,) = faults(rows, others=[bad])
        assert says in fault.what
    (fault,) = faults(rows, others=[checkpoint(rows, 5, key=OTHER_KEY)], trusted={str(KEY.public_half)})
    assert "not trusted" in fault.what
    assert faults(rows, others=[good], trusted={str(KEY.public_half)}) == ()


def test_a_journal_of_another_store_is_found_at_its_first_entry():
    assert faults(chain([entry(1), entry(2)], store=OTHER_STORE))[0].number == 1


def test_not_all_of_a_thousand_faults_are_told():
    rows = [row._replace(body="{}") for row in journal(100)]
    assert len(faults(rows)) == 20


def test_keys_are_files(tmp_path):
    public = KEY.save_pair(tmp_path / "journal.key")
    assert JournalKey.load(tmp_path / "journal.key") == KEY
    assert str(KEY.public_half).startswith("pprljournal1")
    assert type(KEY.public_half).find(str(public)) == KEY.public_half
    assert KEY.secret.hex() not in repr(KEY)


def test_the_message_binds_everything():
    rows = journal()
    messages = {
        checkpoint(rows, 3).message(),
        checkpoint(rows, 4).message(),
        checkpoint(rows, 3, store=OTHER_STORE).message(),
        replace(checkpoint(rows, 3), at="2026-03-01T12:00:01Z").message(),
    }
    assert len(messages) == 4
    with pytest.raises(AttributeError):
        checkpoint(rows, 3).hash = "x"
