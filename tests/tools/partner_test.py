"""The partner of a published model is the one that its manifest names."""

import pytest
from absl import app

from keras_repvis_tools import partner


def test_the_partner_of_a_published_model(put, tmp_path):
    put(tmp_path, "me/forth/1", training={"inverse": "me/back/1"})
    assert partner.find("me/forth", tmp_path) == "me/back/1"


def test_models_that_name_none(put, tmp_path):
    put(tmp_path, "me/lonely/1", training={"seed": 0})
    put(tmp_path, "me/silent/1", training=None)
    for handle in ("me/lonely", "me/silent", str(tmp_path)):
        with pytest.raises(app.UsageError, match="--decoder is missing"):
            partner.find(handle, tmp_path)
    with pytest.raises(ValueError, match="nobody"):
        partner.find("nobody/knows", tmp_path)
