"""Takes the pictures of docs/pictures from a running `make demo`, with Chromium through Playwright.

    uv run python docs/take_pictures.py --password PASSWORD [--url http://localhost:8080] [--model topics]

The password is the one that `make demo` prints. Chromium is Debian's (apt-get install chromium), or CHROMIUM names it.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from pressrun.config.load import load_environment
from pressrun.demo.airflow_client import AirflowClient

PICTURES = Path(__file__).parent / "pictures"
WIDTH, HEIGHT = 1400, 900


@contextmanager
def browser_page(url: str, password: str) -> Iterator[Page]:
    """A page that is logged in to Airflow."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(f"{url}/auth/login", wait_until="networkidle")
        page.fill("input[name=username]", "admin")
        page.fill("input[name=password]", password)
        page.click("button[type=submit]")
        page.wait_for_load_state("networkidle")
        yield page
        browser.close()


def take(page: Page, address: str, name: str, *, height: int = HEIGHT) -> None:
    page.goto(address, wait_until="networkidle")
    shoot(page, name, height=height)


def shoot(page: Page, name: str, *, height: int) -> None:
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.mouse.move(WIDTH / 2, 5)
    page.wait_for_timeout(4000)
    page.screenshot(path=PICTURES / f"{name}.png")
    print(PICTURES / f"{name}.png")


def take_kept(page: Page, reports: Path, end: str, name: str, *, height: int) -> None:
    """The newest rollout of that end: its page as it was kept with the verdict."""
    kept = max(reports.glob(f"rollout-v*-{end}-*.html"), key=lambda path: path.stat().st_mtime)
    take(page, kept.as_uri(), name, height=height)


def newest(client: AirflowClient, dag_id: str) -> str:
    return str(next(run["dag_run_id"] for run in client.runs(dag_id) if run["state"] in ("success", "failed")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://localhost:8080")
    parser.add_argument("--password", required=True)
    parser.add_argument("--model", default="topics")
    given = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    reports = load_environment().home / "reports" / given.model
    gate, drift = (max(reports.glob(f"{kind}-*.html"), key=lambda p: p.stat().st_mtime) for kind in ("gate", "drift"))
    client = AirflowClient(given.url, "admin", given.password)
    run = newest(client, f"{given.model}_retrain")
    with browser_page(given.url, given.password) as page:
        page.goto(f"{given.url}/dags/{given.model}_retrain/runs/{run}", wait_until="networkidle")
        page.get_by_label("Show Graph").click()
        page.get_by_label("Collapse Details Panel").click()
        shoot(page, "airflow-graph", height=700)
        take(page, f"{given.url}/assets/1", "airflow-assets")
        take(page, f"{given.url}/pressrun/models/{given.model}", "model-page", height=1100)
        take_kept(page, reports, "promoted", "rollout-good", height=1200)
        take_kept(page, reports, "rolled_back", "rollout-bad", height=1200)
        take(page, gate.as_uri(), "gate-report", height=1300)
        take(page, drift.as_uri(), "drift-report", height=1300)


if __name__ == "__main__":
    main()
