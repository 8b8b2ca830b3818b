"""How fast a CycleGAN learns here and in PyTorch, as ratios measured in one run.

    python benchmarks/cyclegan.py --torch=TORCH/bin/python --output=benchmarks/results/cyclegan.json

TORCH is a virtual environment with torch and NumPy; without --torch only our side is measured. Both sides start from
the same weights (generators of 6 residual blocks, 64 filters; patch discriminators of 3 layers), see the same images,
and must have the same objectives, up to rounding, for three steps. Sides take turns, each in a process of its own.

  rounding how far the objectives of three steps are from those of weights that differ by 1e-7, on one side alone
  step     ours over PyTorch's, at 128 pixels, batch 1 and 4, identity loss on: below 1 we are faster; with bfloat16 too
  parts    milliseconds of a generator's forward and backward pass, a discriminator's, and one update of both generators
  memory   largest memory of each process in megabytes after these steps
  scaling  milliseconds of our step by the size of the images, batch 1
  quality  what bfloat16 changes of a short training: reconstruction error on test images, both from the same seed

"ratio" is of processor times, "wall" of wall times: the median of the repeats, with the smallest and the largest.
About 20 minutes on 2 idle cores; --only=step,parts answers some and leaves the other answers in the file.
"""

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

import numpy as np
from absl import app, flags

_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write; printed only if unset.")
_TORCH = flags.DEFINE_string("torch", None, "Interpreter that has torch.")
_REPEATS = flags.DEFINE_integer("repeats", 5, "Measurements of each side.", lower_bound=1)
_STEPS = flags.DEFINE_integer("steps", 4, "Steps of one measurement.", lower_bound=1)
_ONLY = flags.DEFINE_list("only", ["rounding", "step", "parts", "memory", "scaling", "quality"], "Questions to answer.")
_QUALITY_STEPS = flags.DEFINE_integer("quality_steps", 600, "Steps of the short training.", lower_bound=1)

SIZE, BATCHES, SIZES = 128, (1, 4), (64, 96, 128, 192, 256)
# Of the first step, and of the two after it. Adam's first steps are of one size however small a gradient is, so
# rounding grows; --only=rounding prints how far.
TOLERANCE = {"ours": (1e-3, 2e-2), "ours_bfloat16": (2e-2, 1e-1)}


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    path = pathlib.Path(_OUTPUT.value) if _OUTPUT.value else None
    result = json.loads(path.read_text()) if path and path.exists() else {}
    questions = {function.__name__: function for function in (rounding, step, parts, memory, scaling, quality)}
    for name in _ONLY.value:
        found = questions[name]()
        print(name, json.dumps(found), flush=True)
        measured = {"date": datetime.date.today().isoformat(), "repeats": _REPEATS.value}
        result[name] = {**measured, **versions(), "rows": found}
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(result, indent=1) + "\n")


def versions():
    found = {"python": platform.python_version(), "cores": os.cpu_count()}
    found |= {name: importlib.metadata.version(name) for name in ("tensorflow", "keras")}
    if _TORCH.value:
        code = "from importlib import metadata; print(metadata.version('torch'))"
        answer = subprocess.run([_TORCH.value, "-c", code], capture_output=True, text=True, check=True)
        found["torch"] = answer.stdout.strip()
    return found


class Side:
    """A process that trains."""

    def __init__(self, name):
        program = pathlib.Path(__file__).with_name("cyclegan_sides.py")
        python = _TORCH.value if name == "torch" else sys.executable
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        self.process = subprocess.Popen([python, str(program), name], **pipes)

    def ask(self, task, **request):
        self.process.stdin.write(json.dumps({"task": task, **request}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        found = json.loads(line) if line else {"error": "the process has ended"}
        if "error" in found:
            raise RuntimeError(found["error"])
        return found

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Sides:
    """All sides, started with the same weights; closed at the end."""

    def __init__(self, *names):
        self.names = [name for name in names if name != "torch" or _TORCH.value]

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "weights.npz")
        self.sides = {name: Side(name) for name in self.names}
        if "torch" in self.sides:
            self.sides["torch"].ask("weights", path=self.path)
        else:
            self._draw()
        return self

    def __exit__(self, *error):
        for side in self.sides.values():
            side.close()
        self.folder.cleanup()

    def _draw(self):
        """Without PyTorch the weights come from our networks, in the layout of its state dict."""
        from keras_repvis import models

        shape, arrays = (64, 64, 3), {}
        for name in ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b"):
            generator = name.startswith("generator")
            make = models.ResNetGenerator(shape, blocks=6) if generator else models.PatchDiscriminator(shape)
            for number, layer in enumerate(layer for layer in make.layers if layer.weights):
                kernel, bias = layer.get_weights()
                # (height, width, in, out) is (out, in, height, width) there; transposed ones likewise.
                arrays[f"{name}/{number}.weight"], arrays[f"{name}/{number}.bias"] = kernel.transpose(3, 2, 0, 1), bias
        np.savez(self.path, **arrays)

    def start(self, **request):
        for side in self.sides.values():
            side.ask("start", path=self.path, **request)

    def ask(self, task, **request):
        return {name: side.ask(task, **request) for name, side in self.sides.items()}


def rounding():
    """Return how far a side's objectives move when its weights are multiplied by 1 + 1e-7 z, z normal."""
    name, shape = "torch" if _TORCH.value else "ours", {"size": SIZE, "batch": 1}
    random, losses = np.random.default_rng(0), []
    with Sides(name) as sides:
        for size in (0.0, 1e-7):
            with np.load(sides.path) as arrays:
                moved = {key: arrays[key] * (1 + size * random.standard_normal(arrays[key].shape)) for key in arrays}
            np.savez(sides.path, **{key: array.astype("float32") for key, array in moved.items()})
            sides.start(**shape)
            losses.append(np.array(sides.ask("losses", steps=3, **shape)[name]["losses"]))
    return [{"side": name, "objectives_apart": apart_by_step(*losses)}]


def apart_by_step(found, expected):
    """Return the larger relative difference of the two objectives of each step."""
    return [float(f"{value:.2g}") for value in np.abs(found / expected - 1).max(axis=1)]


def step():
    """Return the ratios of a step's time, after the objectives have been compared."""
    rows = []
    with Sides("ours", "ours_bfloat16", "torch") as sides:
        for batch in BATCHES:
            shape = {"size": SIZE, "batch": batch}
            sides.start(**shape)
            losses = {name: np.array(one["losses"]) for name, one in sides.ask("losses", steps=3, **shape).items()}
            expected = losses.get("torch", losses["ours"])
            apart = {name: apart_by_step(losses[name], expected) for name in losses}
            for name, (first, later) in TOLERANCE.items():
                if not (apart[name][0] < first and max(apart[name]) < later):
                    raise RuntimeError(f"{name}: objectives {losses[name].tolist()} differ from {expected.tolist()}.")
            times = [sides.ask("time", steps=_STEPS.value, **shape) for _ in range(_REPEATS.value)]
            reference = "torch" if "torch" in losses else "ours"
            for name in losses:
                mine = {key: np.array([one[name][key] for one in times]) for key in ("seconds", "wall")}
                ratios = {key: mine[key] / [one[reference][key] for one in times] for key in mine}
                low, middle, high = np.percentile(ratios["seconds"], [0, 50, 100])
                rows.append({
                    "side": name, "batch": batch, "over": reference, "ratio": round(middle, 3), "low": round(low, 3),
                    "high": round(high, 3), "wall": round(float(np.median(ratios["wall"])), 3),
                    "milliseconds": round(1e3 * float(np.median(mine["wall"])), 1),
                    "objectives_apart": apart[name],
                })
    return rows


def parts():
    """Return where the time of a step goes, in milliseconds of wall time."""
    with Sides("ours", "torch") as sides:
        sides.start(size=SIZE, batch=1)
        times = [sides.ask("parts", size=SIZE, batch=1, steps=_STEPS.value) for _ in range(_REPEATS.value)]
    return [
        {"side": name, **{part: round(1e3 * float(np.median([one[name][part]["wall"] for one in times])), 1)
                          for part in times[0][name]}}
        for name in times[0]
    ]


def memory():
    """Return the largest memory of processes that do nothing but these steps."""
    rows = []
    for batch in BATCHES:
        with Sides("ours", "ours_bfloat16", "torch") as sides:
            sides.start(size=SIZE, batch=batch)
            sides.ask("time", size=SIZE, batch=batch, steps=2)
            rows += [{"side": name, "batch": batch, "megabytes": round(one["megabytes"])}
                     for name, one in sides.ask("memory").items()]
    return rows


def scaling():
    """Return how a step's time grows with the number of pixels."""
    rows = []
    with Sides("ours") as sides:
        for size in SIZES:
            sides.start(size=size, batch=1)
            times = [sides.ask("time", size=size, batch=1, steps=_STEPS.value)["ours"] for _ in range(_REPEATS.value)]
            milliseconds = 1e3 * float(np.median([one["wall"] for one in times]))
            rows.append({"size": size, "milliseconds": round(milliseconds, 1),
                         "microseconds_a_pixel": round(1e3 * milliseconds / size**2, 2)})
    return rows


def quality():
    """Return what a short training reaches with and without bfloat16, from the same seed."""
    return [{"precision": precision, "steps": _QUALITY_STEPS.value, **short_training(precision)}
            for precision in ("float32", "mixed_bfloat16")]


def short_training(precision):
    import keras

    from keras_repvis import data, models, training
    from keras_repvis.data import two_domain_maps

    domains = [data.ImageDomain("repvis_maps/64", split) for split in ("trainA", "trainB")]
    stream = data.UnpairedStream(*domains, batch_size=1, image_size=64, seed=0)
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        networks = [models.ResNetGenerator((64, 64, 3), blocks=3, filters=16) for _ in range(2)]
        networks += [models.PatchDiscriminator((64, 64, 3), layers=2, filters=16) for _ in range(2)]
    finally:
        keras.config.set_dtype_policy(before)
    learner = training.CycleGAN(*networks, identity_weight=0.0)
    learner.compile()
    learner.fit(stream.dataset(epochs=None), steps_per_epoch=_QUALITY_STEPS.value, verbose=0)
    photographs = np.stack(list(two_domain_maps.images("testA", 50))).astype("float32") / 255
    drawn = learner.generator_ab.predict(photographs, verbose=0)
    error = 255 * float(np.abs(learner.generator_ba.predict(drawn, verbose=0) - photographs).mean())
    return {"reconstruction_error_in_grey_levels": round(error, 2)}


if __name__ == "__main__":
    app.run(main)
