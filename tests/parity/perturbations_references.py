"""Answers of captum and TorchRay for the methods that change the image and look again."""

import importlib

import numpy as np

torch, attr, torch_networks = map(importlib.import_module, ("torch", "captum.attr", "torch_networks"))
extremal, rise = map(
    importlib.import_module, ("torchray.attribution.extremal_perturbation", "torchray.attribution.rise")
)
STEP, SIGMA = 4, 8  # of the masks of extremal perturbations, pixels
AREAS = (0.1, 0.3)
ITERATIONS = 20


def references(case):
    """Return {key: array}; see references/README.md."""
    images, targets, module = torch_networks.from_keras(case.images), torch.tensor(case.targets), case.module()
    found = {}
    for key, window, stride in (("occlusion", 4, 4), ("occlusion_overlapping", 5, 3)):
        maps = attr.Occlusion(module).attribute(
            images, (3, window, window), (3, stride, stride), baselines=0, target=targets, perturbations_per_eval=16
        )
        found[key] = torch_networks.to_keras(maps)[..., 0]  # all channels are hidden at once and have one value
    masks = torch.tensor(case.masks, dtype=torch.float64)[:, None]
    maps = rise.rise(module.float(), images.float(), num_masks=len(masks), filter_masks=masks.float())
    found["rise_sigmoid"] = maps[torch.arange(len(maps)), targets].numpy()
    kinds = {"blur": {}, "fade": {"perturbation": "fade"}, "jitter": {"jitter": True}}
    if case.network.name in ("norm", "residual"):
        for kind in ("blur", "fade"):
            _, energies = search(case, iterations=1, step=STEP, sigma=SIGMA, **kinds[kind])
            found[f"extremal_{kind}_energies"] = energies
    if case.network.name == "norm":
        for kind, options in kinds.items():
            found[f"search_{kind}_masks"], found[f"search_{kind}_energies"] = search_from_cells(case, **options)
    if case.network.name == "plain":
        found.update(pieces(case))
    return found


def search(case, iterations, step, sigma, perturbation="blur", jitter=False):
    """Return the masks (images, areas, height, width) and the energies (images, areas, 2, iterations) of a search.

    In float32, as TorchRay's masks are. The energies are the reward, and minus the weighted area penalty.
    """
    masks, energies = [], []
    for image, target in zip(torch_networks.from_keras(case.images, torch.float32), case.targets):
        mask, energy = extremal.extremal_perturbation(
            case.module(dtype=torch.float32), image[None], int(target), areas=list(AREAS), perturbation=perturbation,
            max_iter=iterations, step=step, sigma=sigma, jitter=jitter,
        )
        masks.append(mask[:, 0].numpy())
        energies.append(energy.numpy())
    return np.stack(masks), np.stack(energies)


def search_from_cells(case, **options):
    """Return what `search` does, for finer masks that begin with cells that all differ.

    TorchRay begins with ones, whose masks have many values that are equal but for rounding; which of them count as ones
    of the area, its sort leaves to chance.
    """
    ones, start = torch.ones, torch.tensor(case.cells)[:, None]
    extremal.torch.ones = lambda *sizes, **kw: start.clone() if len(sizes) == 4 else ones(*sizes, **kw)
    try:
        return search(case, ITERATIONS, step=2, sigma=6, **options)
    finally:
        extremal.torch.ones = ones


def pieces(case):
    """Return what extremal perturbations are made of: masks from given cells, and images under given masks."""
    image, found = torch_networks.from_keras(case.images[:1], torch.float32), {}
    masks = torch.tensor(case.masks[:2], dtype=torch.float32)[:, None]
    for step, sigma in ((STEP, SIGMA), (7, 21)):
        generator = extremal.MaskGenerator(case.images.shape[1:3], step, sigma)
        cells = torch.tensor(case.masks[:2, : generator.shape_in[0], : generator.shape_in[1]])[:, None]
        for name, some in (("given", cells), ("ones", torch.ones_like(cells[:1]))):
            _, full = generator.generate(some)
            found[f"mask_{step}_{sigma}_{name}"] = full[:, 0].numpy()
    for kind in ("blur", "fade"):
        for largest in (20, 5):
            pyramid = extremal.Perturbation(image, max_blur=largest, type=kind)
            if kind == "blur" or largest == 20:
                found[f"perturbed_{kind}_{largest}"] = torch_networks.to_keras(pyramid.apply(masks))
    return found
