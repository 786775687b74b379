"""The pages agree with the code where a program can tell."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")),
         *sorted((ROOT / "backend").glob("*/README.md"))]


def test_the_page_of_names_is_what_the_modules_have():
    result = subprocess.run([sys.executable, str(ROOT / "docs/make_api.py"), "--check"],
                            capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, f"run python docs/make_api.py\n{result.stderr}"


def test_every_variable_is_documented():
    from torch_xpu_lite import _C

    page = (ROOT / "docs/environment.md").read_text()
    known = {name for name, *_ in _C._describe_options()}
    assert known == set(re.findall(r"`(XPU_LITE_[A-Z_]+)`", page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)#]+)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_quoted_code_is_in_the_code():
    """Each line of the worked example of an operator stands in the sources."""
    sources = [*(ROOT / "backend").rglob("*.cpp"), *(ROOT / "backend").rglob("*.h"),
               *(ROOT / "tests").glob("*.py")]
    lines = {" ".join(line.split()) for file in sources for line in file.read_text().splitlines()}
    page = (ROOT / "docs/adding-an-operator.md").read_text()
    quoted = [" ".join(line.split()) for block in re.findall(r"```\w+\n(.*?)```", page, re.S)
              for line in block.splitlines() if line.strip()]
    assert len(quoted) > 30
    assert [line for line in quoted if line not in lines] == []
