"""The search for extremal perturbations against TorchRay's, step by step, from the same parameters.

They all differ. From ones, where TorchRay begins, masks have many equal values, and chance decides which of them the
area takes in.
"""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis.attribution import extremal_perturbation

AREAS = (0.1, 0.3)


class FromCells(extremal_perturbation.ExtremalPerturbation):
    """Begins with given parameters, one array for each area, all images alike."""

    cells = None

    def _begin(self, query, areas):
        fixed, state = super()._begin(query, areas)
        cells = tf.tile(tf.constant(self.cells), [tf.shape(areas)[0] // len(self.cells), 1, 1])
        return fixed, {**state, "parameters": cells}


@pytest.mark.parametrize("kind", ["blur", "fade", "jitter"])
def test_a_search_for_masks_goes_the_way_of_torchray(parity, kind):
    """Both in float32: 19 steps of size 0.01 from the same cells.

    A value of a mask that comes as near to the limit of the area as float32 can tell may pass it a step early or late,
    which moves a few pixels by less than a step.
    """
    references = parity.references("norm")
    perturbation = "fade" if kind == "fade" else "blur"
    method = FromCells(
        parity.model("norm"), areas=AREAS, perturbation=perturbation, steps=19, spacing=2, disc_scale=6, max_blur=20.0,
        smoothing=0.0, flip=kind == "jitter", fill=0.0,
    )
    method.cells = parity.networks.inputs()["cells"]
    found = method(references["images"], references["targets"]).diagnostics
    errors = np.abs(found["masks"] - references[f"search_{kind}_masks"])
    assert (errors > 1e-4).mean() < 0.01 and errors.max() < 0.01
    # The reward at the 20th iteration, which mirrors nothing.
    reward = references[f"search_{kind}_energies"][:, :, 0, -1]
    assert parity.difference(found["score_preserved"], reward) < 1e-4
