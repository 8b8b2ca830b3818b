"""Spectrum of the Jacobian: which changes of an image a model enlarges, and which it loses.

With J = dG/dy at the image y, u_i s_i v_i^T its singular triples, s_1 >= s_2 >= ...: a small change along the input
direction v_i comes out along u_i, s_i times as large. A translation to a domain of less entropy has to contract (s << 1
for almost all directions), the one back to expand (s >> 1), which makes it an amplifier of what is hidden in y, and of
noise. J has as many entries as the product of two images; it is never formed. It is multiplied with blocks of
directions (`differentiable_map`), and `randomized_svd` makes of the products

    s_1 ... s_rank with their directions, and |J v_i - s_i u_i|, which bounds how far a singular value is from s_i;
    |J|_F = (sum s_i^2)^(1/2) over the whole spectrum, by Hutchinson's estimate of the part outside the directions
        found, the mean of |J^T z|^2 over random z of one length orthogonal to them, with its standard error;
    the participation ratio (sum s_i^2)^2 / sum s_i^4, the number of directions that share the gain: n for n equal
        values and 1 for a single one, by the same estimate.

The entropy-based effective rank needs every singular value, so that it is not to be had here; how many of all are above
1 is another question (`jacobian_distribution`).
"""

import dataclasses

import numpy as np

from keras_repvis import checks
from keras_repvis.analysis.information import randomized_svd
from keras_repvis.analysis.information.differentiable_map import DifferentiableMap
from keras_repvis.analysis.information.translation_pair import check_images


@dataclasses.dataclass(frozen=True)
class JacobianSpectra:
    """The largest singular values of the Jacobians at some images, and numbers of their whole spectra.

    Args:
        values: float64 array (images, rank), s_1 >= s_2 >= ..., dimensionless: change of the output by change of the
            input, both Euclidean norms. Never above the true ones, but for rounding.
        right: float32 array (images, rank, height, width, channels), the input directions v_i, of norm 1; of each the
            entry of largest size is positive.
        left: float32 array (images, rank, ...), the output directions u_i, of norm 1.
        residuals: float64 array (images, rank), |J v_i - s_i u_i|: J has a singular value so close to s_i.
        frobenius: float64 array (images,), |J|_F.
        frobenius_error: float64 array (images,), its standard error.
        participation_ratio: float64 array (images,), (sum s^2)^2 / sum s^4 over the whole spectrum.
        participation_ratio_error: float64 array (images,), its standard error to first order.
        memory: Integer, bytes of the directions that were kept at once, of one image; what the model needs for a batch
            comes on top.
        diagnostics: Dict of floats, largest over the sizes of images: relative sizes of what should be 0; see
            `differentiable_map`.

    Example:
        >>> import numpy as np
        >>> found = JacobianSpectra(
        ...     values=np.array([[2.0, 0.5]]), right=np.eye(2).reshape(1, 2, 2, 1, 1),
        ...     left=np.eye(2).reshape(1, 2, 2, 1, 1), residuals=np.zeros((1, 2)), frobenius=np.array([4.25**0.5]),
        ...     frobenius_error=np.zeros(1), participation_ratio=np.array([1.124]),
        ...     participation_ratio_error=np.zeros(1), memory=64, diagnostics={})
        >>> found.mean_gain.round(3), found.stable_rank.round(3), found.log_volume
        (array([1.458]), array([1.062]), array([0.]))
    """

    values: np.ndarray
    right: np.ndarray
    left: np.ndarray
    residuals: np.ndarray
    frobenius: np.ndarray
    frobenius_error: np.ndarray
    participation_ratio: np.ndarray
    participation_ratio_error: np.ndarray
    memory: int
    diagnostics: dict

    @property
    def mean_gain(self):
        """Float64 array (images,), |J|_F / sqrt(n): root mean square of |J d| / |d| over all directions d.

        Below 1 the model contracts changes on the whole, above 1 it expands them.
        """
        return self.frobenius / np.sqrt(self.right[0, 0].size)

    @property
    def stable_rank(self):
        """Float64 array (images,), |J|_F^2 / s_1^2: how many directions as strong as the strongest there are."""
        return _ratio(np.square(self.frobenius), np.square(self.values[:, 0]))

    @property
    def log_volume(self):
        """Float64 array (images,), sum of log s_i over the values found, in nats.

        The logarithm of the factor by which the volume spanned by the strongest directions grows.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.values).sum(axis=1)


class JacobianSpectrum:
    """Find the largest singular values and directions of the Jacobian at each of a batch of images.

    Called on the two models of a translation, F at x and G at F(x), it tells which one contracts and which expands.

    Memory: with k = rank + oversampling, p = passes and images of n values that become n' values, the directions take
    4 k ((p + 1) n' + (p + 2) n) bytes, and somewhat over twice that while they grow (`JacobianSpectra.memory`; 31 MB
    for colour images of 64 pixels by default, where the dense Jacobian would have 604 MB), of one image at a time;
    beside that what the model and its gradient need for a batch of `batch_size`.

    Precision: with 3 passes and the default oversampling the 16 values of random ResNet generators of 4 to 16 filters
    at 32 pixels, whose spectra are flat, are within 2 % of the dense ones. Wider ones are flatter; `residuals` tell.

    Args:
        model: `keras.Model` of any kind with one image as input and one tensor as output, or a function of images;
            one of mixed precision is computed in float32.
        rank: Integer >= 1, singular values to find. Default 16.
        passes: Integer >= 0, how often the block of directions goes to and fro after the first time. Default 3.
        oversampling: Integer >= 0, directions beside `rank`. Default 16.
        probes: Integer >= 2, random directions for the numbers of the whole spectrum. Default 16.
        seed: Integer >= 0. What is found at an image does not depend on the others of the batch.
        batch_size: Integer >= 1, directions that go through the model at once; bounds the memory. Default 32.

    Call arguments:
        images: float32 array (images, height, width, channels) in [0, 1]; any number.
        progress: None, or a function that is called with the share done, in [0, 1].

    Returns:
        `JacobianSpectra`.

    Raises:
        UnsupportedModelError: If no gradient reaches the image; if the model mixes the samples of a batch, is random or
            computes in half precision; or if its gradients are not its own.
        ValueError: If an argument is not accepted, or an image or what becomes of it has less than `rank` values.
        ArithmeticError: If the model puts out what is not finite.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> image = keras.Input((8, 8, 1))
        >>> enlarge = keras.Model(image, keras.layers.Rescaling(3.0)(image))
        >>> spectra = information.JacobianSpectrum(enlarge, rank=2)(np.full((1, 8, 8, 1), 0.5, "float32"))
        >>> spectra.values.round(3), spectra.participation_ratio.round(), spectra.mean_gain.round(3)
        (array([[3., 3.]]), array([64.]), array([3.]))

    Reference:
        Chu, Zhmoginov and Sandler, "CycleGAN, a Master of Steganography", 2017. Halko, Martinsson and Tropp, "Finding
        Structure with Randomness", 2011; see `randomized_svd` for what is done otherwise. Hutchinson, "A Stochastic
        Estimator of the Trace of the Influence Matrix", 1989.
    """

    def __init__(self, model, rank=16, passes=3, oversampling=16, probes=16, seed=0, batch_size=32):
        self.rank = int(checks.number("rank", rank, low=1, integer=True))
        self.passes = int(checks.number("passes", passes, low=0, integer=True))
        self.oversampling = int(checks.number("oversampling", oversampling, low=0, integer=True))
        self.probes = int(checks.number("probes", probes, low=2, integer=True))
        self.seed = int(checks.number("seed", seed, low=0, integer=True))
        self.batch_size = int(checks.number("batch_size", batch_size, low=1, integer=True))
        self.differentiable_map = DifferentiableMap("model", model, self.batch_size)

    def __call__(self, images, progress=None):
        images = check_images("images", images)
        diagnostics = self.differentiable_map.check(images[0])
        found = []
        for place, image in enumerate(images):
            found.append(self._decompose(image))
            if progress is not None:
                progress((place + 1) / len(images))
        joined = {name: np.stack([one[name] for one in found]) for name in found[0]}
        return JacobianSpectra(memory=self._memory(joined), diagnostics=diagnostics, **joined)

    def _decompose(self, image):
        """Return the fields of `JacobianSpectra` for one image."""
        output = self.differentiable_map.values(image[None]).shape[1:]
        sizes = int(np.prod(output)), image.size
        if self.rank > min(sizes):
            raise ValueError(f"rank={self.rank} is not accepted: the Jacobian is {sizes[0]} x {sizes[1]}.")

        def multiply(rows):
            return self.differentiable_map.jvp(image, rows.reshape(-1, *image.shape)).reshape(len(rows), -1)

        def multiply_transposed(rows):
            return self.differentiable_map.vjp(image, rows.reshape(-1, *output)).reshape(len(rows), -1)

        random, block = np.random.default_rng(self.seed), self.rank + self.oversampling
        found = randomized_svd.decompose(
            multiply, multiply_transposed, sizes, self.rank, block, self.passes, random
        )
        pushed = multiply(found.right).astype("float64")
        probes = _sphere(random.standard_normal((self.probes, sizes[0]), "float32"), found.left)
        pulled = multiply_transposed(probes)
        return {
            "values": found.values,
            "right": found.right.reshape(-1, *image.shape),
            "left": found.left.reshape(-1, *output),
            "residuals": np.linalg.norm(pushed - found.values[:, None] * found.left, axis=1),
            **_whole_spectrum(found.values, _squares(pushed), _squares(pulled), _squares(multiply(pulled))),
        }

    def _memory(self, joined):
        sizes = joined["left"][0, 0].size, joined["right"][0, 0].size
        return randomized_svd.memory(sizes, self.rank + self.oversampling, self.passes)


def _whole_spectrum(values, pushed, pulled, returned):
    """Return |J|_F and the participation ratio with their standard errors.

    Args:
        values: Array (rank,), s_i; J^T u_i = s_i v_i holds exactly.
        pushed: Array (rank,), |J v_i|^2, so that |J J^T u_i|^2 = s_i^2 |J v_i|^2.
        pulled: Array (probes,), |J^T z|^2 for probes z orthogonal to all u_i.
        returned: Array (probes,), |J J^T z|^2.
    """
    second = np.sum(values**2) + pulled.mean()
    fourth = np.sum(values**2 * pushed) + returned.mean()
    (one, both), (_, two) = np.cov(pulled, returned) / len(pulled)
    frobenius, ratio = np.sqrt(second), _ratio(second**2, fourth)
    relative = 4 * _ratio(one, second**2) + _ratio(two, fourth**2) - 4 * _ratio(both, second * fourth)
    return {
        "frobenius": frobenius,
        "frobenius_error": _ratio(np.sqrt(one), 2 * frobenius),
        "participation_ratio": ratio,
        "participation_ratio_error": ratio * np.sqrt(np.maximum(relative, 0.0)),
    }


def _sphere(rows, basis):
    """Return normal random rows made orthogonal to a basis, and of the length that such rows have on the average."""
    for _ in range(2):
        rows = rows - (rows @ basis.T) @ basis
    room = rows.shape[1] - len(basis)
    return rows * np.sqrt(room / np.square(rows).sum(axis=1, keepdims=True)) if room else np.zeros_like(rows)


def _squares(rows):
    return np.square(rows.astype("float64")).sum(axis=1)


def _ratio(above, below):
    return np.divide(above, below, out=np.zeros_like(np.asarray(above, "float64")), where=np.asarray(below) != 0)
