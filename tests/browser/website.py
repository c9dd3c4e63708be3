"""Somebody's website: pages at an origin of their own, and the mirror that they load from."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic

from playwright.sync_api import BrowserContext, Page, Route

from segments.sources import snippets
from tests import clients

LIBRARIES = (snippets.SEGMENT, snippets.RUDDERSTACK)


class Website:
    """One page of HTML at every path but the browser's own icon."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        # Another origin than the server's, which is at localhost.
        self.origin = f"http://127.0.0.1:{server.server_port}"
        self.html = ""

    def show(self, page: Page, *parts: str, path: str = "/") -> None:
        """Open a page with these in its head."""
        self.html = f"<!doctype html><title>Shop</title>{''.join(parts)}<h1>Shop</h1>"
        page.goto(f"{self.origin}{path}")


@contextmanager
def website() -> Iterator[Website]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            content = site.html.encode() if "favicon" not in self.path else b""
            self.send_response(200 if content else 204)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = Website(server)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield site
        server.shutdown()
        thread.join()


def mirror(context: BrowserContext) -> None:
    """Let the mirror of npm have what the packages have; the browser checks it."""

    def answer(route: Route) -> None:
        [library] = [each for each in LIBRARIES if each.url == route.request.url]
        route.fulfill(
            path=clients.browser_file(library.package),
            headers={
                "Access-Control-Allow-Origin": "*",
                "Content-Type": "application/javascript; charset=utf-8",
            },
        )

    context.route(f"{snippets.MIRROR}/**", answer)


def until(page: Page, is_true: Callable[[], bool], what: str) -> None:
    """Poll with a deadline, while the browser goes on."""
    deadline = monotonic() + 30
    while not is_true():
        assert monotonic() < deadline, f"waited for {what}"
        page.wait_for_timeout(50)
