"""A static page: the demo app that keeps nothing. One `wasi:http/proxy` component, in Python.

GET /healthz answers `ok`; GET of any other path answers one page that shows the path. Nothing of the request reaches
the page unescaped, and a path is shown up to PATH_CHARS_MAX characters.
"""

import html

from componentize_py_types import Ok
from wit_world import exports
from wit_world.imports.types import (
    Fields,
    IncomingRequest,
    Method_Get,
    Method_Head,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
)

PATH_CHARS_MAX = 512

# The most that one `blocking-write-and-flush` takes, by the text of wasi:io/streams.
WRITE_BYTES_MAX = 4096

HEADERS = [
    ("cache-control", b"no-store"),
    ("x-content-type-options", b"nosniff"),
    ("content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
]

PAGE = """<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>NuPeer page</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem;color:#222}}\
code{{overflow-wrap:anywhere}}</style>
<h1>It runs</h1>
<p>This page is a Python component in a Wasm slot that somebody rented out.
<p>You asked for <code>{path}</code>.
</html>
"""


def reply(is_read: bool, target: str) -> tuple[int, str, str]:
    """Status, content type and body for a request."""
    if not is_read:
        return 405, "text/plain; charset=utf-8", "use GET or HEAD\n"
    if target.split("?", 1)[0] == "/healthz":
        return 200, "text/plain; charset=utf-8", "ok\n"
    shown = target if len(target) <= PATH_CHARS_MAX else target[:PATH_CHARS_MAX] + "…"
    return 200, "text/html; charset=utf-8", PAGE.format(path=html.escape(shown))


class IncomingHandler(exports.IncomingHandler):
    """The export of `wasi:http/incoming-handler`."""

    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        method = request.method()
        status, content_type, text = reply(
            isinstance(method, (Method_Get, Method_Head)), request.path_with_query() or "/"
        )
        headers = [("content-type", content_type.encode()), *HEADERS]
        if status == 405:
            headers.append(("allow", b"GET, HEAD"))
        response = OutgoingResponse(Fields.from_list(headers))
        response.set_status_code(status)
        body = response.body()
        # The head first: a host may not read the body before it has it.
        ResponseOutparam.set(response_out, Ok(response))
        if not isinstance(method, Method_Head):
            data = text.encode("utf-8", "replace")
            with body.write() as stream:
                for start in range(0, len(data), WRITE_BYTES_MAX):
                    stream.blocking_write_and_flush(data[start : start + WRITE_BYTES_MAX])
        OutgoingBody.finish(body, None)
