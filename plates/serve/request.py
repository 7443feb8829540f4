"""What a request holds: its photographs, read within the limits."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from fastapi import HTTPException, Request
from starlette.datastructures import UploadFile

from plates.errors import UserError
from plates.predict.picture import Picture
from plates.serve.options import Options

SEND = 'Send a photograph as image/*, several as multipart/form-data, or JSON {"images": [base64, ...]}'


async def pictures(request: Request, options: Options) -> list[Picture | UserError]:
    """The photographs of a request, in their order; the reason in the place of one that cannot be opened.

    Raises:
        HTTPException: 400 JSON that is not as above, 413 over a limit, 415 another type, 422 no photograph.
    """
    body = await _body(request, int(options.megabytes * 10**6))
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("image/") or kind == "application/octet-stream":
        contents = [("photograph", body)] if body else []
    elif kind == "multipart/form-data":
        contents = await _form(request, body, options.most)
    elif kind == "application/json":
        contents = _from_json(body)
    else:
        raise HTTPException(415, f"{kind or 'a request without a type'} is not supported. {SEND}")
    if not contents:
        raise HTTPException(422, f"there is no photograph in the request. {SEND}")
    if len(contents) > options.most:
        raise HTTPException(413, f"{len(contents):,} photographs; a request may have at most {options.most:,}")
    return [_opened(name, content, options) for name, content in contents]


async def _body(request: Request, most: int) -> bytes:
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > most:
        raise HTTPException(413, f"{int(said) / 10**6:.1f} MB; a request may have {most / 10**6:g} MB")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, f"a request may have {most / 10**6:g} MB")
    return bytes(body)


async def _form(request: Request, body: bytes, most: int) -> list[tuple[str, bytes]]:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async with Request(request.scope, receive).form(max_files=most + 1, max_fields=most) as form:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        return [(file.filename or f"photograph {number}", await file.read()) for number, file in enumerate(files, 1)]


def _from_json(body: bytes) -> list[tuple[str, bytes]]:
    try:
        given = json.loads(body)["images"]
        return [(f"photograph {number}", base64.b64decode(text, validate=True)) for number, text in enumerate(given, 1)]
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        raise HTTPException(400, 'the JSON is not {"images": [base64, ...]}') from None


def _opened(name: str, content: bytes, options: Options) -> Picture | UserError:
    try:
        picture = Picture(content, name)
    except UserError as error:
        return error
    if picture.width * picture.height > options.megapixels * 10**6:
        raise HTTPException(
            413,
            f"{name} has {picture.width * picture.height / 10**6:.1f} megapixels, over {options.megapixels:g}",
        )
    return picture
