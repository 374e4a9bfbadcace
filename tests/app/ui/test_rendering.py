"""The pages in a real browser: at two widths, in light and dark, for who hears them and who types.

Its pictures are kept, to be looked at: .pytest_cache/pages.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import migration
from app.db import open_database
from app.plans import jobs
from app.plans.service import failed
from app.settings import Settings
from tests.support.browser import CHROMIUM, Browser, axe
from tests.support.builders import a_metered_device
from tests.support.experiments import an_experiment, work_off
from tests.support.keys import a_key
from tests.support.multiuser import requests as multiuser
from tests.support.robust import columns
from tests.support.robust.requests import (
    ROBUST,
    a_cell,
    a_crowd,
    a_stored_cell,
    a_stored_user,
    a_user,
    store_profiles,
)
from tests.support.servers import Service
from tests.support.stopping import requests as stopping
from tests.support.tools import fetched_or_skipped

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: install Debian's chromium"),
]

PICTURES = Path(__file__).parents[3] / ".pytest_cache" / "pages"
WIDTHS = {1280: "light", 390: "dark"}
HOSTILE = '<script>document.title="taken"</script><i onclick="x()">&"?#%2F'.replace("/", "\u2215")
LATER = {"Prefer": "respond-async"}

Findings = Callable[[Browser], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(scope="module")
def findings() -> Findings:
    return axe(fetched_or_skipped().folder / "node_modules" / "axe-core" / "axe.min.js")


def a_service(folder: Path) -> Service:
    settings = Settings(
        database_url=f"sqlite:///{folder}/pages.db", sync_max_users=10_000, sync_max_s=60.0
    )
    database = open_database(settings.database_url)
    migration.migrate(database)
    database.engine.dispose()
    return Service(settings)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with nothing in it."""
    with a_service(tmp_path_factory.mktemp("empty")) as service:
        yield service


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, dict[str, str]]]:
    """A service with plans of every family and every end, and where each page of them is."""
    with (
        a_service(tmp_path_factory.mktemp("stage")) as service,
        httpx.Client(base_url=service.url, timeout=60.0, trust_env=False, verify=False) as client,
    ):
        yield service, staged(service, client)


def staged(service: Service, client: httpx.Client) -> dict[str, str]:
    store_profiles(client)
    client.post("/v1/devices", json=a_metered_device(name="metered"))

    def plan(kind: str, body: dict[str, Any], **headers: str) -> str:
        answer = client.post(f"/v1/plans/{kind}", json=body, headers=headers)
        assert answer.status_code in (201, 202), answer.text
        return str(answer.json()["id"])

    cameras = [a_stored_user(id=f"camera-{n}", gain_db=-82.0 - 2.2 * n) for n in range(12)]
    explained = a_stored_cell(*cameras, name="hall", options={"explain": True})
    tight = [a_stored_user(id=f"{HOSTILE}{n}", deadline_s=0.01) for n in range(4)]
    robots = stopping.a_fleet(stopping.a_robot(id="robot"), name="robots")
    headsets = multiuser.a_cell(multiuser.a_user(id="headset"), name="headsets")
    drones = multiuser.a_fleet(multiuser.a_rate_user(id="drone"), name="drones")
    crowd = a_stored_cell(*a_crowd(3000), bandwidth_hz=1e9, name="city")
    ids = {
        "robust": plan("robust", explained),
        "infeasible": plan("robust", a_stored_cell(*tight)),
        "stopping": plan("stopping", robots),
        "multi-user": plan("multi-user", headsets),
        "adaptive": plan("adaptive", drones),
        "large": columns.planned(client, columns.as_table(crowd))["id"],
        "revoked": plan("robust", a_cell(a_user(), name="refuted")),
        "queued": plan("robust", explained, **LATER),
        "cancelled": plan("robust", explained, **LATER),
        "failed": plan("robust", explained, **LATER),
    }
    client.post(f"/v1/plans/{ids['cancelled']}/cancel")
    jobs.end(service.database, ids["failed"], failed("internal", "The service failed."))
    late = {"user": "camera", "sequence": 1, "inferences": 300, "misses": 290}
    client.post(f"/v1/plans/{ids['revoked']}/observations", json={"reports": [late]})
    pages = {
        "overview": "/ui/",
        "plans": "/ui/plans",
        "nothing-found": "/ui/plans?status=timed_out",
        "profiles": "/ui/profiles",
        "devices": "/ui/profiles/devices",
        "device": "/ui/profiles/devices/metered",
        "timing": "/ui/profiles/timings/camera-cpu.small-net",
        "model": "/ui/profiles/models/small-net",
        "drift": "/ui/drift",
        "key": "/ui/key",
        "fault": "/ui/nothing",
        "sorted": f"/ui/plans/{ids['large']}?sort=energy_j&order=descending&q=camera-1",
    }
    asked = an_experiment(measures=["objective", "bandwidth_hz"])
    studied = client.post("/v1/experiments", json=asked, headers=LATER).json()["id"]
    work_off(service)
    patch = {"bandwidth_hz": 4e6, "users": {"camera-1": None, "camera-2": {"deadline_s": 0.5}}}
    other = client.post(f"/v1/plans/{ids['robust']}/replan", json=patch).json()["id"]
    pages |= {
        "experiments": "/ui/experiments",
        "experiment": f"/ui/experiments/{studied}",
        "compare": f"/ui/compare?before={ids['robust']}&after={other}",
    }
    pages |= {name: f"/ui/plans/{key}" for name, key in ids.items()}
    for name in ("robust", "stopping", "multi-user", "adaptive", "infeasible"):
        page = client.get(pages[name]).text
        pages[f"user-{name}"] = re.findall(r'href="(/ui/plans/[^"]+/users/[^"]+)"', page)[0]
    pages["why"] = f"{pages['large']}/users/camera-7/why"
    return pages


NAMES = [
    "overview", "plans", "nothing-found", "profiles", "devices", "device", "timing", "model",
    "drift", "key", "fault", "sorted", "robust", "infeasible", "stopping", "multi-user", "adaptive",
    "large", "revoked", "queued", "cancelled", "failed", "user-robust", "user-stopping",
    "user-multi-user", "user-adaptive", "user-infeasible", "why", "experiments", "experiment",
    "compare",
]  # fmt: skip


def look_over(browser: Browser, findings: Findings, name: str, url: str) -> None:
    """A page at both widths: whole, without complaints, and fit for everybody."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    expected = ["404"] if name == "fault" else []
    browser.look(1280, "light")
    browser.open(url)
    for width, scheme in WIDTHS.items():
        browser.look(width, scheme)
        browser.evaluate("document.querySelectorAll('img').forEach(each => each.loading = 'eager')")
        browser.until("[...document.images].every(each => each.complete && each.naturalWidth)")
        wide = browser.evaluate("document.documentElement.scrollWidth")
        wider = browser.evaluate(
            "[...document.querySelectorAll('main *')].filter(each =>"
            " each.getBoundingClientRect().right > innerWidth && !each.closest('.scroll, svg'))"
            ".slice(0, 3).map(each => each.outerHTML.slice(0, 200))"
        )
        assert wide <= width, f"{wide} px wide at {width}: {wider}"
        (PICTURES / f"{name}-{width}.png").write_bytes(browser.picture())
        assert findings(browser) == [], (width, scheme)
    complaints = browser.complaints()
    assert [each for each in complaints if not any(code in each for code in expected)] == []
    # Nothing of elsewhere, and nothing but the page and its files.
    origin = url.partition("/ui/")[0]
    assert all(each.startswith((f"{origin}/ui/", "data:")) for each in browser.asked())
    title = browser.evaluate("document.title")
    assert title.endswith("· Splitplan")
    assert title != "taken"


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole_at_two_widths_and_fit_for_everybody(
    stage: tuple[Service, dict[str, str]], browser: Browser, findings: Findings, name: str
) -> None:
    service, pages = stage
    assert set(pages) == set(NAMES)
    look_over(browser, findings, name, f"{service.url}{pages[name]}")


@pytest.mark.parametrize(
    "path", ["/ui/", "/ui/plans", "/ui/profiles", "/ui/drift", "/ui/experiments", "/ui/compare"]
)
def test_an_empty_service_has_whole_pages_too(
    empty: Service, browser: Browser, findings: Findings, path: str
) -> None:
    name = f"empty-{path.removeprefix('/ui/') or 'overview'}"
    look_over(browser, findings, name, f"{empty.url}{path}")


def test_a_large_plan_is_turned_searched_and_sorted_without_the_others(
    stage: tuple[Service, dict[str, str]], browser: Browser
) -> None:
    service, pages = stage
    rows = "document.querySelectorAll('#users ~ * tbody tr').length"
    browser.look(1280, "light")
    browser.open(f"{service.url}{pages['large']}")
    assert browser.evaluate(rows) == 50
    assert browser.evaluate("document.documentElement.outerHTML.length") < 100_000
    browser.evaluate("document.querySelector('#q').focus()")
    browser.write("camera-299")
    browser.press("Enter", 13)
    browser.until("document.body.textContent.includes('1–11 of 11')")
    browser.evaluate(
        "[...document.querySelectorAll('thead a')].find(a => a.text == 'Energy').focus()"
    )
    browser.press("Enter", 13)
    browser.until(
        "document.querySelector('th[aria-sort=ascending]')?.textContent.includes('Energy')"
    )
    assert browser.evaluate(rows) == 11
    assert browser.complaints() == []


def test_who_types_comes_to_the_content_first_and_sees_where_it_is(
    stage: tuple[Service, dict[str, str]], browser: Browser
) -> None:
    service, pages = stage
    browser.look(1280, "light")
    browser.open(f"{service.url}{pages['robust']}")
    browser.press("Tab", 9)
    at = "document.activeElement"
    assert browser.evaluate(f"{at}.className") == "skip"
    assert browser.evaluate(f"{at}.getBoundingClientRect().top") >= 0
    browser.press("Enter", 13)
    assert browser.evaluate(f"{at}.id") == "content"
    browser.press("Tab", 9)
    assert browser.evaluate(f"getComputedStyle({at}).outlineStyle") == "solid"


def test_colours_are_chosen_and_stay(
    stage: tuple[Service, dict[str, str]], browser: Browser
) -> None:
    service, _ = stage
    colour = "getComputedStyle(document.body).backgroundColor"
    browser.look(1280, "light")
    browser.open(f"{service.url}/ui/")
    light = browser.evaluate(colour)
    for _ in ("light", "dark"):
        browser.evaluate("document.querySelector('[data-theme-switch]').click()")
    assert browser.evaluate(colour) != light
    browser.open(f"{service.url}/ui/plans")
    assert browser.evaluate("document.documentElement.dataset.theme") == "dark"
    browser.evaluate("document.querySelector('[data-theme-switch]').click()")
    assert browser.evaluate(colour) == light
    assert browser.evaluate("localStorage.length <= 1")


def test_a_plan_under_way_is_followed_to_its_end(
    stage: tuple[Service, dict[str, str]], browser: Browser
) -> None:
    service, _ = stage
    with httpx.Client(base_url=service.url, trust_env=False, verify=False) as client:
        plan = client.post(ROBUST, json=a_cell(a_user()), headers=LATER).json()
        browser.open(f"{service.url}/ui/plans/{plan['id']}")
        assert "Waits for a worker" in browser.evaluate("document.body.textContent")
        client.post(f"/v1/plans/{plan['id']}/cancel")
    browser.until("document.querySelector('.title .badge')?.textContent == 'Cancelled'")


def test_a_key_is_entered_once_and_no_script_reads_it(
    tmp_path: Path, browser: Browser, findings: Findings
) -> None:
    with a_service(tmp_path) as service:
        key = a_key(service, "read")
        url = f"{service.url}/ui/plans?status=solved"
        browser.look(390, "light")
        browser.open(url)
        assert browser.evaluate("document.activeElement.id") == "key"
        assert findings(browser) == []
        browser.write("spk_wrong")
        browser.press("Enter", 13)
        browser.until("document.querySelector('[role=alert]')")
        assert findings(browser) == []
        browser.evaluate("document.querySelector('#key').focus()")
        browser.write(key)
        browser.press("Enter", 13)
        browser.until("document.querySelector('h1')?.textContent == 'Plans'")
        assert browser.evaluate("location.href") == url
        assert browser.evaluate("document.cookie") == ""
        assert key not in browser.evaluate("document.documentElement.outerHTML")
        browser.evaluate("document.querySelector('.tools form button').click()")
        browser.until("document.querySelector('#key')")
        browser.open(url)
        assert browser.evaluate("document.querySelector('h1').textContent") == "Enter a key"
