"""A plan's users, searched and sorted: as if all of them were looked through."""

from typing import Any

import httpx
import pytest

from app.plans import browsing, heads, stored
from app.plans.browsing import Sought, value_of
from tests.support.robust import columns
from tests.support.robust.requests import (
    ROBUST,
    a_crowd,
    a_stored_cell,
    a_stored_user,
    store_profiles,
)
from tests.support.servers import Service

SOUGHT = [
    Sought(),
    Sought("camera-7"),
    Sought("ERA-77"),
    Sought("nobody"),
    Sought("%"),
    Sought(field="id"),
    Sought(field="energy_j", descending=True),
    Sought(field="latency.bound_s"),
    Sought("9", field="cut_name"),
    Sought("1", field="cut_name", descending=True),
    Sought(field="fallback_cut"),
    Sought(field="no.such"),
]


def looked_through(users: list[dict[str, Any]], sought: Sought) -> list[str]:
    found = [user for user in users if sought.text.lower() in user["id"].lower()]
    if sought.field is not None:
        field = sought.field
        known = [user for user in found if value_of(user, field) is not None]
        known.sort(key=lambda user: value_of(user, field), reverse=sought.descending)
        found = known + [user for user in found if value_of(user, field) is None]
    return [user["id"] for user in found]


@pytest.mark.slow
@pytest.mark.parametrize("many", [40, 5000])
def test_a_page_is_what_looking_through_all_finds(
    service: Service, client: httpx.Client, many: int
) -> None:
    store_profiles(client)
    request = a_stored_cell(*a_crowd(many), bandwidth_hz=1e9)
    if many > 1000:
        plan_id = columns.planned(client, columns.as_table(request))["id"]
    else:
        plan_id = client.post(ROBUST, json=request).json()["id"]
    with service.database.reading() as session:
        plan = heads.by_id(session, plan_id)
        users = stored.users_of(session, plan, 0, many)
        assert len(users) == many
        for sought in SOUGHT:
            expected = looked_through(users, sought)
            for start in (0, 15, len(expected) - 2, len(expected) + 100):
                page = browsing.page(session, plan, sought, max(start, 0), 20)
                shown = [user["id"] for user in page.users]
                assert shown == expected[max(start, 0) : max(start, 0) + 20], sought
                assert (page.found, page.sought) == (len(expected), True)


def test_reasons_are_browsed_too(service: Service, client: httpx.Client) -> None:
    store_profiles(client)
    late = [a_stored_user(id=f"camera-{n}", deadline_s=0.001 + n * 1e-4) for n in range(3)]
    plan_id = client.post(ROBUST, json=a_stored_cell(*late)).json()["id"]
    with service.database.reading() as session:
        plan = heads.by_id(session, plan_id)
        page = browsing.page(session, plan, Sought("camera-1"), 0, 50)
        assert (page.found, [user["id"] for user in page.users]) == (1, ["camera-1"])


def test_too_many_in_json_are_shown_in_their_order(
    service: Service, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "_MOST_JSON", 2)
    store_profiles(client)
    plan_id = client.post(ROBUST, json=a_stored_cell(*a_crowd(4))).json()["id"]
    with service.database.reading() as session:
        plan = heads.by_id(session, plan_id)
        page = browsing.page(session, plan, Sought("camera-3"), 0, 50)
        assert (page.found, page.sought, len(page.users)) == (4, False, 4)


def test_an_order_is_kept_for_who_turns_the_page() -> None:
    orders = browsing._Orders()
    for n in range(6):
        orders.put((str(n), "energy_j", False), browsing.np.zeros(1, browsing.np.int32))
    assert orders.get(("0", "energy_j", False)) is None
    assert orders.get(("5", "energy_j", False)) is not None
