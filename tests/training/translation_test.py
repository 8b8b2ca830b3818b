"""The record of a translation: its defaults, what follows from them, and what it does not accept."""

import dataclasses
import json

import pytest

from keras_repvis.training import Translation


def test_defaults_are_the_papers():
    config = Translation(image_size=256)
    assert (config.load_side, config.flip, config.batch_size, config.pool_size) == (286, True, 1, 50)
    assert (config.epochs, config.decay_epochs, config.learning_rate, config.beta_1) == (200, None, 2e-4, 0.5)
    assert (config.cycle_weight_a, config.cycle_weight_b, config.identity_weight) == (10, 10, 0.5)
    assert (config.objective, config.discriminator_layers, config.filters) == ("least_squares", 3, 64)
    assert config.residual_blocks == 9 and Translation(image_size=128).residual_blocks == 6


@pytest.mark.parametrize(
    ("size", "load_size", "expected"), [(128, None, 143), (64, None, 72), (64, 0, None), (64, 64, 64), (64, 90, 90)]
)
def test_load_side(size, load_size, expected):
    assert Translation(image_size=size, load_size=load_size).load_side == expected


@pytest.mark.parametrize(("size", "halvings"), [(256, 8), (128, 7), (512, 8), (96, 5), (40, 3), (66, 1)])
def test_a_unet_halves_as_often_as_the_size_allows(size, halvings):
    assert Translation(image_size=size, generator="unet").halvings == halvings


def test_settings_are_json_and_hold_both_domains():
    config = Translation(domain_a="photos", domain_b="maps", data_dir="/somewhere")
    settings = json.loads(json.dumps(config.settings()))
    assert settings["domain_a"] == "photos" and settings["domain_b"] == "maps"
    assert set(settings) == {field.name for field in dataclasses.fields(config)} - {"data_dir"} | {"model"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"generator": "resnets"}, "generator='resnets' is not known. Did you mean 'resnet'"),
        ({"discriminator": "x"}, "discriminator='x'"),
        ({"objective": "lsgan"}, "objective='lsgan'"),
        ({"schedule": "cosine"}, "schedule='cosine' is not known.*stairs, cyclegan, constant"),
        ({"precision": "float16"}, "precision='float16'"),
        ({"strategy": "mirror"}, "strategy='mirror'"),
        ({"batch_norm": "x"}, "batch_norm='x'"),
        ({"on_non_finite": "x"}, "on_non_finite='x'"),
        ({"channels": 2}, "channels=2"),
        ({"image_size": 7}, "image_size=7"),
        ({"image_size": 64, "load_size": 63}, "load_size=63 is not accepted: expected an integer >= 64"),
        ({"epochs": 0}, "epochs=0"),
        ({"epochs": 5, "decay_epochs": 6}, "decay_epochs=6 .*<= 5"),
        ({"filters": 0}, "filters=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"cycle_weight_b": -1}, "cycle_weight_b=-1"),
        ({"identity_weight": -1}, "identity_weight=-1"),
        ({"noise": -1}, "noise=-1"),
        ({"guess_weight": -1}, "guess_weight=-1"),
        ({"gradient_penalty_weight": -1}, "gradient_penalty_weight=-1"),
        ({"pool_size": -1}, "pool_size=-1"),
        ({"seed": -1}, "seed=-1"),
        ({"learning_rate": 0}, "learning_rate=0"),
        ({"beta_1": 1}, "beta_1=1"),
        ({"validation_split_a": "testA"}, "validation_split_b='' is not accepted: expected both or neither"),
        ({"strategy": "mirrored"}, "batch_size=1 is not accepted with devices=2: expected a multiple"),
    ],
)
def test_wrong_arguments_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        Translation(**changes)
