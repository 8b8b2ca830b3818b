"""Relevance propagation and excitation backpropagation against zennit and TorchRay, on the same weights.

zennit's answers are in float64, its batch norms folded; see references/README.md.
"""

import pytest

from keras_repvis import analysis, models
from keras_repvis.analysis.attribution import Composite

ALL = ("plain", "plain_without_bias", "norm", "residual", "nested", "mobile")
# Where all contributions have one sign, our alpha2_beta1 gives them a share of 1, zennit's one of 2 or -1: it is
# compared as it is where that does not occur, and everywhere with the same convention.
BOTH_SIGNS = ("plain", "norm", "nested")


def uniform(rule, first=None):
    """The rule in all layers with weights; averages and sums in proportion, as in zennit."""
    return Composite(convolution=rule, dense=rule, first=first)


# Key after "lrp_"; arguments; networks.
ROWS = [
    ("epsilon_0.01", {"composite": uniform("epsilon"), "epsilon": 0.01}, ALL),
    ("gamma_0.25", {"composite": uniform("gamma")}, ALL),
    ("gamma_0.25_no_bias", {"composite": uniform("gamma"), "bias": "zero"}, ("norm", "nested", "mobile")),
    ("alpha2_beta1", {"composite": uniform("alpha2_beta1")}, BOTH_SIGNS),
    ("alpha2_beta1_no_bias", {"composite": uniform("alpha2_beta1"), "bias": "zero"}, BOTH_SIGNS),
    ("alpha2_beta1_conserving", {"composite": uniform("alpha2_beta1"), "bias": "zero"}, ALL),
    ("z_plus", {"composite": uniform("z_plus")}, ALL),
    ("z_plus_no_bias", {"composite": uniform("z_plus"), "bias": "zero"}, ALL),
    ("z_plus_then_flat", {"composite": uniform("z_plus", "flat"), "bias": "zero"}, ("norm", "mobile")),
    ("z_plus_then_w_square", {"composite": uniform("z_plus", "w_square"), "bias": "zero"}, ("norm", "mobile")),
    ("z_plus_then_z_box", {"composite": uniform("z_plus", "z_box"), "bias": "zero"}, ("norm", "mobile")),
    ("epsilon_plus", {"composite": "epsilon_plus"}, ALL),
    ("epsilon_plus_flat", {"composite": "epsilon_plus_flat"}, ("residual", "mobile")),
    ("epsilon_alpha2_beta1", {"composite": "epsilon_alpha2_beta1"}, BOTH_SIGNS),
    ("epsilon_gamma_box", {"composite": "epsilon_gamma_box"}, ALL),
]
CASES = [pytest.param(*row[:-1], network, id=f"{row[0]}-{network}") for row in ROWS for network in row[-1]]
# Units that float32 knows to 1e-7 of their summands, divided by sums as small as 1e-3 of them.
TOLERANCE = 3e-5


@pytest.mark.parametrize("key, arguments, network", CASES)
def test_relevance_is_that_of_zennit(parity, key, arguments, network):
    maps = parity.explain("LRP", network, **arguments).maps
    assert parity.difference(maps, parity.references(network)[f"lrp_{key}"]) < TOLERANCE


@pytest.mark.parametrize("network", ALL)
def test_without_stabiliser_sums_near_zero_cost_digits(parity, network):
    """No sum is closer than 1e-4 to zero (see `Network`), of summands around 1: 1e-7 becomes 1e-3 at worst."""
    maps = parity.explain("LRP", network, composite=uniform("zero")).maps
    assert parity.difference(maps, parity.references(network)["lrp_zero"]) < 1e-3


def test_captum_has_the_same_relevance(parity):
    maps = parity.explain("LRP", "plain", composite="zero").maps
    assert parity.difference(maps, parity.references("plain")["captum_lrp"]) < TOLERANCE


@pytest.mark.parametrize("network", ALL)
def test_excitation_is_that_of_torchray(parity, network):
    references = parity.references(network)
    arguments = {"layer": "<layer>", "negative": "refuse"}
    plain = parity.explain("ExcitationBackprop", network, **arguments)
    contrastive = parity.explain("ExcitationBackprop", network, contrast_layer="<contrast>", **arguments)
    assert parity.difference(plain.maps, references["excitation_layer"]) < TOLERANCE
    assert parity.difference(contrastive.maps, references["excitation_contrastive"]) < TOLERANCE


@pytest.mark.parametrize("network", ALL)
def test_excitation_at_the_image(parity, network):
    """TorchRay takes negative inputs as they are and says nothing; here one has to say so."""
    if network in ("residual", "mobile"):
        with pytest.raises(analysis.UnsupportedModelError, match="negative inputs"):
            parity.explain("ExcitationBackprop", network, layer=None)
    found = parity.explain("ExcitationBackprop", network, layer=None, negative="signed")
    assert parity.difference(found.maps, parity.references(network)["excitation_image"]) < TOLERANCE


def test_excitation_of_a_folded_model(parity):
    """A batch norm of negative weight turns excitation round if it is folded, and does not if it is not."""
    references = parity.references("norm")
    assert parity.difference(references["excitation_image"], references["excitation_folded_image"]) > 0.1
    model = models.fold_batch_norm(parity.model("norm"))
    maps = parity.explain("ExcitationBackprop", "norm", model=model, layer=None).maps
    for key in ("excitation_folded_image", "zennit_excitation"):
        assert parity.difference(maps, references[key]) < TOLERANCE
