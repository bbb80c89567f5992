"""Documents of the metadata service: what is kept, and how crosswalks are merged."""

from __future__ import annotations

import pytest

from broker.gen3.documents import check_document, check_name, merged, values_of
from pprl.errors import GovernanceError

MIDRC, BDC = "https://data.midrc.org", "https://gen3.biodatacatalyst.nhlbi.nih.gov"


def subject(cells, methodologies=()):
    """From ``{(commons, identifier): value}``."""
    by_commons = {}
    for (url, name), value in cells.items():
        by_commons.setdefault(url, {})[name] = {"value": value, "type": "t"}
    return {
        "_guid_type": "subject",
        "crosswalk": {"subject": {**by_commons, "mapping_methodologies": list(methodologies)}},
    }


def test_blank_cells_are_not_kept():
    document = check_document(subject({(MIDRC, "Case"): "A-1", (MIDRC, "Other"): " ", (BDC, "Subject"): ""}))
    assert document == subject({(MIDRC, "Case"): "A-1"})
    assert values_of(document) == ["A-1"]


def test_a_merge_keeps_what_only_one_has():
    before = subject({(MIDRC, "Case"): "A-1", (MIDRC, "Other"): "O-1"}, ["b", "a"]) | {"beside": 1, "kept": 2}
    before["crosswalk"]["subject"][MIDRC]["Case"]["description"] = "The case"
    after = subject({(MIDRC, "Case"): "A-1", (BDC, "Subject"): "S-1"}, ["c", "a"]) | {"beside": 3}
    both = merged(before, after)
    expected = subject(
        {(MIDRC, "Case"): "A-1", (MIDRC, "Other"): "O-1", (BDC, "Subject"): "S-1"}, ["a", "b", "c"]
    )
    expected["crosswalk"]["subject"][MIDRC]["Case"]["description"] = "The case"
    assert both == expected | {"beside": 3, "kept": 2}
    assert merged(both, after) == both


@pytest.mark.parametrize(
    "document",
    [
        [],
        "text",
        {"x": "\0"},
        {"\ud800": 1},
        {"x": float("nan")},
        {"x": [float("inf")]},
        {"x": "a" * 70_000},
        {"_guid_type": "t" * 101},
        subject({(MIDRC, "Case"): "a\nb"}),
        subject({(MIDRC, str(n)): f"v{n}" for n in range(201)}),
    ],
)
def test_what_may_not_be_kept(document):
    with pytest.raises(GovernanceError) as caught:
        check_document(document)
    assert "aaa" not in str(caught.value)


def test_a_document_has_no_more_levels_than_any_database_takes():
    deep = 1
    for _ in range(40):
        deep = {"x": deep}
    with pytest.raises(GovernanceError, match="at most 32 levels"):
        check_document(deep)


@pytest.mark.parametrize("name", ["", " a", "a\n", "a" * 256, 7, None, "a\x7f"])
def test_names_that_nobody_can_write(name):
    with pytest.raises(GovernanceError, match="1 to 255 characters"):
        check_name(name)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"crosswalk": None},
        {"crosswalk": {"subject": []}},
        {"crosswalk": {"subject": {"u": 1, "v": {"n": "x"}, "w": {"n": {"value": 5}}}}},
    ],
)
def test_what_is_no_crosswalk_has_no_values(document):
    assert values_of(check_document(document)) == []
    merged(document, subject({(MIDRC, "Case"): "A-1"}))
    merged(subject({(MIDRC, "Case"): "A-1"}), document)
