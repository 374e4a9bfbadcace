"""openapi-python-client: plans, sends a key again, follows and reads a fleet of each kind.

Run by the generator's own interpreter, which knows nothing of the service but its document.
"""

import importlib
import json
import os
import sys
import time
from typing import Any

from splitplan_api import Client, models  # type: ignore[import-not-found]  # made by the test
from splitplan_api.api.plans import (  # type: ignore[import-not-found]
    get_plan,
    list_plan_users,
)

KINDS = {
    "robust": (models.RobustRequest, models.RobustPlan, models.PendingRobustPlan),
    "stopping": (models.StoppingRequest, models.StoppingPlan, models.PendingStoppingPlan),
    "multi-user": (models.MultiUserRequest, models.MultiUserPlan, models.PendingMultiUserPlan),
    "adaptive": (models.AdaptiveRequest, models.AdaptivePlan, models.PendingAdaptivePlan),
}


def decision(user: Any) -> dict[str, Any]:
    decides = user.cut_name if hasattr(user, "cut_name") else len(user.table.rows)
    return {"id": user.id, "decides": decides}


def told(answer: Any, *expected: type) -> dict[str, Any]:
    plan = answer.parsed
    assert isinstance(plan, expected), (answer.status_code, type(plan))
    result = plan.result or None
    users = None if result is None else [decision(user) for user in result.users]
    return {
        "httpStatus": int(answer.status_code),
        "kind": plan.kind,
        "id": plan.id,
        "status": str(plan.status),
        "users": users,
    }


def carried_out(client: Client, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    request, plan, pending = KINDS[kind]
    door = importlib.import_module(f"splitplan_api.api.plans.plan_{kind.replace('-', '_')}")

    def ask(**headers: str) -> Any:
        return door.sync_detailed(client=client, body=request.from_dict(body), **headers)

    first, again = ask(idempotency_key=f"python {kind}"), ask(idempotency_key=f"python {kind}")
    later = told(ask(prefer="respond-async"), pending)
    read = get_plan.sync_detailed(later["id"], client=client)
    while str(read.parsed.status) in ("queued", "running"):
        time.sleep(0.05)
        read = get_plan.sync_detailed(later["id"], client=client)
    page = list_plan_users.sync(later["id"], client=client)
    assert isinstance(page, models.PlanUserPage), page
    return {
        "planned": told(first, plan),
        "replayed": told(again, plan),
        "pending": later,
        "followed": told(read, plan),
        "users": [decision(user) for user in page.items],
    }


def main() -> None:
    asked = json.loads(os.environ["ASKED"])
    client = Client(base_url=asked["url"], timeout=60.0)
    done = {kind: carried_out(client, kind, body) for kind, body in asked["requests"].items()}
    sys.stdout.write(json.dumps(done))


if __name__ == "__main__":
    main()
