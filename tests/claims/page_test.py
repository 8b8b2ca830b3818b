import pathlib

import pytest

from keras_repvis import claims
from keras_repvis.claims import page, record

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"


def test_the_committed_page_is_the_page_of_the_committed_records():
    assert page.render(record.read_all(DOCS / "claims")) == (DOCS / "claims.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", claims.names())
def test_every_claim_has_a_record_of_what_it_says_now(name):
    """A rule or a budget changed after the fact would show here."""
    (stored,) = [one for one in record.read_all(DOCS / "claims") if one["claim"] == name]
    now = record.settings(claims.get(name))
    assert {key: stored[key] for key in now if key != "versions"} == {k: v for k, v in now.items() if k != "versions"}


@pytest.mark.parametrize("name", claims.names())
def test_every_verdict_follows_from_its_seeds(name):
    (stored,) = [one for one in record.read_all(DOCS / "claims") if one["claim"] == name]
    claim = claims.get(name)
    effects = [entry["numbers"]["effect"] for entry in stored["seeds"]]
    decision = claims.decide(claim.rule, effects, claim.exact)
    assert stored["result"]["verdict"] == decision.verdict
    assert (stored["result"]["low"], stored["result"]["high"]) == (decision.low, decision.high)
    assert claim.exact or len(effects) >= 5


def test_records_name_no_place_of_a_machine():
    text = "".join(path.read_text(encoding="utf-8") for path in (DOCS / "claims").glob("*.json"))
    assert not any(place in text for place in ("/home", "/tmp", "/root", "/work", "/usr"))


def test_a_file_that_is_no_record_is_named(tmp_path):
    (tmp_path / "odd.json").write_text('{"claim": "odd"}', encoding="utf-8")
    with pytest.raises(ValueError, match="odd.json is not the record of a claim"):
        page.write(tmp_path)


def test_the_page_lies_beside_the_records():
    assert page.path("docs/claims") == pathlib.Path("docs/claims.md")
    assert page.path("docs/claims/") == pathlib.Path("docs/claims.md")
