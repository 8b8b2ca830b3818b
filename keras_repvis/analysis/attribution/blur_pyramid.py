"""The perturbation pyramid: an image in eight strengths, from lost to untouched, and a mask that chooses among them.

Level l of L is

    blur:  y_l = k + g_(s_l) * (x - k),  s_l = s_max (1 - l/(L-1))        fade:  y_l = k + l/(L-1) (x - k)

with the Gaussian g, zero beyond the border, and the colour k to which images fade there. Level 0 is the most
perturbed, level L - 1 the image x. A mask m (height, width) in [0, 1] chooses by linear interpolation between levels:
1 copies x, 0 the first level.

Reference:
    Fong, Patrick and Vedaldi, "Understanding Deep Networks via Extremal Perturbations and Smooth Masks", 2019, section
    3. Constants: TorchRay.
"""

import math

import numpy as np
import tensorflow as tf

from keras_repvis.analysis.attribution import gaussian_blur

KINDS = ("blur", "fade")


def build(images, kind, levels, max_blur, color):
    """Return the pyramid (batch, height, width, levels, channels).

    Args:
        images: float32 tensor (batch, height, width, channels) of a known size.
        kind: "blur" or "fade".
        levels: Integer >= 2, L.
        max_blur: Number > 0, s_max in pixels.
        color: Tensor that broadcasts to `images`, k.
    """
    bright = images - color
    found = []
    for share in np.linspace(0, 1, levels)[:-1]:
        if kind == "fade":
            found.append(color + float(share) * bright)
        else:
            sigma = float(max_blur * (1 - share))
            found.append(color + gaussian_blur.blur(bright, sigma, "zero", radius=math.ceil(4 * sigma)))
    return tf.stack([*found, images], axis=3)


def pairs(pyramid):
    """Return each level beside the next, (batch, height, width, levels - 1, 2 * channels), what `apply` reads."""
    return tf.concat([pyramid[..., :-1, :], pyramid[..., 1:, :]], axis=-1)


def apply(steps, masks):
    """Return the perturbed images (batch, height, width, channels).

    Args:
        steps: Tensor, from `pairs`.
        masks: Tensor (batch, height, width) in [0, 1]; the gradient reaches them.
    """
    strength = masks * steps.shape[3]
    # At the mask 1 the derivative is that from below.
    level = tf.clip_by_value(tf.cast(tf.floor(strength), "int32"), 0, steps.shape[3] - 1)
    share = (strength - tf.cast(level, strength.dtype))[..., None]
    low, high = tf.split(tf.gather(steps, tf.stop_gradient(level), batch_dims=3), 2, axis=-1)
    return (1 - share) * low + share * high
