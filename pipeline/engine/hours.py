"""The hours of a run: whether a window is open, when that changes, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.errors import Incomplete, OutsideWindow
from pipeline.render.text import minute
from pipeline.windows import ALWAYS, STOPPING, Openings


class Hours:
    """Asks for the openings before every start. Times are epoch seconds.

    ``closed`` from the close of a window on, until the next one; ``paused_until`` is when that
    opens, while the run waits for it. ``reopened`` raises when the run may not go on there.
    """

    def __init__(
        self,
        openings: Callable[[], Openings],
        reopened: Callable[[], None],
        on_event: Callable[[str, str], None],
        *,
        waits: bool,
    ) -> None:
        self._openings = openings
        self._reopened = reopened
        self._on_event = on_event
        self._waits = waits
        self._seen = ALWAYS
        self.paused_until: float | None = None
        self.closed = False

    def is_open(self, now: float) -> bool:
        """True until so long before the close as it takes to stop what runs."""
        self._seen = self._openings()
        current = self._seen.now(now)
        return current is not None and now < current[1] - STOPPING

    def pause(self, now: float) -> None:
        """Wait for the next of the windows that were looked at last, and say so once.

        Raises :class:`OutsideWindow` where there is none, and :class:`Incomplete` for a run that
        does not wait.
        """
        later = self._seen.after(now)
        if not later:
            raise OutsideWindow(
                "no further window opens while the authorisation is valid: nothing more is sent",
                hint="have windows added to the engagement, then go on with `portproof resume`",
            )
        self.closed = True
        opens = f"the next one opens {minute(later[0][0])} UTC"
        if not self._waits:
            raise Incomplete(f"the window has closed; {opens}")
        if self.paused_until is None:
            self._on_event("paused", f"no window is open; {opens}")
        self.paused_until = later[0][0]

    def go_on(self) -> bool:
        """End a pause; false when there was none."""
        if self.paused_until is None:
            return False
        self._reopened()
        self._on_event("continued", "a window is open again")
        self.paused_until = None
        self.closed = False
        return True

    def may_start(self, seconds: float, now: float) -> bool:
        """True when something that takes so long may begin now."""
        return self._openings().may_start(seconds, now)

    def fits(self, seconds: float, now: float) -> bool:
        """True when it would end before the close."""
        current = self._openings().now(now)
        return current is not None and now + seconds <= current[1]

    def next_change(self, now: float) -> float | None:
        """When what is open has to be stopped, or the next window opens; ``None``: never."""
        openings = self._openings()
        if (current := openings.now(now)) is not None:
            change = current[1] - STOPPING
        elif later := openings.after(now):
            change = later[0][0]
        else:
            return None
        return change if change > now else None
