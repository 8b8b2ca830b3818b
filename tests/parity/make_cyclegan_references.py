"""Writes `references/cyclegan.npz`: what PyTorch answers on the networks and layers of `cyclegan_networks.py`.

    python tests/parity/make_cyclegan_references.py

in an environment with torch and NumPy; nothing else is needed. The networks are written here from the description of
their layers, their modules in the order of the authors' checkpoints, and compute in float64, from [-1, 1] to [-1, 1].
"""

import argparse
import datetime
import importlib
import json
import pathlib
import sys

import numpy as np

# A file beside this one, and a package that nothing depends on, are imported by name.
networks, torch, nn = map(importlib.import_module, ("cyclegan_networks", "torch", "torch.nn"))

FILE = pathlib.Path(__file__).with_name("references") / "cyclegan.npz"


class Residual(nn.Module):
    def __init__(self, *modules):
        super().__init__()
        self.conv_block = nn.Sequential(*modules)

    def forward(self, x):
        return x + self.conv_block(x)


class Shortcut(nn.Module):
    def __init__(self, *modules):
        super().__init__()
        self.model = nn.Sequential(*modules)

    def forward(self, x):
        return torch.cat([x, self.model(x)], 1)


def norm(kind, channels):
    """Return [the norm]."""
    if kind == "batch":
        return [nn.BatchNorm2d(channels)]
    return [nn.InstanceNorm2d(channels, affine=kind == "instance_affine")]


def resnet(channels, filters, blocks, norm_kind, out):
    """Return the residual generator."""
    bias = norm_kind == "instance"
    first, second, third = filters, 2 * filters, 4 * filters

    def padded(inside, outside):
        return [nn.ReflectionPad2d(1), nn.Conv2d(inside, outside, 3, bias=bias), *norm(norm_kind, outside)]

    def halving(inside, outside):
        convolution = nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=bias)
        return [convolution, *norm(norm_kind, outside), nn.ReLU()]

    def doubling(inside, outside):
        convolution = nn.ConvTranspose2d(inside, outside, 3, stride=2, padding=1, output_padding=1, bias=bias)
        return [convolution, *norm(norm_kind, outside), nn.ReLU()]

    return nn.Sequential(
        nn.ReflectionPad2d(3), nn.Conv2d(channels, first, 7, bias=bias), *norm(norm_kind, first), nn.ReLU(),
        *halving(first, second), *halving(second, third),
        *(Residual(*padded(third, third), nn.ReLU(), *padded(third, third)) for _ in range(blocks)),
        *doubling(third, second), *doubling(second, first),
        nn.ReflectionPad2d(3), nn.Conv2d(first, out, 7), nn.Tanh(),
    )  # fmt: skip


def unet(channels, filters, downsamplings, norm_kind, out):
    """Return the U-Net, built from the inside out."""
    bias = norm_kind == "instance"
    widths = [filters * min(2**level, 8) for level in range(downsamplings)]
    inside = []
    for level in range(downsamplings - 1, 0, -1):
        outer, inner = widths[level - 1], widths[level]
        innermost = level == downsamplings - 1
        modules = [
            nn.LeakyReLU(0.2),
            nn.Conv2d(outer, inner, 4, stride=2, padding=1, bias=bias),
            *([] if innermost else norm(norm_kind, inner)),
            *inside,
            nn.ReLU(),
            nn.ConvTranspose2d(inner if innermost else 2 * inner, outer, 4, stride=2, padding=1, bias=bias),
            *norm(norm_kind, outer),
        ]
        inside = [Shortcut(*modules)]
    first = widths[0]
    return nn.Sequential(
        nn.Conv2d(channels, first, 4, stride=2, padding=1, bias=bias), *inside,
        nn.ReLU(), nn.ConvTranspose2d(2 * first, out, 4, stride=2, padding=1), nn.Tanh(),
    )  # fmt: skip


def patch(channels, filters, layers, norm_kind):
    """Return the discriminator of patches."""
    bias = norm_kind == "instance"
    modules = [nn.Conv2d(channels, filters, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    width = filters
    for layer in range(1, layers + 1):
        before, width = width, filters * min(2**layer, 8)
        stride = 2 if layer < layers else 1
        modules += [nn.Conv2d(before, width, 4, stride=stride, padding=1, bias=bias), *norm(norm_kind, width)]
        modules += [nn.LeakyReLU(0.2)]
    return nn.Sequential(*modules, nn.Conv2d(width, 1, 4, padding=1))


def pixel(channels, filters, norm_kind):
    """Return the discriminator of pixels."""
    bias = norm_kind == "instance"
    return nn.Sequential(
        nn.Conv2d(channels, filters, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(filters, 2 * filters, 1, bias=bias), *norm(norm_kind, 2 * filters), nn.LeakyReLU(0.2),
        nn.Conv2d(2 * filters, 1, 1, bias=bias),
    )  # fmt: skip


def module_of(network):
    """Return the module of a network of `cyclegan_networks`."""
    arguments = {**network.arguments}
    channels, norm_kind = network.shape[-1], arguments.pop("norm", "instance")
    out = arguments.pop("output_channels", channels)
    make = {
        "ResNetGenerator": lambda filters, blocks: resnet(channels, filters, blocks, norm_kind, out),
        "UNetGenerator": lambda filters, downsamplings: unet(channels, filters, downsamplings, norm_kind, out),
        "PatchDiscriminator": lambda filters, layers: patch(channels, filters, layers, norm_kind),
        "PixelDiscriminator": lambda filters: pixel(channels, filters, norm_kind),
    }
    return make[network.name](**arguments)


def fill(module, name):
    """Give a module the weights of that name and return {array's name: shape}."""
    state = module.state_dict()
    shapes = {key: list(array.shape) for key, array in state.items() if not key.endswith("num_batches_tracked")}
    arrays = {key: torch.tensor(array) for key, array in networks.weights(name, shapes).items()}
    module.load_state_dict(arrays, strict=False)
    return shapes


def from_images(images):
    """Return a tensor (batch, channels, height, width), float64."""
    return torch.tensor(images, dtype=torch.float64).permute(0, 3, 1, 2)


def to_images(tensor):
    """Return a float32 array (batch, height, width, channels)."""
    return tensor.detach().permute(0, 2, 3, 1).numpy().astype("float32")


def answers():
    """Return ({key: array}, {network: its arrays' names and shapes})."""
    found, state = {}, {}
    for name, network in networks.NETWORKS.items():
        module = module_of(network)
        state[name] = fill(module, name)
        images = 2 * from_images(networks.images(name, network.shape)) - 1
        found[name] = to_images(module.eval().double()(images))
    features = from_images(networks.images("layers", networks.LAYER_SHAPE))
    for enlargement in networks.ENLARGEMENTS:
        side, strides = enlargement.kernel_size, enlargement.strides
        excess = side - strides
        cut = {"padding": excess - excess // 2, "output_padding": excess % 2}
        module = nn.ConvTranspose2d(networks.LAYER_SHAPE[-1], networks.FILTERS, side, stride=strides, **cut)
        module.load_state_dict({key: torch.tensor(array) for key, array in networks.kernel(enlargement).items()})
        found[f"enlarged_{side}_{strides}"] = to_images(module.double()(features))
    found["reflected_3"] = to_images(nn.ReflectionPad2d(3)(features))
    found["normalised"] = to_images(nn.InstanceNorm2d(networks.LAYER_SHAPE[-1])(features))
    return found, state


def main():
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=pathlib.Path, default=FILE)
    output = parser.parse_args().output
    torch.set_num_threads(1)
    found, state = answers()
    about = {
        "command": " ".join(["python tests/parity/make_cyclegan_references.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "state": state,
    }
    np.savez_compressed(output, about=json.dumps(about), **found)
    print(f"{output}: {len(found)} arrays, {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
