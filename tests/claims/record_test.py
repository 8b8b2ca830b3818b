import json

import pytest

from keras_repvis import claims
from keras_repvis.claims import record

CLAIM = claims.get("relu_slide_bound")


def test_a_record_replaces_another_or_leaves_it_whole(tmp_path, monkeypatch):
    record.write(CLAIM, tmp_path, {0: {"effect": 1.0}})
    first = (tmp_path / "relu_slide_bound.json").read_text(encoding="utf-8")

    def fail(*arguments):
        raise OSError("the disk is full")

    monkeypatch.setattr(record.os, "replace", fail)
    with pytest.raises(OSError, match="full"):
        record.write(CLAIM, tmp_path, {0: {"effect": -1.0}})
    assert (tmp_path / "relu_slide_bound.json").read_text(encoding="utf-8") == first
    assert len(list(tmp_path.iterdir())) == 1


def test_records_are_read_in_order_and_without_unfinished_ones(tmp_path):
    for name in ("shortcut", "linear_bottleneck"):
        record.write(claims.get(name), tmp_path, {seed: {"effect": 1.0 + seed} for seed in range(5)})
    record.write_seeds(CLAIM, tmp_path, {0: {"effect": 1.0}})
    assert [one["claim"] for one in record.read_all(tmp_path)] == ["linear_bottleneck", "shortcut"]
    assert record.read_seeds(CLAIM, tmp_path) == ({0: {"effect": 1.0}}, False)


def test_seeds_measured_with_other_versions_are_not_taken_up(tmp_path):
    record.write_seeds(CLAIM, tmp_path, {0: {"effect": 1.0}})
    path = tmp_path / "relu_slide_bound.partial.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["settings"]["versions"]["tensorflow"] = "0.1"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert record.read_seeds(CLAIM, tmp_path) == ({}, True)
