"""The format's own page tells of every encoding that there is, and so does the script that it points to."""

import re
from pathlib import Path

from emeritus.archive.codec import Encoding
from emeritus.archive.ports import SHIPPED
from emeritus.archive.shipped import text

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "archive-format.md"


def test_the_page_tells_of_every_encoding():
    """Each id that a frame may have stands in the page's table, and no other but what is reserved."""
    told = {int(number) for number in re.findall(r"^\| (\d+) \| \w", PAGE.read_text(), re.MULTILINE)}
    assert told == {int(each) for each in Encoding}


def test_the_page_points_to_what_is_shipped():
    """The page holds no second decoder: it links the one that lies in every archive."""
    page = PAGE.read_text()
    for name in SHIPPED:
        assert f"(../../src/emeritus/archive/shipped/{name})" in page
    restoring = page.partition("## Restoring without Emeritus")[2].partition("\n## ")[0]
    assert "```python" not in restoring


def test_the_script_knows_every_encoding():
    """No encoding is written that a stranger's script cannot read."""
    names: dict = {"__name__": "frames"}
    exec(compile(text("frames.py"), "frames.py", "exec"), names)
    for encoding in Encoding:
        said = ""
        try:
            names["decode"](int(encoding), bytes(64), 8, b"")
        except names["DAMAGE"] as why:
            said = str(why)
        assert "unknown" not in said
