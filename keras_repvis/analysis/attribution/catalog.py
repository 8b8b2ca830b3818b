"""Names of the attribution methods, and what their maps say in plain words; reading them does not import TensorFlow."""

import dataclasses
import importlib

from keras_repvis import checks

_HERE = "keras_repvis.analysis.attribution"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One method.

    Args:
        module: Name of its module.
        method: Name of its class.
        reading: What a strong place of its map means, in plain words.
        caution: What it does not mean, or when not to believe it.
        needs: "statistics" of a layer's codes over many images (`estimate_statistics`), or "" for nothing but a model.

    Example:
        >>> keras_repvis.analysis.attribution.catalog.ENTRIES["gradient"].method
        'Gradient'
    """

    module: str
    method: str
    reading: str
    caution: str
    needs: str = ""


ENTRIES = {
    "deconvnet": Entry(
        "deconvnet",
        "DeConvNet",
        "Structure that excites the answer when only positive signals are sent back through the network.",
        "Much of it does not depend on the class: it tells what the network can see, not what it decided on.",
    ),
    "excitation_backprop": Entry(
        "excitation_backprop",
        "ExcitationBackprop",
        "Places of an inner layer by the chance that excitation of the answer is traced back to them.",
        "Excitation only: what speaks against the answer is not seen; without a contrast classes share much of it.",
    ),
    "extremal_perturbation": Entry(
        "extremal_perturbation",
        "ExtremalPerturbation",
        "Regions of a few fixed sizes, each the one that alone gives the strongest answer.",
        "Found by a search that may end elsewhere; compare the score of each region with that of the image.",
    ),
    "grad_cam": Entry(
        "grad_cam",
        "GradCAM",
        "Places of an inner layer that hold evidence for the answer.",
        "Coarse, one value for each position of the layer; all zero when no place speaks for the answer.",
    ),
    "grad_cam_plus_plus": Entry(
        "grad_cam_plus_plus",
        "GradCAMPlusPlus",
        "Places of an inner layer that hold evidence for the answer, small ones as strong as large ones.",
        "Only what raises the answer counts; coarse, one value for each position of the layer.",
    ),
    "gradient": Entry(
        "gradient",
        "Gradient",
        "Pixels where a small change would change the answer most.",
        "Speaks of small changes only: evidence the network is already sure of may have no gradient.",
    ),
    "guided_backprop": Entry(
        "guided_backprop",
        "GuidedBackprop",
        "Sharp structure that excites the answer: positive signals through units that were active.",
        "Stays almost the same when the upper layers are replaced by random ones: do not read the class from it.",
    ),
    "guided_grad_cam": Entry(
        "guided_grad_cam",
        "GuidedGradCAM",
        "Sharp structure within the places that hold evidence for the answer.",
        "The places depend on the class; the fine structure hardly does.",
    ),
    "information_bottleneck": Entry(
        "information_bottleneck",
        "InformationBottleneck",
        "Bits of an inner layer that the answer needs: where noise must not enter.",
        "Where the cross-entropy with the noise let in is much larger than without, the answer was lost.",
        needs="statistics",
    ),
    "integrated_gradients": Entry(
        "integrated_gradients",
        "IntegratedGradients",
        "Share of each pixel in the change of the answer from a black image to this one.",
        "Depends on the image it starts from: black pixels get no share, whatever they mean.",
    ),
    "layer_cam": Entry(
        "layer_cam",
        "LayerCAM",
        "Places of an inner layer where active units raise the answer; sharp at early layers.",
        "What lowers the answer is left out, so the map says nothing of evidence against it.",
    ),
    "linear_approximation": Entry(
        "linear_approximation",
        "LinearApproximation",
        "Share of each place of an inner layer in the answer, with its sign, to first order.",
        "Shares add up to the answer only together with the constant; a large constant means they say little.",
    ),
    "lrp": Entry(
        "layer_wise_relevance",
        "LRP",
        "Share of each pixel in the answer, handed down from layer to layer; negative ones speak against it.",
        "Depends on the rules; shares add up to the answer only as far as the conservation says.",
    ),
    "meaningful_perturbation": Entry(
        "meaningful_perturbation",
        "MeaningfulPerturbation",
        "The smallest smooth region whose blurring takes the answer away.",
        "What is salient need not be the object; where the score without the region stays high, nothing was found.",
    ),
    "occlusion": Entry(
        "occlusion",
        "Occlusion",
        "Places whose covering makes the answer fall.",
        "As coarse as the window; evidence that stands twice in the image is missed, since each window covers one.",
    ),
    "rise": Entry(
        "rise",
        "RISE",
        "Places that were visible behind the random masks for which the answer was strong.",
        "Only differences within the map mean something; those below the standard error are chance.",
    ),
    "score_cam": Entry(
        "score_cam",
        "ScoreCAM",
        "Places of an inner layer shown by those of its channels through which the image still gives the answer.",
        "Images seen through a channel are unlike those the network has learned from.",
    ),
    "smooth_grad": Entry(
        "smooth_grad",
        "SmoothGrad",
        "Pixels where a small change would change the answer most, on average over noisy copies of the image.",
        "An estimate: what is not larger than the standard error is chance.",
    ),
}

# What the numbers beside the maps say.
DIAGNOSTICS = {
    "area": "share of the image that the region takes",
    "baseline_score": "the number that is explained, of the image that the method starts from",
    "bits": "what passes the layer with the noise let in, in bits, all places together",
    "completeness_gap": "by how much the shares fail to add up to the change that they explain; near 0 is good",
    "conservation": "sum of the shares over the answer; 1 is all of it, what is missing biases hold",
    "constant": "the part of the score that no place holds; near 0 is good",
    "cross_entropy": "how surprised the model is by the class, in nats",
    "cross_entropy_restricted": "the same with the noise let in; much larger means that the answer was lost",
    "denominator": "below 2 the map is not to be believed",
    "gap": "by how much the map fails to add up to the bits; 0 but for rounding",
    "largest": "the largest value of the map before its negative part is cut; below 0 the map is empty",
    "largest_fall": "by how much the answer fell under the window that mattered most",
    "mask_mean": "share of the image that the random masks kept; should be what was asked for",
    "mass": "what of the excitation, 1 in all, reached the layer",
    "negative": "share of the map's signal that is negative; 0 for a distribution",
    "score": "the number that is explained, as the model gives it",
    "score_deleted": "the score with the region taken away",
    "score_preserved": "the score with all but the region taken away",
    "standard_error": "how far off the averages are by chance; to be compared with the size of the map",
    "target": "index of the class that is explained",
}


def names():
    """Return the names that `get` accepts, in alphabetical order.

    Returns:
        Tuple of strings.

    Example:
        >>> "gradient" in keras_repvis.analysis.attribution.catalog.names()
        True
    """
    return tuple(sorted(ENTRIES))


def get(name):
    """Return the class of the method called `name`.

    Raises:
        ValueError: If there is none; the message suggests the nearest.

    Example:
        >>> keras_repvis.analysis.attribution.catalog.get("gradient").__name__
        'Gradient'
    """
    entry = ENTRIES[checks.one_of("method", name, names())]
    return getattr(importlib.import_module(f"{_HERE}.{entry.module}"), entry.method)
