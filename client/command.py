"""`splitplan-client`: the service from a shell."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

import click
import httpx

from client import present
from client.estimating import devices, timings
from client.experimenting import experiments
from client.following import current, follow
from client.measuring import measurements
from client.ordering import plan
from client.planning import PlanningClient, PlanningError, briefly
from client.terminal import (
    FAILED,
    INFEASIBLE,
    INTERRUPTED,
    NO_RESULT,
    answered,
    background,
    json_line,
    machine,
    read_object,
    shown_or_json,
)

log = logging.getLogger("splitplan.client")


class Commands(click.Group):
    """A group whose failures are one clear line, faults of the request a line each, and exit code
    1.
    """

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except PlanningError as error:
            _refused(error)
        except httpx.InvalidURL as error:
            raise click.UsageError(f"{ctx.params['url']} is no address: {error}") from None
        except httpx.UnsupportedProtocol:
            raise click.UsageError(
                f"{ctx.params['url']} is no address: begin with http:// or https://"
            ) from None
        except httpx.TransportError as error:
            mend = "is the service there? --url or SPLITPLAN_URL says where"
            raise click.ClickException(
                f"{ctx.params['url']} does not answer: {briefly(error)}; {mend}"
            ) from None
        except KeyboardInterrupt:
            click.echo(
                "\ninterrupted; a plan that was accepted goes on: splitplan-client list", err=True
            )
            ctx.exit(INTERRUPTED)


def _refused(error: PlanningError) -> NoReturn:
    if not error.errors:
        raise click.ClickException(
            error.detail + (f" ({error.instance})" if error.instance else "")
        )
    faults = [
        (fault["pointer"] or fault.get("parameter") or "/", fault["detail"])
        for fault in error.errors
    ]
    width = min(40, max(len(where) for where, _ in faults))
    lines = [f"  {where:<{width}}  {mend}" for where, mend in faults]
    raise click.ClickException("\n".join([f"{error.title} ({error.status})", *lines]))


def local_url() -> str:
    """Where `make serve` listens: on this machine, at the port that it is told too."""
    port = os.environ.get("SPLITPLAN_PORT") or "8000"
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 2**16):
        raise click.UsageError(
            f"SPLITPLAN_PORT is {port!r}, no port to ask: say where the service is with --url"
        )
    return f"http://127.0.0.1:{port}"


@click.group(cls=Commands)
@click.option(
    "--url",
    envvar="SPLITPLAN_URL",
    default=local_url,
    show_default="http://127.0.0.1:8000, or the port in SPLITPLAN_PORT",
    show_envvar=True,
    help="Where the service is.",
)
@click.option(
    "--api-key",
    envvar="SPLITPLAN_API_KEY",
    show_envvar=True,
    help="For services that ask for keys; best not typed.",
)
@click.option(
    "--patience",
    "patience_s",
    type=click.FloatRange(min=0.0),
    default=30.0,
    show_default=True,
    help="Seconds to try again while the service is away or busy.",
)
@click.pass_context
def main(ctx: click.Context, url: str, api_key: str | None, patience_s: float) -> None:
    """Plan with a Splitplan service: where to cut neural networks between devices and an edge
    server.

    Exit codes: 0 there is a plan, 1 failed or refused, 2 wrong usage, 3 infeasible, 4 timed out or
    cancelled without a plan, 130 interrupted.
    """
    ctx.with_resource(_warnings_shown())
    ctx.obj = ctx.with_resource(PlanningClient(url, patience_s=patience_s, api_key=api_key))


class _Shown(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        click.echo(record.getMessage(), err=True)


@contextmanager
def _warnings_shown() -> Iterator[None]:
    """What the client does about a service that is away is told on standard error."""
    shown = _Shown(logging.WARNING)
    log.addHandler(shown)
    try:
        yield
    finally:
        log.removeHandler(shown)


@main.command()
@click.argument("plan_id", metavar="ID")
@machine
@click.pass_obj
def watch(planning: PlanningClient, plan_id: str, as_json: bool) -> None:
    """Follow a plan until its end, and show it."""
    answered(planning, planning.plan(plan_id), as_json, wait=True)


@main.command()
@click.argument("plan_id", metavar="ID")
@machine
@click.pass_obj
def show(planning: PlanningClient, plan_id: str, as_json: bool) -> None:
    """Show a plan, or how far it has come."""
    shown_or_json(planning.plan(plan_id), as_json, present.plan)


@main.command()
@click.argument("plan_id", metavar="ID")
@machine
@click.pass_obj
def users(planning: PlanningClient, plan_id: str, as_json: bool) -> None:
    """List what a plan says of each user; as JSON, one user per line."""
    if as_json:
        for user in planning.users(plan_id):
            click.echo(json_line(user))
    else:
        present.users(present.console(sys.stdout), planning.plan(plan_id), planning.users(plan_id))


@main.command()
@click.argument("before", metavar="ID")
@click.argument("after", metavar="ID")
@click.option(
    "--users", "whom", is_flag=True, help="Also whom they tell different things, and why."
)
@click.option("--change", help="Only users who changed so: joined, left, decision, amounts, ...")
@machine
@click.pass_obj
def compare(
    planning: PlanningClient,
    before: str,
    after: str,
    whom: bool,
    change: str | None,
    as_json: bool,
) -> None:
    """Tell what distinguishes two plans, the first from the second.

    With --users also whom they tell different things: as JSON, one user per line.
    """
    changed = planning.changed_users(before, after, change=change) if whom or change else ()
    if not (whom and as_json):
        shown_or_json(planning.compare(before, after), as_json, present.sentences)
    for user in changed:
        click.echo(json_line(user) if as_json else user["sentence"])


@main.command()
@click.argument("plan_id", metavar="ID")
@click.argument("user_id", metavar="USER")
@machine
@click.pass_obj
def explain(planning: PlanningClient, plan_id: str, user_id: str, as_json: bool) -> None:
    """Tell why a user has the cut it has, and what would make another one win."""
    shown_or_json(planning.explain(plan_id, user_id), as_json, present.explanation)


@main.command()
@click.argument("plan_id", metavar="ID")
@click.pass_obj
def request(planning: PlanningClient, plan_id: str) -> None:
    """Print the request of a plan as it was sent, as JSON."""
    click.echo(json_line(planning.request(plan_id)))


@main.command()
@click.argument("plan_id", metavar="ID")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it; `-` is standard output.  [default: ID.bundle.json]",
)
@click.pass_obj
def bundle(planning: PlanningClient, plan_id: str, output: Path | None) -> None:
    """Write all that a plan was made of into a file, for `splitplan replay`."""
    pieces = planning.bundle(plan_id)
    first = next(pieces, b"")  # a refusal leaves no file behind
    path = Path(f"{plan_id}.bundle.json") if output is None else output
    with click.open_file(str(path), "wb", atomic=True) as file:
        for piece in chain([first], pieces):
            file.write(piece)
    if str(path) != "-":
        click.echo(f"wrote {path}", err=True)


@main.command()
@click.argument("plan_id", metavar="ID")
@click.option("--keep-best", is_flag=True, help="Keep the best plan found so far.")
@machine
@click.pass_obj
def cancel(planning: PlanningClient, plan_id: str, keep_best: bool, as_json: bool) -> None:
    """Stop a plan, and wait until it has stopped."""
    planning.cancel(plan_id, keep_best=keep_best)
    shown_or_json(planning.wait(plan_id), as_json, present.plan)


@main.command()
@click.argument("plan_id", metavar="ID")
@click.argument("patch_file", metavar="PATCH", type=click.File("rb"))
@background
@click.option(
    "--if-current", is_flag=True, help="Only to replace the plan, if nobody else has or does."
)
@machine
@click.pass_obj
def replan(
    planning: PlanningClient,
    plan_id: str,
    patch_file: Any,
    in_background: bool,
    wait: bool,
    if_current: bool,
    as_json: bool,
) -> None:
    """Plan again with changes: a merge patch in which `users` is an object keyed by id."""
    ordered = planning.replan(
        plan_id, read_object(patch_file), respond_async=in_background, if_current=if_current
    )
    answered(planning, ordered, as_json, wait=wait or not in_background)


@main.command()
@click.argument("plan_id", metavar="ID")
@click.option("--drop", type=float, help="Price of leaving out a user.")
@click.option("--keep", "kept", multiple=True, metavar="USER", help="Has to stay; may be repeated.")
@click.option("--deadline-per-s", type=float, help="Price of one more second of a deadline.")
@click.option("--risk", type=float, help="Price of raising a risk by 1.")
@click.option("--bandwidth-per-hz", type=float, help="Price of one more hertz of an uplink.")
@click.option("--server-per-inference", type=float, help="Of one more inference at once. Robust.")
@click.option("--server-per-flop-per-s", type=float, help="Of one more FLOP/s. Multi-user.")
@machine
@click.pass_obj
def repairs(
    planning: PlanningClient,
    /,
    plan_id: str,
    kept: tuple[str, ...],
    as_json: bool,
    **prices: float | None,
) -> None:
    """Say what would give an infeasible plan a plan, cheapest first; exit code 3 if nothing
    would.
    """
    asked: dict[str, Any] = {name: price for name, price in prices.items() if price is not None}
    if kept:
        asked["users"] = dict.fromkeys(kept)
    found = planning.repairs(plan_id, asked)
    shown_or_json(found, as_json, present.repairs)
    sys.exit(0 if found["repairs"] else INFEASIBLE)


@main.command()
@click.argument("plan_id", metavar="ID")
@click.option("--trials", type=click.IntRange(min=1), default=10_000, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--distribution", "distributions", multiple=True, help="One to draw from; may be repeated."
)
@machine
@click.pass_obj
def validate(
    planning: PlanningClient,
    plan_id: str,
    trials: int,
    seed: int,
    distributions: tuple[str, ...],
    as_json: bool,
) -> None:
    """Replay a robust plan; exit code 1 if somebody is late more often than they accept, 4 if it
    was cancelled.
    """
    found = planning.validate(
        plan_id,
        trials=trials,
        seed=seed,
        distributions=distributions or None,
        told=None if as_json else _tell_replay,
    )
    shown_or_json(found, as_json, present.validation)
    if found.get("status") == "cancelled":
        sys.exit(NO_RESULT)
    sys.exit(0 if found.get("holds") else FAILED)


def _tell_replay(job: dict[str, Any]) -> None:
    """How far a replay in the background has come, for people."""
    if sys.stderr.isatty():
        progress = job["progress"]
        told = f"validation {job['number']}: {progress['stage']}, {progress['fraction']:.0%}"
        click.echo(f"\r\x1b[K{told}", err=True, nl=False)


@main.command("list")
@click.option("--status", help="Only plans of this status.")
@click.option("--kind", help="Only plans of this kind.")
@click.option("--name", help="Only plans of this name.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="The newest so many."
)
@machine
@click.pass_obj
def list_plans(
    planning: PlanningClient,
    status: str | None,
    kind: str | None,
    name: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List plans, newest first; as JSON, one per line."""
    filters = {"status": status, "kind": kind, "name": name}
    found = planning.plans(
        **{field: value for field, value in filters.items() if value is not None}
    )
    plans = [plan for plan, _ in zip(found, range(limit), strict=False)]
    if as_json:
        for plan in plans:
            click.echo(json_line(plan))
    else:
        present.console(sys.stdout).print(present.table(plans, present.PLANS))


@main.group()
def models() -> None:
    """Profiles of neural networks."""


@models.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="Of the new profile.")
@click.option(
    "--shape", "shapes", multiple=True, help="An input with its dimensions, e.g. data:1,3,224,224."
)
@click.option("--input-byte", multiple=True, help="What sending an input takes, e.g. data:150528.")
@click.option(
    "--max-tensors", type=click.IntRange(1, 3), default=1, help="How many tensors may cross a cut."
)
@click.option(
    "--fusion-boundaries",
    is_flag=True,
    help="No cuts inside what a runtime computes in one kernel.",
)
@click.option("--pareto", is_flag=True, help="No cuts that another beats in FLOP and bytes.")
@machine
@click.pass_obj
def import_model(
    planning: PlanningClient, /, file: Path, name: str, as_json: bool, **how: Any
) -> None:
    """Store the places to cut the network in an ONNX file."""
    shown_or_json(planning.import_model(file, name, **how), as_json, present.model)


@main.group()
def observations() -> None:
    """What devices saw under a plan: inferences, and how many were late."""


@observations.command("send")
@click.argument("plan_id", metavar="ID")
@click.argument("file", metavar="REPORTS", type=click.File("rb"))
@machine
@click.pass_obj
def send_observations(planning: PlanningClient, plan_id: str, file: Any, as_json: bool) -> None:
    """Send reports, `{"reports": [...]}`; `-` reads them from standard input."""
    reports = read_object(file).get("reports", [])
    shown_or_json(planning.report(plan_id, reports), as_json, present.evidence)


@observations.command("show")
@click.argument("plan_id", metavar="ID")
@click.option("--refuted", is_flag=True, help="List the users who are late too often.")
@machine
@click.pass_obj
def show_observations(planning: PlanningClient, plan_id: str, refuted: bool, as_json: bool) -> None:
    """Show how a plan stands against what its users saw."""
    document = planning.evidence(plan_id)
    if refuted:
        document["users"] = list(planning.reporting_users(plan_id, refuted=True))
    shown_or_json(document, as_json, present.evidence)


main.add_command(plan)
main.add_command(experiments)
main.add_command(measurements)
main.add_command(timings)
main.add_command(devices)
main.add_command(current)
main.add_command(follow)


if __name__ == "__main__":
    main()
