"""The journal in words, its checkpoints, and the check of both."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import func, select

from broker.governance import Act
from broker.journal import verify
from broker.service.pages.journal_words import line_of
from broker.service.pages.lookups import Names, datasets_of, names_of, projects_of
from broker.service.pages.projects import ProjectId, frame_of
from broker.service.pages.rendering import show
from broker.service.pages.visitor import DeedDep, Visitor, VisitorDep
from broker.service.routes.journal import get_checkpoints, get_journal, get_project_journal
from broker.store.tables import JournalEntry

router = APIRouter()

AT_ONCE = 100
After = Annotated[int | None, Query(ge=0, lt=1 << 53)]


@router.get("/journal")
def get_journal_page(visitor: VisitorDep, after: After = None) -> HTMLResponse:
    """The newest entries, or those behind one; for operators."""
    with visitor.asking.broker.store.read() as session:
        visitor.asking.require(session, Act.READ_JOURNAL)
        last = session.scalar(select(func.max(JournalEntry.number))) or 0
    start = max(last - AT_ONCE, 0) if after is None else after
    names = _all_names(visitor)
    return show(
        "journal",
        visitor,
        lines=[line_of(one, names) for one in get_journal(visitor.asking, start, AT_ONCE).items][::-1],
        start=start,
        last=last,
        at_once=AT_ONCE,
        checkpoints=get_checkpoints(visitor.asking).items[::-1],
        verified=None,
    )


@router.post("/journal/check")
def post_check_page(deed: DeedDep) -> HTMLResponse:
    """Check the whole journal against its checkpoints, and show what was found."""
    visitor = deed.visitor
    with visitor.asking.broker.store.read() as session:
        visitor.asking.require(session, Act.READ_JOURNAL)
        key = visitor.asking.broker.keys.journal.public_half
        verified = verify(session, trusted=[key])
    checkpoints = get_checkpoints(visitor.asking).items[::-1]
    return show("journal_check", visitor, verified=verified, checkpoints=checkpoints, key=str(key))


@router.get("/projects/{project_id}/journal")
def get_project_journal_page(
    visitor: VisitorDep, project_id: ProjectId, after: Annotated[int, Query(ge=0, lt=1 << 53)] = 0
) -> HTMLResponse:
    """The entries that are about a project, from the first on."""
    entries = get_project_journal(visitor.asking, project_id, after, AT_ONCE)
    names = names_of(visitor, project_id)
    frame = frame_of(visitor, project_id)
    names.learn(projects=[frame.project])
    return show(
        "journal_project",
        visitor,
        frame=frame,
        lines=[line_of(one, names) for one in entries.items],
        after=after,
        next=entries.next,
    )


def _all_names(visitor: Visitor) -> Names:
    """What is called what in all projects; an operator knows the parties anyway."""
    projects = projects_of(visitor)
    names = Names(visitor).learn(projects=projects)
    for project in projects:
        names.learn(datasets=datasets_of(visitor, project.id))
    return names
