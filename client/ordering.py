"""`splitplan-client plan`: a request from files and options, planned."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from client import present
from client.planning import TABLES, Json, Kind, PlanningClient
from client.terminal import (
    answered,
    background,
    machine,
    name_of,
    read_object,
    read_value,
    shown_or_json,
)
from notation import yaml

_DOCUMENTS = (".json", ".yaml", ".yml")


@click.command("plan")
@click.argument("kind", type=click.Choice(["robust", "stopping", "multi-user", "adaptive"]))
@click.argument("request_file", metavar="[REQUEST]", type=click.File("rb"), required=False)
@click.option(
    "--request", "terms_file", type=click.File("rb"), help="The same, where it says no users."
)
@click.option(
    "--users",
    "users_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A table of users (.csv, .tsv, .parquet, .arrow), or a list (.json, .yaml).",
)
@click.option("--name", help="A name under which the newest plan is found again.")
@click.option("--channel", help="A stored channel.")
@click.option("--server", help="A stored server.")
@click.option("--bandwidth-hz", type=float, help="Uplink to share.")
@click.option(
    "--set",
    "said",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Any other field, e.g. options.margin=gaussian; may be repeated.",
)
@background
@click.option(
    "--dry-run", is_flag=True, help="Only validate, and estimate what planning would take."
)
@machine
@click.pass_obj
def plan(
    planning: PlanningClient,
    /,
    kind: Kind,
    users_file: Path | None,
    in_background: bool,
    wait: bool,
    dry_run: bool,
    as_json: bool,
    **terms: Any,
) -> None:
    """Plan a fleet: of a REQUEST (JSON or YAML; `-` is standard input), of a table of users and
    options, or of both. Options go before what files say.
    """
    request, table = _requested(users_file, **terms)
    if dry_run:
        shown_or_json(planning.estimate(kind, request, users=table), as_json, present.estimate)
        return
    ordered = planning.submit(kind, request, users=table, respond_async=in_background)
    answered(planning, ordered, as_json, wait=wait or not in_background)


def _requested(
    users_file: Path | None,
    *,
    request_file: Any,
    terms_file: Any,
    said: Iterable[str],
    **named: Any,
) -> tuple[Json, Path | None]:
    """The request, and the table of its users where that is a file of its own."""
    if request_file is not None and terms_file is not None:
        raise click.UsageError("give one file: REQUEST, or --request")
    file = request_file or terms_file
    if file is not None and Path(name_of(file)).suffix.lower() in TABLES:
        raise click.UsageError(f"{name_of(file)} is a table of users: --users {name_of(file)}")
    if file is None and users_file is None:
        raise click.UsageError("give a REQUEST, or --users and what else the plan needs")
    request = {} if file is None else read_object(file)
    request |= {field: value for field, value in named.items() if value is not None}
    for one in said:
        _set(request, one)
    if users_file is None:
        return request, None
    if "users" in request:
        raise click.UsageError(
            f"{name_of(file) if file else '--set'} says users too: leave them out"
        )
    suffix = users_file.suffix.lower()
    if suffix in TABLES:
        return request, users_file
    if suffix not in _DOCUMENTS:
        known = ", ".join((*TABLES, *_DOCUMENTS))
        raise click.UsageError(f"{users_file} must end in one of {known}")
    with users_file.open("rb") as opened:
        users = read_value(opened)
    users = users.get("users") if isinstance(users, dict) else users
    if not isinstance(users, list):
        raise click.UsageError(f"{users_file} is no list of users")
    return request | {"users": users}, None


def _set(request: Json, said: str) -> None:
    """Say a field of a request, `outer.inner=value` within objects, the value as YAML has it."""
    path, equals, text = said.partition("=")
    *outer, name = path.strip().split(".")
    if not equals or not all((*outer, name)):
        raise click.UsageError(f"--set {said}: say it as FIELD=VALUE, e.g. options.seed=3")
    into = request
    for step in outer:
        inner = into.get(step)
        # A copy: what was read stays as it was read.
        into[step] = into = {**inner} if isinstance(inner, dict) else {}
    try:
        into[name] = yaml.parse(text)
    except yaml.MalformedYaml as error:
        raise click.UsageError(f"--set {said}: the value cannot be read: {error}") from None
