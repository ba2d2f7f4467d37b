"""Commands about the record of a run: audit verify, audit show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import Format, Here, OutputFormat, existing_database

if TYPE_CHECKING:
    from pipeline.audit.chain import Line
    from pipeline.audit.checking import Checked, Known

app = typer.Typer(
    name="audit",
    help="Check and read the record of a run.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

RunOrFolder = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run's id, `last`, or the folder of a run, wherever it is by now."
    ),
]
_WIDE = 160
_FIRST = ("task", "event", "method", "state")


@app.command()
def verify(
    run: RunOrFolder = "last",
    signers: Annotated[
        Path | None,
        typer.Option(
            "--signers",
            metavar="FILE",
            help="Who may sign: allowed signers as ssh-keygen has them.",
        ),
    ] = None,
    workspace: Here = Path(),
    output: OutputFormat = Format.TEXT,
) -> int:
    """Find what was changed, added, moved, cut off or lost in the record and files of a run."""
    import json

    from pipeline.audit.checking import check
    from pipeline.cli.edge import printing
    from pipeline.errors import ExitCode, UsageError

    if signers is not None and not signers.is_file():
        raise UsageError("there is no such file", where=str(signers), hint="see docs/audit.md")
    folder, known = _meant(run, workspace)
    checked = check(folder, known=known, signers=signers)
    with printing():
        if output is Format.JSON:
            print(json.dumps(_document(checked), indent=1))
        else:
            print("\n".join(_told(checked)))
    return ExitCode.ACTION_NEEDED if checked.findings else ExitCode.NOTHING_TO_DO


@app.command()
def show(
    run: RunOrFolder = "last", workspace: Here = Path(), output: OutputFormat = Format.TEXT
) -> int:
    """Print the record of a run, a line for each line. It is not checked."""
    import json

    from pipeline.audit.chain import RECORD, read_chain
    from pipeline.cli.edge import printing

    folder, _ = _meant(run, workspace)
    path = folder / RECORD
    chain = read_chain(path.read_bytes() if path.is_file() else b"")
    with printing():
        if output is Format.JSON:
            print(json.dumps([_line_document(line) for line in chain.lines if line], indent=1))
        else:
            for number, line in enumerate(chain.lines, start=1):
                print(_in_short(line) if line else f"{number:6}  cannot be read")
    return 0


def _meant(text: str, workspace: Path) -> tuple[Path, Known | None]:
    """The folder of a run, and what the database knows about it when the run was named.

    Raises :class:`UsageError` when there is no such run, or it has no record.
    """
    from pipeline.audit.chain import RECORD
    from pipeline.audit.checking import Known
    from pipeline.errors import UsageError
    from pipeline.ledger import Ledger
    from pipeline.manifest import SEAL
    from pipeline.store.runs import Store
    from pipeline.workspace import Workspace

    if Path(text).is_dir():
        folder, known = Path(text).absolute(), None
    else:
        with Store(existing_database(workspace)) as store:
            record = store.run(text)
            audit = store.audit(record.number)
            tasks = Ledger(store, record).tasks() if record.purged is None else ()
        folder = Workspace(workspace.absolute()).run_folder(record.id)
        known = Known(run=record.id, audit=audit, tasks=tasks)
    never = known is None or known.audit is None
    if never and not (folder / RECORD).exists() and not (folder / SEAL).exists():
        raise UsageError(
            "there is no record of a run here",
            where=str(folder),
            hint="name a run or the folder of one; imported runs, and those of versions before "
            "records were kept, have none",
        )
    return folder, known


def _told(checked: Checked) -> list[str]:
    from pipeline.render.text import visible

    head = checked.head
    lines = [f"run {visible(checked.run, 80) or 'unknown'}: {head.lines} lines, {head.sha256}"]
    if checked.signer:
        lines.append(f"signed by {visible(checked.signer, 200)}")
    lines += [f"  {visible(f.where, 200)}: {visible(f.what, 300)}" for f in checked.findings]
    lines += [f"note: {visible(note, 300)}" for note in checked.notes]
    count = len(checked.findings)
    whole = "sealed and whole" if checked.sealed else "whole as far as it goes"
    lines.append(f"{count} finding{'s' if count != 1 else ''}" if count else whole)
    return lines


def _document(checked: Checked) -> dict[str, Any]:
    return {
        "run": checked.run,
        "lines": checked.head.lines,
        "sha256": checked.head.sha256,
        "sealed": checked.sealed,
        "signer": checked.signer or None,
        "findings": [{"where": f.where, "what": f.what} for f in checked.findings],
        "notes": list(checked.notes),
    }


def _line_document(line: Line) -> dict[str, Any]:
    return {
        "n": line.number,
        "time": line.time,
        "operator": dict(line.operator),
        "kind": line.kind,
        "facts": dict(line.facts),
    }


def _in_short(line: Line) -> str:
    """A line for people; what is long in it is cut."""
    import json

    from pipeline.render.text import visible

    who = f"{line.operator.get('user', '')}@{line.operator.get('host', '')}"
    facts = "  ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in sorted(line.facts.items(), key=lambda fact: fact[0] not in _FIRST)
        if value not in ("", None, [], {})
    )
    head = f"{line.number:6}  {line.time[:19]}Z  {who}  {line.kind}"
    return f"{visible(head, 120)}  {visible(facts, _WIDE)}"
