"""How fast the largest singular values of a Jacobian are found, as ratios measured in one run.

    python benchmarks/jacobian.py --output=benchmarks/results/jacobian.json

Three ways to the 16 largest singular values of a random ResNet generator of CycleGAN, whose spectrum is flat:

  blocks   `information.JacobianSpectrum` as it is by default: blocks of 32 directions, 3 passes; with its residuals and
           the numbers of the whole spectrum
  dense    the whole Jacobian, 32 rows at once, and its singular values by NumPy
  power    power iteration, one direction at a time, with deflation by those before; one compiled loop a value, in which
           J and J^T share the values of the network, until a value grows by less than a tolerance in a step

Correctness comes first: every value of blocks has to be within 2 % of the dense one. Power iteration stops at each of
--tolerances; how far off its values are then stands beside its time. Then processor time and wall time of the others
over those of blocks; all is traced before. The ways take turns; printed is the median of the ratios with their smallest
and largest.
"""

import datetime
import functools
import json
import os
import pathlib
import platform
import time

# Threads of NumPy that wait for those of TensorFlow take minutes of processor time from every way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from absl import app, flags, logging

_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write; printed only if unset.")
_REPEATS = flags.DEFINE_integer("repeats", 5, "Measurements of each way.", lower_bound=1)
_SIZES = flags.DEFINE_list("sizes", ["32"], "Sides of the images in pixels.")
_BLOCKS = flags.DEFINE_integer("blocks", 6, "Residual blocks of the generator.", lower_bound=1)
_FILTERS = flags.DEFINE_integer("filters", 16, "Filters of its first layer.", lower_bound=1)
_TOLERANCES = flags.DEFINE_list("tolerances", ["1e-3", "1e-4"], "Growths of a value at which power iteration stops.")

RANK = 16
BATCH = 32
BOUND = 0.02
MOST_STEPS = 500


def main(argv):
    logging.set_verbosity(logging.WARNING)
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    rows = []
    for size in _SIZES.value:
        rows.append(measure(int(size)))
        print(json.dumps(rows[-1]), flush=True)
    measured = {"date": datetime.date.today().isoformat(), "repeats": _REPEATS.value, "cores": os.cpu_count()}
    if _OUTPUT.value:
        path = pathlib.Path(_OUTPUT.value)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**measured, **versions(), "rows": rows}, indent=1) + "\n")


def versions():
    import keras
    import tensorflow as tf

    return {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}


def measure(size):
    """Return the row of images of one size."""
    model, image = generator(size)
    ways = {"blocks": blocks(model, image), "dense": dense(model, image)}
    power = Power(model, image)
    for tolerance in _TOLERANCES.value:
        ways[f"power_{tolerance}"] = functools.partial(power, float(tolerance))
    values, steps = {}, {}
    for name, find in ways.items():
        values[name] = find()
        steps[name] = power.steps
    errors = {name: float(np.abs(found / values["dense"] - 1).max()) for name, found in values.items()}
    if errors["blocks"] > BOUND:
        raise ArithmeticError(f"values of blocks are off by {errors['blocks']}: expected at most {BOUND}")
    seconds = {name: [] for name in ways}
    for _ in range(_REPEATS.value):
        for name, find in ways.items():
            began = time.process_time(), time.perf_counter()
            find()
            seconds[name].append((time.process_time() - began[0], time.perf_counter() - began[1]))
    row = {
        "image_size": size,
        "blocks": _BLOCKS.value,
        "filters": _FILTERS.value,
        "values": [round(float(values["dense"][at]), 3) for at in (0, RANK - 1)],
        "largest_error": {name: round(error, 5) for name, error in errors.items()},
        "power_steps": {name: count for name, count in steps.items() if name.startswith("power")},
        "blocks_seconds": [round(float(one), 3) for one in np.median(seconds["blocks"], axis=0)],
    }
    for name in ways:
        if name != "blocks":
            ratios = np.divide(seconds[name], seconds["blocks"])
            row[name] = {kind: summary(ratios[:, at]) for at, kind in enumerate(("processor", "wall"))}
    return row


def summary(ratios):
    return {name: round(float(f(ratios)), 2) for name, f in (("ratio", np.median), ("low", np.min), ("high", np.max))}


def generator(size):
    """Return (a generator with random weights, a smooth colour image)."""
    import keras

    from keras_repvis import models
    from keras_repvis.data import photographs

    keras.utils.set_random_seed(0)
    model = models.ResNetGenerator((None, None, 3), blocks=_BLOCKS.value, filters=_FILTERS.value)
    photograph = photographs.load("astronaut")[:256, 100:356]
    return model, shrink(photograph, size)


def shrink(photograph, size):
    """Return the means of squares of a square photograph, float32 (size, size, 3) in [0, 1]."""
    step = len(photograph) // size
    squares = photograph[: step * size, : step * size].reshape(size, step, size, step, 3)
    return (squares.mean(axis=(1, 3)) / 255).astype("float32")


def blocks(model, image):
    from keras_repvis.analysis import information

    analysis = information.JacobianSpectrum(model, rank=RANK, batch_size=BATCH)
    return lambda: analysis(image[None]).values[0]


def dense(model, image):
    from keras_repvis.analysis.information.differentiable_map import DifferentiableMap

    products = DifferentiableMap("model", model, BATCH)
    unit = np.eye(image.size, dtype="float32").reshape(-1, *image.shape)

    def find():
        jacobian = products.vjp(image, unit).reshape(len(unit), -1)
        return np.linalg.svd(jacobian, compute_uv=False)[:RANK]

    return find


class Power:
    """One value after the other by power iteration on J^T J, without what was found before.

    Attributes:
        steps: Integer, steps of the last call, all values together.
    """

    def __init__(self, model, image):
        import tensorflow as tf

        from keras_repvis.analysis.information.differentiable_map import DifferentiableMap

        self.steps = 0
        self._products = DifferentiableMap("model", model, 1)
        self._tensor = functools.partial(tf.constant, dtype="float32")
        self._point = self._tensor(image[None])
        self._climb = tf.function(functools.partial(self._iterate, tf), autograph=False)

    def __call__(self, tolerance):
        random, size = np.random.default_rng(0), int(np.prod(self._point.shape))
        found, values, self.steps = np.zeros((RANK, size), "float32"), [], 0
        for place in range(RANK):
            start = random.standard_normal((1, size), "float32")
            value, direction, steps = self._climb(self._tensor(found), self._tensor(start), self._tensor(tolerance))
            found[place] = direction.numpy()[0]
            values.append(float(value))
            self.steps += int(steps)
        return np.sort(values)[::-1]

    def _iterate(self, tf, found, start, tolerance):
        """Return (singular value, direction, steps) of the largest one that is orthogonal to the rows of `found`."""

        def without(rows):
            rows -= tf.matmul(tf.matmul(rows, found, transpose_b=True), found)
            return rows / tf.norm(rows)

        def step(count, direction, before, _):
            point = tf.identity(self._point)
            outputs = self._products.call(point)
            signals = tf.zeros_like(outputs)
            pulled = self._products.gradient(outputs, point, signals)
            pushed = self._products.gradient(pulled, signals, tf.reshape(direction, point.shape))
            back = self._products.gradient(outputs, point, pushed)
            return count + 1, without(tf.reshape(back, (1, -1))), tf.norm(pushed), before

        def goes_on(count, _, value, before):
            return (count < MOST_STEPS) & ((count < 2) | (value - before > tolerance * value))

        state = (tf.constant(0), without(start), tf.constant(0.0), tf.constant(0.0))
        count, direction, value, _ = tf.while_loop(goes_on, step, state, parallel_iterations=1)
        return value, direction, count


if __name__ == "__main__":
    app.run(main)
