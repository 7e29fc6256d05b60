"""The live page's files, read once from the package: an exact list, so that no path leads elsewhere."""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from aiohttp import web

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
_INDEX = "index.html"


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    content_type: str
    etag: str


@functools.cache
def _read_files() -> Mapping[str, _File]:
    files: dict[str, _File] = {}
    static = resources.files("gateway.admin").joinpath("static")
    for prefix, folder in (("", static), ("vendor/", static.joinpath("vendor"))):
        for entry in folder.iterdir():
            suffix = entry.name[entry.name.rfind(".") :]
            if entry.is_file() and suffix in _TYPES:
                content = entry.read_bytes()
                etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
                files[prefix + entry.name] = _File(content, _TYPES[suffix], etag)
    return files


class StaticFiles:
    """Reads `gateway/admin/static`. Files of other kinds than a page needs are not served."""

    def __init__(self) -> None:
        self._files = _read_files()

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the paths."""
        router.add_get("/", self._index)
        router.add_get("/static/{name:.+}", self._static)

    async def _index(self, request: web.Request) -> web.Response:
        return self._answer(request, _INDEX)

    async def _static(self, request: web.Request) -> web.Response:
        return self._answer(request, request.match_info["name"])

    def _answer(self, request: web.Request, name: str) -> web.Response:
        file = self._files.get(name)
        if file is None:
            raise web.HTTPNotFound(text="There is no such file.\n")
        headers = {"ETag": file.etag, "Cache-Control": "no-cache", "Content-Type": file.content_type}
        if file.etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.content, headers=headers)
