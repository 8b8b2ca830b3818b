"""What every test process needs before TensorFlow starts."""

import importlib.abc
import importlib.util
import os
import shutil
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("MPLBACKEND", "Agg")

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


if "tensorflow" in sys.modules:
    _set_up(sys.modules["tensorflow"])
else:
    sys.meta_path.insert(0, _TensorFlowSettings())
