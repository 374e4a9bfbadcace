"""`splitplan doctor`."""

import json
import os
import textwrap
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version

import click

from app.doctor.examination import examine
from app.doctor.findings import Finding, State
from app.hidden import blanked, in_environment

_WIDTH = 110


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor_command(as_json: bool) -> None:
    """Say what is wrong with this installation, and the mend.

    Looks at the settings, the database, the workers, keys, certificate and kernel, and changes
    nothing; works where the service does not start. Exit code 1 where something is wrong.
    """
    findings = list(examine())
    told = _json(findings) if as_json else _text(findings)
    click.echo(blanked(told, in_environment(os.environ)))
    if any(each.state is State.WRONG for each in findings):
        raise click.exceptions.Exit(1)


def _worst(findings: Sequence[Finding]) -> State:
    states = {each.state for each in findings}
    return next(
        state for state in (State.WRONG, State.WARNING, State.OK) if state in {*states, State.OK}
    )


def _json(findings: Sequence[Finding]) -> str:
    checks = [
        {"check": each.check, "state": each.state, "says": each.says, "mend": each.mend}
        for each in findings
    ]
    told = {"state": _worst(findings), "version": version("splitplan"), "checks": checks}
    return json.dumps(told, indent=2, ensure_ascii=False)


def _text(findings: Sequence[Finding]) -> str:
    counts = Counter(each.state for each in findings)
    lines = [line for each in findings for line in _lines(each)]
    warnings = "1 warning" if counts[State.WARNING] == 1 else f"{counts[State.WARNING]} warnings"
    summary = f"{counts[State.WRONG]} wrong, {warnings}, {counts[State.OK]} ok"
    return "\n".join([*lines, "", summary])


def _lines(finding: Finding) -> list[str]:
    head = f"{finding.state:<8} {finding.check + ':':<13}"
    lines = _wrapped(f"{head}{finding.says}", len(head))
    if finding.mend is not None:
        lines += _wrapped(f"{'':<{len(head)}}→ {finding.mend}", len(head) + 2)
    return lines


def _wrapped(line: str, indent: int) -> list[str]:
    return textwrap.wrap(
        line, _WIDTH, subsequent_indent=" " * indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
