"""A service's day: every operation once, with what each may be answered with."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from app import migration, workers
from app.auth import service as keys
from app.auth.rates import Rates
from app.db import open_database
from app.document import describe
from app.http.media import ARROW, CSV, JSON, YAML
from app.limits import OwnLimits
from app.projects import DEFAULT
from app.settings import Settings
from tests.support.builders import (
    Body,
    a_device,
    a_model,
    a_server,
    a_server_timing,
    a_timing,
)
from tests.support.examples.recording import Recorder
from tests.support.experiments import work_off
from tests.support.identity import Key, claims
from tests.support.keys import id_of
from tests.support.multiuser import requests as shares
from tests.support.onnx.graphs import a_chain
from tests.support.power import a_power_file
from tests.support.robust import requests as cells
from tests.support.servers import Service
from tests.support.sheets import a_file
from tests.support.stopping import requests as rules

LATER = {"Prefer": "respond-async"}
PROFILES: dict[str, Body] = {
    "devices": a_device(idle_power_w=0.05, rx_power_w=0.3),
    "models": a_model(),
    "channels": rules.a_radio(),
    "servers": a_server(),
    "timings": a_timing(),
}


def _robust(**fields: Any) -> Body:
    near = cells.a_stored_user(id="near", gain_db=-95.0)
    far = cells.a_stored_user(id="far", gain_db=-105.0)
    return cells.a_stored_cell(near, far, name="hall", **fields)


REQUESTS: dict[str, Body] = {
    cells.ROBUST: _robust(),
    rules.STOPPING: rules.a_fleet(rules.a_stored_robot(), channel="cell", server="edge-gpu"),
    shares.MULTI_USER: shares.a_cell(
        shares.a_stored_user(id="near"),
        shares.a_stored_user(id="far", weight=2.0),
        channel="cell",
        server="edge-gpu",
    ),
    shares.ADAPTIVE: shares.a_fleet(
        shares.a_stored_user(spectral_efficiency_bps_per_hz=None), server="edge-gpu"
    ),
}
ESTIMATES: dict[str, Body] = {
    "devices": {
        "name": "guess",
        "processor": "cpu",
        "frequency_max_hz": 1e9,
        "busy_power_w": 3.0,
        "idle_power_w": 1.0,
        "tx_power_w": 0.2,
    },
    "timings": {
        "name": "guess",
        "processor": "camera-cpu",
        "model": "small-net",
        "time_s": 0.1,
        "frequency_hz": 1e9,
    },
}

REPAIRS = "/v1/plans/{plan_id}/repairs"
BODIES_UNDER_OTHERS: dict[str, Body] = {
    "/v1/plans/{plan_id}/replan": {"users": {"far": {"deadline_s": 0.3}}, "max_switches": 1},
    "/v1/plans/{plan_id}/observations": {
        "reports": [{"user": "near", "sequence": 1, "inferences": 1000, "misses": 12}]
    },
    REPAIRS: {"prices": {"drop": 10.0, "deadline_per_s": 50.0, "bandwidth_per_hz": 2e-6}},
    "/v1/plans/{plan_id}/validations": {"trials": 1000, "seed": 1},
    "/v1/timings/{name}/measurements": a_file(count=10, sessions=1, clocks_hz=(1e9,)),
    "/v1/devices/{name}/power-measurements": a_power_file(),
}


def recorded(folder: Path) -> dict[str, Any]:
    """The examples of a service that has its database in a folder."""
    with served(folder) as (service, client, recorder):
        tell(service, client, recorder)
        return recorder.kept


def tell(service: Service, client: httpx.Client, recorder: Recorder) -> None:
    """The whole story, of a service with nothing in it; it has keys afterwards."""
    make_profiles(client)
    plan = _plans(client)
    _plan(client, recorder, plan)
    _current(client, recorder)
    _evidence(client, plan)
    _experiments(service, client, recorder, plan)
    _measurements(client)
    _imports_and_estimates(client)
    _changes(client)
    _others(service, client)
    _refusals(client, plan)
    _guarded(service, client)
    _without_its_provider(service, recorder)


@contextmanager
def served(folder: Path, **given: Any) -> Iterator[tuple[Service, httpx.Client, Recorder]]:
    """A service with its database in a folder, a caller, and what hears all that it answers."""
    url = f"sqlite:///{folder / 'examples.db'}"
    settings = Settings(database_url=url, **{"max_queued": 10} | given)
    database = open_database(settings.database_url)
    migration.migrate(database)
    database.engine.dispose()
    with Service(settings) as service:
        recorder = Recorder(describe(service.app, service.app.state.features.routes()))
        with _client(service, recorder) as client:
            yield service, client, recorder


def _client(service: Service, recorder: Recorder) -> httpx.Client:
    return httpx.Client(
        base_url=service.url,
        timeout=60.0,
        trust_env=False,
        verify=False,
        event_hooks={"response": [recorder.listen]},
    )


def _asked(client: httpx.Client, method: str, path: str, status: int = 200, **how: Any) -> Any:
    """The answer, which must have this status."""
    answer = client.request(method, path, **how)
    assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json() if answer.content[:1] in (b"{", b"[") else answer.text


def make_profiles(client: httpx.Client) -> None:
    """A profile of each kind."""
    for collection, body in PROFILES.items():
        _asked(client, "POST", f"/v1/{collection}", 201, json=body)
        for under in ("", "/revisions", "/revisions/1"):
            _asked(client, "GET", f"/v1/{collection}/{body['name']}{under}")
        _asked(client, "GET", f"/v1/{collection}")
    at = "/v1/devices/camera-cpu/figures"
    for under in ("", "/power", "/power.svg"):
        _asked(client, "GET", at + under)
    at = "/v1/timings/camera-cpu.small-net/figures"
    for under in ("", "/times", "/times.svg"):
        _asked(client, "GET", at + under)
    _asked(client, "POST", "/v1/timings", 201, json=a_server_timing())


def _plans(client: httpx.Client) -> Body:
    """A plan of each kind; the robust one."""
    made = {}
    for path, body in REQUESTS.items():
        _asked(client, "POST", path, json=body, params={"dry_run": True})
        made[path] = _asked(client, "POST", path, 201, json=body)
        waiting = _asked(client, "POST", path, 202, json=body, headers=LATER)
        _asked(client, "POST", f"/v1/plans/{waiting['id']}/cancel", 202)
        _asked(client, "DELETE", f"/v1/plans/{waiting['id']}", 204)
    return dict(made[cells.ROBUST])


def _plan(client: httpx.Client, recorder: Recorder, plan: Body) -> None:
    _asked(client, "GET", "/v1/plans")
    at = f"/v1/plans/{plan['id']}"
    for under in (
        "",
        "/users",
        "/users/near",
        "/request",
        "/bundle",
        "/figures",
        "/figures/latency",
    ):
        _asked(client, "GET", at + under)
    _asked(client, "GET", f"{at}/users", headers={"Accept": CSV})
    _asked(client, "GET", f"{at}/figures/latency.svg")
    _asked(client, "GET", f"{at}/figures/weather", 404)
    with client.stream("GET", f"{at}/events") as answer:
        recorder.keep(answer, answer.read())
    patch = {"users": {"far": {"deadline_s": 0.3}}}
    key = {"Idempotency-Key": "once"}
    again = f"{at}/replan"
    _asked(client, "POST", again, 201, json=patch, headers=key)
    later = _asked(client, "POST", again, json=patch, headers=key)
    _asked(client, "GET", f"{at}/explain?user=near")
    _asked(client, "GET", f"{at}/compare/{later['id']}")
    _asked(client, "GET", f"{at}/compare/{later['id']}/users")
    _asked(client, "POST", f"{at}/repairs", 409, json=BODIES_UNDER_OTHERS[REPAIRS])
    late = [cells.a_stored_user(id=user, deadline_s=0.03, gain_db=-120.0) for user in ("a", "b")]
    broken = _asked(client, "POST", cells.ROBUST, 201, json=cells.a_stored_cell(*late))
    asked = BODIES_UNDER_OTHERS[REPAIRS]
    _asked(client, "POST", f"/v1/plans/{broken['id']}/repairs", json=asked)
    waiting = _asked(client, "POST", again, 202, json=patch, headers=LATER)
    _asked(client, "DELETE", at, 409)
    _asked(client, "POST", f"/v1/plans/{waiting['id']}/cancel", 202)


def _current(client: httpx.Client, recorder: Recorder) -> None:
    name = {"name": "hall"}
    _asked(client, "GET", "/v1/plans/current", params=name)
    _asked(client, "GET", "/v1/plans/current/users/far", params=name)
    after = {"Last-Event-ID": "1"}
    with client.stream("GET", "/v1/plans/current/events", params=name, headers=after) as answer:
        told = ""
        for piece in answer.iter_text():
            told += piece
            if "data:" in told and "\n\n" in told:
                break
        recorder.keep(answer, told.encode())
    number = (
        next(line for line in told.splitlines() if line.startswith("id:")).split(":")[1].strip()
    )
    at = f"/v1/plans/current/events/{number}/users"
    _asked(client, "GET", at, params=name)
    _asked(client, "GET", at, params=name, headers={"Accept": CSV})


def _evidence(client: httpx.Client, plan: Body) -> None:
    at = f"/v1/plans/{plan['id']}"
    report = {"user": "near", "sequence": 1, "inferences": 1000, "misses": 12}
    _asked(client, "POST", f"{at}/observations", json={"reports": [report]})
    _asked(client, "GET", f"{at}/observations")
    _asked(client, "GET", f"{at}/observations/users")
    replays, asked, key = (
        f"{at}/validations",
        {"trials": 1000, "seed": 1},
        {"Idempotency-Key": "once"},
    )
    _asked(client, "POST", replays, 201, json=asked, headers=key)
    _asked(client, "POST", replays, json=asked, headers=key)
    _asked(client, "GET", replays)
    _asked(client, "GET", f"{replays}/1")
    waiting = _asked(client, "POST", replays, 202, json=asked, headers=LATER)
    _asked(client, "POST", f"{replays}/{waiting['number']}/cancel", 202)


def _experiments(service: Service, client: httpx.Client, recorder: Recorder, plan: Body) -> None:
    asked = {
        "name": "how-much-spectrum",
        "base": {"plan": plan["id"]},
        "axes": [{"pointer": "/bandwidth_hz", "values": [2e6, 5e6, 1e7]}],
        "seeds": [1, 2],
        "draws": [{"pointer": "/users/*/gain_db", "law": "normal", "std": 3.0}],
        "measures": ["objective", "bandwidth_hz"],
    }
    at, key = "/v1/experiments", {"Idempotency-Key": "once"}
    made = _asked(client, "POST", at, 202, json=asked, headers=key)
    mine = f"{at}/{made['id']}"
    _asked(client, "DELETE", mine, 409)
    work_off(service)
    _asked(client, "POST", at, json=asked, headers=key)
    ended = threading.Event()
    worker = threading.Thread(target=_worked_off, args=(service, ended))
    worker.start()
    try:
        waited = _asked(client, "POST", at, 201, json=asked, headers={"Prefer": "wait=60"})
    finally:
        ended.set()
        worker.join()
    _asked(client, "DELETE", f"{at}/{waited['id']}", 204)
    _asked(client, "GET", at)
    for under in (
        "",
        "/points",
        "/differences",
        "/figures",
        "/figures/curves",
        "/figures/curves.svg",
    ):
        _asked(client, "GET", mine + under)
    _asked(client, "GET", f"{mine}/points", headers={"Accept": CSV})
    with client.stream("GET", f"{mine}/events") as answer:
        recorder.keep(answer, answer.read())
    _asked(client, "POST", f"{mine}/cancel", 202)
    _asked(client, "DELETE", mine, 204)
    _asked(client, "GET", mine, 404)


def _worked_off(service: Service, ended: threading.Event) -> None:
    """Plan what waits, whenever it comes, until somebody has what was waited for."""
    while not ended.wait(0.1):
        work_off(service)


def _measurements(client: httpx.Client) -> None:
    times = a_file(count=10, sessions=1, clocks_hz=(1e9,))
    for path, file in (
        ("/v1/timings/camera-cpu.small-net", ("measurements", times)),
        ("/v1/devices/camera-cpu", ("power-measurements", a_power_file())),
    ):
        at = f"{path}/{file[0]}"
        _asked(client, "POST", at, 201, json=file[1])
        _asked(client, "GET", at)
        _asked(client, "GET", f"{at}/1")
        _asked(client, "GET", f"{at}/1/samples")
        _asked(client, "GET", f"{at}/1/samples", headers={"Accept": CSV})


def _imports_and_estimates(client: httpx.Client) -> None:
    _asked(
        client,
        "POST",
        "/v1/models/import",
        201,
        params={"name": "tiny-cnn"},
        content=a_chain().SerializeToString(),
        headers={"Content-Type": "application/octet-stream"},
    )
    for collection, body in ESTIMATES.items():
        at = f"/v1/{collection}/estimate"
        _asked(client, "POST", at, json=body, params={"dry_run": True})
        _asked(client, "POST", at, 201, json=body)
        _asked(client, "DELETE", f"/v1/{collection}/guess", 204)


def _changes(client: httpx.Client) -> None:
    for collection, body in PROFILES.items():
        at = f"/v1/{collection}/{body['name']}"
        tag = client.get(at).headers["ETag"]
        _asked(client, "PUT", at, json=body, headers={"If-Match": tag})


def _others(service: Service, client: httpx.Client) -> None:
    _asked(client, "GET", "/readyz", 503)
    with service.database.writing() as session:
        workers.beat(session, "worker", 1)
    for path in (
        "/v1/catalogue",
        "/v1/problem-types",
        "/v1/problem-types/plan-not-found",
        "/livez",
        "/readyz",
    ):
        _asked(client, "GET", path)
    _asked(client, "GET", "/v1/problem-types/plan-not-found")


def _refusals(client: httpx.Client, plan: Body) -> None:
    device, cell = PROFILES["devices"], REQUESTS[cells.ROBUST]
    at, mine, key = f"/v1/plans/{plan['id']}", "/v1/devices/camera-cpu", {"Idempotency-Key": "once"}
    waiting = _asked(client, "POST", cells.ROBUST, 202, json=cell, headers=LATER)
    stopping = _asked(client, "POST", rules.STOPPING, 201, json=REQUESTS[rules.STOPPING])
    for path in (
        "/v1/devises",
        "/v1/devices/camera-gpu",
        f"{mine}/revisions/9",
        f"{mine}/power-measurements/9",
        "/v1/plans/0",
        f"{at}/users/fat",
        f"{at}/validations/9",
        "/v1/problem-types/plan-not-fond",
        "/v1/plans/current/events/999/users?name=hall",
    ):
        _asked(client, "GET", path, 404)
    _asked(client, "PATCH", mine, 405)
    _asked(client, "GET", f"/v1/plans/{waiting['id']}/users", 409)
    _asked(client, "POST", f"/v1/plans/{stopping['id']}/validations", 409, json={})
    _asked(client, "POST", f"/v1/plans/{waiting['id']}/cancel", 202)
    _asked(client, "GET", f"/v1/plans/{waiting['id']}/bundle", 409)
    _asked(client, "GET", f"{at}/compare/{stopping['id']}", 409)
    tables = _asked(client, "POST", shares.ADAPTIVE, 201, json=REQUESTS[shares.ADAPTIVE])
    _asked(client, "GET", f"/v1/plans/{tables['id']}/explain?user=a", 409)
    _asked(client, "POST", "/v1/devices", 409, json=device)
    torn = {"Content-Type": JSON, "Content-Encoding": "gzip"}
    _asked(client, "POST", cells.ROBUST, 400, content=b"{", headers=torn)
    for media_type, status in ((JSON, 400), (YAML, 400), (ARROW, 400), ("text/html", 415)):
        headers = {"Content-Type": media_type}
        _asked(client, "POST", cells.ROBUST, status, content=b"{", headers=headers)
    _asked(client, "POST", cells.ROBUST, 422, json=cell | {"bandwidth_hz": -1})
    _asked(client, "POST", f"{at}/replan", 422, json={"users": {"far": None}}, headers=key)
    _asked(
        client,
        "POST",
        f"{at}/replan",
        412,
        json={"users": {"far": None}},
        headers={"If-Match": '"0"'},
    )
    _asked(client, "PUT", mine, 428, json=device)
    _asked(client, "PUT", mine, 412, json=device, headers={"If-Match": '"99"'})


def _guarded(service: Service, client: httpx.Client) -> None:
    """What a service with keys answers to those who have none, or one for less."""
    with service.database.writing() as session:
        key = keys.create(session, "looks", DEFAULT, "read", None)
    service.app.state.guard.forget()
    _asked(client, "GET", "/v1/devices", 401)
    mine = {"Authorization": f"Bearer {key}"}
    _asked(client, "DELETE", "/v1/devices/camera-cpu", 403, headers=mine)
    _limited(service, client)
    rates = service.app.state.throttle.rates = Rates(clock=lambda: 0.0)
    while rates.take(f"key {id_of(key)}", 300.0).allowed:
        pass
    _asked(client, "GET", "/v1/devices", 429, headers=mine)


def _without_its_provider(service: Service, recorder: Recorder) -> None:
    """What a service answers to tokens of a provider that is away."""
    away = {"oidc_issuer": "http://127.0.0.1:9", "oidc_audience": ("https://plan.example.org",)}
    token = Key.made("one").signed(claims("http://127.0.0.1:9"))
    with (
        Service(service.settings.model_copy(update=away)) as trusting,
        _client(trusting, recorder) as client,
    ):
        mine = {"Authorization": f"Bearer {token}"}
        _asked(client, "GET", "/v1/devices", 503, headers=mine)


def _limited(service: Service, client: httpx.Client) -> None:
    """What is answered to those whose project has all that it may."""
    cell = REQUESTS[cells.ROBUST]
    for limits, status in (
        (OwnLimits(max_plans_at_once=1), 429),
        (OwnLimits(max_stored_byte=1), 507),
    ):
        with service.everything.writing() as session:
            key = keys.create(session, "limited", DEFAULT, "plan", None, limits)
        mine = {"Authorization": f"Bearer {key}"}
        client.post(cells.ROBUST, json=cell, headers=LATER | mine)
        _asked(client, "POST", cells.ROBUST, status, json=cell, headers=LATER | mine)
