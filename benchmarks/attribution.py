"""How fast the attribution methods are beside other packages, as ratios measured in one run.

    python benchmarks/attribution.py --output=benchmarks/results/attribution.json \\
        --python=captum=TORCH/bin/python --python=zennit=TORCH/bin/python --python=torchray=TORCH/bin/python \\
        --python=torch_loop=TORCH/bin/python --python=iba=TORCH/bin/python --python=xplique=TF/bin/python

TORCH and TF are virtual environments of the peers, made by `pip install torch captum zennit torchvision`,
`pip install --no-deps torchray` and `pip install tensorflow; pip install --no-deps xplique`; "iba" is the authors'
repository BioroboticsLab/IBA on TORCH's path, "torch_loop" the loop of attribution_peers.py. A peer without --python
runs in this one, where tf-keras-vis is, or is left out. Networks of the same weights (MobileNetV2 of width 1 and a
residual network of 14 layers, both at 96 pixels) and the same 16 images go to each, in turn, several times.

  ratio       processor time of the peer for an image over ours: above 1 we are faster; the median, the smallest and the
              largest of the repeats
  wall        the same of wall time
  difference  largest difference of the maps over the largest value, for methods that are deterministic
  correlation of the maps, for all

A peer whose map is another one is "wrong" or differs in its definition, and its speed says nothing; the result keeps
it, with the difference. Packages that take one image at a time are timed on fewer images. About 40 minutes on 2 idle
cores; --networks and --methods measure some and leave the other rows of the file, if all else is as it was.
"""

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys

import numpy as np
from absl import app, flags

_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write; printed only if unset.")
_REPEATS = flags.DEFINE_integer("repeats", 5, "Measurements of each side.", lower_bound=1)
_PYTHON = flags.DEFINE_multi_string("python", [], "peer=path of the interpreter that has it.")
_NETWORKS = flags.DEFINE_list("networks", ["mobilenet_v2", "resnet"], "Networks.")
_METHODS = flags.DEFINE_list("methods", [], "Methods; all if empty.")
_IMAGES = flags.DEFINE_integer("images", 16, "Images in a batch.", lower_bound=1)

# method: its peers, with the images each is timed on if that is not the batch.
PEERS = {
    "gradient": {"tf_keras_vis": None, "captum": None},
    "gradient_x_input": {"xplique": None, "captum": None},
    "guided_backprop": {"xplique": None, "captum": None},
    "deconvnet": {"xplique": None, "captum": None},
    "integrated_gradients": {"xplique": None, "captum": None},
    "smooth_grad": {"tf_keras_vis": None, "xplique": None, "captum": None},
    "grad_cam": {"tf_keras_vis": None, "xplique": None, "captum": None},
    "grad_cam_plus_plus": {"tf_keras_vis": None, "xplique": None},
    "score_cam": {"tf_keras_vis": 2},
    "layer_cam": {"tf_keras_vis": None},
    "occlusion": {"xplique": None, "captum": None},
    "rise": {"xplique": 4, "torchray": 4},
    "lrp_epsilon_plus": {"zennit": None},
    "excitation_backprop": {"torchray": None},
    "extremal_perturbation": {"torchray": 2},
    "meaningful_perturbation": {"torch_loop": 4},
    "information_bottleneck": {"iba": 4},
}
# Methods that draw random numbers, each package its own.
RANDOM = ("smooth_grad", "rise", "information_bottleneck")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    pythons = {"tf_keras_vis": sys.executable, **dict(text.split("=", 1) for text in _PYTHON.value)}
    sides = {side: Side(side, python) for side, python in {"ours": sys.executable, **pythons}.items()}
    result = {"repeats": _REPEATS.value, "cores": os.cpu_count()}
    result |= {"images": _IMAGES.value, "python": platform.python_version(), "versions": versions(pythons)}
    for network in _NETWORKS.value:
        for method, peers in PEERS.items():
            if _METHODS.value and method not in _METHODS.value:
                continue
            row = {"network": network, "method": method, "date": datetime.date.today().isoformat()}
            row |= compare(method, network, peers, sides)
            print(json.dumps(row), flush=True)
            if _OUTPUT.value:
                write(pathlib.Path(_OUTPUT.value), result, row)


def write(path, result, row):
    """Put a row into the file, in place of the one of that network and method; rows measured otherwise go."""
    before = json.loads(path.read_text()) if path.exists() else {}
    rows = before.pop("rows", [])
    kept = [one for one in rows if (one["network"], one["method"]) != (row["network"], row["method"])]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**result, "rows": [*(kept if before == result else []), row]}, indent=1) + "\n")


class Side:
    """A process that runs one package."""

    def __init__(self, name, python):
        program = pathlib.Path(__file__).with_name("attribution_peers.py")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        self.process = subprocess.Popen([python, str(program), name], **pipes)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        found = json.loads(line) if line else {"error": "the process has ended"}
        return {**found, "maps": np.load(found["maps"])} if "maps" in found else found


def compare(method, network, peers, sides):
    """Return our seconds for an image, and of each peer the ratios and how far its maps are from ours."""
    counts = {"ours": _IMAGES.value, **{peer: count or _IMAGES.value for peer, count in peers.items() if peer in sides}}
    answers = {side: [] for side in counts}
    for _ in range(_REPEATS.value):
        for side, count in counts.items():
            if not answers[side] or "error" not in answers[side][0]:
                answers[side].append(sides[side].ask(method=method, network=network, images=count))
    if "error" in answers["ours"][0]:
        return {"error": answers["ours"][0]["error"]}
    mine = answers.pop("ours")
    found = {"milliseconds": round(1e3 * float(np.median([one["wall"] for one in mine])) / counts["ours"], 2)}
    for peer, theirs in answers.items():
        found[peer] = theirs[0] if "error" in theirs[0] else against(mine, theirs, counts["ours"] / counts[peer])
        if "error" not in theirs[0]:
            found[peer]["images"] = counts[peer]
            found[peer] |= closeness(mine[0]["maps"], theirs[0]["maps"], method)
    return found


def against(mine, theirs, scale):
    """Return the ratios of the times for an image, theirs over ours, pair by pair."""
    ratios = {key: [scale * b[key] / a[key] for a, b in zip(mine, theirs)] for key in ("seconds", "wall")}
    low, middle, high = np.percentile(ratios["seconds"], [0, 50, 100])
    return {"ratio": round(middle, 3), "low": round(low, 3), "high": round(high, 3),
            "wall": round(float(np.median(ratios["wall"])), 3)}


def closeness(mine, theirs, method):
    """Return how far maps are from each other, ours brought to the size of theirs where these are upsampled."""
    count = min(len(mine), len(theirs))
    mine, theirs = mine[:count], theirs[:count]
    if mine.shape != theirs.shape:
        return {"difference": None, "correlation": None, "shapes": [mine.shape[1:], theirs.shape[1:]]}
    together = zip(mine.reshape(len(mine), -1), theirs.reshape(len(mine), -1))
    with np.errstate(invalid="ignore"):
        correlation = float(np.median([np.corrcoef(one, two)[0, 1] for one, two in together]))
    difference = None if method in RANDOM else float(np.abs(mine - theirs).max() / np.abs(mine).max())
    # A map that is the same everywhere has no correlation.
    return {"difference": difference, "correlation": round(correlation, 4) if np.isfinite(correlation) else None}


def versions(pythons):
    """Return {package: version}, as each interpreter tells."""
    names = {"tf_keras_vis": "tf-keras-vis", "torch_loop": "torch"}
    found = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras")}
    for peer, python in pythons.items():
        package = names.get(peer, peer)
        code = f"from importlib import metadata; print(metadata.version({package!r}))"
        if peer == "iba":  # Used from its repository, which names no version.
            code = "import IBA; print(getattr(IBA, '__version__', 'repository'))"
        found[peer] = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    return found


if __name__ == "__main__":
    app.run(main)
