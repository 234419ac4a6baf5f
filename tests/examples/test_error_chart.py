"""examples/error_chart.py: its numbers, its text, its picture, wrong options, and the result that is in docs/."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "error_chart.py"
FACTS = ROOT / "../shared" / "facts" / "facts.json"
CHART = runpy.run_path(str(EXAMPLE))


def run(*options, path=ROOT):
    """(exit code, output, errors); `path` goes before everything that can be imported."""
    here = {**os.environ, "PYTHONPATH": os.pathsep.join([str(path), str(ROOT)])}
    command = [sys.executable, str(EXAMPLE), *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, env=here, timeout=120)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.skipif(
    not FACTS.exists(), reason="shared/facts/facts.json, which has the challenge's numbers, isn't there"
)
def test_its_numbers_are_the_facts():
    facts = json.loads(FACTS.read_text(encoding="utf-8"))["ilsvrc_top5"]
    for entry, fact in zip(CHART["ENTRIES"], facts["chart"], strict=True):
        assert (entry.year, entry.top5) == (fact["year"], fact["top5"])
        assert entry.name.split()[0] in fact["team"] + " " + fact["method"]
        assert (entry.layers is None) == fact["method"].startswith("shallow")
        if "layers" in fact:
            assert entry.layers == fact["layers"]
        assert CHART["unverified"](entry) == ("unverified" in fact["source"])
    assert CHART["PERSON"] == facts["human"]["top5"]


def test_bars_are_aligned_and_as_long_as_the_errors_are_large():
    lines = re.findall(r"^(.+? (\d+\.\d+) *%  )([-#=]+)", CHART["text"](), re.M)
    assert len(lines) == len(CHART["ENTRIES"]) + 1
    assert len({len(before) for before, _, _ in lines}) == 1
    assert len({before.index(error) + error.index(".") for before, error, _ in lines}) == 1
    for _, error, bar in lines:
        assert abs(len(bar) - 56 * float(error) / 28.2) <= 0.5
    assert [bar[0] for _, _, bar in lines] == list("--#######=")


def test_what_could_not_be_verified_says_so():
    marked = [line[:4] for line in CHART["text"]().splitlines() if line.endswith("(unverified)")]
    assert marked == ["2016", "2016"]  # the bar, and its source


def test_the_picture_is_a_png(tmp_path):
    pytest.importorskip("matplotlib")
    file = tmp_path / "new" / "chart.png"
    code, output, errors = run("--out", file)
    assert (code, errors) == (0, "")
    assert output.endswith(f"the picture: {file}\n")
    assert file.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert [p.name for p in file.parent.iterdir()] == ["chart.png"]


def test_another_kind_of_picture_is_refused_before_anything_is_printed(tmp_path):
    code, output, errors = run("--out", tmp_path / "chart.jpg")
    assert code == 2 and output == ""
    assert "--out must be the name of a .png file, got" in errors and "chart.jpg" in errors


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "file").write_text("")
    code, _, errors = run("--out", tmp_path / "file" / "chart.png")
    assert code == 1
    assert errors.startswith("error_chart: ") and str(tmp_path / "file") in errors and "Traceback" not in errors


def test_without_matplotlib_there_is_the_text_and_a_remedy(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ImportError('No module named matplotlib')")
    code, output, errors = run(path=tmp_path)
    assert (code, output, errors) == (0, CHART["text"]() + "\n", "")
    code, output, errors = run("--out", tmp_path / "chart.png", path=tmp_path)
    assert code == 1 and output.startswith(CHART["text"]())
    assert "the picture needs matplotlib: pip install -e '.[plots]'" in errors
    assert not (tmp_path / "chart.png").exists()


def test_the_result_in_the_docs_is_what_its_command_prints():
    page = (ROOT / "docs" / "results" / "error_chart.md").read_text(encoding="utf-8")
    command = re.search(r"```sh\n(.+)\n```", page).group(1)
    assert command == "python examples/error_chart.py --out docs/results/error_chart.png"
    printed = re.search(r"```text\n(.+?)\n```", page, re.S).group(1)
    assert printed == CHART["text"]() + "\n\nthe picture: docs/results/error_chart.png"
    assert (ROOT / "docs" / "results" / "error_chart.png").exists()
