"""A plan on a terminal: read, waited for, interrupted, and ended with an exit code."""

import json
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console

from client import present
from client.planning import ENDED, Json, PlanningClient
from notation import yaml

F = TypeVar("F", bound=Callable[..., Any])

FAILED, INFEASIBLE, NO_RESULT = 1, 3, 4
INTERRUPTED = 130


def machine(command: F) -> F:
    """The option for programs."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON as the service answered it."
    )(command)


def background(command: F) -> F:
    """The options of who may not want to wait for a plan."""
    wait = click.option(
        "--wait",
        is_flag=True,
        help="With --async: order it in the background, but wait for its end.",
    )
    order = click.option(
        "--async", "in_background", is_flag=True, help="Only order the plan, and print its id."
    )
    return order(wait(command))


def answered(planning: PlanningClient, plan: Json, as_json: bool, *, wait: bool) -> None:
    """Show a plan that was ordered, its way if it is waited for, and end with the exit code of its
    status.
    """
    if plan["status"] not in ENDED and not wait:
        if as_json:
            shown_or_json(plan, as_json, present.plan)
        else:
            click.echo(plan["id"])
        return
    if plan["status"] not in ENDED:
        plan = _followed(planning, plan)
    shown_or_json(plan, as_json, present.plan)
    sys.exit(_verdict(plan))


def _followed(planning: PlanningClient, plan: Json) -> Json:
    """A plan once it has ended; on a terminal with a bar, and whoever interrupts is asked what is
    meant.
    """
    plan_id = plan["id"]
    while True:
        try:
            if not sys.stderr.isatty():
                return planning.wait(plan_id)
            with present.Bar(Console(stderr=True)) as bar:
                bar.tell(plan)
                return planning.wait(plan_id, told=bar.tell)
        except KeyboardInterrupt:
            match _meant(plan_id):
                case "cancel":
                    planning.cancel(plan_id, keep_best=True)
                case "leave":
                    click.echo(f"it goes on: splitplan-client watch {plan_id}", err=True)
                    sys.exit(INTERRUPTED)


def _meant(plan_id: str) -> str:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return "leave"
    try:
        answer = click.prompt(
            f"\nplan {plan_id} is not solved yet: cancel it and keep the best so far, leave it"
            " running, or wait?",
            type=click.Choice(["cancel", "leave", "wait"]),
            default="leave",
            err=True,
        )
    except click.Abort:
        return "leave"
    return str(answer)


def _verdict(plan: Json) -> int:
    if plan["result"] is not None:
        return 0
    return {"infeasible": INFEASIBLE, "timed_out": NO_RESULT, "cancelled": NO_RESULT}.get(
        plan["status"], FAILED
    )


def name_of(file: Any) -> str:
    """What a file is called; `-` where it comes in."""
    return str(getattr(file, "name", "-"))


def read_object(file: Any) -> Json:
    """The object in a file of JSON or YAML."""
    content = read_value(file)
    if not isinstance(content, dict):
        form = "YAML" if _is_yaml(name_of(file)) else "JSON"
        raise click.UsageError(f"{name_of(file)} is not a {form} object")
    return content


def read_value(file: Any) -> Any:
    """What a file says, JSON or by its suffix YAML, by the letter: what the service would refuse is
    not repaired here.
    """
    content = file.read()
    try:
        text = content.decode("utf-8-sig")
        if _is_yaml(name_of(file)):
            return yaml.parse(text)
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except yaml.MalformedYaml as error:
        raise click.UsageError(f"{name_of(file)} is not YAML: {error}") from None
    except ValueError as error:
        form = "YAML" if _is_yaml(name_of(file)) else "JSON"
        raise click.UsageError(f"{name_of(file)} is not {form}: {error}") from None


def _is_yaml(name: str) -> bool:
    return name.lower().endswith((".yaml", ".yml"))


def _object(pairs: list[tuple[str, Any]]) -> Json:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"the key {next(name for name in names if names.count(name) > 1)!r} is given twice"
        )
    return members


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def json_line(document: Json) -> str:
    return json.dumps(document, ensure_ascii=False)


def shown_or_json(document: Json, as_json: bool, shown: Callable[[Console, Json], None]) -> None:
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        shown(present.console(sys.stdout), document)
