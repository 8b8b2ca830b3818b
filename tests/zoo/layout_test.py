"""What in a model's directory is a version."""

from keras_repvis.zoo import layout


def test_versions_are_positive_integers_without_leading_zeros(tmp_path):
    for name in ("1", "10", "2", "011", "0", "-3", "x", ".incoming-9", ".trash-8", "٣", "9" * 30):
        (tmp_path / name).mkdir()
    (tmp_path / "12").write_text("a file")
    assert layout.version_numbers(tmp_path) == [1, 2, 10, 12]
    assert layout.latest(tmp_path) == 10
    assert layout.leftovers(tmp_path) == [".incoming-9", ".trash-8"]


def test_the_greatest_at_first_glance(tmp_path):
    for name in ("1", "9", "10"):
        (tmp_path / name).mkdir()
    assert layout.latest(tmp_path) == 10


def test_where_nothing_is(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "none", tmp_path / "file"):
        assert (layout.version_numbers(path), layout.latest(path), layout.leftovers(path)) == ([], None, [])
