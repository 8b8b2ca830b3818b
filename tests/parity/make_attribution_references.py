"""Writes `references/*.npz`: what other packages answer on the networks of `attribution_networks.py`.

    python tests/parity/make_attribution_references.py

from the top of the repository, in an environment with this project and the peers; references/README.md names them and
says what each array is. The peers run in PyTorch, in float64 where they can. First the logits of the two frameworks
must agree, to 1e-5 of the largest.
"""

import argparse
import dataclasses
import datetime
import importlib
import importlib.metadata
import json
import pathlib
import sys

import numpy as np

# Files beside this one, and packages that nothing depends on, are imported by name. PyTorch comes first: built for CUDA
# it brings an LLVM, as TensorFlow does, and the process ends if they meet the other way round.
torch_networks, networks = map(importlib.import_module, ("torch_networks", "attribution_networks"))

FOLDER = pathlib.Path(__file__).with_name("references")
STAGES = ("gradients", "relevance", "perturbations", "bottleneck")
PACKAGES = ("torch", "torchvision", "captum", "zennit", "torchray", "numpy", "keras", "tensorflow")


@dataclasses.dataclass(frozen=True)
class Case:
    """What a stage is given.

    Args:
        network: Of `attribution_networks.NETWORKS`.
        images: float32 array (batch, height, width, channels).
        noise: float32 array (draws, height, width, channels), standard deviation 1.
        masks: float32 array (masks, height, width) in [0, 1].
        examples: float32 array (examples, height, width, channels), more images.
        cells: float32 array (areas, rows, columns), all different, that a search for masks begins with.
        logits: float64 array (batch, classes).
        targets: int array (batch,).
        scores: float64 array (batch,), the logits of the targets.
    """

    network: networks.Network
    images: np.ndarray
    noise: np.ndarray
    masks: np.ndarray
    examples: np.ndarray
    cells: np.ndarray
    logits: np.ndarray
    targets: np.ndarray
    scores: np.ndarray

    def module(self, **options):
        """Return the network for PyTorch, with other sums or another precision as in `torch_networks.build`."""
        return build(self.network, **options)


def build(network, **options):
    """Return a network for PyTorch, in float64 unless `options` say otherwise; see `torch_networks.build`."""
    weights, channels = networks.weights(network), networks.IMAGE_SHAPE[-1]
    return torch_networks.build(network.records, weights, channels, networks.EPSILON, **options)


def make(network, stages=STAGES, check_keras=True):
    """Return {key: array} of one network.

    Raises:
        ValueError: If the logits of PyTorch and Keras differ.
    """
    inputs = networks.inputs()
    logits = build(network)(torch_networks.from_keras(inputs["images"])).detach().numpy()
    if check_keras:
        _check_logits(network, inputs["images"], logits)
    # The last image is explained for the class it least looks like, whose score is negative.
    targets = np.append(logits[:-1].argmax(-1), logits[-1].argmin())
    scores = np.take_along_axis(logits, targets[:, None], -1)[:, 0]
    case = Case(network=network, logits=logits, targets=targets, scores=scores, **inputs)
    found = {"images": inputs["images"], "targets": targets, "logits": logits}
    for stage in stages:
        answers = importlib.import_module(f"{stage}_references").references(case)
        found.update({key: np.asarray(value, "float32") for key, value in answers.items()})
    return found


def _check_logits(network, images, logits):
    found = networks.keras_model(network)(images).numpy()
    error = np.abs(found - logits).max() / np.abs(logits).max()
    if not error < 1e-5:
        raise ValueError(f"network={network.name!r}: logits of Keras and PyTorch differ by {error:.1e} of the largest.")


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def main():
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", nargs="+", default=list(networks.NETWORKS), choices=list(networks.NETWORKS))
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=STAGES)
    parser.add_argument("--output", type=pathlib.Path, default=FOLDER)
    parser.add_argument("--no_keras", action="store_true", help="do not compare the logits with those of Keras")
    arguments = parser.parse_args()
    about = {
        "command": " ".join(["python tests/parity/make_attribution_references.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "versions": {package: _version(package) for package in PACKAGES},
    }
    # Small networks: threads would wait for each other more than they work.
    torch_networks.torch.set_num_threads(1)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.networks:
        found = make(networks.NETWORKS[name], arguments.stages, not arguments.no_keras)
        path = arguments.output / f"{name}.npz"
        np.savez_compressed(path, about=json.dumps(about), **found)
        print(f"{path}: {len(found)} arrays, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
