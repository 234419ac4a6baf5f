"""What the README shows must run: its first program, its links, its two commands."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_first_program_learns(capsys):
    program = re.search(r"## A first program\n\n```python\n(.+?)```", README, re.S).group(1)
    assert len(program.strip().splitlines()) <= 16
    exec(compile(program, "README.md", "exec"), {})
    right = float(re.fullmatch(r"(\d+\.\d)% right\n", capsys.readouterr().out).group(1))
    assert right > 90


def test_every_file_that_it_names_is_there():
    links = re.findall(r"\]\((?!http|#)([^)]+)\)", README)
    assert len(links) > 10
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing


def test_there_are_just_two_commands_and_each_is_one_line():
    commands = re.findall(r"<!-- (main|tests) -->\n```sh\n(.+?)\n```", README, re.S)
    assert [name for name, _ in commands] == ["main", "tests"]
    assert all("\n" not in command for _, command in commands)
    assert README.count("```sh") == 2
