"""Templates of whoever reports, which override single blocks of the HTML report.

They are foreign files: read once at the door, and kept as texts, so that a template reaches no file
at all. They run in Jinja's sandbox. Escaping cannot be switched off in them, and nothing of them
stands before the content policy of the page.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Final

from jinja2 import (
    ChoiceLoader,
    Environment,
    FunctionLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    nodes,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pipeline.render.branding import OwnTemplates
from pipeline.render.templating import our_templates, prepared, shown_value
from pipeline.resources import read_text

PAGE: Final = "report.html.j2"
PREFIX: Final = "own/"
"""Before the names of one's own templates; without it a name is that of one of ours."""
FAILURES: Final = (
    *(TemplateError, ArithmeticError, AttributeError, LookupError),
    *(MemoryError, RecursionError, TypeError, ValueError),
)
"""What a template can raise."""
_SAYING: Final = frozenset({"say", "say_many"})


@lru_cache(maxsize=2)
def own_environment(own: OwnTemplates) -> Environment:
    """What they are made into a page with; a sandbox."""
    texts = {f"{PREFIX}{name}": (text, f"{own.folder}/{name}") for name, text in own.files}

    def load(name: str) -> tuple[str, str, None] | None:
        found = texts.get(name)
        return None if found is None else (*found, None)

    environment = prepared(
        ImmutableSandboxedEnvironment(
            loader=ChoiceLoader([FunctionLoader(load), our_templates()]),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=shown_value,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
    )
    del environment.filters["safe"]
    return environment


def failure(own: OwnTemplates, problem: BaseException) -> str:
    """Where a template failed, and why: ``templates/report.html.j2:3: 'misspelt' is undefined``."""
    what = " ".join(str(problem).split()) or type(problem).__name__
    line = getattr(problem, "lineno", None)
    place = f"{own.folder}/{PAGE}"
    if isinstance(problem, TemplateSyntaxError):
        place, what = problem.filename or place, problem.message or what
    for frame in traceback.extract_tb(problem.__traceback__):
        if frame.filename.startswith(f"{own.folder}/"):
            place, line = frame.filename, frame.lineno
    return f"{place}:{line}: {what}" if line else f"{place}: {what}"


def complaints(own: OwnTemplates) -> Iterator[str]:
    """What of the templates cannot be used, each with its file and line."""
    environment = own_environment(own)
    if PAGE not in dict(own.files):
        yield f"has no {PAGE}"
    for name, text in own.files:
        try:
            tree = environment.parse(text)
            environment.compile(text)
        except TemplateSyntaxError as problem:
            yield f"{name}:{problem.lineno}: {problem.message}"
            continue
        yield from (f"{name}:{line}: {what}" for line, what in _of(name, tree))


def _of(name: str, tree: nodes.Template) -> Iterator[tuple[int, str]]:
    first = tree.body[0] if tree.body else None
    if name == PAGE and not (isinstance(first, nodes.Extends) and _is_ours(first)):
        yield 1, f'must begin with {{% extends "{PAGE}" %}}'
    for late in list(tree.find_all(nodes.Extends))[1:] if name == PAGE else ():
        yield late.lineno, "extends twice"
    for block in tree.find_all(nodes.Block):
        if name == PAGE and block.name not in blocks():
            near = get_close_matches(block.name, blocks(), n=1)
            meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(blocks())}"
            yield block.lineno, f"there is no block {block.name}; {meant}"
    for modifier in tree.find_all(nodes.EvalContextModifier):
        yield modifier.lineno, "autoescape cannot be changed: texts of the network stand here"
    called = {id(call.node) for call in tree.find_all(nodes.Call) if _says_a_text(call)}
    for used in tree.find_all(nodes.Name):
        if used.name in _SAYING and id(used) not in called:
            yield used.lineno, f"{used.name} takes a text in quotes"


def _is_ours(extends: nodes.Extends) -> bool:
    return isinstance(extends.template, nodes.Const) and extends.template.value == PAGE


def _says_a_text(call: nodes.Call) -> bool:
    """Texts that are said may have elements, so none of them may come from anywhere else."""
    texts = (
        call.args[1:]
        if isinstance(call.node, nodes.Name) and call.node.name == "say_many"
        else call.args
    )
    return call.dyn_args is None and all(isinstance(text, nodes.Const) for text in texts)


@cache
def blocks() -> tuple[str, ...]:
    """The names of all blocks of ours, in their order."""
    tree = Environment().parse(read_text("templates", f"report/{PAGE}"))  # noqa: S701 -- not rendered
    return tuple(block.name for block in tree.find_all(nodes.Block))
