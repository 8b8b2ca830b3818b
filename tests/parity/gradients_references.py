"""Answers of captum and TorchRay for the methods that follow the gradient."""

import importlib

torch, attr, torch_networks = map(importlib.import_module, ("torch", "captum.attr", "torch_networks"))
NOISE = 0.2  # of SmoothGrad, as a share of the range of each image
STEPS = 50  # of integrated gradients


def references(case):
    """Return {key: array}; see references/README.md."""
    images, targets = torch_networks.from_keras(case.images), torch.tensor(case.targets)
    found = {}

    def ask(method, **options):
        return torch_networks.to_keras(method.attribute(images, target=targets, **options))

    module = case.module()
    found["gradient"] = ask(attr.Saliency(module), abs=False)
    found["gradient_x_input"] = ask(attr.InputXGradient(module))
    found["deconvnet"] = ask(attr.Deconvolution(module))
    found["guided_backprop"] = ask(attr.GuidedBackprop(module))
    integrated, gap = attr.IntegratedGradients(module).attribute(
        images, torch.zeros_like(images), targets, n_steps=STEPS, method="gausslegendre", return_convergence_delta=True
    )
    found["integrated_gradients"] = torch_networks.to_keras(integrated)
    found["integrated_gradients_gap"] = gap.numpy()
    deviation = NOISE * (images.amax((1, 2, 3), keepdim=True) - images.amin((1, 2, 3), keepdim=True))
    found["smooth_grad"] = sum(
        torch_networks.to_keras(attr.Saliency(module).attribute(images + deviation * draw, targets, abs=False))
        for draw in torch_networks.from_keras(case.noise)
    ) / len(case.noise)

    layer = module.get_submodule(case.network.layer)
    found["grad_cam_signed"] = ask(attr.LayerGradCam(module, layer))[..., 0]
    found["guided_grad_cam"] = ask(attr.GuidedGradCam(module, layer), interpolate_mode="bilinear")

    for name, key, place in (
        ("linear_approx", "linear_approximation", case.network.layer),
        ("grad_cam", "grad_cam", case.network.layer),
        ("gradient", "gradient_early_max_abs", case.network.early),
        ("deconvnet", "deconvnet_early_max_abs", case.network.early),
        ("guided_backprop", "guided_backprop_early_max_abs", case.network.early),
    ):
        # TorchRay sets its rules on torch.relu, which a ReLU6 does not call.
        if "relu6" in {record.kind for record in case.network.records} and name in ("deconvnet", "guided_backprop"):
            continue
        method = getattr(importlib.import_module(f"torchray.attribution.{name}"), name)
        maps = method(module, images.clone(), case.targets, saliency_layer=place)
        found[key] = torch_networks.to_keras(maps)[..., 0]
    return found
