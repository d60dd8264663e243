"""What the README says is so."""

import os
import re
from pathlib import Path

from typer.main import get_command

from pyzsync_daemon.cli.app import app
from tests.readme_code import blocks, run

TOP = Path(__file__).parents[1]
README = TOP / "README.md"


async def test_the_library_example_patches_a_file(tmp_path):
    new = os.urandom(30_000)
    (tmp_path / "new").write_bytes(new)
    (tmp_path / "old").write_bytes(b"moved" + new[:20_000])
    names = {
        "patched_file": tmp_path / "new",
        "unpatched_file": tmp_path / "old",
        "resulting_file": tmp_path / "result",
    }
    code = blocks(README, "Library")
    assert code
    await run(code, names)
    assert (tmp_path / "result").read_bytes() == new


def test_every_command_is_in_the_table_and_exists():
    told = set(re.findall(r"^\| `pyzsync ([a-z-]+)", README.read_text(), re.MULTILINE))
    assert told - {"--version"} == set(get_command(app).commands)


def test_every_verb_is_in_the_makefile():
    texts = [path.read_text() for path in (README, TOP / "CONTRIBUTING.md", TOP / ".ci" / "run")]
    verbs = {verb for text in texts for verb in re.findall(r"\bmake ([a-z]+)", text)}
    makefile = (TOP / "Makefile").read_text()
    for verb in verbs:
        assert re.search(rf"^{verb}:", makefile, re.MULTILINE), verb


def test_every_link_into_the_project_leads_somewhere():
    for document in (README, TOP / "CONTRIBUTING.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            assert link.startswith("http") or (TOP / link).exists(), link
