"""Forms that need a package which is not always there: PDF, DOCX and XLSX."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Final

from pipeline.errors import Error

EXTRAS: Final = MappingProxyType(
    {"pdf": ("weasyprint", "WeasyPrint"), "docx": ("docxtpl",) * 2, "xlsx": ("xlsxwriter",) * 2}
)
"""Form, which is also the name of the extra: (module, what people call it)."""
_LIBRARIES: Final = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 and a font"


def needed(form: str) -> Any:
    """The module behind a form. Raises :class:`Error` that says what to install."""
    module, name = EXTRAS[form]
    try:
        return import_module(module)
    except ImportError:
        raise _missing(form) from None
    except OSError as problem:  # the package is there, and what it is built on is not
        raise Error(
            f"{form} needs libraries that {name} did not find: {problem}".split("\n")[0],
            hint=f"install them; on Debian: apt-get install {_LIBRARIES}",
        ) from None


def require(forms: Iterable[str]) -> None:
    """Raise :class:`Error` for the first form whose package is missing. Nothing is imported."""
    for form in forms:
        if form in EXTRAS and find_spec(EXTRAS[form][0]) is None:
            raise _missing(form)


def _missing(form: str) -> Error:
    return Error(
        f"{form} needs {EXTRAS[form][1]}, which is not installed",
        hint=f"install it with portproof[{form}], or all of them with portproof[all]; or leave "
        f"{form} out",
    )
