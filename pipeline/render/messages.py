"""Every fixed text that a language needs: what the code, the templates and the scripts say.

``python -m pipeline.render.messages CODE`` prints the catalogue of a language with what it has
already, and with an empty text where one is missing: the file to begin a language with. With
``risks`` after it, it is the catalogue of our rules of risk.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Final

from jinja2 import Environment, nodes

from pipeline.decide.completeness import A_SAMPLE_ASSUMES, TWO_PASSES_ASSUME
from pipeline.decide.reasons import EXPLANATIONS
from pipeline.decide.throttle import Sign
from pipeline.engagement.artefacts import our_signatures
from pipeline.render.catalogue import Messages, read_catalogue
from pipeline.render.checklist import Standing
from pipeline.render.language import RULES, Phrases
from pipeline.render.recorded import KINDS, SENTENCES
from pipeline.render.words import FIELDS, NAMES, RECORDED
from pipeline.render.would_change import WOULD_CHANGE
from pipeline.resources import folder

SCRIPT_TEXT: Final = re.compile(r'said\("((?:[^"\\]|\\.)*)"')
"""A fixed text in a script."""
_HERE: Final = Path(__file__).parent
_FOLDERS: Final = ("report", "print", "docx", "portal")
"""Folders of templates that speak every language."""
_DOCX: Final = re.compile(r"\{%(?:p|tr)\b")
"""How docxtpl marks what takes its paragraph or its row with it."""
_FORMS: Final = tuple(
    f"pipeline.render.{name}" for name in ("html", "markdown", "pdf", "docx", "portal")
)
"""Modules of the forms of a report that speak every language."""
_SAYING: Final = {"say": 0, "_said": 0, "say_many": 1, "forms": 0, "counted": 1}
"""Functions that say something, and which of their arguments is the text."""
_PAIRS: Final = frozenset({"say_many", "forms"})


def messages() -> dict[str, str]:
    """Every text with what is said where a number calls for another; empty where none does."""
    told = _behind(_FORMS)
    found = dict.fromkeys(sorted(_elsewhere(told)), "")
    for tree in told.values():
        found |= _of_module(tree)
    for name in _FOLDERS:
        for path in sorted((folder("templates") / name).rglob("*")):
            if path.suffix in (".j2", ".xml"):
                found |= _of_template(_DOCX.sub("{%", path.read_text(encoding="utf-8")))
            elif path.suffix == ".js":
                script = path.read_text(encoding="utf-8")
                found |= dict.fromkeys(SCRIPT_TEXT.findall(script), "")
    return found


def _behind(names: Iterable[str]) -> dict[str, ast.Module]:
    """Those modules for rendering, and all that they import, parsed, by their names."""
    found: dict[str, ast.Module] = {}
    left = [*names]
    while left:
        name = left.pop()
        path = _HERE.parents[1].joinpath(*name.split(".")).with_suffix(".py")
        if name in found or not path.is_file():
            continue
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(found[name]):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(__package__):
                left.append(str(node.module))
    return dict(sorted(found.items()))


def _elsewhere(modules: Iterable[str]) -> Iterator[str]:
    """What is looked up by a value and not by its text."""
    yield from (name.value for kind in NAMES for name in kind)
    yield from (*FIELDS, *RECORDED, *TWO_PASSES_ASSUME, *A_SAMPLE_ASSUMES)
    yield from (*EXPLANATIONS.values(), *Standing, "and", "or")
    yield from (*KINDS, *SENTENCES, *(sign.value for sign in Sign))
    yield from (text for texts in WOULD_CHANGE.values() for text in texts)
    yield from (text for known in our_signatures() for text in (known.title, known.what))
    for name in modules:
        module = import_module(name)
        for value in vars(module).values():
            if isinstance(value, Phrases):
                yield from value.texts.values()


def _of_module(tree: ast.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    for scope in ast.walk(tree):
        if isinstance(scope, ast.FunctionDef):
            assigned = _assigned(scope)
            for call in ast.walk(scope):
                found |= _of_call(call, assigned)
    for call in ast.walk(tree):
        found |= _of_call(call, {})
    return found


def _assigned(scope: ast.FunctionDef) -> dict[str, list[str]]:
    """The texts that names within a function are bound to."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            text = _text(node.value)
            if text is not None:
                found.setdefault(node.targets[0].id, []).append(text)
    return found


def _of_call(call: ast.AST, assigned: Mapping[str, list[str]]) -> dict[str, str]:
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        return {}
    place = _SAYING.get(call.func.id)
    if place is None or len(call.args) <= place:
        return {}
    first = call.args[place]
    if isinstance(first, ast.Name):
        return dict.fromkeys(assigned.get(first.id, ()), "")
    texts = [_text(each) for each in call.args[place:]]
    return _entry(call.func.id, [each for each in texts if each is not None])


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _of_template(source: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for call in Environment().parse(source).find_all(nodes.Call):  # noqa: S701 -- nothing rendered
        name = call.node.name if isinstance(call.node, nodes.Name) else ""
        if name in _SAYING:
            rest = call.args[_SAYING[name] :]
            found |= _entry(name, [each.value for each in rest if isinstance(each, nodes.Const)])
    return found


def _entry(name: str, texts: list[str]) -> dict[str, str]:
    if not texts:
        return {}
    if name == "counted":
        return {texts[0]: texts[1] if len(texts) > 1 else f"{texts[0]}s"}
    return {texts[0]: texts[1] if name in _PAIRS else ""}


def rule_texts() -> dict[str, str]:
    """What our rules of risk say, in their order: titles, whys, and what to do."""
    from pipeline.engagement.policies import our_policy  # only who translates needs it

    rules = our_policy().rules
    return dict.fromkeys((t for r in rules for t in (r.title, r.why, *r.remediation)), "")


def catalogue(head: Mapping[str, str], known: Messages, texts: Mapping[str, str]) -> str:
    """A catalogue of the texts: what is known of them, and what is missing as empty texts."""
    count = re.match(r"nplurals=(\d+)", head.get("Plural-Forms", ""))
    lines = ['msgid ""', 'msgstr ""', *(_quoted(f"{k}: {v}\n") for k, v in head.items()), ""]
    for text, several in texts.items():
        needed = int(count[1]) if several and count else 1
        said = known.get(text, ())
        said = said if len(said) == needed else ("",) * needed
        lines.append(f"msgid {_quoted(text)}")
        if several:
            lines.append(f"msgid_plural {_quoted(several)}")
            lines += [f"msgstr[{place}] {_quoted(each)}" for place, each in enumerate(said)]
        else:
            lines.append(f"msgstr {_quoted(said[0])}")
        lines.append("")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _main(code: str, what: str = "") -> None:
    rules = what == "risks"
    path = folder("templates") / (RULES if rules else "languages") / f"{code}.po"
    head = {"Language": code, "Plural-Forms": "nplurals=2; plural=(n != 1);"}
    known: Messages = {}
    if path.is_file():
        head, known = read_catalogue(path.read_text(encoding="utf-8"), str(path), whole=False)
    texts = rule_texts() if rules else dict(sorted(messages().items()))
    sys.stdout.write(catalogue(head, known, texts))


if __name__ == "__main__":
    _main(*sys.argv[1:])
