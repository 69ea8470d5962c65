"""The pages in a real browser: nothing missing, nothing fetched, nothing wider than a phone."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# pages forbid scripts, so the copy that is measured is let to run this one
PROBE = """<script>addEventListener("load", () => {
  document.querySelectorAll("details").forEach(d => d.open = true);
  const root = document.documentElement;
  const found = {
    width: innerWidth,
    overflow: root.scrollWidth - root.clientWidth,
    missing: [...document.images].filter(i => !i.naturalWidth).map(i => i.alt),
    images: document.images.length,
    fetched: performance.getEntriesByType("resource").map(e => e.name)
      .filter(name => !name.startsWith("data:")),
  };
  parent.postMessage(JSON.stringify(found), "*");
});</script>"""
# headless Chromium makes no window narrower than 500 px; a frame may have any width
FRAME = """<body><iframe src="measured.html" style="width: {width}px; height: 900px; border: 0">
</iframe><script>addEventListener("message", e => document.body.textContent = e.data);</script>"""
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


def chromium(page: Path, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
        *options,
        page.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def measure(page: Path, tmp_path: Path, width: int) -> dict:
    html = page.read_text(encoding="utf-8")
    policy = re.search(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", html)
    assert policy is not None
    copy = tmp_path / "measured.html"
    copy.write_text(html.replace(policy[0], "").replace("</body>", PROBE + "</body>"), "utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=width), "utf-8")
    done = chromium(frame, tmp_path / "profile", "--virtual-time-budget=20000", "--dump-dom")
    return json.loads(unescape(re.search(r"<body>(\{.*\})</body>", done.stdout, re.DOTALL)[1]))


@pytest.fixture(params=["page", "index"])
def page(request, rendered):
    return getattr(rendered, request.param)


@pytest.mark.parametrize("width", [1280, 400])
def test_a_page_is_whole_and_fits(page, tmp_path, width):
    found = measure(page, tmp_path, width)
    assert found["width"] == width
    assert found["images"] > 0
    assert found["missing"] == []
    assert found["fetched"] == []
    assert found["overflow"] == 0


def test_a_page_leaves_no_word_in_the_console(page, tmp_path):
    shown = tmp_path / "page.png"
    options = ("--enable-logging=stderr", "--v=0", f"--screenshot={shown}")
    done = chromium(page, tmp_path / "profile", *options)
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    assert shown.stat().st_size > 1000


def test_the_console_of_a_broken_page_is_heard(tmp_path):
    broken = tmp_path / "broken.html"
    policy = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\">"
    broken.write_text(f"<html><head>{policy}</head><body><img src='data:image/png;base64,x'>")
    options = ("--enable-logging=stderr", "--v=0", f"--screenshot={tmp_path / 'page.png'}")
    done = chromium(broken, tmp_path / "profile", *options)
    assert "CONSOLE" in done.stderr


def test_a_page_that_is_broken_is_measured_as_broken(tmp_path):
    broken = tmp_path / "broken.html"
    policy = '<meta http-equiv="Content-Security-Policy" content="x">'
    wide = '<div style="width: 900px">x</div><img alt="gone" src="data:image/png;base64,x">'
    broken.write_text(f"<html><head>{policy}</head><body>{wide}</body></html>", "utf-8")
    found = measure(broken, tmp_path, 400)
    assert found["overflow"] > 400
    assert found["missing"] == ["gone"]
