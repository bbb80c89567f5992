from __future__ import annotations

import pytest

from pprl.schema import parse_schema


@pytest.fixture
def schema():
    fields = '["given_name", "surname", "birth_date", "postcode"]'
    return parse_schema(f'[linkage]\nproject = "p"\nepoch = "1"\nfields = {fields}\n')


@pytest.fixture
def write(tmp_path):
    """Write a file and give its path."""

    def write(content, name="in.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
