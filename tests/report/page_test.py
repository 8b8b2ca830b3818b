"""The page is complete, safe against markup in its data, and written whole or not at all."""

import html.parser
import os

import pytest

from keras_repvis import report


class _Links(html.parser.HTMLParser):
    """Collects what a browser would load, and checks that every tag is closed."""

    def __init__(self):
        super().__init__()
        self.loaded, self.open = [], []

    def handle_starttag(self, tag, attributes):
        self.loaded += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parse(page):
    links = _Links()
    links.feed(page)
    assert not links.open
    return links


def example(text="words"):
    return report.render(
        "A title",
        "A lead.",
        [
            report.Section(
                "One",
                [
                    report.Text(text),
                    report.Code("a = 1\nb = 2", "Do this:"),
                    report.Table(("name", "count"), [("stem", "1,024"), ("head", "7")], "A caption"),
                    report.Figure("data:image/png;base64,AAAA", "nothing", wide=False),
                ],
            )
        ],
        facts=[("97 %", "accuracy")],
    )


def test_loads_nothing_from_elsewhere_and_closes_its_tags():
    links = parse(example())
    assert links.loaded == ["data:image/png;base64,AAAA"]
    assert "<script" not in example() and "@import" not in example() and "url(" not in example()


def test_markup_in_the_data_is_shown_not_run():
    page = example("<script>alert(1)</script>")
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_numbers_stand_to_the_right_and_words_do_not():
    page = example()
    assert '<th scope="col" class="number">count</th>' in page and '<td class="number">1,024</td>' in page
    assert "<td>stem</td>" in page


def test_write_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = report.write(tmp_path / "new" / "page.html", "first")
    assert path.read_text() == "first"

    def fail(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        report.write(path, "second")
    assert path.read_text() == "first" and [entry.name for entry in path.parent.iterdir()] == ["page.html"]
