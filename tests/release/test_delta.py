"""Tables, their bytes, and deltas between them."""

from __future__ import annotations

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pprl.errors import CorruptError
from pprl.guid import to_text
from pprl.release.delta import apply_delta, make_delta, read_delta
from pprl.release.table import (
    Content,
    Superseded,
    empty,
    match_table,
    read_superseded,
    read_table,
    superseded,
    write_csv,
    write_parquet,
)

NAMES = ("a", "b.2", "c")


def guids(*numbers):
    """Zero is none. Some end with zeros."""
    return np.array([[n] + [7 if n else 0] * 13 + [0, 0] for n in numbers], np.uint8).reshape(-1, 16)


def content(rows, gone, names=NAMES, row_kind="record"):
    """From ``{(dataset, row): entity}`` and ``{previous: entities}``."""
    keys = list(rows)
    datasets = np.array([names.index(dataset) for dataset, _ in keys], np.int32)
    pairs = [(old, new) for old, all_new in gone.items() for new in all_new or [0]]
    return Content(
        match_table(row_kind, names, guids(*rows.values()), datasets, guids(*(row for _, row in keys))),
        superseded(guids(*(old for old, _ in pairs)), guids(*(new for _, new in pairs))),
    )


def csv_of(thing):
    file = io.BytesIO()
    digest = write_csv(file, thing.columns, thing.batches())
    return file.getvalue(), digest


def as_bytes(some):
    return csv_of(some.table)[0], csv_of(some.superseded)[0]


ROWS = st.dictionaries(
    st.tuples(st.sampled_from(NAMES), st.integers(1, 9)), st.integers(100, 112), max_size=14
)


@st.composite
def two_releases(draw):
    """A release and a later one; what was given and is no more is superseded by GUIDs that are."""
    before, now = draw(ROWS), draw(ROWS)
    made = []
    for rows, all_given in ((before, range(110, 130)), (now, [*range(110, 130), *before.values()])):
        current = sorted(set(rows.values()))
        gone = sorted(set(all_given) - set(current))
        picked = st.sets(st.sampled_from(current), max_size=2) if current else st.just(set())
        answers = {old: sorted(draw(picked)) for old in gone}
        made.append(content(rows, answers))
    return made


@given(two_releases())
def test_a_delta_makes_the_release_of_the_one_before(releases):
    previous, now = releases
    delta = make_delta(previous, now)
    assert as_bytes(apply_delta(previous, delta)) == as_bytes(now)
    # And after a way through bytes.
    read, digest = read_delta(io.BytesIO(csv_of(delta)[0]), "record", delta.names, what="delta.csv")
    assert as_bytes(apply_delta(previous, read, names=NAMES)) == as_bytes(now)
    assert digest == csv_of(delta)[1]


@given(two_releases())
def test_a_delta_holds_nothing_but_what_changed(releases):
    previous, now = releases
    old, new = (
        {
            (some.table.names[d], r): e
            for e, d, r in zip(
                to_text(some.table.entity), some.table.dataset, to_text(some.table.row), strict=True
            )
        }
        for some in releases
    )
    counts = make_delta(previous, now).counts
    assert counts["added"] == len(set(new) - set(old))
    assert counts["removed"] == len(set(old) - set(new))
    assert counts["changed"] == sum(old[key] != new[key] for key in set(old) & set(new))
    assert len(make_delta(now, now)) == 0


def test_the_bytes():
    some = content({("b.2", 1): 5, ("a", 2): 5, ("a", 1): 4}, {9: [4, 5], 8: []})
    table, gone = as_bytes(some)
    text = dict(enumerate(to_text(guids(*range(10)))))
    assert table.decode().splitlines() == [
        "entity_guid,dataset,record_guid",
        f"{text[4]},a,{text[1]}",
        f"{text[5]},a,{text[2]}",
        f"{text[5]},b.2,{text[1]}",
    ]
    assert gone.decode().splitlines() == [
        "previous_entity_guid,entity_guid",
        f"{text[8]},",
        f"{text[9]},{text[4]}",
        f"{text[9]},{text[5]}",
    ]
    assert some.table.n_entities == 2
    delta = make_delta(content({("a", 1): 5, ("c", 3): 6}, {}), some)
    assert csv_of(delta)[0].decode().splitlines() == [
        "change,entity_guid,dataset,record_guid,previous_entity_guid",
        f"added,{text[5]},a,{text[2]},",
        f"added,{text[5]},b.2,{text[1]},",
        f"changed,{text[4]},a,{text[1]},{text[5]}",
        f"removed,,c,{text[3]},{text[6]}",
        f"superseded,{text[4]},,,{text[9]}",
        f"superseded,{text[5]},,,{text[9]}",
        f"ended,,,,{text[8]}",
    ]


@given(ROWS)
def test_reading_what_was_written(rows):
    some = content(rows, {120: [121, 122], 119: []}, row_kind="subject")
    table, digest = read_table(io.BytesIO(csv_of(some.table)[0]), "subject", NAMES, what="x")
    gone, _ = read_superseded(io.BytesIO(csv_of(some.superseded)[0]), what="x")
    assert as_bytes(Content(table, gone)) == as_bytes(some)
    assert digest == csv_of(some.table)[1]
    file = io.BytesIO()
    write_parquet(file, some.table.columns, some.table.batches())
    rows = pq.read_table(file).to_pylist()
    assert (
        "\n".join(",".join(row.values()) for row in rows).encode()
        == csv_of(some.table)[0].partition(b"\n")[2].rstrip()
    )


@pytest.mark.parametrize(
    ("rows", "release_rows"),
    [
        ({("a", 1): 5}, {("a", 1): 5, ("a", 2): 5}),  # to be added, and there
        ({("a", 2): 5}, {}),  # to be removed, and not there
        ({("a", 1): 4}, {}),  # to be removed, in another entity
    ],
)
def test_a_delta_that_does_not_fit(rows, release_rows):
    delta = make_delta(content({("a", 1): 5}, {}), content(release_rows, {}))
    other = content({("a", 2): 5} if ("a", 2) in release_rows else rows, {})
    with pytest.raises(CorruptError, match="the delta does not fit the table it is to change"):
        apply_delta(other, delta)


def test_a_delta_that_says_a_row_twice_or_leaves_rows_of_other_datasets():
    delta = make_delta(content({}, {}), content({("a", 1): 5}, {}))
    fields = {
        name: np.repeat(getattr(delta, name), 2, axis=0)
        for name in ("change", "entity", "dataset", "row", "previous")
    }
    twice = type(delta)(delta.row_kind, delta.names, **fields)
    with pytest.raises(CorruptError):
        apply_delta(content({}, {}), twice)
    with pytest.raises(CorruptError):
        apply_delta(content({("c", 1): 5}, {}), delta, names=("a",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("entity_guid,dataset\n", "x: expected the columns entity_guid, dataset, record_guid"),
        ("entity_guid,dataset,record_guid\n1,a,2\n", "x: holds something that is no GUID; fetch it again"),
        (
            f"entity_guid,dataset,record_guid\n{to_text(guids(1))[0]},z,{to_text(guids(1))[0]}\n",
            "x: names a dataset that its release does not; fetch it again",
        ),
        (
            f"entity_guid,dataset,record_guid\n,a,{to_text(guids(1))[0]}\n",
            "x: holds something that is no GUID",
        ),
        ("entity_guid,dataset,record_guid\n1\n", "x: is not the table that a release holds; fetch it again"),
        ("", "x: is not the table that a release holds; fetch it again"),
    ],
)
def test_tables_that_cannot_be_read(text, message):
    with pytest.raises(CorruptError, match=message.replace(".", r"\.")):
        read_table(io.BytesIO(text.encode()), "record", NAMES, what="x")


def test_before_the_first_release():
    some = empty("record", NAMES)
    assert len(some.table) == some.table.n_entities == 0
    now = content({("a", 1): 5}, {})
    assert as_bytes(apply_delta(some, make_delta(some, now))) == as_bytes(now)
    assert as_bytes(some)[1] == b"previous_entity_guid,entity_guid\n"
    assert isinstance(some.superseded, Superseded)
