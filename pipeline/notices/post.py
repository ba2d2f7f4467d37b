"""Hand notices over without ever holding up a run: a thread of its own, bounded in time and number.

What became of each is heard by whoever asks, in the thread that asks: stores and records are
written by one thread only.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from pipeline.notices.sending import TIMEOUT, Delivered, push, send_mail
from pipeline.notices.settings import NoticeSettings
from pipeline.notices.wording import Notice, as_mail

ATTEMPTS: Final = 3
PAUSES: Final = (1.0, 5.0)
"""Seconds between the attempts."""
PATIENCE: Final = 40.0
"""Seconds that the end of a run waits for the last notices, in sum."""
_MOST: Final = 50

Told = tuple[Notice, Delivered]


class Post:
    """Sends the notices of one run."""

    def __init__(
        self, settings: NoticeSettings, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._out: queue.Queue[Notice | None] = queue.Queue(_MOST)
        self._back: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def send(self, notice: Notice) -> None:
        """Put a notice on its way; returns at once."""
        if self._thread is None:
            # A daemon: a server that never answers must not keep the process alive.
            self._thread = threading.Thread(target=self._work, name="notices", daemon=True)
            self._thread.start()
        try:
            self._out.put_nowait(notice)
        except queue.Full:
            lost = Delivered(channel="all", problem=f"more than {_MOST} notices are waiting")
            self._back.put((notice, lost))

    def send_now(self, notice: Notice) -> tuple[Delivered, ...]:
        """Send a notice and wait for what becomes of it."""
        return tuple(self._delivered(notice))

    def heard(self) -> list[Told]:
        """What became of notices since this was asked last."""
        found = []
        while not self._back.empty():
            found.append(self._back.get_nowait())
        return found

    def close(self) -> list[Told]:
        """Wait for what is on its way, ``PATIENCE`` at most; what is not through then is lost."""
        if self._thread is not None:
            try:
                self._out.put(None, timeout=TIMEOUT)
            except queue.Full:
                pass
            else:
                self._thread.join(PATIENCE)
            self._thread = None
        return self.heard()

    def _work(self) -> None:
        while (notice := self._out.get()) is not None:
            for delivered in self._delivered(notice):
                self._back.put((notice, delivered))

    def _delivered(self, notice: Notice) -> list[Delivered]:
        settings = self._settings
        found = []
        if (mail := settings.mail) is not None:
            message = as_mail(notice, mail)
            found.append(self._try(partial(send_mail, mail, message)))
        for secret in settings.services:
            words = {"title": notice.title, "body": notice.body}
            found.append(self._try(partial(push, secret, settings.schemes, **words)))
        return found

    def _try(self, attempt: Callable[[], Delivered]) -> Delivered:
        delivered = attempt()
        for pause in PAUSES[: ATTEMPTS - 1]:
            if not delivered.problem or delivered.hopeless:
                break
            self._sleep(pause)
            delivered = attempt()
        return delivered
