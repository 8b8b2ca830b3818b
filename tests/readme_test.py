"""The README's Python runs as written, one block after the other; its commands exist."""

import pathlib
import re
import subprocess
import sys

import pytest

README = pathlib.Path(__file__).parents[1] / "README.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_python_runs(tmp_path):
    program = "\n".join(blocks("python"))
    command = [sys.executable, "-c", program]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert finished.returncode == 0, finished.stderr
    assert len(finished.stdout.split()) >= 2


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`(repvis-[a-z]+)`", README.read_text(encoding="utf-8")))))
def test_the_commands_are_installed(command):
    setup = (README.parent / "setup.cfg").read_text(encoding="utf-8")
    assert f"    {command} = " in setup


def test_the_two_commands_are_one_line_each():
    commands = [block.splitlines() for block in blocks("bash")]
    assert [len(lines) for lines in commands] == [1, 1]
    assert commands[0][0].endswith("&& repvis-quickstart")
    assert "'.[test]'" in commands[1][0] and "pytest" in commands[1][0]
