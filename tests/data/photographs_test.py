import dataclasses

import numpy as np
import pytest

from keras_repvis.data import photographs


@pytest.mark.parametrize("photograph", photographs.TABLE, ids=lambda photograph: photograph.name)
def test_every_photograph_is_there_with_its_pixels(photograph):
    pixels = photographs.load(photograph.name)
    assert pixels.dtype == np.uint8 and pixels.ndim in (2, 3) and min(pixels.shape[:2]) >= 100
    assert pixels.std() > 5
    assert photograph.licence and photograph.source


def test_grey_photographs_have_no_channels():
    assert photographs.load("camera").shape == (512, 512)
    assert photographs.load("china").shape == (427, 640, 3)


def test_pixels_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        photographs.load("coffee")[0, 0] = 0


def test_other_pixels_than_the_published_ones_are_refused(monkeypatch):
    wrong = dataclasses.replace(photographs._BY_NAME["coffee"], sha256="0" * 16)
    monkeypatch.setitem(photographs._BY_NAME, "coffee", wrong)
    photographs.load.cache_clear()
    with pytest.raises(OSError, match="coffee.*other pixels"):
        photographs.load("coffee")


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'coffee'"):
        photographs.load("cofee")
