import keras
import numpy as np
import pytest

from keras_repvis.claims import photo_training
from keras_repvis.layers import InvertedResidual


def test_arms_of_one_seed_share_their_weights_and_nothing_else():
    image = np.random.default_rng(0).random((4, 32, 32, 3), np.float32)
    networks = [photo_training.network(3, 0.35, **arguments) for arguments in photo_training.ARMS.values()]
    unchanged, *others = ([weight.numpy() for weight in model.weights] for model in networks)
    for weights in others:
        assert len(weights) == len(unchanged)
        assert all(np.array_equal(one, other) for one, other in zip(weights, unchanged))
    # Blocks 2 to 17 expand.
    assert len(photo_training.expansion_shares(networks[0]).layers) == 16
    # With the statistics of the batch: those of no data shrink every output to nothing.
    outputs = [model(image, training=True).numpy() for model in networks]
    assert np.abs(outputs[0]).max() > 0.01
    assert all(np.abs(outputs[0] - other).max() > 0.01 for other in outputs[1:])


def test_seeds_differ_in_their_weights():
    first, second = (photo_training.network(seed, 0.1).weights[0].numpy() for seed in (3, 4))
    assert not np.array_equal(first, second)


def _two_blocks(seed, width_multiplier, **block_arguments):
    """A network of the same make that is quick to trace."""
    keras.utils.set_random_seed(seed)
    image = features = keras.Input((32, 32, 3))
    for index in (1, 2):
        block = InvertedResidual(3, strides=index, momentum=0.9, name=f"block_{index}", **block_arguments)
        features = block.inline(features)
    return keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(features)))


def test_one_short_run(monkeypatch):
    generator = np.random.default_rng(0)
    images = generator.random((150, 32, 32, 3), np.float32)
    labels = (images.mean((1, 2, 3)) > 0.5).astype(np.int32)
    monkeypatch.setattr(photo_training, "photographs", lambda split: (images, labels))
    monkeypatch.setattr(photo_training, "EPOCHS", 2)
    monkeypatch.setattr(photo_training, "network", _two_blocks)
    _forget()
    outcome = photo_training.train("inverted residual", 0)
    assert list(outcome.before) == list(outcome.after) == ["block_1_expand_activation", "block_2_expand_activation"]
    assert all(0.2 < share.mean < 0.8 for share in outcome.before.values())
    assert any(outcome.after[layer] != outcome.before[layer] for layer in outcome.after)
    assert 0 <= outcome.accuracy <= 100
    assert photo_training.train("inverted residual", 0) is outcome
    assert photo_training.difference("inverted residual", 0)["effect"] == 0

    # A seed that follows another on the same compiled network gives what it gives alone.
    second = photo_training.train("inverted residual", 1)
    _forget()
    alone = photo_training.train("inverted residual", 1)
    _forget()
    assert second.accuracy == alone.accuracy
    for layer, share in alone.after.items():
        assert second.after[layer].mean == pytest.approx(share.mean, abs=1e-3)
    assert all(abs(second.after[layer].mean - outcome.after[layer].mean) > 1e-3 for layer in alone.after)


def _forget():
    photo_training.train.cache_clear()
    photo_training._compiled.cache_clear()


def test_unknown_arms_are_refused():
    with pytest.raises(ValueError, match="arm='no shortcuts' is not known. Did you mean 'no shortcut'"):
        photo_training.train("no shortcuts", 0)
