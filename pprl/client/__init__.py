"""A broker's service, from the side of sites and researchers.

`Client` has a method for everything that the commands ``pprl submit``, ``status``, ``fetch``, ``acknowledge``,
``withdraw`` and ``register`` do. It needs httpx: ``pip install 'pprl[client]'``. docs/client.md has examples.
"""

from pprl.client.address import check_url, find_token
from pprl.client.answers import (
    Broker,
    Dataset,
    Delivery,
    Job,
    Me,
    Party,
    Project,
    Release,
    ReleaseFile,
    Upload,
    Withdrawal,
)
from pprl.client.client import Client
from pprl.client.connection import Retries
from pprl.client.fetching import Fetched
from pprl.client.overview import Overview, Standing
from pprl.client.submission import Submitted

__all__ = [
    "Broker",
    "Client",
    "Dataset",
    "Delivery",
    "Fetched",
    "Job",
    "Me",
    "Overview",
    "Party",
    "Project",
    "Release",
    "ReleaseFile",
    "Retries",
    "Standing",
    "Submitted",
    "Upload",
    "Withdrawal",
    "check_url",
    "find_token",
]
