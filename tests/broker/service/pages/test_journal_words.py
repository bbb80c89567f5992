"""Acts as sentences."""

from __future__ import annotations

import re
from pathlib import Path

import broker
from broker.journal.chain import canonical
from broker.service.models import EntryOut
from broker.service.pages.journal_words import _SENTENCES, line_of


def entry(**body) -> EntryOut:
    written = {"at": "2026-07-25T12:00:00.000000Z", "n": 7, "by": "local", **body}
    return EntryOut(number=7, body=canonical(written), hash="a" * 64)


def test_there_is_a_sentence_for_every_act():
    source = "".join(path.read_text("utf-8") for path in Path(broker.__file__).parent.rglob("*.py"))
    acts = set(re.findall(r'append\(\s*\w+,\s*"([a-z-]+\.[a-z-]+)"', source))
    assert len(acts) > 20
    assert acts <= set(_SENTENCES)


def test_a_sentence_names_who_did_what_to_what():
    granted = entry(
        act="permission.granted",
        subjects={"approver": "x", "left": "l", "right": "r"},
        counts={"recipients": 2, "none": 0},
        words={"use": "link", "expires": "2027-01-31"},
    )
    line = line_of(granted, {"x": "Lee", "l": "a", "r": "b"}.__getitem__)
    assert line.says == "Lee approved to link a and b until 2027-01-31."
    assert line.more == [("recipients", "2")]
    assert line.at == "2026-07-25 12:00:00"


def test_one_dataset_is_named_once():
    granted = entry(
        act="permission.granted",
        subjects={"approver": "x", "left": "l", "right": "l"},
        words={"use": "deduplicate", "expires": "2027-01-31"},
    )
    line = line_of(granted, {"x": "Lee", "l": "a"}.__getitem__)
    assert line.says == "Lee approved to deduplicate a until 2027-01-31."


def test_an_act_of_another_program_is_told_as_it_is_written():
    assert (
        line_of(entry(act="moon.landed"), str).says == "Somebody at the broker's command line: moon landed."
    )
    assert "(no party)" in line_of(entry(act="token.issued"), str).says
