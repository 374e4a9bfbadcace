"""The pages as a browser asks for them."""

import html
import re
from urllib.parse import unquote

import httpx
import pytest

from tests.support.builders import a_device
from tests.support.keys import a_key
from tests.support.multiuser import requests as multiuser
from tests.support.robust import requests as robust
from tests.support.robust.requests import ROBUST, a_cell, a_user
from tests.support.servers import Service
from tests.support.stopping import requests as stopping

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.either
def test_people_are_led_to_the_pages_and_programs_to_the_documentation(
    client: httpx.Client,
) -> None:
    assert client.get("/", headers=BROWSER).headers["location"] == "ui/"
    moved = client.get("/")
    assert (moved.headers["location"], moved.headers["vary"]) == ("docs", "Accept")
    assert client.get("/ui").headers["location"] == "/ui/"


@pytest.mark.either
def test_an_empty_service_says_what_to_do_next(client: httpx.Client) -> None:
    page = client.get("/ui/")
    assert page.status_code == 200
    assert "No plan yet" in page.text
    assert "splitplan catalogue load" in page.text
    policy = page.headers.get_list("content-security-policy")
    assert len(policy) == 1
    assert "unsafe" not in policy[0]
    assert not re.search(r"\sstyle=|<style|<script>|\son\w+=", page.text)
    assert client.get("/ui/plans").text.count("No plan yet") == 1


@pytest.mark.either
def test_a_page_that_a_browser_has_is_not_sent_again(client: httpx.Client) -> None:
    tag = client.get("/ui/plans").headers["etag"]
    again = client.get("/ui/plans", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.either
def test_files_are_kept_for_ever_under_the_name_of_their_content(client: httpx.Client) -> None:
    found = set(re.findall(r'(?:src|href)="(/ui/assets/[^"]+)"', client.get("/ui/").text))
    assert {path.rpartition(".")[2] for path in found} == {"css", "js", "svg"}
    for path in found:
        file = client.get(path)
        assert file.status_code == 200
        assert "immutable" in file.headers["cache-control"]
    assert client.get("/ui/assets/0123456789abcdef/pages.js").status_code == 404
    assert client.get("/ui/assets/0123456789abcdef/../routes.py").status_code == 404


def test_a_plan_is_told_in_words_and_nothing_of_its_request_is_markup(client: httpx.Client) -> None:
    evil = '<img src=x onerror="alert(1)">'
    user = a_user(id=evil.replace("/", ""), device=a_device())
    plan = client.post(ROBUST, json=a_cell(user)).json()
    page = client.get(f"/ui/plans/{plan['id']}")
    assert page.status_code == 200
    assert "no plan takes less than" in page.text
    assert "<img src=x" not in page.text
    assert plan["id"][:12] in client.get("/ui/plans?status=solved&kind=&name=").text
    assert "No plan is like that" in client.get("/ui/plans?status=failed").text


def test_what_goes_wrong_is_a_page_below_ui_alone(client: httpx.Client) -> None:
    for path, status in (
        ("/ui/nothing", 404),
        (f"/ui/plans/{'0' * 32}", 404),
        ("/ui/plans?x=1", 422),
    ):
        page = client.get(path)
        assert page.status_code == status
        assert page.headers["content-type"].startswith("text/html")
        assert "<h1>" in page.text
        assert client.head(path).status_code == status
    assert client.get("/v1/nothing").headers["content-type"] == "application/problem+json"


def test_a_key_in_a_cookie_opens_the_pages_of_its_project_and_nothing_else(
    service: Service, client: httpx.Client
) -> None:
    client.post("/v1/devices", json=a_device())
    drawing = "/ui/profiles/devices/camera-cpu/figures/power.svg"
    mine, other = a_key(service, "read"), a_key(service, "read", "other")
    asked = client.get("/ui/plans?kind=robust")
    assert asked.status_code == 401
    assert 'name="to" value="/ui/plans?kind=robust"' in asked.text
    refused = client.post("/ui/key", data={"key": "spk_nothing", "to": "/ui/"})
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)

    entered = client.post("/ui/key", data={"key": mine, "to": "/ui/plans?kind=robust"})
    assert (entered.status_code, entered.headers["location"]) == (303, "/ui/plans?kind=robust")
    cookie = entered.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/ui"} <= set(cookie.split("; "))
    assert client.get("/ui/").status_code == 200
    assert client.get(drawing).headers["content-type"] == "image/svg+xml"
    # Not for the API, and not for what changes anything.
    assert client.get("/v1/plans").status_code == 401
    assert client.get("/v1/plans", headers={"Cookie": f"splitplan-key={mine}"}).status_code == 401
    with_cookie = {"Cookie": f"splitplan-key={mine}"}
    assert client.post("/ui/plans", headers=with_cookie).status_code in (401, 405)

    assert ">1</span> devices" in client.get("/ui/").text
    client.post("/ui/key", data={"key": other, "to": "/ui/"})
    assert client.get(drawing).status_code == 404
    page = client.get("/ui/").text
    assert ">1</span> devices" not in page
    assert ">other</span>" in page
    client.post("/ui/key/forget")
    assert client.get("/ui/").status_code == 401


@pytest.mark.either
@pytest.mark.parametrize(
    "to", ["https://elsewhere.example/", "//elsewhere.example/ui/", "/ui\\@x", "/v1/plans", "/uix"]
)
def test_a_key_leads_to_no_address_of_others(service: Service, to: str) -> None:
    with httpx.Client(base_url=service.url, trust_env=False, verify=False) as client:
        entered = client.post("/ui/key", data={"key": a_key(service), "to": to})
    assert entered.headers["location"] == "/ui/"


@pytest.mark.either
@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}]
)
def test_no_page_of_others_enters_a_key(
    service: Service, client: httpx.Client, headers: dict[str, str]
) -> None:
    refused = client.post("/ui/key", data={"key": a_key(service), "to": "/ui/"}, headers=headers)
    assert refused.status_code == 400
    assert "set-cookie" not in refused.headers


def test_users_come_a_page_at_a_time_searched_and_sorted(client: httpx.Client) -> None:
    evil = '<i onclick="x()">&%2F?#'
    users = [a_user(id=f"{evil}{n:03}", gain_db=-80.0 - n / 10) for n in range(120)]
    plan = client.post(ROBUST, json=a_cell(*users, bandwidth_hz=1e9)).json()
    at = f"/ui/plans/{plan['id']}"

    def rows(page: str) -> list[str]:
        return re.findall(r'<th scope="row"><a href="(/ui/plans/[^"]+/users/[^"]+)"', page)

    first = client.get(at).text
    assert len(rows(first)) == 50
    assert "1–50 of 120" in first
    assert "<i onclick" not in first
    # What a link leads to is the user it names.
    user = client.get(rows(first)[7])
    assert user.status_code == 200
    assert f"{users[7]['id']}" in html.unescape(user.text)
    assert len(rows(client.get(f"{at}?page=3").text)) == 20
    assert "beyond the last" in client.get(f"{at}?page=4").text
    assert len(rows(client.get(f"{at}?q=F%3F%23007").text)) == 1
    assert "No user is called so" in client.get(f"{at}?q=camera").text
    dear = client.get(f"{at}?sort=energy_j&order=descending").text
    assert 'aria-sort="descending"' in dear
    told = client.get(f"/v1/plans/{plan['id']}").json()["result"]["users"]
    dearest = max(told, key=lambda each: each["energy_j"])["energy_j"]
    by_id = {each["id"]: each["energy_j"] for each in told}
    assert by_id[unquote(rows(dear)[0].rpartition("/")[2])] == dearest
    # What is no column sorts nothing, and a user who is not there is a page.
    assert "aria-sort" not in client.get(f"{at}?sort=nothing").text
    assert client.get(f"{at}/users/nobody").status_code == 404


@pytest.mark.slow
def test_plans_of_every_family_and_end_have_pages(client: httpx.Client) -> None:
    plans = [
        client.post(ROBUST, json=a_cell(a_user(deadline_s=0.001))),
        client.post("/v1/plans/stopping", json=stopping.a_fleet(stopping.a_robot(id="a"))),
        client.post("/v1/plans/multi-user", json=multiuser.a_cell(multiuser.a_user(id="a"))),
        client.post("/v1/plans/adaptive", json=multiuser.a_fleet(multiuser.a_rate_user(id="a"))),
    ]
    for plan in plans:
        body = plan.json()
        at = f"/ui/plans/{body['id']}"
        page = client.get(at).text
        assert "<h2" in page
        assert client.get(re.findall(r'href="(/ui/[^"]+/users/[^"]+)"', page)[0]).status_code == 200
        if body["result"] is not None:
            told = client.get(f"{at}/users/a/why").status_code == 200
            assert told == (body["kind"] != "adaptive")
            assert told == ("Why this cut" in client.get(f"{at}/users/a").text)
    assert "What would mend it" in client.get(f"/ui/plans/{plans[0].json()['id']}").text


def test_a_plan_that_waits_says_so_and_is_followed(idle_client: httpx.Client) -> None:
    plan = idle_client.post(
        ROBUST, json=a_cell(a_user()), headers={"Prefer": "respond-async"}
    ).json()
    at = f"/ui/plans/{plan['id']}"
    page = idle_client.get(at).text
    assert f'data-follow="{at}/events"' in page
    assert "Waits for a worker" in page
    assert "No worker lives" in idle_client.get("/ui/").text
    idle_client.post(f"/v1/plans/{plan['id']}/cancel")
    assert "Cancelled" in idle_client.get(at).text
    events = idle_client.get(f"{at}/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    assert "event: end" in events.text


@pytest.mark.slow
def test_profiles_are_told_with_units_sources_and_revisions(client: httpx.Client) -> None:
    robust.store_profiles(client)
    device = client.get("/v1/devices/camera-cpu")
    changed = device.json() | {"frequency_levels_hz": [2e8, 1e9], "reference": "<b>mine</b>"}
    tag = {"If-Match": device.headers["etag"]}
    assert client.put("/v1/devices/camera-cpu", json=changed, headers=tag).status_code == 200
    for collection in ("devices", "models", "channels", "servers", "timings"):
        listed = client.get(f"/ui/profiles/{collection}").text
        names = re.findall(rf'href="(/ui/profiles/{collection}/[^"?]+)"', listed)
        assert names, collection
        for name in names:
            assert client.get(name).status_code == 200
    page = client.get("/ui/profiles/devices/camera-cpu").text
    assert "1\u202fGHz" in page
    assert "&lt;b&gt;mine" in page
    assert "Revision 2" in page
    first = client.get("/ui/profiles/devices/camera-cpu?revision=1").text
    assert "There is a later one" in first
    assert "mine" not in first
    for missing in ("devices/nobody", "gadgets", "devices/camera-cpu?revision=3"):
        assert client.get(f"/ui/profiles/{missing}").status_code == 404


def test_what_production_refuted_is_on_every_page_that_it_concerns(client: httpx.Client) -> None:
    assert "No device has reported" in client.get("/ui/drift").text
    plan = client.post(ROBUST, json=a_cell(a_user(), name="hall")).json()
    at = f"/v1/plans/{plan['id']}/observations"

    def report(sequence: int, misses: int) -> None:
        told = {"user": "camera", "sequence": sequence, "inferences": 300, "misses": misses}
        assert client.post(at, json={"reports": [told]}).status_code == 200

    report(1, 0)
    assert "Holds" in client.get("/ui/drift").text
    assert "Revoked" not in client.get("/ui/plans").text
    report(2, 290)
    page = client.get("/ui/drift").text
    assert "Revoked" in page
    assert "600" in page
    assert "hall is revoked" in client.get("/ui/").text
    shown = client.get(f"/ui/plans/{plan['id']}").text
    assert "<strong>Revoked</strong>" in shown
    assert "What its devices saw" in shown
