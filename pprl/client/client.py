"""What a party asks of a broker, a method for each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from pprl.client.answers import (
    Broker,
    Dataset,
    Delivery,
    Job,
    Me,
    Page,
    Project,
    Release,
    Upload,
    Withdrawal,
    read,
)
from pprl.client.connection import Connection, Retries
from pprl.client.fetching import Fetched, fetch
from pprl.client.overview import Overview, look
from pprl.client.sending import PIECE_BYTES
from pprl.client.submission import Submitted, submit
from pprl.console import Progress, silent
from pprl.errors import NotFoundError, PprlError, ServiceError
from pprl.guid import RandomBytes
from pprl.package import Recipient, VerifyKey
from pprl.release import ReleaseVerifyKey

if TYPE_CHECKING:
    import httpx

_Answer = TypeVar("_Answer")
_PAGE = 500
_LOOKS_S = (0.5, 1.0, 2.0, 5.0, 10.0)  # pauses between looks at a job; the last one again and again


class Client:
    """A broker's service, as one party sees it.

    Parameters
    ----------
    url : str
        ``https://...``; plain http only on this machine.
    token : str
        Never shown.
    transport : httpx.BaseTransport, optional
        In place of the network.
    clock, sleep : callable
        Seconds of any beginning; and a pause of so many.
    random_bytes : callable
        For keys of idempotency and for pauses.
    retries : Retries
        How long to go on trying while nothing succeeds.
    on_pause : callable
        Called before each pause because of a failure, with the error and the seconds.
    allow_http : bool
        Whether the token may go to other machines unencrypted.
    piece_bytes : int
        Of a package, sent with one request.

    Attributes
    ----------
    connection : Connection
    piece_bytes : int

    Raises
    ------
    PprlError
        The address or the token is none.

    Notes
    -----
    Every method raises `ServiceError` where the service refuses or cannot be reached.
    """

    def __init__(
        self,
        url: str | None,
        token: str,
        *,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        random_bytes: RandomBytes = os.urandom,
        retries: Retries | None = None,
        on_pause: Callable[[ServiceError, float], object] = lambda error, seconds: None,
        allow_http: bool = False,
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        self.connection = Connection(
            url,
            token,
            transport=transport,
            clock=clock,
            sleep=sleep,
            random_bytes=random_bytes,
            retries=retries or Retries(),
            on_pause=on_pause,
            allow_http=allow_http,
        )
        self.piece_bytes = piece_bytes

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the network go."""
        self.connection.close()

    @property
    def url(self) -> str:
        """The service's address."""
        return self.connection.url

    def broker(self) -> Broker:
        """The broker's keys and clock."""
        return self._get(Broker, "broker")

    def me(self) -> Me:
        """Whom the broker takes the caller for."""
        return self._get(Me, "me")

    def set_recipient(self, recipient: Recipient) -> None:
        """Have releases sealed to a key from now on."""
        self.connection.call("PUT", "me", "recipient", json={"recipient": str(recipient)})

    def set_site_key(self, key: VerifyKey) -> None:
        """Register the key that packages are signed with; once only."""
        try:
            self.connection.call("PUT", "me", "site-key", json={"public": str(key)})
        except ServiceError as error:
            if error.status != 409 or self.me().party.site_key != str(key):
                raise  # else it is registered: the answer to the first attempt was lost

    def projects(self) -> list[Project]:
        """The projects that the caller may see."""
        return self._list(Project, "projects")

    def project(self, name: str, *, epoch: str | None = None) -> Project:
        """A project by its name or id.

        Raises
        ------
        NotFoundError
            There is none that the caller may see.
        PprlError
            There are several epochs, and none is named.
        """
        projects = self.projects()
        found = [one for one in projects if name in (one.id, one.name) and epoch in (None, one.epoch, one.id)]
        if not found:
            names = ", ".join(sorted({one.name for one in projects})) or "none"
            raise NotFoundError(f"{self.url}: no project {name} is shown to you; there are: {names}")
        if len(found) > 1:
            ids = ", ".join(f"{one.id} (epoch {one.epoch})" for one in found)
            raise PprlError(f"{self.url}: project {name} has several epochs; name one by its id: {ids}")
        return found[0]

    def datasets(self, project: str) -> list[Dataset]:
        """The datasets of a project, by its id."""
        return self._list(Dataset, "projects", project, "datasets")

    def dataset(self, dataset: str) -> Dataset:
        """A dataset by its id."""
        return self._get(Dataset, "datasets", dataset)

    def dataset_named(self, name: str, *, project: str) -> Dataset:
        """A dataset by its name or id, of the project of an id.

        Raises
        ------
        NotFoundError
        """
        datasets = self.datasets(project)
        for dataset in datasets:
            if name in (dataset.id, dataset.name):
                return dataset
        names = ", ".join(one.name for one in datasets) or "none"
        raise NotFoundError(f"{self.url}: there is no dataset {name}; there are: {names}")

    def deliveries(self, dataset: str) -> list[Delivery]:
        """What arrived of a dataset, by its id."""
        return self._list(Delivery, "datasets", dataset, "deliveries")

    def begin_upload(self, dataset: str, *, sha256: str, n_bytes: int) -> Upload:
        """Announce a package; where the same one is on its way already, that upload is given."""
        answer = self.connection.json(
            "POST", "datasets", dataset, "uploads", json={"sha256": sha256, "n_bytes": n_bytes}
        )
        return read(Upload, answer, where=self.url)

    def upload(self, upload: str) -> Upload:
        """An upload by its id."""
        return self._get(Upload, "uploads", upload)

    def submit(
        self,
        package: str | Path,
        *,
        dataset: Dataset | None = None,
        project: str | None = None,
        wait: bool = True,
        progress: Progress = silent,
    ) -> Submitted:
        """Send a package and wait for the broker's word on it.

        Called again after a break, however hard, it goes on where it was.

        Parameters
        ----------
        package : str or Path
            The ``.pprl`` file. Beside it stands, until this is done, a small file of how far it got.
        dataset : Dataset, optional
            Whose delivery it is; found by the package's own words by default.
        project : str, optional
            Name or id of the only project that will do.
        wait : bool
            Whether to wait until it is accepted or refused.
        progress : callable
            As `pprl.console.progress`.

        Raises
        ------
        PackageError
            The package is damaged, or, as the broker's own words tell, none that it would take.
        """
        return submit(self, Path(package), dataset=dataset, project=project, wait=wait, progress=progress)

    def jobs(self, project: str) -> list[Job]:
        """Work on a project, by its id."""
        return self._list(Job, "projects", project, "jobs")

    def job(self, job: str) -> Job:
        """A piece of work by its id."""
        return self._get(Job, "jobs", job)

    def wait(
        self, job: str, *, timeout_s: float | None = None, watch: Callable[[Job], object] = lambda _: None
    ) -> Job:
        """Wait until work is over.

        Parameters
        ----------
        job : str
            Its id.
        timeout_s : float, optional
            For how long; for ever by default.
        watch : callable
            Called with the job at every look.

        Raises
        ------
        ServiceError
            It is not over in time; its code is ``timeout``.
        """
        began, n_looks = self.connection.now(), 0
        while True:
            found = self.job(job)
            watch(found)
            if found.is_over:
                return found
            pause = _LOOKS_S[min(n_looks, len(_LOOKS_S) - 1)]
            n_looks += 1
            if timeout_s is not None and self.connection.now() - began + pause > timeout_s:
                raise ServiceError(
                    f"{self.url}: the broker is still at it ({found.kind}, {found.state}); look later: pprl status",
                    code="timeout",
                )
            self.connection.pause(pause)

    def releases(self, *, project: str | None = None) -> list[Release]:
        """The releases that the caller may see, of one project by its id or of all."""
        return self._list(Release, "releases", **({} if project is None else {"project": project}))

    def release(self, release: str) -> Release:
        """A release by its id."""
        return self._get(Release, "releases", release)

    def fetch(
        self,
        release: Release,
        folder: str | Path,
        *,
        key: ReleaseVerifyKey | None = None,
        progress: Progress = silent,
    ) -> Fetched:
        """Fetch all files of a release into a folder, which appears when they are whole and are what was signed.

        Called again after a break, it goes on where it was.

        Parameters
        ----------
        release : Release
            A published one.
        folder : str or Path
            Replaced as a whole where it is an earlier one.
        key : ReleaseVerifyKey, optional
            Whose signature the release must bear; the one that the service names by default, which is as good as the
            connection to it.
        progress : callable
            As `pprl.console.progress`.

        Raises
        ------
        PackageError
            A file is not what was signed, or the signature is another's.
        """
        return fetch(self, release, Path(folder), key=key, progress=progress)

    def acknowledge(self, release: str) -> Release:
        """Say that a release, by its id, is in use, and that the rows it took back are gone."""
        self.connection.call("POST", "releases", release, "acknowledge")
        return self.release(release)

    def withdraw(self, dataset: str, records: Sequence[str]) -> tuple[Withdrawal, Job]:
        """Take records back, for ever: GUIDs, of a dataset by its id."""
        answer = self.connection.json(
            "POST", "datasets", dataset, "withdrawals", json={"records": list(records)}
        )
        parts = answer if isinstance(answer, dict) else {}
        return (
            read(Withdrawal, parts.get("withdrawal"), where=self.url),
            read(Job, parts.get("job"), where=self.url),
        )

    def withdrawals(self, dataset: str) -> list[Withdrawal]:
        """What was taken back of a dataset, by its id."""
        return self._list(Withdrawal, "datasets", dataset, "withdrawals")

    def withdrawal(self, withdrawal: str) -> Withdrawal:
        """A withdrawal by its id."""
        return self._get(Withdrawal, "withdrawals", withdrawal)

    def overview(self, *, project: str | None = None) -> Overview:
        """How things stand, in one project by its name or id or in all."""
        return look(self, project=project)

    def _get(self, kind: type[_Answer], *path: str) -> _Answer:
        return read(kind, self.connection.json("GET", *path), where=self.url)

    def _list(self, kind: type[_Answer], *path: str, **params: str) -> list[_Answer]:
        return [read(kind, item, where=self.url) for item in self._items(path, params)]

    def _items(self, path: tuple[str, ...], params: dict[str, str]) -> Iterator[Any]:
        after: dict[str, str] = {}
        while True:
            answer = self.connection.json("GET", *path, params={"limit": _PAGE, **params, **after})
            page = read(Page, answer, where=self.url)
            yield from page.items
            if page.next is None or after == {"after": str(page.next)}:
                return
            after = {"after": str(page.next)}
