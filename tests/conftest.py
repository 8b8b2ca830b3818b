"""What every test process needs before TensorFlow starts."""

import gc
import importlib.abc
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("MPLBACKEND", "Agg")

# Jobs in the background of a shell are born deaf to these, and their children too; tests send them.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, _handler)

# Tracing makes millions of objects that live long: looking through them as often as Python does takes its time.
gc.set_threshold(50_000, 50, 50)

# Data sets are built once a session, and versions published, in a place of their own; the workers of pytest-xdist
# inherit it from the process that started them.
_SCRATCH = None
if "PYTEST_XDIST_WORKER" not in os.environ:
    _SCRATCH = tempfile.mkdtemp(prefix="repvis_tests_")
    os.environ["TFDS_DATA_DIR"] = os.path.join(_SCRATCH, "data")
    os.environ["KERAS_REPVIS_ZOO"] = os.path.join(_SCRATCH, "zoo")


def pytest_unconfigure(config):
    """Remove what this session built."""
    if _SCRATCH is not None:
        shutil.rmtree(_SCRATCH, ignore_errors=True)


# Minutes in few tests: begun first, so that no worker is left alone with them at the end.
_LONG = (
    *("cyclegan_kill_test.py", "kill_test.py", "kill_while_saving_test.py", "multi_worker_test.py"),
    *("publishing_test.py", "recipe_test.py"),
)


def pytest_configure(config):
    """Keep the order below, where pytest-xdist would begin with the files of most tests."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    """Put the tests of long files first."""
    items.sort(key=lambda item: item.path.name not in _LONG)


class _TensorFlowSettings(importlib.abc.MetaPathFinder):
    """Sets TensorFlow up as soon as a test imports it; a test that needs no TensorFlow does not wait for it."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        execute = spec.loader.exec_module

        def execute_then_set(module):
            execute(module)
            _set_up(module)

        spec.loader.exec_module = execute_then_set
        return spec


def _set_up(tf):
    # Two devices, so that replicas can be tested on a machine without an accelerator.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    if "PYTEST_XDIST_WORKER" in os.environ:
        # One process a core is at work already.
        tf.config.threading.set_intra_op_parallelism_threads(1)


class Child:
    """A process that calls one function; see programs/children.py."""

    def __init__(self, ask, output, request):
        self._ask = ask
        self._output = output
        self._status = None
        self.process = ask(output=str(output), **request)["process"]

    @property
    def stdout(self):
        return pathlib.Path(f"{self._output}.out").read_text()

    @property
    def stderr(self):
        return pathlib.Path(f"{self._output}.err").read_text()

    @property
    def result(self):
        """The last line on stdout, which is JSON."""
        return json.loads(self.stdout.splitlines()[-1])

    def wait(self, seconds=120):
        """Wait for its end and return its exit status; it is killed when it takes longer."""
        if self._status is None:
            self._status = self._ask(wait=self.process, seconds=seconds)["status"]
        return self._status

    def wait_for(self, path, seconds=120):
        """Wait until there is a file, which the child makes."""
        end = time.monotonic() + seconds
        while not path.exists():
            assert time.monotonic() < end, f"no {path}: {self.stderr}"
            time.sleep(0.01)


@pytest.fixture(scope="session")
def start_child(tmp_path_factory):
    """A function that starts a `Child`. TensorFlow is imported once for all of them, in a process of their own."""
    program = pathlib.Path(__file__).with_name("programs") / "children.py"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, program], env=environment, **pipes) as server:

        def ask(**request):
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            return json.loads(server.stdout.readline())

        def start(module, function, /, closed_stderr=False, **arguments):
            output = tmp_path_factory.mktemp("child") / "output"
            return Child(ask, output, {"call": [str(module), function, arguments], "closed": closed_stderr})

        yield start


@pytest.fixture(scope="session", autouse=True)
def _exports_in_children(request):
    """Let `zoo.publish` export in a `Child`, which need not import TensorFlow; programs that tests start do as ever."""
    from keras_repvis.zoo import exporting

    def start_process(job_file):
        child = request.getfixturevalue("start_child")("keras_repvis.zoo.exporting", "main", job_file=job_file)
        return child.wait(300), child.stderr[-2000:]

    original, exporting.start_process = exporting.start_process, start_process
    yield
    exporting.start_process = original


@pytest.fixture(scope="session")
def start_tool(start_child):
    """A function that starts a command-line program of the package in a `Child`: its name, and its arguments."""

    def start(name, *arguments, **options):
        return start_child(
            "children", "run_tool", module=f"keras_repvis_tools.{name}", arguments=list(arguments), **options
        )

    return start


@pytest.fixture(scope="session", name="put")
def put_fixture():
    """Return a function that publishes a version of one small file, without TensorFlow, and returns its handle.

    It takes the root, a handle, the file's text, and entries of the manifest.
    """
    from keras_repvis.zoo import handle as handles
    from keras_repvis.zoo import manifest, transaction

    def put(root, handle, text="x", **facts):
        parsed = handles.parse(handle)
        name = f"{parsed.publisher}/{parsed.model}"
        facts = {"parent": None, "variants": {}, **facts}
        with transaction.incoming(root / name) as directory:
            (directory / "file").write_text(text)
            digest = manifest.digest({"format": manifest.FORMAT, **facts, "files": manifest.list_files(directory)})

            def seal(number):
                manifest.write(directory, {**facts, "handle": f"{name}/{number}"})

            _, number = transaction.commit(directory, seal, digest, number=parsed.version)
        return f"{name}/{number}"

    return put


@pytest.fixture(scope="session")
def hidden_code():
    """Return a function that makes a pair of models whose hidden code is known, and images that they do not change.

    F paints the chess board of amplitude a (x - 0.5) on grey, x being the mean of each 2 x 2 pixels; G reads it again.
    So G(F(x)) = x for images that are constant on 2 x 2 pixels, F and G are affine, no edit spreads, and white noise of
    standard deviation s arrives in G(y) with s / 2a.
    """
    import keras
    import numpy as np

    def make(amplitude=0.02, channels=3):
        signs = np.array([[1.0, -1.0], [-1.0, 1.0]])
        diagonal = np.eye(channels)[None, None]
        ones = np.ones((2, 2, channels, 1))

        def model(first, second, shift, offset):
            image = keras.Input((None, None, channels))
            found = keras.layers.Rescaling(1.0, shift)(image)
            layers = (keras.layers.DepthwiseConv2D(2, 2, use_bias=False), keras.layers.Conv2DTranspose(channels, 2, 2))
            for layer in layers:
                found = layer(found)
            layers[0].set_weights([first])
            layers[1].set_weights([second, np.full(channels, offset)])
            return keras.Model(image, found)

        board = signs[:, :, None, None]
        encoder = model(ones / 4, amplitude * board * diagonal, -0.5, 0.5)
        decoder = model(board * ones / (4 * amplitude), np.ones((2, 2, 1, 1)) * diagonal, -0.5, 0.5)
        return encoder, decoder

    def images(count=4, side=32, channels=3, seed=0):
        generator = np.random.default_rng(seed)
        low = generator.uniform(0.1, 0.9, (count, side // 8, side // 8, channels))
        return np.kron(low, np.ones((1, 8, 8, 1))).astype("float32")

    make.images = images
    return make


@pytest.fixture
def small_disk(tmp_path):
    """A directory on a disk of its own of 500 kB, full after a few files.

    Where nobody may mount one, what a full disk does is still tested by raising its error at each place.
    """
    directory = tmp_path / "disk"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=500k", "none", str(directory)]
    try:
        subprocess.run(mount, capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or error
        pytest.skip(f"a file system of 500 kB to fill may not be mounted here, root may as a rule: {reason}")
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


if "tensorflow" in sys.modules:
    _set_up(sys.modules["tensorflow"])
else:
    sys.meta_path.insert(0, _TensorFlowSettings())
