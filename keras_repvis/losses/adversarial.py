"""Adversarial losses: what the scores of a discriminator cost it, and the generator that it judges."""

import keras

from keras_repvis import checks

OBJECTIVES = ("least_squares", "vanilla", "wasserstein")


@keras.saving.register_keras_serializable("keras_repvis")
class AdversarialLoss(keras.losses.Loss):
    """How far the scores of a discriminator are from the answer that is asked for: 1 for real, 0 for generated.

    With the score s of a patch and the answer t asked for,

        "least_squares"    (s - t)^2
        "vanilla"          log(1 + exp(s)) - t s, the cross-entropy of t and sigmoid(s)
        "wasserstein"      (1 - 2 t) s: -s for 1 and s for 0

    averaged over the patches of an example. A discriminator minimises it at t = 1 on real and t = 0 on generated
    images, a generator at t = 1 on its own (not, as in the minimax game, the negative of the discriminator's loss). The
    Wasserstein distance is that of a discriminator whose gradient is bounded: see `gradient_penalty`.

    Args:
        objective: "least_squares" (default, as CycleGAN), "vanilla" or "wasserstein".
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.
        dtype: Type that the loss is computed in, as in `keras.losses.Loss`.

    Input shape:
        Answers and scores `(batch, ...)`, of one shape; for a patch discriminator `(batch, height, width, 1)`.

    Output shape:
        A scalar, or `(batch,)` under `reduction="none"`.

    Raises:
        ValueError: If the objective is not known.

    Example:
        >>> import numpy as np
        >>> scores = np.array([[[[0.5], [-1.0]]]], "float32")
        >>> for objective in ("least_squares", "vanilla", "wasserstein"):
        ...     loss = keras_repvis.losses.AdversarialLoss(objective)
        ...     round(float(loss(np.ones_like(scores), scores)), 4)
        2.125
        0.8937
        0.25

    Reference:
        Mao et al. (2017), "Least Squares Generative Adversarial Networks", equation 9 (a = 0, b = c = 1). Goodfellow et
        al. (2014), "Generative Adversarial Nets", section 3 (the generator's loss that does not saturate). Arjovsky,
        Chintala, Bottou (2017), "Wasserstein GAN", equation 3. Zhu, Park, Isola, Efros (2017), "Unpaired
        Image-to-Image Translation using Cycle-Consistent Adversarial Networks", sections 3.1 and 4.
    """

    def __init__(
        self, objective="least_squares", reduction="sum_over_batch_size", name="adversarial_loss", dtype=None
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.objective = checks.one_of("objective", objective, OBJECTIVES)

    def call(self, y_true, y_pred):
        y_true, y_pred = keras.ops.convert_to_tensor(y_true), keras.ops.convert_to_tensor(y_pred)
        if self.objective == "least_squares":
            patches = keras.ops.square(y_pred - y_true)
        elif self.objective == "vanilla":
            patches = keras.ops.softplus(y_pred) - y_true * y_pred
        else:
            patches = (1.0 - 2.0 * y_true) * y_pred
        return keras.ops.mean(patches, axis=tuple(range(1, len(patches.shape))))

    def get_config(self):
        return {**super().get_config(), "objective": self.objective}
