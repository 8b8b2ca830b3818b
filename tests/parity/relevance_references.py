"""Answers of zennit and TorchRay for relevance propagation and excitation backpropagation."""

import importlib

torch, composites, rules, canonizers, layers, types = map(
    importlib.import_module,
    ("torch", "zennit.composites", "zennit.rules", "zennit.canonizers", "zennit.layer", "zennit.types"),
)
attribution, ray, torch_networks = map(
    importlib.import_module, ("zennit.attribution", "torchray.attribution.excitation_backprop", "torch_networks")
)
CAPTUM = "captum.attr"
TINY = 1e-12  # zennit's stabiliser, where a rule has none of its own; all is in float64


class Sum(torch.nn.Module):
    """A sum that zennit shares out by the parts."""

    def __init__(self):
        super().__init__()
        self.sum = layers.Sum(dim=-1)

    def forward(self, first, second):
        return self.sum(torch.stack([first, second], dim=-1))


class PassingReLU6(torch.nn.Module):
    """min(max(x, 0), 6) with the gradient of max(x, 0).

    TorchRay lets activations keep their gradient, which is right for a ReLU: its output is 0 where it is closed. A
    ReLU6 above 6 would lose what it holds.
    """

    def forward(self, x):
        return torch.relu(x) - (x - 6).clamp(min=0).detach()


def references(case):
    """Return {key: array}; see references/README.md."""
    found = {f"lrp_{key}": relevance(case, composite) for key, composite in relevance_composites().items()}
    if case.network.name == "plain":
        # Where captum can: no sums, no flattening, no layers of other kinds.
        captum_lrp = importlib.import_module(CAPTUM).LRP(case.module())
        maps = captum_lrp.attribute(torch_networks.from_keras(case.images), torch.tensor(case.targets))
        found["captum_lrp"] = torch_networks.to_keras(maps).sum(axis=-1)
    found["zennit_excitation"] = relevance(case, composites.ExcitationBackprop(TINY, zero_params="bias"), seed=1.0)
    options = {"add": ray.EltwiseSum, "relu6": PassingReLU6}
    found.update(excitation(case, case.module(**options), "excitation"))
    if has_norms(case.network.records):
        found.update(excitation(case, fold(case, case.module(**options)), "excitation_folded"))
    return found


def relevance_composites():
    """Return {name: zennit composite}: one rule everywhere, one rule at the image over z+, and zennit's own."""
    base = composites.layer_map_base(TINY)

    def everywhere(rule):
        return composites.LayerMapComposite([*base, (types.Linear, rule)])

    def at_the_image(rule):
        plus = rules.ZPlus(stabilizer=TINY, zero_params="bias")
        return composites.SpecialFirstLayerMapComposite([*base, (types.Linear, plus)], [(types.Linear, rule)])

    small, no_bias = {"stabilizer": TINY}, {"stabilizer": TINY, "zero_params": "bias"}
    own = {"epsilon": 1e-6, **small}
    return {
        "zero": everywhere(rules.Epsilon(TINY)),
        "epsilon_0.01": everywhere(rules.Epsilon(1e-2)),
        "gamma_0.25": everywhere(rules.Gamma(0.25, **small)),
        "gamma_0.25_no_bias": everywhere(gamma_without_bias()),
        "alpha2_beta1": everywhere(rules.AlphaBeta(2.0, 1.0, **small)),
        "alpha2_beta1_no_bias": everywhere(rules.AlphaBeta(2.0, 1.0, **no_bias)),
        "alpha2_beta1_conserving": everywhere(conserving_alpha2_beta1()),
        "z_plus": everywhere(rules.ZPlus(**small)),
        "z_plus_no_bias": everywhere(rules.ZPlus(**no_bias)),
        "z_plus_then_flat": at_the_image(rules.Flat(**no_bias)),
        "z_plus_then_w_square": at_the_image(rules.WSquare(**no_bias)),
        "z_plus_then_z_box": at_the_image(rules.ZBox(0.0, 1.0, **no_bias)),
        "epsilon_plus": composites.EpsilonPlus(**own),
        "epsilon_plus_flat": composites.EpsilonPlusFlat(**own),
        "epsilon_alpha2_beta1": composites.EpsilonAlpha2Beta1(**own),
        "epsilon_gamma_box": composites.EpsilonGammaBox(low=0.0, high=1.0, **own),
    }


def gamma_without_bias():
    """Return zennit's rule for gamma, its biases left out of the sign of the sum too.

    zennit 0.5.1 leaves them out of the shares and their sum, but chooses between the two branches by the sum with its
    bias; where the two signs differ it divides by a sum that may be 0.
    """
    rule = rules.Gamma(0.25, stabilizer=TINY, zero_params="bias")
    rule.param_modifiers[-1] = rules.NoMod(zero_params="bias")
    return rule


def conserving_alpha2_beta1():
    """Return zennit's rule for alpha = 2 and beta = 1 without biases, of factors 1 where there is one sign only."""
    rule = rules.AlphaBeta(2.0, 1.0, stabilizer=TINY, zero_params="bias")

    def shares(signal, outputs):
        above, below = sum(outputs[:2]), sum(outputs[2:])
        positive, negative = torch.where(below < 0, 2.0, 1.0), torch.where(above > 0, 1.0, -1.0)
        factors = [positive / 2] * 2 + [negative] * 2
        sums = [above] * 2 + [below] * 2
        return [factor * signal / torch.where(total == 0, 1.0, total) for factor, total in zip(factors, sums)]

    rule.gradient_mapper = shares
    return rule


def relevance(case, composite, seed=None):
    """Return the map (batch, height, width) that a composite gives from f_c, or from `seed`, batch norms folded."""
    module = fold(case, case.module(add=Sum))
    start = torch.nn.functional.one_hot(torch.tensor(case.targets), case.logits.shape[-1]).double()
    start *= torch.tensor(case.scores)[:, None] if seed is None else seed
    with attribution.Gradient(module, composite) as attributor:
        _, answer = attributor(torch_networks.from_keras(case.images), start)
    return torch_networks.to_keras(answer).sum(axis=-1)


def excitation(case, module, prefix):
    """Return TorchRay's maps at the image and at the layer, and the contrastive one at the layer."""
    images, network = torch_networks.from_keras(case.images), case.network
    maps = {
        "image": ray.excitation_backprop(module, images.clone(), case.targets),
        "layer": ray.excitation_backprop(module, images.clone(), case.targets, saliency_layer=network.layer),
        "contrastive": ray.contrastive_excitation_backprop(
            module, images.clone().requires_grad_(), case.targets, network.layer, network.contrast, "logits"
        ),
    }
    return {f"{prefix}_{key}": torch_networks.to_keras(value)[..., 0] for key, value in maps.items()}


def has_norms(records):
    return any(record.kind == "norm" or has_norms(record.records) for record in records)


def fold(case, module):
    """Return the module, its batch norms folded into the convolutions before them by zennit.

    zennit 0.5.1 leaves each norm behind with a variance of 1 and its epsilon, which would scale signals by
    1 / sqrt(1 + epsilon); the epsilon is set to zero here.

    Raises:
        ValueError: If the logits change.
    """
    canonizers.SequentialMergeBatchNorm().apply(module)
    for one in module.modules():
        if isinstance(one, torch.nn.BatchNorm2d):
            one.eps = 0.0
    logits = module(torch_networks.from_keras(case.images)).detach().numpy()
    if not abs(logits - case.logits).max() < 1e-9:
        raise ValueError(f"network={case.network.name!r}: folding the batch norms changes the logits.")
    return module
