"""The commands, as typed."""

from __future__ import annotations

from click.testing import CliRunner

from pprl.cli import cli
from pprl.errors import PprlError


def call(*words, **options):
    return CliRunner().invoke(cli, [str(word) for word in words], **options)


def well(*words, **options):
    """What it prints where it ends well."""
    result = call(*words, **options)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def refused(*words, **options):
    """The line that it ends with where it does not."""
    result = call(*words, **options)
    assert isinstance(result.exception, PprlError), result.output + repr(result.exception)
    assert "\n" not in str(result.exception)
    return str(result.exception)
