"""The only place from which NetBox is talked to.

It never reaches a target: where it connects to is what the engagement names. Certificates are
verified, redirects are not followed, and a page that leads elsewhere is refused, since the token
would go there. No proxy and no ``.netrc`` of the environment has a say. What NetBox answers is
hostile: it is bounded, and nothing of an error it sends is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pipeline.errors import Error
from pipeline.netbox.settings import NetboxSettings

if TYPE_CHECKING:
    import requests

TIMEOUT: Final = 30.0
"""Seconds that NetBox may take to begin an answer, or to go on with one."""
WITHIN: Final = 300.0
"""Seconds that all answers may take together."""
LARGEST: Final = 32 << 20
"""Bytes of one answer."""
IN_ALL: Final = 256 << 20
PAGE: Final = 500
"""Objects of one answer."""

Row = Mapping[str, Any]


class Netbox:
    """A connection. ``clock`` counts seconds; what was asked ends :data:`WITHIN` after the start.

    Raises :class:`Error` where the package is missing, and wherever NetBox does not answer as one.
    """

    def __init__(
        self, settings: NetboxSettings, clock: Callable[[], float], *, writes: bool = False
    ) -> None:
        self._settings = settings
        self._token = settings.token.read()
        self._package = _package()
        self._session = _session(settings, clock, writes=writes)

    @property
    def name(self) -> str:
        """The host that is asked."""
        return self._settings.name

    def listed(self, kind: str, filters: Mapping[str, object]) -> Iterator[Row]:
        """All objects of a kind (``ipam/prefixes``), page by page, as they are written."""
        try:
            for row in self._asked(kind, filters=dict(filters), limit=PAGE).get():
                if isinstance(row, Mapping):
                    yield row
        except Exception as problem:  # of the package, of requests, or of what NetBox answered
            raise self._refused(kind, problem) from None

    def version(self) -> str:
        """That of its API, such as ``4.3``; empty where it does not say."""
        try:
            return str(self._asked("").get_version())[:20]
        except Exception as problem:
            raise self._refused("", problem) from None

    def create(self, kind: str, body: Row) -> None:
        """Make an object of a kind."""
        try:
            self._asked(kind).post(dict(body))
        except Exception as problem:
            raise self._refused(kind, problem) from None

    def change(self, kind: str, number: int, body: Row) -> None:
        """Set some fields of an object."""
        try:
            self._asked(kind, key=number).patch(dict(body))
        except Exception as problem:
            raise self._refused(kind, problem) from None

    def _asked(self, kind: str, **more: object) -> Any:
        return self._package.Request(
            base=f"{self._settings.url}/api/{kind}",
            http_session=self._session,
            token=self._token,
            **more,
        )

    def _refused(self, kind: str, problem: Exception) -> Error:
        """Nothing of what the other side said is repeated: it may hold what is secret there."""
        answer = getattr(problem, "req", None)
        code = getattr(answer, "status_code", 0)
        what, hint = _WHY.get(code, ("answers with an error", "see the log of NetBox"))
        if isinstance(problem, _Astray):
            what, hint = str(problem), "see assets[].netbox.url"
        elif not code:
            what, hint = f"cannot be read: {type(problem).__name__}", "see whether it is a NetBox"
        number = f" ({code})" if code else ""
        return Error(f"NetBox {what}{number}", where=f"{self._settings.name}, {kind}", hint=hint)


_WHY: Final = {
    200: ("answers what is no JSON", "see whether the URL is that of a NetBox, without /api"),
    401: ("does not know the token", "see whether it is still valid"),
    400: ("refuses what it was sent", "see the log of NetBox"),
    403: (
        "refuses what the token may not see",
        "let the token's user view IPAM, DCIM and machines; to push, change services and tags",
    ),
    404: ("has nothing there", "see whether the URL is that of a NetBox, without /api"),
}


def _package() -> Any:
    try:
        from pynetbox.core import query  # type: ignore[import-untyped]  # it has no types
    except ImportError:
        raise Error(
            "NetBox needs pynetbox, which is not installed",
            hint="install it with portproof[netbox], or leave netbox out of assets",
        ) from None
    return query


def _session(
    settings: NetboxSettings, clock: Callable[[], float], *, writes: bool
) -> requests.Session:
    import requests

    home = urlsplit(settings.url)
    until = clock() + WITHIN
    read = 0

    class Guarded(requests.Session):
        """Talks to one origin, and not for ever."""

        def request(self, method: str, url: str, **more: Any) -> requests.Response:  # type: ignore[override]
            """As that of requests, within our bounds."""
            nonlocal read
            if method.upper() not in (("GET", "POST", "PATCH") if writes else ("GET",)):
                raise _Astray(f"is not to be asked to {method}")
            there = urlsplit(url)
            if (there.scheme, there.netloc) != (home.scheme, home.netloc):
                raise _Astray("leads to another server, where the token has no business")
            more |= {"allow_redirects": False, "timeout": TIMEOUT, "stream": True}
            answer = super().request(method, url, **more)
            if answer.is_redirect or answer.is_permanent_redirect:
                answer.close()
                raise _Astray("redirects, which is not followed; write the URL that it leads to")
            body = bytearray()
            for part in answer.iter_content(1 << 16):
                body += part
                if len(body) > LARGEST or read + len(body) > IN_ALL:
                    answer.close()
                    raise _Astray(f"answers more than {LARGEST >> 20} MiB, or does so too often")
                if clock() > until:
                    answer.close()
                    raise _Astray(f"takes more than {WITHIN:g} seconds")
            read += len(body)
            answer._content = bytes(body)
            return answer

    made = Guarded()
    made.trust_env = False
    made.verify = str(settings.ca) if settings.ca else True
    return made


class _Astray(Exception):
    """NetBox does what it should not."""
