"""Entity tags of plans (RFC 9110, 8.8.3), made without reading what the plans say."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.plans import stored
from app.plans.heads import Head
from app.plans.schemas import ENDED
from app.plans.tables import PlanEventRow

_VERSION = version("splitplan")


def tag_of(session: Session, row: Head) -> str:
    """The strong tag of a plan, but for how its webhook went: what one holds to replace the plan.

    Once a plan has ended, only its revocation changes what it says; until then each step has an
    event. Another release may say it in other words.
    """
    what: list[Any] = [_VERSION, row.id, row.status, row.revoked]
    if row.status not in ENDED:
        mine = PlanEventRow.plan_number == row.number
        what.append(session.scalar(select(func.max(PlanEventRow.id)).where(mine)))
    return _quoted(_digest(what))


def whole_tag(session: Session, row: Head) -> str:
    """The strong tag of a plan as it is answered."""
    tag, notice = tag_of(session, row), stored.notice_of(row)
    if notice is None:
        return tag
    return _quoted(f"{tag.strip(chr(34))}.{_digest(asdict(notice))[:8]}")


def replaceable(tags: Sequence[str]) -> list[str]:
    """The tags that answers had, without how webhooks went: that is nothing to hold on to."""
    return [_quoted(tag.strip('"').partition(".")[0]) for tag in tags]


def _digest(what: Any) -> str:
    return hashlib.sha256(orjson.dumps(what)).hexdigest()[:32]


def _quoted(tag: str) -> str:
    return f'"{tag}"'
