"""A small NetBox on loopback: lists with filters and pages, a token, and whatever goes wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

TOKEN: Final = "abcdef0123456789"
Row = dict[str, Any]


class FakeNetbox:
    """Answers as NetBox does. ``objects`` are by kind, ``ipam/prefixes``.

    ``before`` sees each request first, and may answer it: (status, headers, body).
    """

    def __init__(self, objects: Mapping[str, list[Row]], page: int = 2) -> None:
        self.objects = {kind: list(rows) for kind, rows in objects.items()}
        self.page = page
        self.asked: list[str] = []
        self.version = "4.4"
        self.before: Callable[[str], tuple[int, dict[str, str], bytes] | None] = lambda _: None
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name is that of http.server
                fake.asked.append(f"GET {self.path}")
                said = fake.before(self.path) or fake.answer(self.path, dict(self.headers))
                status, headers, body = said
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self._write("POST")

            def do_PATCH(self) -> None:
                self._write("PATCH")

            def do_DELETE(self) -> None:
                self._write("DELETE")

            def _write(self, verb: str) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.asked.append(f"{verb} {self.path}")
                said = fake.before(f"{verb} {self.path}") or fake.written(self.path, body)
                status, _, content = said
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> FakeNetbox:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        """What a NetBox says to this request."""
        if headers.get("authorization") != f"Token {TOKEN}":
            return _json(403, {"detail": "Invalid token"})
        parts = urlsplit(path)
        kind = parts.path.removeprefix("/api/").strip("/")
        if not kind:
            return 200, {"API-Version": self.version}, b"{}"
        if kind not in self.objects:
            return _json(404, {"detail": "Not found."})
        wanted = parse_qs(parts.query)
        rows = [row for row in self.objects[kind] if _matches(row, wanted)]
        offset = int(wanted.get("offset", ["0"])[0])
        limit = min(self.page, int(wanted.get("limit", ["50"])[0]))
        more = {**wanted, "offset": [str(offset + limit)]}
        more["limit"] = [str(limit)]
        following = f"{self.url}{parts.path}?{urlencode(more, doseq=True)}"
        return _json(
            200,
            {
                "count": len(rows),
                "next": following if offset + limit < len(rows) else None,
                "previous": None,
                "results": rows[offset : offset + limit],
            },
        )

    def written(self, path: str, body: Row) -> tuple[int, dict[str, str], bytes]:
        """Create or change an object, as NetBox does with what it is sent."""
        kind, _, number = path.removeprefix("/api/").strip("/").rpartition("/")
        if number.isdigit():
            (row,) = (row for row in self.objects[kind] if row["id"] == int(number))
            row |= body
            return _json(200, row)
        kind = f"{kind}/{number}"
        row = {"id": 1000 + len(self.objects[kind]), **body}
        if "protocol" in row:
            row["protocol"] = choice(row["protocol"])
            row["ipaddresses"] = [{"id": each} for each in row["ipaddresses"]]
        self.objects[kind].append(row)
        return _json(201, row)


def _json(status: int, value: object) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _matches(row: Row, wanted: Mapping[str, list[str]]) -> bool:
    status = row.get("status") or {}
    tenant = row.get("tenant") or {}
    return ("status" not in wanted or status.get("value") in wanted["status"]) and (
        "tenant" not in wanted or tenant.get("slug") in wanted["tenant"]
    )


def choice(value: str) -> Row:
    """A value of a list of choices."""
    return {"value": value, "label": value.capitalize()}


def named(number: int, name: str) -> Row:
    """A related object, in brief."""
    return {
        "id": number,
        "url": f"https://netbox.example.com/{number}/",
        "display": name,
        "name": name,
        "slug": name.lower().replace(" ", "-"),
    }
