"""`splitplan-client current` and `follow`: what is in force under a name."""

import sys
from typing import Any

import click

from client import present
from client.planning import PlanningClient
from client.terminal import json_line, machine, shown_or_json


@click.command()
@click.argument("name")
@click.option("--user", "user_id", help="Only what this one should do, as JSON.")
@click.option("--any", "any_ended", is_flag=True, help="The newest that has ended, however.")
@machine
@click.pass_obj
def current(
    planning: PlanningClient, name: str, user_id: str | None, any_ended: bool, as_json: bool
) -> None:
    """Show the current plan of a name: the newest with a result."""
    if user_id is not None:
        click.echo(json_line(planning.current_user(name, user_id)))
        return
    shown_or_json(planning.current_plan(name, any_ended=any_ended), as_json, present.plan)


@click.command()
@click.argument("name")
@click.option("--after", metavar="EVENT", help="Go on after the event with this id.")
@machine
@click.pass_obj
def follow(planning: PlanningClient, name: str, after: str | None, as_json: bool) -> None:
    """Tell each time that a name has another current plan; as JSON, one line each, until
    interrupted.
    """
    for news in planning.follow_name(name, after=after):
        click.echo(json_line(news) if as_json else _told(news))
        sys.stdout.flush()


def _told(news: dict[str, Any]) -> str:
    if news["plan"] is None:
        return f"{news['name']}: no plan"
    if news["because"] == "revoked":
        return f"{news['name']}: plan {news['plan']} is revoked: {news['revoked']['detail']}"
    what = f"{news['name']}: plan {news['plan']} ({news['kind']}, {news['users_count']} users)"
    if news["because"] == "deleted":
        what += ", since a newer one was deleted"
    changes = news["changes"]
    if changes is None:
        return f"{what}, revoked" if "revoked" in news else what
    named = ", ".join(f"{user['id']} {user['change']}" for user in changes.get("users", ())[:5])
    counts = f"{changes['changed']} changed, {changes['added']} added, {changes['removed']} removed"
    return f"{what}: {counts}" + (f" ({named})" if named and len(changes["users"]) <= 5 else "")
