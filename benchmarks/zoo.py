"""How safe and how fast the zoo is, in figures measured in one run.

    python benchmarks/zoo.py --output=benchmarks/results/zoo.json

  publishers   many processes publish real models of one handle at once: how many versions are there, whole, in order
  kills        processes are killed (SIGKILL) at random operations on files while they publish, set an alias, collect
               garbage or import: the zoo is as before or as after, and the next publisher leaves it tidy
  corruptions  copies of a published version with a bit flipped, a file cut, files swapped, deleted or added: detected?
  verifying    processor time of verifying a version, bytes and operations, as share of loading it
  resolving    time to resolve a handle in a zoo of many versions

Every figure is checked before it is printed: a lost version, a state that is neither old nor new, or a corruption that
was not seen ends the program with an error. Takes about ten minutes on 2 cores.
"""

import contextlib
import datetime
import json
import os
import pathlib
import platform
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time

from absl import app, flags, logging

from keras_repvis import zoo
from keras_repvis.zoo import handle as handles
from keras_repvis.zoo import history, layout, manifest, transaction

_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write; printed only if unset.")
_ONLY = flags.DEFINE_list("only", ["publishers", "kills", "corruptions", "verifying", "resolving"], "What to measure.")
_PROCESSES = flags.DEFINE_integer("processes", 16, "publishers: processes.", lower_bound=1)
_VERSIONS = flags.DEFINE_integer("versions", 200, "publishers: versions in all.", lower_bound=1)
_KILLS = flags.DEFINE_integer("kills", 200, "kills: processes to kill.", lower_bound=1)
_CORRUPTIONS = flags.DEFINE_integer("corruptions", 500, "corruptions: damaged copies.", lower_bound=1)
_KNOWN = flags.DEFINE_integer("known", 10_000, "resolving: versions in the zoo.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of all that is random.")

_OPERATIONS = ("mkdir", "open", "rename", "replace", "fsync", "unlink", "rmdir", "write", "ftruncate")


def main(argv):
    logging.set_verbosity(logging.ERROR)
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    measures = {
        "publishers": lambda root: publishers(root, _PROCESSES.value, _VERSIONS.value),
        "kills": lambda root: kills(root, _KILLS.value, _SEED.value),
        "corruptions": lambda root: corruptions(root, _CORRUPTIONS.value, _SEED.value),
        "verifying": verifying,
        "resolving": lambda root: resolving(root, _KNOWN.value),
    }
    path = pathlib.Path(_OUTPUT.value) if _OUTPUT.value else None
    result = json.loads(path.read_text()) if path and path.exists() else {}
    for name in _ONLY.value:
        with tempfile.TemporaryDirectory() as root:
            start = time.monotonic()
            found = measures[name](pathlib.Path(root))
        print(name, json.dumps(found), flush=True)
        seconds = round(time.monotonic() - start)
        result[name] = {**origin(), "seconds": seconds, **found}
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(result, indent=1) + "\n")


def origin():
    """Return when and where this is measured."""
    return {"date": datetime.date.today().isoformat(), "cores": os.cpu_count(), "python": platform.python_version()}


def publishers(root, processes, versions):
    """Publish `versions` models, all different, from `processes` processes at once, and check what is there."""
    import keras  # Before the forks, and nothing computed yet: each child may start TensorFlow for itself.
    import tensorflow

    del keras, tensorflow
    shares = [range(index, versions, processes) for index in range(processes)]
    children = [_fork(lambda share=share: _publish_models(root, share)) for share in shares]
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    _require(not any(codes), f"publishers ended with {codes}")
    found = zoo.list_versions(root, shipped=False)
    _require([version.version for version in found] == list(range(1, versions + 1)), "numbers are missing")
    _require(len({version.verify()["digest"] for version in found}) == versions, "a model was lost")
    model = root / "me" / "net"
    _require(sorted(history.published(model)) == layout.version_numbers(model), "the history tells otherwise")
    _require(not layout.leftovers(model), "something was left behind")
    return {"processes": processes, "published": versions, "versions": len(found), "torn": 0}


def _publish_models(root, units):
    """Publish one model for each number in `units`; each from a process, exported by another, forked while clean."""
    for number in units:
        jobs, answers = os.pipe(), os.pipe()
        exporter = _fork(lambda: _export_one(jobs, answers))
        worker = _fork(lambda: _publish_one(root, number, jobs, answers))
        for descriptor in (*jobs, *answers):
            os.close(descriptor)
        for child in (worker, exporter):
            _require(os.waitpid(child, 0)[1] == 0, f"model {number} was not published")


def _export_one(jobs, answers):
    from keras_repvis.zoo import exporting

    os.close(jobs[1])
    job_file = os.read(jobs[0], 4096).decode()
    exporting.main(job_file)
    os.write(answers[1], b"done")


def _publish_one(root, number, jobs, answers):
    import keras

    from keras_repvis.zoo import exporting

    def start_process(job_file):
        os.write(jobs[1], job_file.encode())
        return (0, "") if os.read(answers[0], 4) == b"done" else (1, "the exporter ended")

    os.close(answers[1])
    exporting.start_process = start_process
    model = keras.Sequential([keras.Input((8,), name="inputs"), keras.layers.Dense(4, name="logits")], name="net")
    model.layers[0].bias.assign([float(number)] * 4)
    zoo.publish(model, "me/net", root)


def kills(root, count, seed):
    """Kill `count` processes at random operations on files, and check the state after each."""
    before = root / "before"
    _put(before, "a/b", "1")
    for text, parent in (("2", "a/b/1"), ("3", None), ("4", "a/b/3"), ("5", None)):
        _put(before, "a/b", text, parent=parent)
    for number in (2, 4):
        zoo.set_alias(f"a/b/{number}", "champion", before)
    _put(root / "elsewhere", "c/d", "carried")
    archive = root / "carried.tar"
    zoo.export_version("c/d", archive, root / "elsewhere")
    actions = {
        "publish": lambda place: _put(place, "a/b", "new"),
        "alias": lambda place: zoo.set_alias("a/b/5", "champion", place),
        "gc": lambda place: zoo.gc(["latest:1"], place),
        "import": lambda place: zoo.import_version(archive, place),
    }
    chance = random.Random(seed)
    totals, seen = {}, dict.fromkeys(actions, 0)
    states = {"old": 0, "new": 0}
    for name, action in actions.items():
        place = shutil.copytree(before, root / "after" / name)
        totals[name] = _count_operations(lambda: action(place), root / "count")
    for index in range(count):
        name = chance.choice(sorted(actions))
        place = shutil.copytree(before, root / f"killed{index}")
        number = chance.randint(1, totals[name])
        child = _fork(lambda: _kill_at(number, lambda: actions[name](place)))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        _require(status == -signal.SIGKILL, f"{name} was not killed: {status}")
        state = _state(place)
        old = _between(state, _state(before), _state(root / "after" / name), step_by_step=name == "gc")
        states["old" if old else "new"] += 1
        seen[name] += 1
        _check_tidied(place)
        shutil.rmtree(place)
    return {"kills": count, **seen, "left_old_state": states["old"], "left_new_state": states["new"], "other": 0}


def _between(state, old, new, step_by_step):
    """Return whether `state` is `old`; it must be that or `new`. Collecting several versions goes one by one."""
    if state == old:
        return True
    if state == new:
        return False
    versions, aliases = state
    between = set(new[0].items()) < set(versions.items()) < set(old[0].items())
    _require(step_by_step and aliases == old[1] and between, f"a state that is neither old nor new: {state}")
    return False


def _state(place):
    """Return what a reader sees: the digest of every version, each verified, and the aliases."""
    versions = {version.handle: version.verify()["digest"] for version in zoo.list_versions(place, shipped=False)}
    return versions, zoo.list_aliases("a/b", place)


def _check_tidied(place):
    """The next publisher removes what is left, and its history tells what is there."""
    for model in ("a/b", "c/d"):
        _put(place, model, "next")
        names = {path.name for path in (place / model).iterdir() if not path.name.isdigit()}
        _require(names <= {"aliases.json", "history.jsonl"}, f"left behind: {names}")
        present = set()
        for event in history.read(place / model):
            if event["event"] in ("published", "imported"):
                present.add(event["version"])
            elif event["event"] == "deleted":
                present.discard(event["version"])
        _require(present == set(layout.version_numbers(place / model)), "the history tells otherwise")
    zoo.gc(["all"], place)


def corruptions(root, count, seed):
    """Damage `count` copies of a published version, each in one way, and count those that are detected."""
    version = _published_network(root, "mobilenet_v1", 32, 0.1)
    files = sorted(path.relative_to(version.path).as_posix() for path in version.path.rglob("*") if path.is_file())
    chance = random.Random(seed)
    kinds = {"flip": 0, "truncate": 0, "swap": 0, "delete": 0, "add": 0}
    for index in range(count):
        copy = shutil.copytree(version.path, root / f"copy{index}")
        kind = chance.choice(sorted(kinds))
        _damage(copy, kind, files, chance)
        with contextlib.suppress(zoo.IntegrityError):
            manifest.verify(copy)
            _require(False, f"{kind} was not detected in {copy}")
        kinds[kind] += 1
        shutil.rmtree(copy)
    return {"corruptions": count, "detected": sum(kinds.values()), **kinds}


def _damage(copy, kind, files, chance):
    path = copy / chance.choice(files)
    content = bytearray(path.read_bytes())
    if kind == "flip":
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
    elif kind == "truncate":
        path.write_bytes(content[: chance.randrange(len(content))])
    elif kind == "swap":
        other = copy / chance.choice([name for name in files if copy / name != path])
        path.rename(copy / "held")
        other.rename(path)
        (copy / "held").rename(other)
    elif kind == "delete":
        path.unlink()
    else:
        (path.parent / f"added{chance.randrange(10**9)}").write_bytes(content)


def verifying(root, repeats=5):
    """Measure what verifying costs of loading MobileNetV2 at 224 pixels for the first time."""
    import keras

    from keras_repvis.zoo import operations

    version = _published_network(root, "mobilenet_v2", 224, 1.0)
    shares = {"saved_model": [], "keras": []}
    for _ in range(repeats):
        verify = _processor_time(version.verify)
        check = _processor_time(lambda: operations.check_operations(version.path))
        import tensorflow as tf

        load = _processor_time(lambda: tf.saved_model.load(str(version.path)))
        shares["saved_model"].append((verify + check) / (verify + check + load))
        load = _processor_time(lambda: keras.saving.load_model(version.path / layout.KERAS_FILE, compile=False))
        shares["keras"].append(verify / (verify + load))
    size = sum(entry["size"] for entry in version.manifest["files"].values())
    return {"bytes": size, **{f"share_of_{name}": round(statistics.median(found), 4) for name, found in shares.items()}}


def resolving(root, known, repeats=50):
    """Measure the wall time of resolving in a zoo of `known` versions, half of one model, half of models of ten."""
    for number in range(1, known // 2 + 1):
        (root / "a" / "b" / str(number)).mkdir(parents=True)
    for index in range(known // 20):
        for number in range(1, 11):
            (root / "many" / f"model{index}" / str(number)).mkdir(parents=True)
    times = {}
    for name in ("a/b", f"a/b/{known // 4}", "many/model0", "many/model0/3"):
        version = zoo.resolve(name, root)
        parsed = handles.parse(name)
        _require(version.version == (parsed.version or max(layout.version_numbers(version.path.parent))), name)
        times[name] = []
        for _ in range(repeats):
            start = time.perf_counter()
            zoo.resolve(name, root)
            times[name].append(1000 * (time.perf_counter() - start))
    medians = {name: round(statistics.median(found), 3) for name, found in times.items()}
    return {"versions": known, "milliseconds": medians}


def _published_network(root, name, size, width):
    import keras

    from keras_repvis import models

    keras.utils.set_random_seed(0)
    model = models.build(name, input_shape=(size, size, 3), classes=10, width_multiplier=width)
    return zoo.publish(model, "me/net", root, variants=("folded",))


def _put(root, handle, text, parent=None):
    """Publish a version of one small file."""
    facts = {"parent": parent, "variants": {}}
    with transaction.incoming(root / handle) as directory:
        (directory / "file").write_text(text * 1000)
        digest = manifest.digest({"format": manifest.FORMAT, **facts, "files": manifest.list_files(directory)})

        def seal(number):
            manifest.write(directory, {**facts, "handle": f"{handle}/{number}"})

        transaction.commit(directory, seal, digest)


def _fork(function):
    """Call `function` in a new process and return its id; the process ends with 0, or 1 after an error."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        function()
        code = 0
    except Exception as error:  # Whatever it is, it must not go on as its parent.
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def _count_operations(function, file):
    """Return how many operations on files `function` makes, in a process of its own."""

    def count():
        counted = _counting(lambda number: None)
        function()
        file.write_text(str(counted[0]))

    _require(os.waitpid(_fork(count), 0)[1] == 0, "the operations could not be counted")
    return int(file.read_text())


def _kill_at(number, function):
    def kill(counted):
        if counted == number:
            os.kill(os.getpid(), signal.SIGKILL)

    _counting(kill)
    function()


def _counting(told):
    """Count this process's operations on files from now on; `told` hears the number before each is made."""
    import builtins

    counted = [0]

    def wrap(function):
        def call(*arguments, **options):
            counted[0] += 1
            told(counted[0])
            return function(*arguments, **options)

        return call

    for name in _OPERATIONS:
        setattr(os, name, wrap(getattr(os, name)))
    builtins.open = wrap(builtins.open)
    return counted


def _processor_time(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def _require(condition, message):
    if not condition:
        raise RuntimeError(message)


if __name__ == "__main__":
    app.run(main)
