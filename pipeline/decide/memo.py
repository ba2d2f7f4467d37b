"""Work out once what several stages ask of the same evidence.

The stages are pure functions of a batch's evidence and plan one after the other; what one of them
derived, the next need not derive again. The results live and die with the evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from pipeline.model import Evidence

_P = ParamSpec("_P")
_R = TypeVar("_R")


def once(
    function: Callable[Concatenate[Evidence, _P], _R],
) -> Callable[Concatenate[Evidence, _P], _R]:
    """Remember a pure function's result with its evidence.

    Further arguments are told apart by identity, and kept alive with the result: they are the
    policy of the run and what was itself derived from the evidence.
    """

    @wraps(function)
    def remembered(evidence: Evidence, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        further = (*args, *kwargs.values())
        key = function, *map(id, further)
        if key not in evidence.memo:
            evidence.memo[key] = function(evidence, *args, **kwargs), further
        result: _R = evidence.memo[key][0]
        return result

    return remembered
