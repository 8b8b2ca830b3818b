"""The program as a user runs it, in a process of its own."""

import json
import subprocess
import sys

import pytest

# A claim of one number a seed; at seed 2, the first time, the user presses Ctrl-C.
_TINY = '''
import os, pathlib, signal, sys, types
from keras_repvis.claims import Claim, Rule, Source, catalog

def measure(seed):
    stop = pathlib.Path("stop")
    if seed == 2 and stop.exists():
        stop.unlink()
        os.kill(os.getpid(), signal.SIGINT)
    with open("asked", "a") as asked:
        asked.write(f"{seed} ")
    return {"effect": 1.0 + seed}

sys.modules["tiny"] = types.ModuleType("tiny")
sys.modules["tiny"].CLAIM = Claim("tiny", Source("talk", "slide", "words"), "It is positive.", "the number",
                                  Rule("greater", 0.0, 0.0), "one number", measure, 0.01)
catalog._modules = lambda: {"tiny": "tiny"}
from keras_repvis_tools import reproduce
reproduce.run()
'''


def reproduce(*arguments, code="from keras_repvis_tools import reproduce; reproduce.run()", cwd=None):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, cwd=cwd
    )


def test_list_names_every_claim():
    from keras_repvis import claims

    done = reproduce("--list")
    assert done.returncode == 0
    assert all(f"{name}\n" in done.stdout for name in claims.names())
    assert claims.get("shortcut").statement in done.stdout


def test_an_exact_claim_end_to_end(tmp_path):
    done = reproduce("relu_slide_bound", "--output_dir=docs/claims", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "relu_slide_bound: -9.146 (exact)  reversed",
        "Records: docs/claims  Page: docs/claims.md",
    ]
    record = json.loads((tmp_path / "docs/claims/relu_slide_bound.json").read_text(encoding="utf-8"))
    assert record["result"]["verdict"] == "reversed"
    assert "relu_slide_bound" in (tmp_path / "docs/claims.md").read_text(encoding="utf-8")


def test_interrupted_and_continued(tmp_path):
    (tmp_path / "stop").touch()
    stopped = reproduce(code=_TINY, cwd=tmp_path)
    assert stopped.returncode == 130
    assert "Finished seeds are kept in docs/claims; the same command continues." in stopped.stderr
    assert not (tmp_path / "docs/claims.md").exists()

    done = reproduce(code=_TINY, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "tiny: continuing an interrupted run with 2 finished seeds" in done.stderr
    assert done.stdout.splitlines()[0] == "tiny: 3 [1.037, 4.963]  reproduced"
    assert (tmp_path / "asked").read_text() == "0 1 2 3 4 "


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["shortcuts"], "error: claim='shortcuts' is not known. Did you mean 'shortcut'?"),
        (["shortcut", "--seeds=0"], "--seeds"),
        (["shortcut", "--output_dir=taken"], "error: output_dir='taken' is not accepted"),
    ],
)
def test_mistakes_are_named_and_leave_nothing_behind(arguments, message, tmp_path):
    (tmp_path / "taken").touch()
    done = reproduce(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
