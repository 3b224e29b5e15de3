"""A server that answers as GitHub's API of comments does, and keeps what it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOP = "/repos/owner/port/issues"


class Comments:
    """The comments of pull request 7, by their numbers. `refused` is the status of every answer, 0 for none."""

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.tokens: set[str] = set()
        self.refused = 0
        self.address = ""

    def add(self, body: str, kind: str = "Bot") -> None:
        self.comments.append({"id": 100 + len(self.comments), "body": body, "user": {"type": kind}})

    def answer(self, method: str, path: str, body: dict[str, str]) -> tuple[int, Any]:
        parts = urlsplit(path)
        self.asked.append(method)
        if self.refused:
            return self.refused, {"message": "Resource not accessible by integration"}
        if (method, parts.path) == ("GET", f"{TOP}/7/comments"):
            query = {name: int(value[0]) for name, value in parse_qs(parts.query).items()}
            start = (query["page"] - 1) * query["per_page"]
            return 200, self.comments[start : start + query["per_page"]]
        if (method, parts.path) == ("POST", f"{TOP}/7/comments"):
            self.add(body["body"])
            return 201, self.comments[-1]
        for each in self.comments:
            if (method, parts.path) == ("PATCH", f"{TOP}/comments/{each['id']}"):
                each["body"] = body["body"]
                return 200, each
        return 404, {"message": "Not Found"}


@contextmanager
def serving() -> Iterator[Comments]:
    """The server on a free port of this machine."""
    comments = Comments()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            comments.tokens.add(self.headers["Authorization"])
            status, found = comments.answer(self.command, self.path, json.loads(self.rfile.read(length) or b"{}"))
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = handle_any

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    comments.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield comments
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
