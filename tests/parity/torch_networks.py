"""The networks of `attribution_networks.py` for PyTorch, from the same tables.

PyTorch and the packages on it are no dependencies of this project: they are looked up by name, where they are
installed.
"""

import importlib

torch, nn, functional = map(importlib.import_module, ("torch", "torch.nn", "torch.nn.functional"))


class ReLU6(nn.ReLU):
    """min(max(x, 0), 6), a kind of `nn.ReLU`, so that packages that set a rule on those find it."""

    def forward(self, x):
        return functional.relu6(x)


class SameConv2d(nn.Conv2d):
    """A convolution of stride 2 that pads as TensorFlow does, one pixel less at the start of an even side."""

    def forward(self, x):
        pads = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size, self.stride):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return self._conv_forward(functional.pad(x, pads), self.weight, self.bias)


class Add(nn.Module):
    def forward(self, first, second):
        return first + second


class Network(nn.Module):
    """A table as a module; its layers are its children, by their names.

    Args:
        records: Of `attribution_networks`.
        channels: Of the input.
        epsilon: Of the batch norms.
        make: {kind: function that makes the module} of "add" and "relu6", if they are others.
    """

    def __init__(self, records, channels, epsilon, make):
        super().__init__()
        self.records = records
        sizes = {"image": channels}
        for record in records:
            channels = sizes[record.source[0]] if record.source else channels
            self.add_module(record.name, _module(record, channels, epsilon, make))
            if record.kind == "model":
                channels = self.get_submodule(record.name).channels
            channels = sizes[record.name] = record.filters or channels
        self.channels = channels

    def forward(self, x):
        found = {"image": x}
        for record in self.records:
            module = self.get_submodule(record.name)
            x = module(*[found[source] for source in record.source]) if record.source else module(x)
            if record.kind == "mean":
                x = torch.flatten(x, 1)
            found[record.name] = x
        return x


def _module(record, channels, epsilon, others):
    if record.kind in ("conv", "depthwise"):
        filters, groups = (channels, channels) if record.kind == "depthwise" else (record.filters, 1)
        shape = {"kernel_size": record.kernel, "stride": record.strides, "groups": groups, "bias": record.bias}
        if record.strides == 1:
            return nn.Conv2d(channels, filters, padding=record.kernel // 2, **shape)
        return SameConv2d(channels, filters, **shape)
    make = {
        "norm": lambda: nn.BatchNorm2d(channels, eps=epsilon),
        "relu": nn.ReLU,
        "relu6": ReLU6,
        "maximum": lambda: nn.MaxPool2d(2),
        "average": lambda: nn.AvgPool2d(2),
        "add": Add,
        "mean": lambda: nn.AdaptiveAvgPool2d(1),
        "dense": lambda: nn.Linear(channels, record.filters, bias=record.bias),
        "model": lambda: Network(record.records, channels, epsilon, others),
        **others,
    }
    return make[record.kind]()


def build(records, weights, channels, epsilon, dtype=torch.float64, **make):
    """Return the module of a table with the weights, given in the layout of Keras, for inference."""
    network = Network(records, channels, epsilon, make)
    for path, module in network.named_modules():
        arrays = [torch.tensor(array) for array in weights.get(path.split(".")[-1], [])]
        if isinstance(module, nn.Conv2d):
            # (height, width, in, out) becomes (out, in, height, width); depthwise (height, width, in, 1) likewise.
            order = (2, 3, 0, 1) if module.groups > 1 else (3, 2, 0, 1)
            arrays[0] = arrays[0].permute(order)
        elif isinstance(module, nn.Linear):
            arrays[0] = arrays[0].T
        names = ("weight", "bias", "running_mean", "running_var")
        with torch.no_grad():
            for name, array in zip(names, arrays):
                getattr(module, name).copy_(array)
    return network.eval().to(dtype)


def from_keras(array, dtype=torch.float64):
    """Return (batch, channels, height, width) from an array (batch, height, width, channels)."""
    return torch.tensor(array, dtype=dtype).permute(0, 3, 1, 2).contiguous()


def to_keras(tensor):
    """Return a NumPy array (batch, height, width, channels) from a tensor (batch, channels, height, width)."""
    return tensor.detach().permute(0, 2, 3, 1).numpy()
