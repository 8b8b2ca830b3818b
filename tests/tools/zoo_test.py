"""repvis-zoo: tables for people, JSON for programs, an answer before TensorFlow could start."""

import json
import os
import subprocess
import sys
import zipfile

import pytest

from keras_repvis.zoo import manifest

_RUN = """
import sys
from keras_repvis_tools import zoo
try:
    zoo.run()
finally:
    heavy = sorted({"tensorflow", "keras", "numpy"} & set(sys.modules))
    print(f"imported: {heavy}", file=sys.stderr)
"""


def _run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", _RUN, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def _facts(handle):
    tensor = {"dtype": "float32", "shape": [None, 10]}
    return {
        "architecture": "net",
        "cost": {"multiply_adds": 12345, "parameters": 1000, "trainable": 900},
        "created": "2024-01-02T03:04:05+00:00",
        "data": {"name": "digits"},
        "description": "Digits, [bold]really[/bold].",
        "handle": handle,
        "intended_use": "",
        "licence": "MIT",
        "limits": "Digits only.",
        "metrics": {"test_accuracy": 0.9812},
        "parent": None,
        "signatures": {"serving_default": {"inputs": {"images": tensor}, "outputs": {"logits": tensor}}},
        "training": {"seed": 3},
        "versions": {"keras": "3.0"},
    }


@pytest.fixture(name="root")
def root_fixture(tmp_path):
    """A zoo that only `list` and `show` can read: manifests without models."""
    for handle in ("me/net/1", "me/net/2"):
        (tmp_path / "zoo" / handle).mkdir(parents=True)
        (tmp_path / "zoo" / handle / "saved_model.pb").write_bytes(b"x" * 1500)
        manifest.write(tmp_path / "zoo" / handle, _facts(handle))
    return tmp_path / "zoo"


@pytest.fixture(name="model_file", scope="module")
def model_file_fixture(tmp_path_factory):
    import keras

    path = tmp_path_factory.mktemp("model") / "model.keras"
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3, name="logits")])
    model.save(path)
    return path


def test_list(root):
    done = _run("list", f"--zoo_root={root}")
    assert done.returncode == 0
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    assert lines[0].split() == ["handle", "size", "parameters", "metrics", "published", "description"]
    assert len(lines) == 4
    for line, handle in zip(lines[2:], ("me/net/1", "me/net/2")):
        for cell in (handle, "1.5 kB", "1,000", "test_accuracy 0.9812", "2024-01-02", "Digits, [bold]really[/bold]."):
            assert cell in line
    assert done.stderr == "imported: []\n"


def test_list_as_json_and_by_environment(root):
    done = _run("list", "--json", KERAS_REPVIS_ZOO=str(root))
    first, second = json.loads(done.stdout)
    assert first["handle"] == "me/net/1" and second["handle"] == "me/net/2"
    assert first["metrics"] == {"test_accuracy": 0.9812}
    assert first["bytes"] == 1500
    assert first["path"] == str(root / "me" / "net" / "1")
    assert done.stderr == "imported: []\n"


def test_an_empty_zoo(tmp_path):
    done = _run("list", f"--zoo_root={tmp_path / 'none'}")
    assert (done.returncode, done.stdout) == (0, f"Nothing is published in {tmp_path / 'none'}.\n")
    assert json.loads(_run("list", "--json", f"--zoo_root={tmp_path / 'none'}").stdout) == []


def test_list_shows_a_damaged_version(root):
    path = root / "me" / "net" / "1" / manifest.FILE
    path.write_text(path.read_text().replace("0.9812", "0.9999"))
    done = _run("list", f"--zoo_root={root}")
    assert done.returncode == 0
    assert "DAMAGED" in done.stdout and "was changed after publication" in done.stdout
    assert "0.9812" in done.stdout and "0.9999" not in done.stdout
    first, second = json.loads(_run("list", "--json", f"--zoo_root={root}").stdout)
    assert "error" in first and "error" not in second


def test_show(root):
    done = _run("show", "me/net", f"--zoo_root={root}")
    assert done.returncode == 0
    assert done.stdout.startswith("me/net/2\nDigits, [bold]really[/bold].\n")
    for text in (str(root / "me/net/2"), "1,000 (900 trainable)", "12,345 per example", "MIT", "0.9812", "seed",
                 "serving_default", "(any, 10)", "Limits: Digits only.", 'zoo.load("me/net/2")'):
        assert text in done.stdout
    assert done.stderr == "imported: []\n"


def test_show_as_json_and_by_path(root):
    done = _run("show", root / "me" / "net" / "1", "--json")
    record = json.loads(done.stdout)
    assert record["handle"] == "me/net/1" and record["path"] == str(root / "me" / "net" / "1")
    assert record["files"]["saved_model.pb"]["size"] == 1500
    assert done.stderr == "imported: []\n"


def test_show_refuses_a_damaged_version(root):
    (root / "me" / "net" / "2" / "saved_model.pb").write_bytes(b"x")
    done = _run("show", "me/net", f"--zoo_root={root}")
    assert done.returncode == 1 and done.stdout == ""
    assert "saved_model.pb: has 1 bytes, the manifest says 1500" in done.stderr


def test_publish_then_show(model_file, tmp_path):
    options = ["--metrics=test_accuracy=0.5,loss=1e-3", "--description=Flat.", "--licence=MIT", "--limits=None known."]
    done = _run("publish", model_file, "me/flat", f"--zoo_root={tmp_path}", *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"me/flat/1\n{tmp_path}/me/flat/1\n"
    # Nothing TensorFlow has to say when it starts and saves gets through.
    assert done.stderr == "imported: ['keras', 'numpy', 'tensorflow']\n"
    record = json.loads(_run("show", "me/flat/1", "--json", f"--zoo_root={tmp_path}").stdout)
    assert record["metrics"] == {"test_accuracy": 0.5, "loss": 0.001}
    assert (record["description"], record["licence"], record["limits"]) == ("Flat.", "MIT", "None known.")
    assert record["cost"]["parameters"] == 64 * 3 + 3


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "expected a command: list, publish, show"),
        (["lst"], "command='lst' is not known. Did you mean 'list'?"),
        (["list", "me/net"], "list takes 0 arguments, not 1"),
        (["show"], "show takes 1 arguments, not 0: repvis-zoo show HANDLE"),
        (["show", "net"], "handle='net' is not accepted"),
        (["show", "../net"], "'..' is not a name"),
        (["show", "me/none"], "handle='me/none' is not published"),
        (["show", "me/net/7"], "version of me/net=7 is not known. Accepted: 1, 2"),
        (["publish", "MODEL", "net"], "handle='net' is not accepted"),
        (["publish", "MODEL", "me/net/3"], "the zoo gives the number"),
        (["publish", "TEXT", "me/net"], "it is not what model.save(...) writes"),
        (["publish", "/none.keras", "me/net"], "expected an existing file that ends in .keras"),
        (["publish", "MODEL", "me/net", "--metrics=accuracy"], "metrics='accuracy' is not accepted"),
        (["publish", "MODEL", "me/net", "--metrics=accuracy=high"], "metrics='accuracy=high' is not accepted"),
        (["publish", "MODEL", "me/net", "--metrics=accuracy=nan"], "metrics='accuracy=nan' is not accepted"),
        (["publish", "MODEL", "me/net", "--parent=me/none"], "handle='me/none' is not published"),
        (["publish", "MODEL", "me/net", "--licence="], "licence='' is not accepted"),
        (["list", "--zoo_root=MODEL"], "it is a file, expected a directory"),
        (["list", "--zoo_rot=x"], "Unknown command line flag 'zoo_rot'. Did you mean: zoo_root"),
    ],
)
def test_bad_input_is_refused_before_tensorflow_starts(root, tmp_path, arguments, message):
    file, text = tmp_path / "model.keras", tmp_path / "text.keras"
    text.write_bytes(b"not a model")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", "{}")
    arguments = [argument.replace("MODEL", str(file)).replace("TEXT", str(text)) for argument in arguments]
    done = _run(*arguments, KERAS_REPVIS_ZOO=str(root))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ") and message in done.stderr
    assert done.stderr.endswith("imported: []\n")
    assert sorted(os.listdir(root / "me" / "net")) == ["1", "2"]


def test_help():
    done = _run("--help")
    assert done.returncode == 0
    assert "repvis-zoo publish model.keras me/my_model" in done.stdout and "--zoo_root" in done.stdout
    assert done.stderr == "imported: []\n"
