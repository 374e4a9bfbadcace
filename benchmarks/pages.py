"""The page of a large plan in a real browser: `python -m benchmarks.pages [users cells]`."""

import sys
import tempfile
import time
from pathlib import Path

import httpx

from app.http.media import ARROW
from benchmarks import machine
from benchmarks.columns import fleet, profiles
from benchmarks.rig import Process
from tests.support.browser import Browser

PAGES = {
    "the first page of a process": "",
    "the same again": "",
    "the last fifty users": "?page={last}",
    "sorted by a field for the first time": "?sort=energy_j&order=descending",
    "its second page": "?sort=energy_j&order=descending&page=2",
    "searched": "?q=camera-09",
    "searched and sorted": "?q=9&sort=slack_s",
}
_TOLD = """(() => {
    const [page] = performance.getEntriesByType("navigation");
    const rows = document.querySelectorAll("table.users tbody tr").length;
    return [page.responseStart, page.domInteractive, page.loadEventEnd, page.transferSize, rows];
})()"""


def planned(client: httpx.Client, users: int, cells: int) -> str:
    """The id of a solved plan."""
    for collection, profile in profiles().items():
        client.post(f"/v1/{collection}", json=profile).raise_for_status()
    while client.get("/readyz").status_code != 200:
        time.sleep(0.1)
    body = fleet(users, cells)
    answer = client.post("/v1/plans/robust", content=body, headers={"Content-Type": ARROW})
    assert answer.status_code == 202, answer.text
    while (plan := client.get(answer.headers["Location"]).json())["finished_at"] is None:
        time.sleep(1.0)
    assert plan["status"] == "solved", plan["status"]
    return str(plan["id"])


def look(browser: Browser, what: str, url: str) -> None:
    """Print how long a page took, from the click on."""
    browser.open(url)
    browser.until("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
    *times_ms, size, rows = browser.evaluate(_TOLD)
    times = " | ".join(f"{each:.0f}" for each in times_ms)
    print(f"| {what} | {times} | {size / 1e3:.0f} | {rows} |", flush=True)


def main(*given: str) -> None:
    """Print a row for every way to look at the plan."""
    users, cells = (int(each) for each in given or ("1000000", "1000"))
    print(f"Measured on {machine.describe()}: {users:,} users in {cells:,} cells, SQLite.\n")
    print("| page | answered, ms | interactive, ms | loaded, ms | sent, kB | users |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = {"database_url": f"sqlite:///{folder}/pages.db"}
        service = Process(folder, "serve", "--migrate", "--port", "0", **settings)
        try:
            with httpx.Client(base_url=service.address(), timeout=300.0) as client:
                plan_id = planned(client, users, cells)
        finally:
            service.end()
        # Another process: whoever looks first has the pages loaded.
        service = Process(folder, "serve", "--port", "0", **settings)
        try:
            at = f"{service.address()}/ui/plans/{plan_id}"
            with Browser(folder / "browser") as browser:
                browser.look(1280, "light")
                for what, query in PAGES.items():
                    look(browser, what, at + query.format(last=-(-users // 50)))
        finally:
            service.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
