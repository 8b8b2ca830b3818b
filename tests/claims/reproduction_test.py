import json

import pytest

from keras_repvis.claims import Claim, Reproduction, Rule, Source


def make_claim(name="tiny", measure=lambda seed: {"effect": 1.0 + 0.1 * seed}, **fields):
    return Claim(
        **{
            "id": name,
            "source": Source("A. Speaker, On Numbers, 2020", "slide 2", "it is positive"),
            "statement": "It is positive.",
            "effect": "the number itself",
            "rule": Rule("greater", 0.0, 0.0),
            "budget": "one number a seed",
            "measure": measure,
            "seconds_per_seed": 0.01,
            **fields,
        }
    )


def run(reproduction):
    return [record for record in map(reproduction.measure, reproduction.steps()) if record is not None]


def test_seeds_are_the_outer_loop_and_exact_claims_run_once(tmp_path):
    reproduction = Reproduction([make_claim("a"), make_claim("b", exact=True)], seeds=3, output_dir=tmp_path)
    steps = [(step.claim.id, step.seed) for step in reproduction.steps()]
    assert steps == [("a", 0), ("b", 0), ("a", 1), ("a", 2)]


def test_record_and_page(tmp_path):
    (record,) = run(Reproduction([make_claim()], output_dir=tmp_path / "claims"))
    stored = json.loads((tmp_path / "claims/tiny.json").read_text(encoding="utf-8"))
    assert stored == record
    assert stored["result"]["mean"] == pytest.approx(1.2)
    assert stored["result"]["verdict"] == "reproduced"
    assert stored["command"] == "repvis-reproduce tiny"
    assert [entry["seed"] for entry in stored["seeds"]] == [0, 1, 2, 3, 4]
    assert set(stored["versions"]) == {"keras", "keras_repvis", "numpy", "python", "scipy", "tensorflow"}
    page = (tmp_path / "claims.md").read_text(encoding="utf-8")
    for text in ("It is positive.", "1.2 [1.004, 1.396]", "**Reproduced**", "slide 2", "seed 4"):
        assert text in page, text
    assert "`repvis-reproduce tiny`" in page
    # Nothing but the record is left, no temporary file either.
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["claims", "claims.md", "tiny.json"]


class Interrupted:
    """Measures until it meets a seed, once, and remembers what it was asked for."""

    def __init__(self, seed):
        self.seed = seed
        self.asked = []

    def __call__(self, seed):
        self.asked.append(seed)
        if seed == self.seed:
            self.seed = None
            raise KeyboardInterrupt
        return {"effect": float(seed)}


def test_an_interrupted_run_continues(tmp_path):
    measure = Interrupted(3)
    with pytest.raises(KeyboardInterrupt):
        run(Reproduction([make_claim(measure=measure)], output_dir=tmp_path))
    assert not (tmp_path / "tiny.json").exists()

    again = Reproduction([make_claim(measure=measure)], output_dir=tmp_path)
    assert again.resumed == {"tiny": 3}
    (record,) = run(again)
    assert measure.asked == [0, 1, 2, 3, 3, 4]
    assert record["result"]["mean"] == 2.0
    assert not (tmp_path / "tiny.partial.json").exists()
    # A finished claim is measured again when asked for again.
    assert len(Reproduction([make_claim(measure=measure)], output_dir=tmp_path).steps()) == 5


def test_seeds_of_a_changed_claim_are_not_mixed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(Reproduction([make_claim(measure=Interrupted(3))], output_dir=tmp_path))
    changed = Reproduction([make_claim(budget="two numbers a seed")], output_dir=tmp_path)
    assert (changed.resumed, changed.dropped) == ({}, ["tiny"])
    assert len(changed.steps()) == 5


def test_a_spoilt_unfinished_record_is_measured_afresh(tmp_path):
    (tmp_path / "tiny.partial.json").write_text('{"settings": ', encoding="utf-8")
    reproduction = Reproduction([make_claim()], output_dir=tmp_path)
    assert reproduction.dropped == ["tiny"]
    assert run(reproduction)[0]["result"]["verdict"] == "reproduced"


def test_a_shorter_run_that_finds_all_its_seeds_only_decides(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(Reproduction([make_claim(measure=Interrupted(6))], seeds=10, output_dir=tmp_path))
    shorter = Reproduction([make_claim(measure=Interrupted(0))], seeds=5, output_dir=tmp_path)
    assert shorter.steps() == []
    (record,) = shorter.finish_resumed()
    assert record["result"]["seeds"] == 5
    assert (tmp_path / "tiny.json").is_file()


@pytest.mark.parametrize("measured", [{}, {"effect": float("nan")}, {"effect": 1.0, "note": "good"}, 3.0, None])
def test_measurements_that_are_no_numbers_are_refused(tmp_path, measured):
    reproduction = Reproduction([make_claim(measure=lambda seed: measured)], output_dir=tmp_path)
    with pytest.raises(ValueError, match="claim 'tiny' measured"):
        run(reproduction)
    assert list(tmp_path.iterdir()) == []


def test_one_seed_is_written_without_an_interval(tmp_path):
    (record,) = run(Reproduction([make_claim()], seeds=1, output_dir=tmp_path / "claims"))
    assert (record["result"]["low"], record["result"]["verdict"]) == (None, "undecided")
    assert record["command"] == "repvis-reproduce tiny --seeds=1"
    assert "1 (one seed)" in (tmp_path / "claims.md").read_text(encoding="utf-8")


def test_bad_arguments_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="claims is empty"):
        Reproduction([], output_dir=tmp_path)
    with pytest.raises(ValueError, match="seeds=0"):
        Reproduction([make_claim()], seeds=0, output_dir=tmp_path)
    with pytest.raises(ValueError, match="output_dir="):
        Reproduction([make_claim()], output_dir=tmp_path / "file")
