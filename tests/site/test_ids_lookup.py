from __future__ import annotations

import pytest

from pprl.errors import InputError
from pprl.guid import new_guids, to_text
from pprl.site.ids_lookup import find_records


def test_ids_are_found_whatever_their_order(tmp_path):
    guids = to_text(new_guids(3000, random_bytes=lambda n: bytes(i * 7 % 251 for i in range(n))))
    guids = sorted(set(guids))
    path = tmp_path / "a.ids.csv"
    lines = [f"{guid},{number}" for number, guid in enumerate(guids)]
    path.write_text("\n".join(["record_guid,local_id", *lines]) + "\n")
    wanted = ["250", "nobody", "0", "17", ""]
    assert find_records(path, wanted) == [guids[250], None, guids[0], guids[17], None]
    assert find_records(path, []) == []
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_ids_file(tmp_path):
    (tmp_path / "a.csv").write_text("MRN,name\n1,Anna\n")
    with pytest.raises(InputError, match="is no ids file") as caught:
        find_records(tmp_path / "a.csv", ["1"])
    assert "Anna" not in str(caught.value)
