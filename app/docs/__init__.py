"""The API's description over HTTP: the OpenAPI document, and a page that shows it and nothing but it.

The page is this service's own: it asks no other host for anything, and its policy forbids it to.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final

import msgspec
from litestar import get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from litestar.routes import BaseRoute

from app.documented import documented
from app.ledger import AnyRequest
from app.openapi import openapi_document

_HEADERS: Final = {
    "cache-control": "no-cache",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_MEDIA_TYPES: Final = {".css": "text/css", ".js": "text/javascript"}
FILES: Final = {
    file.name: file.read_bytes()
    for file in files("app.docs").iterdir()
    if file.name.endswith((".html", ".css", ".js"))
}


@get("/schema", tags=["Description"], **documented({200: str}, "static", media_type="text/html"))
async def get_description_page() -> ASGIResponse:
    """A page to read this description in and to try operations out."""
    return _sent(FILES["page.html"], "text/html")


@get("/schema/openapi.json", tags=["Description"], **documented({200: dict[str, Any]}, "static"))
async def get_description(request: AnyRequest) -> ASGIResponse:
    """This description as an OpenAPI 3.1 document."""
    return _sent(request.app.state.openapi, "application/json")


@get(
    "/schema/assets/{asset:str}",
    tags=["Description"],
    **documented({200: str}, "static", media_type="text/*"),
)
async def get_page_asset(asset: FromPath[str]) -> ASGIResponse:
    """A script or style sheet of the page."""
    media_type = next((kind for suffix, kind in _MEDIA_TYPES.items() if asset.endswith(suffix)), None)
    if media_type is None or asset not in FILES:
        raise NotFoundException
    return _sent(FILES[asset], media_type)


def serialized(routes: Sequence[BaseRoute]) -> bytes:
    """The document of the routes, made once, for the application's state to hold as `openapi`."""
    return msgspec.json.encode(openapi_document(routes))


def _sent(body: bytes, media_type: str) -> ASGIResponse:
    return ASGIResponse(body=body, media_type=media_type, headers=_HEADERS)


ROUTES: Final = (get_description_page, get_description, get_page_asset)
