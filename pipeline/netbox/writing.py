"""Write services into NetBox, one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pipeline.errors import Error
from pipeline.netbox.services import TAG, Planned
from pipeline.netbox.session import Netbox

_KIND: Final = "ipam/services"


def write(netbox: Netbox, steps: Iterable[Planned]) -> None:
    """Create and change what was planned; the tag first, where it is missing.

    Raises :class:`Error`, which says how much was written before it.
    """
    due = [step for step in steps if step.writes]
    if not due:
        return
    if not list(netbox.listed("extras/tags", {"slug": TAG})):
        netbox.create("extras/tags", {"name": TAG, "slug": TAG})
    for place, step in enumerate(due):
        try:
            if step.number is None:
                netbox.create(_KIND, step.body)
            else:
                netbox.change(_KIND, step.number, step.body)
        except Error as error:
            raise Error(
                f"{error.what} at {step.endpoint}; {place} of {len(due)} were written before",
                where=error.where,
                hint="once it is put right, push again: what is there is not written twice",
            ) from error
