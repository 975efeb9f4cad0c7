"""The page in a real browser, where there is one."""

import base64

import pytest

from tests.support.browser import CHROMIUM, Browser
from tests.support.images import encoded

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

WAIT = "await new Promise((done) => setTimeout(done, 50));"


def give(browser, content):
    """Gives the page a file, as dropping one does, and returns what it then shows."""
    data = base64.b64encode(content).decode()
    return browser.run(
        f"""(async () => {{
          while ($("about").textContent === "") {{ {WAIT} }}
          const bytes = Uint8Array.from(atob("{data}"), (c) => c.charCodeAt(0));
          await take(new File([bytes], "given"));
          for (let i = 0; i < 20 && !$("image").complete; i++) {{ {WAIT} }}
          {WAIT}
          return {{
            classes: [...document.querySelectorAll("#classes .name span:first-child")].map((s) => s.textContent),
            problem: $("problem").textContent,
            shown: ["invite", "image", "video", "hint", "facts"].filter((id) => !$(id).hidden),
          }};
        }})()"""
    )


@pytest.fixture
def page(port, tmp_path):
    browser = Browser(tmp_path / "profile", f"http://localhost:{port()}/")
    yield browser
    browser.close()


def test_a_bad_file_takes_away_the_old_answer_and_leaves_no_broken_image(page):
    good = give(page, encoded())
    assert good["classes"][0] == "green" and good["problem"] == ""
    assert good["shown"] == ["image", "facts"]
    bad = give(page, b"no image at all")
    assert bad["classes"] == [] and "not an image" in bad["problem"]
    assert bad["shown"] == ["invite", "hint"]
    again = give(page, encoded((220, 9, 9)))
    assert again["classes"][0] == "red" and again["problem"] == ""
    assert again["shown"] == ["image", "facts"]
