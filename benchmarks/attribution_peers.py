"""The sides of benchmarks/attribution.py: one process a package, which answers requests on its standard input.

Each line is a JSON object {"method", "network", "images"}; the answer is {"seconds", "wall", "maps"}: processor time of
all threads and wall time of one call on so many images, and the file of the maps, float32 (images, height, width), or
{"error"}. The first request of a method and a network builds and warms up before it is timed. The networks are tables
of tests/parity, built from the same weights for Keras and for PyTorch.
"""

import functools
import importlib
import json
import os
import pathlib
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "parity"))

import numpy as np  # noqa: E402

# No dependencies of this project, the peers, and no part of its package, the tables: looked up by name.
load = importlib.import_module
tables = load("attribution_networks")

SIZE, CLASSES = 96, 10
STEPS = SAMPLES = 20
DEVIATION = 0.15
WINDOW, STRIDE = 16, 8
MASKS = 128
AREAS, ITERATIONS, SPACING = (0.1, 0.2), 20, 7
# The layer in the middle at which the bottleneck is put.
MIDDLE = {"mobilenet_v2": "block5_project_norm", "resnet": "stage1_1_out"}
BATCH_SIZE = 32


def mobilenet_v2():
    """MobileNetV2 of width 1 as a table; a stride or a change of channels leaves out the sum."""
    records = [*tables.normed("stem", 32, strides=2, activation="relu6")]
    records += tables.normed("first_depth", 0, activation="relu6")
    records += tables.normed("first_project", 16, 1, activation=None)
    source, channels, index = "first_project_norm", 16, 0
    stages = ((24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
    for filters, repeats, strides in stages:
        for repeat in range(repeats):
            name, index = f"block{index}", index + 1
            records += tables.inverted(name, 6 * channels, filters, strides if repeat == 0 else 1, source)
            if repeat:
                records.append(tables.Record("add", f"{name}_sum", source=(f"{name}_project_norm", source)))
            source, channels = f"{name}_sum" if repeat else f"{name}_project_norm", filters
    records += tables.normed("last", 1280, 1, activation="relu6", source=(source,))
    return head(records)


def resnet():
    """A residual network of 14 convolutions on its way, 16 to 64 channels."""
    records, source = [*tables.normed("stem", 16, strides=2)], "stem_out"
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(2):
            name = f"stage{stage}_{block}"
            records += tables.basic(name, filters, source, 2 if stage and not block else 1)
            source = f"{name}_out"
    return head(records)


def head(records):
    return (*records, tables.Record("mean", "mean"), tables.Record("dense", "logits", CLASSES))


NETWORKS = {
    "mobilenet_v2": tables.Network("mobilenet_v2", 1, mobilenet_v2(), "last_out", "mean"),
    "resnet": tables.Network("resnet", 2, resnet(), "stage2_1_out", "mean"),
}


def images(count):
    random = np.random.default_rng(0)
    coarse = random.random((16, 6, 6, 3)).repeat(16, axis=1).repeat(16, axis=2)
    return (0.7 * coarse + 0.3 * random.random(coarse.shape)).astype("float32")[:count]


def targets(count):
    return np.arange(count) % CLASSES


def keras_network(name):
    import keras

    network = NETWORKS[name]
    model = tables._functional(keras, network.records, (SIZE, SIZE, 3), name)
    for layer, arrays in tables.weights(network).items():
        model.get_layer(layer).set_weights(arrays)
    return model, network.layer


def torch_network(name, **make):
    torch, torch_networks = load("torch"), load("torch_networks")
    network = NETWORKS[name]
    weights = tables.weights(network)
    return torch_networks.build(network.records, weights, 3, tables.EPSILON, dtype=torch.float32, **make), network.layer


def ours(name, network):
    """This library."""
    from keras_repvis.analysis import attribution

    model, layer = keras_network(network)
    signed = {"reduction": "sum", "batch_size": BATCH_SIZE}
    at_layer = {"layer": layer, "batch_size": BATCH_SIZE}
    make = {
        "gradient": lambda: attribution.Gradient(model, **signed),
        "gradient_x_input": lambda: attribution.LinearApproximation(model, layer=None, **signed),
        "guided_backprop": lambda: attribution.GuidedBackprop(model, **signed),
        "deconvnet": lambda: attribution.DeConvNet(model, report_score=False, **signed),
        "integrated_gradients": lambda: attribution.IntegratedGradients(model, steps=STEPS, **signed),
        "smooth_grad": lambda: attribution.SmoothGrad(model, samples=SAMPLES, noise=DEVIATION, **signed),
        "grad_cam": lambda: attribution.GradCAM(model, **at_layer),
        "grad_cam_plus_plus": lambda: attribution.GradCAMPlusPlus(model, alphas="normalized", **at_layer),
        "score_cam": lambda: attribution.ScoreCAM(model, weights="score", score="softmax", **at_layer),
        "layer_cam": lambda: attribution.LayerCAM(model, **at_layer),
        "occlusion": lambda: attribution.Occlusion(model, window=WINDOW, stride=STRIDE, batch_size=BATCH_SIZE),
        "rise": lambda: attribution.RISE(model, masks=MASKS, batch_size=BATCH_SIZE),
        "lrp_epsilon_plus": lambda: attribution.LRP(model, composite="epsilon_plus", batch_size=BATCH_SIZE),
        "excitation_backprop": lambda: attribution.ExcitationBackprop(model, **at_layer),
        "extremal_perturbation": lambda: attribution.ExtremalPerturbation(
            model, areas=AREAS, steps=ITERATIONS, spacing=SPACING, batch_size=BATCH_SIZE
        ),
        "meaningful_perturbation": lambda: attribution.MeaningfulPerturbation(
            model, steps=ITERATIONS, jitter=0, start="keep", batch_size=BATCH_SIZE
        ),
        "information_bottleneck": lambda: attribution.InformationBottleneck(
            model, MIDDLE[network], attribution.estimate_statistics(model, images(16), MIDDLE[network]),
            batch_size=BATCH_SIZE,
        ),
    }
    method = make[name]()
    return lambda x, y: method(x, y).maps


def tf_keras_vis(name, network):
    from tf_keras_vis import gradcam, gradcam_plus_plus, layercam, saliency, scorecam
    from tf_keras_vis.utils.scores import CategoricalScore

    model, layer = keras_network(network)
    raw = {"penultimate_layer": layer, "seek_penultimate_conv_layer": False, "expand_cam": False,
           "normalize_cam": False}
    plain = {"keepdims": True, "gradient_modifier": None, "normalize_map": False}

    def of(module, **options):
        visualisation = module(model, clone=False)

        def call(x, y):
            found = np.asarray(visualisation(CategoricalScore(y.tolist()), x, **options))
            return found.sum(-1) if found.ndim == 4 else found

        return call

    make = {
        "gradient": lambda: of(saliency.Saliency, **plain),
        "smooth_grad": lambda: of(saliency.Saliency, smooth_samples=SAMPLES, smooth_noise=DEVIATION, **plain),
        "grad_cam": lambda: of(gradcam.Gradcam, **raw),
        "grad_cam_plus_plus": lambda: of(gradcam_plus_plus.GradcamPlusPlus, **raw),
        "score_cam": lambda: of(scorecam.Scorecam, **raw),
        "layer_cam": lambda: of(layercam.Layercam, **raw),
    }
    return make[name]()


def xplique(name, network):
    attributions = load("xplique.attributions")
    model, layer = keras_network(network)
    options = {"batch_size": BATCH_SIZE}
    signed = {**options, "reducer": "sum"}

    def of(method):
        return lambda x, y: np.asarray(method(x, np.eye(CLASSES, dtype="float32")[y]))[..., 0]

    make = {
        "gradient_x_input": lambda: of(attributions.GradientInput(model, **signed)),
        "guided_backprop": lambda: of(attributions.GuidedBackprop(model, **signed)),
        "deconvnet": lambda: of(attributions.DeconvNet(model, **signed)),
        "integrated_gradients": lambda: of(attributions.IntegratedGradients(model, steps=STEPS, **signed)),
        "smooth_grad": lambda: of(attributions.SmoothGrad(model, nb_samples=SAMPLES, noise=DEVIATION, **signed)),
        "grad_cam": lambda: of(attributions.GradCAM(model, conv_layer=layer, **options)),
        "grad_cam_plus_plus": lambda: of(attributions.GradCAMPP(model, conv_layer=layer, **options)),
        "occlusion": lambda: of(
            attributions.Occlusion(model, patch_size=WINDOW, patch_stride=STRIDE, occlusion_value=0.0, **options)
        ),
        "rise": lambda: of(attributions.Rise(model, nb_samples=MASKS, **options)),
    }
    return make[name]()


def captum(name, network):
    torch, torch_networks, attr = map(load, ("torch", "torch_networks", "captum.attr"))
    model, layer = torch_network(network)
    module = model.get_submodule(layer)

    def of(method, **options):
        def call(x, y):
            found = method.attribute(torch_networks.from_keras(x, torch.float32), target=torch.tensor(y), **options)
            found = torch_networks.to_keras(found)
            # A window covers all channels, and each of them gets the whole fall.
            return found[..., 0] if isinstance(method, attr.Occlusion) else found.sum(-1)

        return call

    window = {"sliding_window_shapes": (3, WINDOW, WINDOW), "strides": (3, STRIDE, STRIDE), "baselines": 0.0}
    smooth = {"nt_type": "smoothgrad", "nt_samples": SAMPLES, "nt_samples_batch_size": 2, "stdevs": DEVIATION}
    make = {
        "gradient": lambda: of(attr.Saliency(model), abs=False),
        "gradient_x_input": lambda: of(attr.InputXGradient(model)),
        "guided_backprop": lambda: of(attr.GuidedBackprop(model)),
        "deconvnet": lambda: of(attr.Deconvolution(model)),
        "integrated_gradients": lambda: of(
            attr.IntegratedGradients(model), n_steps=STEPS, internal_batch_size=BATCH_SIZE
        ),
        "smooth_grad": lambda: of(attr.NoiseTunnel(attr.Saliency(model)), abs=False, **smooth),
        "grad_cam": lambda: of(attr.LayerGradCam(model, module), relu_attributions=True),
        "occlusion": lambda: of(attr.Occlusion(model), perturbations_per_eval=BATCH_SIZE, **window),
    }
    return make[name]()


def zennit(name, network):
    torch, torch_networks = load("torch"), load("torch_networks")
    parts = ("attribution", "canonizers", "composites")
    attribution, canonizers, composites = (load(f"zennit.{part}") for part in parts)
    model, _ = torch_network(network, add=load("relevance_references").Sum)

    def call(x, y):
        composite = composites.EpsilonPlus(canonizers=[canonizers.SequentialMergeBatchNorm()])
        with attribution.Gradient(model=model, composite=composite) as attributor:
            tensor = torch_networks.from_keras(x, torch.float32)
            with torch.no_grad():
                scores = model(tensor)
            output = torch.eye(CLASSES)[y] * scores
            return torch_networks.to_keras(attributor(tensor, output)[1]).sum(-1)

    return {"lrp_epsilon_plus": lambda: call}[name]()


def torchray(name, network):
    """TorchRay; its methods take one image at a time."""
    torch, torch_networks = load("torch"), load("torch_networks")
    model, layer = torch_network(network)

    def method(module, function):
        return getattr(load(f"torchray.attribution.{module}"), function)

    def each(function):
        def call(x, y):
            tensors = torch_networks.from_keras(x, torch.float32)
            maps = [function(tensors[index : index + 1], int(y[index])) for index in range(len(x))]
            return np.concatenate([torch_networks.to_keras(one).sum(-1) for one in maps])

        return call

    def perturbed(x, y):
        masks, _ = method("extremal_perturbation", "extremal_perturbation")(
            model, x, y, areas=list(AREAS), max_iter=ITERATIONS, step=SPACING, jitter=False
        )
        return masks.sum(0, keepdim=True)

    make = {
        "rise": lambda: each(lambda x, y: method("rise", "rise")(model, x, num_masks=MASKS)[:, y : y + 1]),
        "excitation_backprop": lambda: each(
            lambda x, y: method("excitation_backprop", "excitation_backprop")(model, x, y, saliency_layer=layer)
        ),
        "extremal_perturbation": lambda: each(perturbed),
    }
    return make[name]()


def iba(name, network):
    """The authors' code of attribution by a bottleneck; it takes one image at a time."""
    torch, torch_networks, package = map(load, ("torch", "torch_networks", "IBA.pytorch"))
    model, _ = torch_network(network)
    bottleneck = package.IBA(model.get_submodule(MIDDLE[network]))
    bottleneck.estimate(model, [(torch_networks.from_keras(images(16), torch.float32),)])

    def call(x, y):
        def cost(target):
            return lambda batch: -torch.log_softmax(model(batch), dim=1)[:, target].mean()

        tensors = torch_networks.from_keras(x, torch.float32)
        return np.stack([bottleneck.analyze(image[None], cost(target)) for image, target in zip(tensors, y)])

    return {"information_bottleneck": lambda: call}[name]()


def torch_loop(name, network):
    """Meaningful perturbation as its published codes do it, an image at a time; no package of PyTorch offers it."""
    torch, torch_networks = load("torch"), load("torch_networks")
    model, _ = torch_network(network)
    cells, l1_weight, tv_weight, tv_power = 28, 1e-4, 1e-2, 3.0

    def blur(planes, sigma):
        radius = round(4 * sigma)
        kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
        kernel = (kernel / kernel.sum()).repeat(planes.shape[1], 1, 1, 1)
        for side in (kernel, kernel.transpose(2, 3)):
            edge = [radius * (side.shape[axis] > 1) for axis in (3, 3, 2, 2)]
            padded = torch.nn.functional.pad(planes, edge, mode="replicate")
            planes = torch.nn.functional.conv2d(padded, side, groups=planes.shape[1])
        return planes

    def enlarge(mask):
        return blur(torch.nn.functional.interpolate(mask, (SIZE, SIZE)), 5 * SIZE / 224)

    def one(image, target):
        back = blur(image, 10 * SIZE / 224)
        mask = torch.ones(1, 1, cells, cells, requires_grad=True)
        optimizer = torch.optim.Adam([mask], lr=0.1)
        for _ in range(ITERATIONS):
            kept = enlarge(mask)
            down = torch.nn.functional.pad(mask[:, :, 1:] - mask[:, :, :-1], (0, 0, 0, 1))
            across = torch.nn.functional.pad(mask[..., 1:] - mask[..., :-1], (0, 1))
            steep = down**2 + across**2
            variation = torch.where(steep > 0, torch.where(steep > 0, steep, 1.0) ** (tv_power / 2), 0.0).sum()
            score = torch.softmax(model(kept * image + (1 - kept) * back), dim=1)[0, target]
            optimizer.zero_grad()
            (l1_weight * (1 - mask).abs().sum() + tv_weight * variation + score).backward()
            optimizer.step()
            with torch.no_grad():
                mask.clamp_(0, 1)
        return 1 - enlarge(mask).detach()

    def call(x, y):
        tensors = torch_networks.from_keras(x, torch.float32)
        return np.concatenate([one(image[None], int(target))[0] for image, target in zip(tensors, y)])

    return {"meaningful_perturbation": lambda: call}[name]()


SIDES = {side.__name__: side for side in (ours, tf_keras_vis, xplique, captum, zennit, torchray, iba, torch_loop)}


@functools.lru_cache(maxsize=None)
def built(side, name, network, count):
    """Return the function of (images, targets), called once to warm up."""
    call = SIDES[side](name, network)
    call(images(count), targets(count))
    return call


def answer(side, request, directory):
    name, network, count = request["method"], request["network"], request["images"]
    call = built(side, name, network, count)
    processor, wall = time.process_time(), time.perf_counter()
    maps = call(images(count), targets(count))
    times = {"seconds": time.process_time() - processor, "wall": time.perf_counter() - wall}
    path = os.path.join(directory, "maps.npy")
    np.save(path, np.asarray(maps, "float32"))
    return {**times, "maps": path}


def main(side):
    answers, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr
    with tempfile.TemporaryDirectory() as directory:
        for line in sys.stdin:
            try:
                found = answer(side, json.loads(line), directory)
            except KeyError as error:
                found = {"error": f"no {error}"}
            except Exception as error:  # A package that fails is a result.
                found = {"error": f"{type(error).__name__}: {str(error)[:200]}"}
            print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
