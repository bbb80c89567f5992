"""Packages on their way here: resumable, as the core of the tus protocol (1.0) has it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from broker.governance import Act
from broker.service.dependencies import Asking, AskingDep
from broker.service.idempotency import Answer, OnceDep
from broker.service.incoming import Incoming
from broker.service.models import Id, NewUpload, UploadOut
from broker.service.problems import Refusal, may_answer
from broker.service.routes import API
from broker.service.views import upload_out
from broker.store.tables import Dataset, Upload, UploadState
from pprl.errors import ConflictError
from pprl.guid import new_guid

router = APIRouter(prefix=API, tags=["uploads"])

UploadId = Annotated[Id, Path(description="Id of an upload.")]
MEDIA_TYPE = "application/offset+octet-stream"
_WRITE_BYTES = 1024 * 1024


@router.post(
    "/datasets/{dataset_id}/uploads",
    status_code=201,
    response_model=UploadOut,
    responses={
        200: {"description": "It is on its way already.", "model": UploadOut},
        **may_answer(429, headers={"Retry-After": "Seconds."}),
    },
)
def post_upload(
    asking: AskingDep, once: OnceDep, dataset_id: Annotated[Id, Path()], body: NewUpload
) -> JSONResponse:
    """Announce a package. One that is on its way already is given again, with how much of it came."""
    settings = asking.broker.settings

    def act(session: Session) -> Answer:
        dataset = asking.find(session, Act.SUBMIT, Dataset, dataset_id)
        if dataset.retired_at is not None:
            raise ConflictError(f"the dataset {dataset.name!r} is retired and takes no deliveries")
        if body.n_bytes > settings.most_upload_bytes:
            raise Refusal(413, f"a package may have {settings.most_upload_bytes} bytes at most")
        is_open = (Upload.dataset_key == dataset.key, Upload.state == UploadState.OPEN)
        same = select(Upload).where(
            *is_open,
            Upload.sha256 == body.sha256,
            Upload.n_bytes == body.n_bytes,
            Upload.by_key == asking.party.key,
            Upload.expires_at > asking.now,
        )
        known = session.scalars(same).first()
        if known is not None:
            return 200, upload_out(session, known)
        n_open = session.scalar(select(func.count()).select_from(Upload).where(*is_open)) or 0
        if n_open >= settings.most_uploads:
            raise Refusal(
                429,
                f"the dataset has {n_open} uploads that are not finished; finish or delete one",
                headers={"Retry-After": "60"},
            )
        upload = Upload(
            id=new_guid(asking.broker.random_bytes),
            dataset_key=dataset.key,
            by_key=asking.party.key,
            sha256=body.sha256,
            n_bytes=body.n_bytes,
            n_received=0,
            state=UploadState.OPEN,
            created_at=asking.now,
            expires_at=asking.now + settings.upload_lasts,
        )
        session.add(upload)
        session.flush()
        return 201, upload_out(session, upload)

    return once(act)


@router.get("/uploads/{upload_id}")
def get_upload(asking: AskingDep, upload_id: UploadId) -> UploadOut:
    """An upload, and its intake once all bytes came."""
    with asking.broker.store.read() as session:
        return upload_out(session, asking.find(session, Act.SEE_DELIVERY, Upload, upload_id))


@router.head("/uploads/{upload_id}", response_class=Response)
def head_upload(asking: AskingDep, upload_id: UploadId) -> Response:
    """How much of an upload is here for certain."""
    with asking.broker.store.read() as session:
        upload = asking.find(session, Act.UPLOAD, Upload, upload_id)
    return Response(headers=_headers(upload.n_received, upload.n_bytes))


@router.delete("/uploads/{upload_id}", status_code=204)
def delete_upload(asking: AskingDep, upload_id: UploadId) -> Response:
    """Give an upload up; what came of it is cleared away."""
    store = asking.broker.store
    with store.begin() as session:
        upload = asking.find(session, Act.UPLOAD, Upload, upload_id)
        if upload.state is UploadState.COMPLETE:
            raise ConflictError("the upload is complete; cancel its job instead")
        upload.state = UploadState.FAILED
    (store.uploads / upload.id).unlink(missing_ok=True)
    return Response(status_code=204)


@router.patch(
    "/uploads/{upload_id}",
    status_code=204,
    responses=may_answer(410, 413, 415, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def patch_upload(
    asking: AskingDep,
    request: Request,
    upload_id: UploadId,
    upload_offset: Annotated[
        int, Header(ge=0, le=1 << 50, description="Where in the package the body begins.")
    ],
) -> Response:
    """Send the next bytes. A break in the middle keeps what came; ask HEAD where to go on."""
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise Refusal(415, f"the body must be {MEDIA_TYPE}")
    incoming = await run_in_threadpool(_begin, asking, upload_id)
    try:
        if incoming.n_received != upload_offset:
            raise Refusal(
                409,
                "the broker has another number of bytes than the request begins at; ask HEAD where to go on",
                code="offset",
                headers={"Upload-Offset": str(incoming.n_received)},
            )
        await _receive(request, incoming)
    finally:
        # However it ended: what came is kept.
        n_received = await run_in_threadpool(incoming.close)
    return Response(status_code=204, headers=_headers(n_received, incoming.n_bytes))


def _begin(asking: Asking, upload_id: str) -> Incoming:
    store = asking.broker.store
    with store.read() as session:
        upload = asking.find(session, Act.UPLOAD, Upload, upload_id)
    if upload.state is UploadState.OPEN and upload.expires_at <= asking.now:
        raise Refusal(410, "the upload has expired; begin it anew", code="expired")
    return Incoming(store, upload, random_bytes=asking.broker.random_bytes)


async def _receive(request: Request, incoming: Incoming) -> None:
    waiting = bytearray()
    try:
        async for chunk in request.stream():
            waiting += chunk
            if len(waiting) >= _WRITE_BYTES:
                await run_in_threadpool(incoming.write, bytes(waiting))
                waiting.clear()
    except ClientDisconnect:
        pass
    if waiting:
        await run_in_threadpool(incoming.write, bytes(waiting))


def _headers(n_received: int, n_bytes: int) -> dict[str, str]:
    return {
        "Upload-Offset": str(n_received),
        "Upload-Length": str(n_bytes),
        "Tus-Resumable": "1.0.0",
        "Cache-Control": "no-store",
    }
