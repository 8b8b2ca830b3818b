"""The smooth max-convolution that makes masks of extremal perturbations: smooth, and able to be binary.

Parameters p_j in [0, 1] sit on a grid with a spacing of d pixels. The mask at pixel u is a soft maximum over them,

    m(u) = sum_j v_j softmax_j(T v_j),    v_j = k(u - u_j) p_j,    k(z) = exp(-2 max(|z|/s - 1/2, 0)^2)

with T = 20 and j over the (2 r + 1)^2 nearest places of the grid, r = 1 + s/d; beyond the grid p = 0. Each parameter
draws a soft disc. The maximum is not quite one: with d = 7 and s = 21, of parameters that are all 1 the mask is 0.976
to 0.996, of a single 1 it is 1.000 on a disc of radius s/2.

The mask has a margin of s pixels before the first parameter and a little less behind the last, which discs may reach
into; the constraint on the area counts it, the image is the part without it.

The kernels, 81 of them, repeat with the period d, so they are kept for one period only. Taps are accumulated one after
the other, sum_j v_j exp(T v_j) and sum_j exp(T v_j), forwards and, computed again, backwards: memory is that of a few
masks, not of 81. As v is in [0, 1] and T is 20, nothing overflows.

Reference:
    Fong, Patrick and Vedaldi, "Understanding Deep Networks via Extremal Perturbations and Smooth Masks", 2019, section
    3. Constants: TorchRay, with d = 7 and s = 21 for images of 224 pixels.
"""

import math

import numpy as np
import tensorflow as tf

_COLDNESS = 20.0


class SmoothMax:
    """Masks from parameters on a grid; see this module.

    Args:
        height: Integer, of the image in pixels.
        width: Integer.
        spacing: Integer >= 1, between parameters in pixels, d.
        scale: Integer >= 1, of the discs in pixels, s.

    Attributes:
        grid: Rows and columns of parameters.
        shape: Height and width of masks with their margin.
    """

    def __init__(self, height, width, spacing, scale):
        self._image = (height, width)
        self._spacing = spacing
        self._margin = scale
        self._radius = 1 + math.ceil(scale / spacing)
        self._padding = 1 + math.ceil(2 * scale / spacing)
        self.grid = tuple(math.ceil(side / spacing) for side in self._image)
        # Blocks of d x d pixels that see the same parameters.
        self._blocks = tuple(side + 2 * (self._padding - self._radius) for side in self.grid)
        self.shape = tuple(spacing * side - spacing + 1 for side in self._blocks)
        self._kernels = self._make_kernels()

    def __call__(self, parameters):
        """Return masks (batch, *shape) from parameters (batch, *grid); the gradient reaches them."""
        return self._convolve(parameters)

    def crop(self, masks):
        """Return masks (batch, height, width) of the image, from those with a margin."""
        return masks[:, self._margin : self._margin + self._image[0], self._margin : self._margin + self._image[1]]

    def uncrop(self, masks):
        """Return masks (batch, *shape) that are 0 in the margin: the transpose of `crop`."""
        behind = [full - self._margin - side for full, side in zip(self.shape, self._image)]
        return tf.pad(masks, [[0, 0], [self._margin, behind[0]], [self._margin, behind[1]]])

    def _make_kernels(self):
        """Return k for each tap and each pixel of a block, float32 (taps, d * d)."""
        taps = np.arange(2 * self._radius + 1)
        # From a pixel of a block to the parameter of a tap.
        offsets = np.arange(self._spacing) - self._margin - self._spacing * (taps[:, None] - self._padding)
        distances = np.hypot(offsets[:, None, :, None], offsets[None, :, None, :]) / self._margin
        kernels = np.exp(-2 * np.maximum(distances - 0.5, 0) ** 2)
        return kernels.reshape(len(taps) ** 2, -1).astype("float32")

    def _convolve(self, parameters):
        @tf.custom_gradient
        def convolve(parameters):
            sides = [[0, 0], [self._padding] * 2, [self._padding] * 2]
            padded = tf.pad(parameters, sides)
            sums, products = self._accumulate(padded)
            means = products / sums / _COLDNESS

            def gradient(upstream):
                share = self._to_blocks(upstream) / sums
                found = self._propagate(padded, share, share * (1 - _COLDNESS * means))
                inner = slice(self._padding, -self._padding)
                return found[:, inner, inner]

            return self._from_blocks(means), gradient

        return convolve(parameters)

    def _accumulate(self, padded):
        """Return sum_j exp(T v_j) and sum_j T v_j exp(T v_j), each (d * d, batch * blocks)."""

        def body(tap, sums, products):
            hot = self._hot(padded, tap)
            exponents = tf.exp(hot)
            return tap + 1, sums + exponents, products + hot * exponents

        zeros = tf.zeros((self._spacing**2, tf.shape(padded)[0] * math.prod(self._blocks)))
        loop = (tf.constant(0), zeros, zeros)
        return tf.while_loop(lambda tap, *_: tap < len(self._kernels), body, loop, parallel_iterations=1)[1:]

    def _propagate(self, padded, share, rest):
        """Return the gradient (batch, padded grid): dm/dv_j = exp(T v_j) (1 + T (v_j - m)) / sum_i exp(T v_i)."""

        def body(tap, found):
            hot = self._hot(padded, tap)
            signal = tf.exp(hot) * (rest + share * hot)
            reached = tf.reshape(tf.matmul(self._kernel(tap), signal), (-1, *self._blocks))
            row, column = self._place(tap)
            last = 2 * self._radius
            return tap + 1, found + tf.pad(reached, [[0, 0], [row, last - row], [column, last - column]])

        loop = (tf.constant(0), tf.zeros_like(padded))
        return tf.while_loop(lambda tap, _: tap < len(self._kernels), body, loop, parallel_iterations=1)[1]

    def _hot(self, padded, tap):
        """Return T v of one tap, (d * d, batch * blocks)."""
        seen = tf.slice(padded, [0, *self._place(tap)], [tf.shape(padded)[0], *self._blocks])
        return _COLDNESS * tf.transpose(self._kernel(tap)) * tf.reshape(seen, (1, -1))

    def _kernel(self, tap):
        return tf.constant(self._kernels)[tap][None]

    def _place(self, tap):
        return tap // (2 * self._radius + 1), tap % (2 * self._radius + 1)

    def _from_blocks(self, values):
        """Return (batch, *shape) from (d * d, batch * blocks)."""
        rows, columns = self._blocks
        values = tf.transpose(
            tf.reshape(values, (self._spacing, self._spacing, -1, rows, columns)), (2, 3, 0, 4, 1)
        )
        values = tf.reshape(values, (-1, rows * self._spacing, columns * self._spacing))
        return values[:, : self.shape[0], : self.shape[1]]

    def _to_blocks(self, masks):
        """Return (d * d, batch * blocks) from (batch, *shape)."""
        rows, columns = self._blocks
        masks = tf.pad(masks, [[0, 0], [0, self._spacing - 1], [0, self._spacing - 1]])
        masks = tf.reshape(masks, (-1, rows, self._spacing, columns, self._spacing))
        return tf.reshape(tf.transpose(masks, (2, 4, 0, 1, 3)), (self._spacing**2, -1))
