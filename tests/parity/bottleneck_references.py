"""Answers of the authors' code for attribution by an information bottleneck, where a package IBA can be imported."""

import importlib

import numpy as np

torch, torch_networks = map(importlib.import_module, ("torch", "torch_networks"))
PACKAGE = "IBA.pytorch"
NETWORKS = ("plain", "norm")
STEPS, SAMPLES, SEED = 10, 2, 0


def references(case):
    """Return {key: array}; see references/README.md."""
    if case.network.name not in NETWORKS:
        return {}
    package = importlib.import_module(PACKAGE)
    module = case.module(dtype=torch.float32)
    bottleneck = package.IBA(module.get_submodule(case.network.layer), batch_size=SAMPLES, optimization_steps=STEPS)
    bottleneck.estimate(module, [(torch_networks.from_keras(case.examples, torch.float32),)])
    found = {"statistics_mean": bottleneck._mean, "statistics_std": bottleneck._std}
    found = {f"bottleneck_{key}": value.permute(1, 2, 0).numpy() for key, value in found.items()}
    capacities, maps = [], []
    for image, target in zip(torch_networks.from_keras(case.images, torch.float32), case.targets):

        def loss(batch):
            return -torch.log_softmax(module(batch), dim=1)[:, target].mean()

        torch.manual_seed(SEED)
        maps.append(bottleneck.analyze(image[None], loss))
        capacities.append(bottleneck.capacity().detach().permute(1, 2, 0).numpy())
    found["bottleneck_capacity"] = np.stack(capacities)
    found["bottleneck_map"] = np.stack(maps)
    # The same numbers as above: one draw a step.
    torch.manual_seed(SEED)
    shape = bottleneck.alpha.shape
    draws = [torch.empty(SAMPLES, *shape).normal_() for _ in range(STEPS)]
    found["bottleneck_noise"] = torch.stack(draws).permute(0, 1, 3, 4, 2).numpy()
    # The bound for given shares.
    codes = {}
    hook = module.get_submodule(case.network.layer).register_forward_hook(lambda _, __, code: codes.update(code=code))
    module(torch_networks.from_keras(case.images[:1], torch.float32))
    hook.remove()
    shares = torch.linspace(0, 0.99, bottleneck.alpha.numel()).reshape(shape)
    bound = bottleneck._kl_div(codes["code"][0], shares, bottleneck._mean, bottleneck._std)
    found["bottleneck_bound"] = (bound * bottleneck._active_neurons).detach().permute(1, 2, 0).numpy()
    return found
