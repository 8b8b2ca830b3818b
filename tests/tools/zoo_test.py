"""repvis-zoo: tables for people, JSON for programs, an answer before TensorFlow could start."""

import json
import os
import shutil
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

_COUNT = """
import sys
from keras_repvis.zoo import alias_file
read = alias_file.read
def told(directory):
    print("read", directory, file=sys.stderr)
    return read(directory)
alias_file.read = told
"""
# The library's own work is tested elsewhere: here it says what it was given.
_SPY = """
import dataclasses, pathlib, sys
from keras_repvis import zoo as library
from keras_repvis_tools import program, zoo

@dataclasses.dataclass
class Found:
    agrees: bool
    handle: str = "me/net/1"
    published: float = 0.9
    found: float = 0.8
    allowed: float = 0.05
    examples: int = 500
    same_weights: bool = False

def tell(name, result):
    def told(*arguments, **options):
        print(name, *arguments, *sorted(options.items()), sep=" | ", file=sys.stderr)
        return result
    return told

version = library.Version("me/net/1", pathlib.Path("there"), 1)
program.import_tensorflow = lambda: None
zoo._load = lambda path: path.name
library.publish = tell("publish", version)
library.load_recipe = lambda path: path.parent.name
library.make = tell("make", (version, {0: 0.75}))
library.reproduce = tell("reproduce", Found("agrees" in sys.argv[2]))
library.sign = tell("sign", "file.sig")
library.verify_signature = tell("verify_signature", None)
"""


def _run(*arguments, program=_RUN, **environment):
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
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
        "variants": {"folded": {"file": "folded", "bytes": 700, "difference": 1e-7, "tolerance": 1e-5}},
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
    done = _run("list", "--noshipped", f"--zoo_root={root}")
    assert done.returncode == 0
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    assert lines[0].split() == ["handle", "alias", "size", "parameters", "metrics", "published", "description"]
    assert len(lines) == 4
    for line, handle in zip(lines[2:], ("me/net/1", "me/net/2")):
        for cell in (handle, "1.5 kB", "1,000", "test_accuracy 0.9812", "2024-01-02", "Digits, [bold]really[/bold]."):
            assert cell in line
    assert done.stderr == "imported: []\n"


def test_list_as_json_and_by_environment(root):
    done = _run("list", "--noshipped", "--json", KERAS_REPVIS_ZOO=str(root))
    first, second = json.loads(done.stdout)
    assert first["handle"] == "me/net/1" and second["handle"] == "me/net/2"
    assert first["metrics"] == {"test_accuracy": 0.9812}
    assert first["bytes"] == 1500
    assert first["path"] == str(root / "me" / "net" / "1")
    assert done.stderr == "imported: []\n"


def test_list_and_show_name_aliases(root):
    (root / "me" / "net" / "aliases.json").write_text('{"stable": 1, "champion": 1, "previous": 2}')
    listed = json.loads(_run("list", "--noshipped", "--json", f"--zoo_root={root}").stdout)
    assert [entry["aliases"] for entry in listed] == [["champion", "stable"], ["previous"]]
    assert "champion, stable" in _run("list", "--noshipped", f"--zoo_root={root}").stdout
    assert json.loads(_run("show", "me/net/2", "--json", f"--zoo_root={root}").stdout)["aliases"] == ["previous"]
    (root / "me" / "net" / "aliases.json").write_text("[]")
    listed = json.loads(_run("list", "--noshipped", "--json", f"--zoo_root={root}").stdout)
    assert [entry["aliases"] for entry in listed] == [[], []]


def test_list_reads_the_aliases_of_a_model_once(root):
    shutil.copytree(root / "me" / "net", root / "me" / "other")
    done = _run("list", "--noshipped", f"--zoo_root={root}", program=_COUNT + _RUN)
    read = [line for line in done.stderr.splitlines() if line.startswith("read ")]
    assert {f"read {root / 'me' / name}" for name in ("net", "other")} <= set(read)
    assert len(read) == len(set(read))


def test_an_empty_zoo(tmp_path):
    done = _run("list", "--noshipped", f"--zoo_root={tmp_path / 'none'}")
    assert (done.returncode, done.stdout) == (0, f"Nothing is published in {tmp_path / 'none'}.\n")
    assert json.loads(_run("list", "--noshipped", "--json", f"--zoo_root={tmp_path / 'none'}").stdout) == []


def test_list_shows_a_damaged_version(root):
    path = root / "me" / "net" / "1" / manifest.FILE
    path.write_text(path.read_text().replace("0.9812", "0.9999"))
    done = _run("list", "--noshipped", f"--zoo_root={root}")
    assert done.returncode == 0
    assert "DAMAGED" in done.stdout and "was changed after publication" in done.stdout
    assert "0.9812" in done.stdout and "0.9999" not in done.stdout
    first, second = json.loads(_run("list", "--noshipped", "--json", f"--zoo_root={root}").stdout)
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
    told = "publishing me/flat: written by a new process, read back and compared\n"
    assert done.stderr == told + "imported: ['keras', 'numpy', 'tensorflow']\n"
    record = json.loads(_run("show", "me/flat/1", "--json", f"--zoo_root={tmp_path}").stdout)
    assert record["metrics"] == {"test_accuracy": 0.5, "loss": 0.001}
    assert (record["description"], record["licence"], record["limits"]) == ("Flat.", "MIT", "None known.")
    assert record["cost"]["parameters"] == 64 * 3 + 3


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "expected a command: alias, diff, export, gc, import, list, make, publish, reproduce, rollback"),
        (["lst"], "command='lst' is not known. Did you mean 'list'?"),
        (["list", "me/net"], "list does not take 1 arguments: repvis-zoo list"),
        (["show"], "show does not take 0 arguments: repvis-zoo show HANDLE"),
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
        (["publish", "MODEL", "me/net@champion"], "the zoo gives the number"),
        (["publish", "ROOT", "me/net"], "expected an existing file that ends in .keras"),
        (["publish", "MODEL", "me/net", "--variants=int4"], "variants='int4' is not known"),
        (["publish", "MODEL", "me/net", "--signatures=int8"], "signatures='int8' is not known. Did you mean 'uint8'"),
        (["publish", "RUN", "me/net"], "RUN_DIR="),
        (["alias", "me/net/7", "champion"], "version of me/net=7 is not known"),
        (["alias", "me/net/1", "Champion"], "alias='Champion' is not accepted"),
        (["rollback", "me/net"], "no 'champion' among its aliases"),
        (["gc"], "keep=[] is not accepted"),
        (["gc", "--keep=newest"], "keep='newest' is not accepted"),
        (["import", "TEXT"], "text.keras"),
        (["export", "me/net/1", "ROOT/x.zip"], "ends in .tar or .tar.gz"),
        (["sign", "me/net"], "sign needs --key"),
        (["verify", "--key=x"], "--key belongs to one version"),
        (["make", "repvis/none"], "recipe='repvis/none' is not known"),
        (["reproduce", "me/none"], "handle='me/none' is not published"),
        (["list", "--zoo_root=MODEL"], "it is a file, expected a directory"),
        (["list", "--zoo_rot=x"], "Unknown command line flag 'zoo_rot'. Did you mean: zoo_root"),
    ],
)
def test_bad_input_is_refused_before_tensorflow_starts(root, tmp_path, arguments, message):
    file, text = tmp_path / "model.keras", tmp_path / "text.keras"
    text.write_bytes(b"not a model")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", "{}")
    run = tmp_path / "run"  # Of two generators, but without its settings.
    run.mkdir()
    for name in ("generator_ab.keras", "generator_ba.keras"):
        shutil.copy(file, run / name)
    places = {"MODEL": file, "TEXT": text, "ROOT": root, "RUN": run}
    for name, place in places.items():
        arguments = [argument.replace(name, str(place)) for argument in arguments]
    done = _run(*arguments, KERAS_REPVIS_ZOO=str(root))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ") and message in done.stderr
    assert done.stderr.endswith("imported: []\n")
    assert sorted(os.listdir(root / "me" / "net")) == ["1", "2"]


def test_aliases_rollback_and_collection(put, tmp_path):
    for text in "xyz":
        put(tmp_path, "a/b", text)
    root = f"--zoo_root={tmp_path}"
    assert _run("alias", "a/b/1", "champion", root).stdout == "champion: 1\n"
    assert json.loads(_run("alias", "a/b/3", "champion", root, "--json").stdout) == {"champion": 3, "previous": 1}
    assert _run("rollback", "a/b", root).stdout == "champion: 1\nprevious: 3\n"
    assert json.loads(_run("alias", "a/b", "previous", "--remove", root, "--json").stdout) == {"champion": 1}
    planned = _run("gc", "--keep=latest", "--dry_run", root)
    lines = [" ".join(line.split()) for line in planned.stdout.splitlines() if "a/b" in line]
    assert lines == ["a/b/2 would be deleted", "a/b/1 kept: alias champion", "a/b/3 kept: latest:1"]
    assert sorted(os.listdir(tmp_path / "a" / "b")) == ["1", "2", "3", "aliases.json", "history.jsonl"]
    done = _run("gc", "--keep=latest", "--json", root)
    assert json.loads(done.stdout)["deleted"] == ["a/b/2"] and done.stderr == "imported: []\n"
    assert sorted(os.listdir(tmp_path / "a" / "b")) == ["1", "3", "aliases.json", "history.jsonl"]


def test_gc_of_one_model(put, tmp_path):
    for handle in ("a/b", "a/c"):
        for text in "xy":
            put(tmp_path, handle, text)
    done = _run("gc", "--keep=latest", "--model=a/c", "--json", f"--zoo_root={tmp_path}")
    assert json.loads(done.stdout)["deleted"] == ["a/c/1"]
    assert (tmp_path / "a/b/1").is_dir() and not (tmp_path / "a/c/1").exists()


def test_an_export_replaces_a_file_only_if_told(put, tmp_path):
    put(tmp_path, "a/b")
    arguments = ("export", "a/b", tmp_path / "b.tar", f"--zoo_root={tmp_path}")
    (tmp_path / "b.tar").write_text("mine")
    done = _run(*arguments)
    assert done.returncode == 1 and "b.tar" in done.stderr and (tmp_path / "b.tar").read_text() == "mine"
    assert _run(*arguments, "--overwrite").returncode == 0 and (tmp_path / "b.tar").stat().st_size > 1000


def test_export_for_serving(tmp_path):
    shipped = json.loads(_run("show", "repvis/mobilenet_v1_digits/1", "--json").stdout)["path"]
    for options, source in (((), "folded"), (("--variant=reference",), "")):
        target = tmp_path / f"serving{len(options)}"
        done = _run("export", "repvis/mobilenet_v1_digits/1", target, "--serving", *options)
        assert (done.returncode, done.stdout) == (0, f"{target / 'mobilenet_v1_digits' / '1'}\n")
        with open(os.path.join(shipped, source, "saved_model.pb"), "rb") as file:
            assert (target / "mobilenet_v1_digits" / "1" / "saved_model.pb").read_bytes() == file.read()
        assert done.stderr == "imported: []\n"


def test_flags_reach_the_library(root, tmp_path):
    file, zoo_root = tmp_path / "model.keras", f"--zoo_root={root}"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", "{}")
    options = ["--parent=me/net", "--variants=folded,float16", "--allow_operations=PrintV2", "--metrics=a=1,b=0.5",
               "--description=D.", "--licence=MIT", "--intended_use=U.", "--limits=L.", "--signatures=uint16"]
    done = _run("publish", file, "me/new", zoo_root, *options, "--json", program=_SPY + _RUN)
    assert json.loads(done.stdout) == {"handle": "me/net/1", "path": "there", "version": 1}
    assert done.stderr.splitlines()[1].split(" | ") == [
        "publish", "model.keras", "me/new", "('allow_operations', ('PrintV2',))", "('description', 'D.')",
        "('intended_use', 'U.')", "('licence', 'MIT')", "('limits', 'L.')", "('metrics', {'a': 1.0, 'b': 0.5})",
        "('parent', 'me/net/2')", f"('root', {root!r})", "('signatures', ('uint16',))",
        "('training', {'file': 'model.keras'})",
        "('variants', ('folded', 'float16'))",
    ]
    done = _run("make", "repvis/mobilenet_v1_digits", zoo_root, program=_SPY + _RUN)
    assert done.stdout == "me/net/1\nthere\n" and "seed 0: test accuracy 0.7500" in done.stderr
    assert f"make | mobilenet_v1_digits | {root}" in done.stderr.splitlines()
    path = root / "me" / "net" / "2"
    done = _run("sign", "me/net", "--key=private.pem", "--overwrite", zoo_root, program=_SPY + _RUN)
    assert done.stdout == "file.sig\n" and str(path) in done.stderr
    assert done.stderr.splitlines()[0].endswith("private.pem | ('overwrite', True)")
    done = _run("verify", "me/net", "--key=public.pem", zoo_root, program=_SPY + _RUN)
    assert done.stdout == "me/net/2: every byte is as published, and signed\n"
    assert done.stderr.startswith("verify_signature | ") and done.stderr.splitlines()[0].endswith(" | public.pem")
    (path / "saved_model.pb").write_bytes(b"y")
    done = _run("verify", "me/net", "--key=public.pem", zoo_root, program=_SPY + _RUN)
    assert done.returncode == 1 and "signed" not in done.stdout and "verify_signature" not in done.stderr


def test_a_reproduction_that_does_not_agree_fails(put, tmp_path):
    put(tmp_path, "me/agrees")
    put(tmp_path, "me/other")
    zoo_root = f"--zoo_root={tmp_path}"
    done = _run("reproduce", "me/agrees", zoo_root, "--data_dir=data", program=_SPY + _RUN)
    assert done.returncode == 0 and done.stdout.split()[-2:] == ["result", "agrees"]
    assert done.stderr.splitlines()[0] == f"reproduce | me/agrees | {tmp_path} | data"
    done = _run("reproduce", "me/other", zoo_root, program=_SPY + _RUN)
    assert done.returncode == 1 and "DOES NOT AGREE" in done.stdout
    done = _run("reproduce", "me/other", zoo_root, "--json", program=_SPY + _RUN)
    assert done.returncode == 1 and json.loads(done.stdout)["agrees"] is False


def test_export_verify_import(put, tmp_path):
    put(tmp_path / "here", "a/b")
    file = tmp_path / "b.tar.gz"
    done = _run("export", "a/b", file, f"--zoo_root={tmp_path / 'here'}")
    assert (done.returncode, done.stdout) == (0, f"{file}\n")
    there = f"--zoo_root={tmp_path / 'there'}"
    assert _run("import", file, there).stdout == f"a/b/1\n{tmp_path / 'there' / 'a/b/1'}\n"
    done = _run("verify", there, "--noshipped")
    assert (done.returncode, done.stdout) == (0, "a/b/1: every byte is as published\n")
    (tmp_path / "there/a/b/1/file").write_text("y")
    done = _run("verify", "a/b/1", there, "--json")
    assert done.returncode == 1 and "file: its SHA-256 differs" in json.loads(done.stdout)["a/b/1"]
    assert done.stderr == "imported: []\n"


def test_what_ships_is_whole():
    done = _run("verify", KERAS_REPVIS_ZOO="/none/zoo")
    assert done.returncode == 0
    assert "repvis/mobilenet_v2_digits/1: every byte is as published" in done.stdout


def test_diff_without_tensorflow():
    versions = ("repvis/mobilenet_v1_digits/1", "repvis/mobilenet_v2_digits/1")
    done = _run("diff", *versions, "--novalues", KERAS_REPVIS_ZOO="/none")
    assert done.returncode == 0, done.stderr
    assert "width_multiplier" in done.stdout and "accuracy" in done.stdout
    assert "tensorflow" not in done.stderr.splitlines()[-1]
    assert json.loads(_run("diff", *versions, "--novalues", "--json").stdout)["a"] == versions[0]


def test_a_run_is_published_with_its_evidence(start_tool, tmp_path):
    run = tmp_path / "run"
    options = ["--model=mobilenet_v1", "--width_multiplier=0.1", "--image_size=16", "--epochs=1"]
    child = start_tool("train", f"--run_dir={run}", "--train_split=train[:256]", *options)
    assert child.wait() == 0, child.stderr
    done = _run("publish", run, "me/run", f"--zoo_root={tmp_path}", "--test_split=test[:100]", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(_run("show", "me/run", "--json", f"--zoo_root={tmp_path}").stdout)
    assert record["handle"] == json.loads(done.stdout)["handle"] == "me/run/1"
    assert record["training"]["train_split"] == "train[:256]" and record["training"]["test_split"] == "test[:100]"
    assert record["metrics"]["examples"] == 100 and record["calibration"]["examples"] == 100
    assert "saliency.png" in record["files"]


def test_a_run_of_two_generators_is_published_as_a_pair(tmp_path):
    from keras_repvis import models

    run, root = tmp_path / "run", f"--zoo_root={tmp_path}"
    run.mkdir()
    for name in ("generator_ab.keras", "generator_ba.keras"):
        models.ResNetGenerator((None, None, 3), blocks=1, filters=2).save(run / name)
    (run / "settings.json").write_text(json.dumps({"domain_a": "repvis_maps/64", "image_size": 32, "seed": 1}))
    done = _run("publish", run, "me/maps", root, "--metrics=epochs=3,a2b.l1=0.5", "--description=Maps.", "--json")
    assert done.returncode == 0, done.stderr
    assert [entry["handle"] for entry in json.loads(done.stdout)] == ["me/maps_a2b/1", "me/maps_b2a/1"]
    record = json.loads(_run("show", "me/maps_a2b", "--json", root).stdout)
    assert record["training"]["domain_a"] == "repvis_maps/64" and record["training"]["inverse"] == "me/maps_b2a"
    assert record["data"] == {"domain_a": "repvis_maps/64"}
    assert record["metrics"] == {"epochs": 3.0, "l1": 0.5} and "translate_uint8" in record["signatures"]
    assert json.loads(_run("show", "me/maps_b2a", "--json", root).stdout)["metrics"] == {"epochs": 3.0}
    done = _run("publish", run, "me/maps", root, "--parent=me/maps_a2b")
    assert done.returncode == 1 and "--parent is that of one model" in done.stderr


def test_help():
    done = _run("--help")
    assert done.returncode == 0
    assert "repvis-zoo publish model.keras me/my_model" in done.stdout and "--zoo_root" in done.stdout
    assert done.stderr == "imported: []\n"
