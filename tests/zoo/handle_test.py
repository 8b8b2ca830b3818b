"""Handles: what is a name, and what is refused."""

import pathlib

import pytest

from keras_repvis.zoo import handle


@pytest.mark.parametrize(
    "text, parts",
    [
        ("repvis/mobilenet_v2_digits", ("repvis", "mobilenet_v2_digits", None)),
        ("repvis/mobilenet_v2_digits/1", ("repvis", "mobilenet_v2_digits", 1)),
        ("a/b/10", ("a", "b", 10)),
        ("_a/3d-net.v2/9223372036854775807", ("_a", "3d-net.v2", 2**63 - 1)),
    ],
)
def test_accepted(text, parts):
    parsed = handle.parse(text)
    assert (parsed.publisher, parsed.model, parsed.version) == parts
    assert str(parsed) == text


def test_an_alias():
    parsed = handle.parse("me/net@champion")
    assert (parsed.publisher, parsed.model, parsed.version, parsed.alias) == ("me", "net", None, "champion")
    assert str(parsed) == "me/net@champion"
    assert handle.parse("me/net@" + "a" * 50).alias == "a" * 50
    for text in ("me/net@", "me/net@Champion", "me/net/3@champion", "me/net@a@b", "me/net@3", "me/net@a/3", "me@x/net",
                 "me/net@" + "a" * 51):
        with pytest.raises(ValueError, match="handle="):
            handle.parse(text)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "1 part"),
        ("model", "1 part"),
        ("a/b/1/c", "4 parts"),
        ("a//1", "empty"),
        ("/b", "empty"),
        ("a/", "empty"),
        ("a/b/", "'' is not a positive integer"),
        ("a/b/0", "leading zeros"),
        ("a/b/01", "leading zeros"),
        ("a/b/-1", "positive integer"),
        ("a/b/+1", "positive integer"),
        ("a/b/1.0", "positive integer"),
        ("a/b/latest", "positive integer"),
        ("a/b/\u0661", "positive integer"),
        ("a/b/9223372036854775808", "positive integer"),
        ("../b", "'..' is not a name"),
        ("a/..", "'..' is not a name"),
        ("a/../1", "'..' is not a name"),
        ("./b", "'.' is not a name"),
        (".hidden/b", "is not a name"),
        ("-a/b", "is not a name"),
        ("a/b c", "is not a name"),
        ("a\\b/c", "is not a name"),
        ("a/b\n", "is not a name"),
        ("a/b\0", "is not a name"),
        ("~a/b", "is not a name"),
        ("a/\u00fcber", "is not a name"),
        ("C:/b", "is not a name"),
        ("a/3", "is a number"),
        ("a/" + "x" * 101, "more than 100"),
        (None, "NoneType"),
        (3, "int"),
    ],
)
def test_refused(text, reason):
    with pytest.raises(ValueError, match="handle=.*is not accepted") as caught:
        handle.parse(text)
    assert reason in str(caught.value)
    assert "publisher/model/3" in str(caught.value)


@pytest.mark.parametrize("name, expected", [("1", True), ("12", True), ("0", False), ("01", False), ("1a", False),
                                            (".incoming-1", False), ("-1", False), ("", False), ("1 ", False)])
def test_is_version_agrees_with_tf_serving_names(name, expected):
    assert handle.is_version(name) is expected


def test_paths_are_told_from_handles(tmp_path):
    assert handle.as_path("a/b") is None
    assert handle.as_path("../b") is None
    assert handle.as_path(str(tmp_path)) == tmp_path
    assert handle.as_path("./a/b") == pathlib.Path("a/b")
    assert handle.as_path("~/a") == pathlib.Path.home() / "a"
    assert handle.as_path(pathlib.Path("a/b")) == pathlib.Path("a/b")


@pytest.mark.parametrize("text", ["/a/../b", "./..", "~/../x", "/a\0"])
def test_odd_paths_are_refused(text):
    with pytest.raises(ValueError, match="is not accepted"):
        handle.as_path(text)
