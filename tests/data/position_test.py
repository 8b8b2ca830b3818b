import pytest

from keras_repvis import data


def test_survives_json():
    position = data.Position(3, 17)
    assert data.Position.from_json(position.to_json()) == position


@pytest.mark.parametrize("steps, expected", [(0, (1, 3)), (1, (1, 4)), (2, (2, 0)), (12, (4, 0)), (14, (4, 2))])
def test_advance_carries_over_epochs(steps, expected):
    assert data.Position(1, 3).advance(steps, steps_per_epoch=5) == data.Position(*expected)


@pytest.mark.parametrize("text", ["", "7", "[]", '{"epoch": 1}x', '{"epoch": -1}', '{"epok": 1}', '{"step": 1.5}'])
def test_bad_text_is_an_error(text):
    with pytest.raises(ValueError, match="not a position"):
        data.Position.from_json(text)


def test_bad_numbers_are_errors():
    with pytest.raises(ValueError, match="epoch=-1"):
        data.Position(-1, 0)
    with pytest.raises(ValueError, match="steps_per_epoch=0"):
        data.Position().advance(1, 0)
