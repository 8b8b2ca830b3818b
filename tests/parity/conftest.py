"""What the peers answered, and the same question to a method of this package."""

import functools
import importlib.util
import pathlib
import sys

import numpy as np
import pytest

FOLDER = pathlib.Path(__file__).parent


class Parity:
    """Networks of `attribution_networks.py` and the stored answers; each is built, and read, once."""

    def __init__(self):
        spec = importlib.util.spec_from_file_location("repvis_parity_networks", FOLDER / "attribution_networks.py")
        self.networks = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = self.networks  # dataclasses look there
        spec.loader.exec_module(self.networks)
        self.model = functools.lru_cache(maxsize=None)(self._model)
        self.references = functools.lru_cache(maxsize=None)(self._references)

    def _model(self, network):
        return self.networks.keras_model(self.networks.NETWORKS[network])

    def _references(self, network):
        with np.load(FOLDER / "references" / f"{network}.npz") as stored:
            return dict(stored)

    def layers(self, network, arguments):
        """Return the arguments of a method, with the network's own layers for their roles."""
        table = self.networks.NETWORKS[network]
        roles = {"layer": table.layer, "early": table.early, "contrast": table.contrast}
        return {key: roles[value[1:-1]] if str(value).startswith("<") else value for key, value in arguments.items()}

    def explain(self, method, network, model=None, **arguments):
        """Return what a method of `analysis.attribution` says to what the peers were asked."""
        from keras_repvis.analysis import attribution

        found = getattr(attribution, method)(model or self.model(network), **self.layers(network, arguments))
        references = self.references(network)
        return found(references["images"], references["targets"])

    @staticmethod
    def difference(found, expected):
        """The largest difference, as a share of the largest value."""
        return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.fixture(scope="session")
def parity():
    return Parity()
