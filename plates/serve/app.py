"""The HTTP interface."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from PIL import Image
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect

from plates.efficientdet.inference.prepare import Prepared
from plates.errors import UserError
from plates.hide.options import Options as HideOptions
from plates.hide.photograph import encoded, threshold
from plates.pages import page
from plates.predict.picture import Picture
from plates.predict.result import Result
from plates.serve.batches import Batches
from plates.serve.follow import Follower
from plates.serve.metrics import Measured, Metrics
from plates.serve.options import Options
from plates.serve.request import pictures
from plates.serve.seen import Seen
from plates.serve.service import Service, Source

GONE = 499
"""The status, nginx's, of a request whose client went away before it had sent it."""
STREAM = "application/octet-stream"
HERE = ["127.0.0.1", "localhost"]


class Busy(Exception):
    """The queue of photographs is full."""


def create(
    source: Source,
    options: Options,
    about: Callable[[], dict[str, Any]] = dict,
    learnt: Callable[[], Iterable[bytes]] = tuple,
    scratch: Path | None = None,
) -> FastAPI:
    """The service.

    Args:
        source: of the model, asked again every few seconds.
        options: limits and key.
        about: gives what `/metadata` says besides: the lineage of the model in service.
        learnt: gives training JPEGs of the model in service, to compare with what the service sees.
        scratch: the folder where what was seen is written, for the check on the champion.

    Raises:
        UserError: there is no model to serve.
    """
    metrics, seen = Metrics(), Seen()
    waiting = 0

    def ran(batch: list[tuple[Result, Prepared]]) -> None:
        metrics.ran([result for result, _ in batch])
        for result, prepared in batch:
            seen.note(result, prepared)

    service = Service(source, options, ran)
    follower = Follower(service, seen, metrics, learnt, scratch)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(follower.run())
        yield
        following.cancel()
        await asyncio.to_thread(service.close)
        follower.write()

    async def allowed(request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        sent = given.encode("latin-1")  # as it came: header fields are bytes
        if options.key and not (scheme.lower() == "bearer" and secrets.compare_digest(sent, options.key.encode())):
            raise HTTPException(401, "Authorization: Bearer KEY is missing or wrong", {"WWW-Authenticate": "Bearer"})

    app = FastAPI(title="plates", lifespan=life, docs_url=None, redoc_url=None)
    if not options.key:  # so that another page cannot reach the service through its own host name
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=HERE)
    app.add_middleware(Measured, metrics=metrics)

    @app.exception_handler(UserError)
    async def refused(_: Request, error: Exception) -> Response:
        return JSONResponse({"detail": str(error)}, 422)

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, error: Exception) -> Response:
        return Response(status_code=GONE)  # for the metrics: nobody reads it

    @app.exception_handler(Busy)
    async def busy(_: Request, error: Exception) -> Response:
        return JSONResponse(
            {"detail": f"{options.waiting:,} photographs are already waiting: try again"}, 503, {"Retry-After": "1"}
        )

    async def found(batches: Batches, picture: Picture, least: float) -> Result:
        nonlocal waiting
        if waiting >= options.waiting:
            raise Busy
        waiting += 1
        metrics.waiting.set(waiting)
        try:
            return await asyncio.wrap_future(batches.submit(picture, least))
        finally:
            waiting -= 1
            metrics.waiting.set(waiting)

    @app.post("/predict", dependencies=[Depends(allowed)])
    async def predict(request: Request, score: str | None = None) -> JSONResponse:
        given = await pictures(request, options)
        with service.current() as batches:
            least = batches.model.threshold(_number(score))
            answers = await asyncio.gather(
                *(found(batches, one, least) for one in given if isinstance(one, Picture)), return_exceptions=True
            )
            for answer in answers:
                if isinstance(answer, BaseException) and not isinstance(answer, UserError):
                    raise answer
            left = iter(answers)
            said = [next(left) if isinstance(one, Picture) else one for one in given]
            if all(isinstance(one, UserError) for one in said):
                raise HTTPException(422, "; ".join(map(str, said)))
            names = [one.source if isinstance(one, Picture) else None for one in given]
            results = [_said(*pair) for pair in zip(names, said, strict=True)]
            return JSONResponse({"model": service.identity, "results": results})

    @app.post("/hide", dependencies=[Depends(allowed)])
    async def hide(
        request: Request,
        style: Literal["blur", "pixelate", "fill"] = "blur",
        margin: Annotated[float, Query(ge=0, le=5)] = 0.1,
        metadata: Literal["keep", "no-gps", "none"] = "no-gps",
        score: str | None = None,
    ) -> Response:
        given = await pictures(request, options)
        if len(given) > 1:
            raise HTTPException(422, "send one photograph at a time to hide")
        if isinstance(given[0], UserError):
            raise given[0]
        with service.current() as batches:
            chosen = HideOptions(style, margin, _number(score), metadata)
            result = await found(batches, given[0], threshold(batches.model, chosen))
        image = await asyncio.to_thread(lambda: encoded(result.hide(style, margin), result.picture, metadata))
        kind = Image.MIME.get(result.picture.opened.format or "", STREAM)
        return Response(image, media_type=kind, headers={"X-Plates-Hidden": str(len(result))})

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metadata", dependencies=[Depends(allowed)])
    async def metadata() -> dict[str, Any]:
        model = service.model
        return {
            "model": service.identity,
            "format": model.format,
            **model.description.model_dump(mode="json", exclude={"nms"}),
            "trouble": service.trouble,
            **about(),
            "seen": seen.summary(),
        }

    @app.get("/metrics", dependencies=[Depends(allowed)])
    async def prometheus() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/")
    async def drop() -> HTMLResponse:
        return HTMLResponse(page.render("plates.serve", "page.html.j2", title="plates", keyed=options.key is not None))

    return app


def _number(score: str | None) -> float | str | None:
    try:
        return None if score is None else float(score)
    except ValueError:
        return score


def _said(source: str | None, answer: Any) -> dict[str, Any]:
    if isinstance(answer, Result):
        return answer.to_dict()
    return {"image": source, "error": str(answer)}
