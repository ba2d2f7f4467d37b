"""The windows of an engagement file: open hours, blackout, public holidays, a calendar."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from pipeline.engagement import fields, kinds
from pipeline.engagement.calendars import read_calendar, require_country, require_subdivision
from pipeline.engagement.kinds import Strict
from pipeline.engagement.source import source_of
from pipeline.engagement.values import Calendar, Holidays, Hours
from pipeline.windows import Weekly

_DAY_PATTERN: Final = "([Mm]on|[Tt]ue|[Ww]ed|[Tt]hu|[Ff]ri|[Ss]at|[Ss]un)[A-Za-z]*"
_DAYS_SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": f"^{_DAY_PATTERN}(-{_DAY_PATTERN})?$",
}
_CLOCK_PATTERN: Final = "([01][0-9]|2[0-4]):[0-5][0-9]"
_SPAN_PATTERN: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2})?"


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _calendar(value: object, info: ValidationInfo) -> Calendar:
    return read_calendar(kinds.line(value), source_of(info).door)


_Are = Annotated[
    Literal["blackout", "windows"],
    Field(description="Whether these times are blackout, or windows."),
]


class OpenDocument(Strict):
    """Hours of some days of the week in which scanning is allowed."""

    days: (
        Annotated[
            list[Annotated[frozenset[int], kinds.text_of(fields.parse_weekdays)]],
            BeforeValidator(_as_list),
            Field(min_length=1),
            WithJsonSchema({"anyOf": [_DAYS_SCHEMA, {"type": "array", "items": _DAYS_SCHEMA}]}),
        ]
        | None
    ) = Field(
        default=None,
        description="Days of the week; all of them if left out. Hours belong to the day on which "
        "they begin.",
        examples=["mon-thu", ["mon", "wed-fri"]],
    )
    hours: Annotated[
        tuple[int, int],
        kinds.text_of(fields.parse_hours),
        WithJsonSchema({"type": "string", "pattern": f"^{_CLOCK_PATTERN}-{_CLOCK_PATTERN}$"}),
    ] = Field(
        default="00:00-24:00",
        validate_default=True,
        description="From and until; an end that is not later is that of the next day.",
        examples=["22:00-05:00"],
    )

    @property
    def weekly(self) -> Weekly:
        """The same as a value."""
        days = frozenset().union(*self.days) if self.days else frozenset(range(7))
        return Weekly(days=days, begin=self.hours[0], end=self.hours[1])


class HolidaysDocument(Strict):
    """Public holidays, as the package `holidays` knows them."""

    country: Annotated[
        str,
        kinds.text_of(fields.one_line),
        WithJsonSchema({"type": "string", "pattern": "^[A-Z]{2,3}$"}),
    ] = Field(description="The country, by its ISO 3166-1 code.", examples=["DE"])
    subdivision: Annotated[str, kinds.text_of(fields.one_line)] | None = Field(
        default=None,
        description="The state or province, by the second part of its ISO 3166-2 code.",
        examples=["BY"],
    )
    are: _Are = "blackout"

    @field_validator("country")
    @classmethod
    def _is_known(cls, country: str) -> str:
        require_country(country)
        return country

    @field_validator("subdivision")
    @classmethod
    def _is_one_of_the_country(cls, subdivision: str, info: ValidationInfo) -> str:
        if "country" in info.data:
            require_subdivision(info.data["country"], subdivision)
        return subdivision


class CalendarDocument(Strict):
    """An iCalendar file: its busy events."""

    file: Annotated[Calendar, PlainValidator(_calendar), WithJsonSchema({"type": "string"})] = (
        Field(description="The path of the file, beside this one.", examples=["client.ics"])
    )
    are: _Are = "blackout"


class WindowsDocument(Strict):
    """When scanning is allowed; at any time while the authorisation is valid if left out."""

    timezone: (
        Annotated[tzinfo, kinds.text_of(fields.parse_zone), WithJsonSchema({"type": "string"})]
        | None
    ) = Field(
        default=None,
        description="Whose clock the hours and days below are on; that of the authorisation if "
        "left out.",
        examples=["Europe/Berlin"],
    )
    open: list[OpenDocument] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Hours in which scanning is allowed. Without any, and without holidays or a "
        "calendar that are windows, all the time is open but for the blackout.",
    )
    blackout: list[
        Annotated[
            tuple[datetime, datetime],
            kinds.text_of(fields.parse_blackout),
            WithJsonSchema(
                {"type": "string", "pattern": f"^{_SPAN_PATTERN}( to {_SPAN_PATTERN})?$"}
            ),
        ]
    ] = Field(
        default_factory=list,
        max_length=1000,
        description="Days, or times from and until, in which nothing is sent.",
        examples=[["2026-12-24 to 2027-01-01", "2026-11-30 18:00 to 2026-12-01 06:00"]],
    )
    holidays: HolidaysDocument | None = Field(
        default=None, description="Public holidays: whole days."
    )
    calendar: CalendarDocument | None = Field(
        default=None, description="The client's own calendar: its busy events."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.open or self.blackout or self.holidays or self.calendar):
            raise ValueError("must say something: open, blackout, holidays or calendar")
        return self

    def hours(self, zone: tzinfo) -> Hours:
        """The same as a value; ``zone`` is the authorisation's."""
        days, busy = self.holidays, self.calendar
        return Hours(
            zone=self.timezone or zone,
            weekly=tuple(entry.weekly for entry in self.open or ()),
            blackout=tuple(self.blackout),
            holidays=Holidays(days.country, days.subdivision, days.are == "windows")
            if days
            else None,
            calendar=replace(busy.file, opens=busy.are == "windows") if busy else None,
        )
