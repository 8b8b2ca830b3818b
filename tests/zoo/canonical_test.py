"""Files without times, addresses and chance."""

import json
import re
import zipfile

import keras
import numpy as np

from keras_repvis.zoo import canonical


def _model():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(3, name="a"), keras.layers.Dense(2, name="b")]
    return keras.Sequential([keras.Input((4,), name="inputs"), *layers], name="net")


def _as_another_process_saves_it_later(path):
    """Rewrite a file with other times and other addresses of shared objects."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = re.sub(rb'("shared_object_id": )([0-9]+)', rb"\g<1>9\g<2>", members["config.json"])
    metadata = {**json.loads(members["metadata.json"]), "date_saved": "2001-02-03@04:05:06"}
    members |= {"config.json": config, "metadata.json": json.dumps(metadata).encode()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in reversed(members.items()):
            archive.writestr(zipfile.ZipInfo(name, (2001, 2, 3, 4, 5, 6)), content)


def test_two_files_of_one_model_are_the_same_bytes(tmp_path):
    paths = [tmp_path / name for name in ("one.keras", "two.keras")]
    for path in paths:
        _model().save(path)
    _as_another_process_saves_it_later(paths[1])
    assert paths[0].read_bytes() != paths[1].read_bytes()
    for path in paths:
        canonical.canonical_keras_file(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert {member.external_attr >> 16 for member in zipfile.ZipFile(paths[0]).infolist()} == {0o644}
    assert "date_saved" not in json.loads(zipfile.ZipFile(paths[0]).read("metadata.json"))
    loaded, inputs = keras.saving.load_model(paths[0]), np.ones((2, 4), "float32")
    np.testing.assert_array_equal(loaded(inputs), _model()(inputs))
    assert len(list(tmp_path.iterdir())) == 2


def test_shared_objects_stay_shared(tmp_path):
    config = {"a": {"shared_object_id": 140}, "b": [{"shared_object_id": 150}, {"shared_object_id": 140}]}
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    canonical.canonical_keras_file(tmp_path / "x.keras")
    found = json.loads(zipfile.ZipFile(tmp_path / "x.keras").read("config.json"))
    assert found == {"a": {"shared_object_id": 1}, "b": [{"shared_object_id": 2}, {"shared_object_id": 1}]}


def test_the_fingerprint_depends_on_the_content_alone(tmp_path):
    from tensorflow.core.protobuf import fingerprint_pb2

    uuids = []
    contents = {"one": (b"graph", b"index"), "two": (b"graph", b"index"), "three": (b"other", b"index"),
                "four": (b"graph", b"other")}
    for name, (graph, index) in contents.items():
        directory = tmp_path / name
        (directory / "variables").mkdir(parents=True)
        (directory / "assets").mkdir()
        (directory / "saved_model.pb").write_bytes(graph)
        (directory / "variables" / "variables.index").write_bytes(index)
        fingerprint = fingerprint_pb2.FingerprintDef(uuid=name, graph_def_program_hash=7)
        (directory / "fingerprint.pb").write_bytes(fingerprint.SerializeToString())
        canonical.canonical_saved_model(directory)
        found = fingerprint_pb2.FingerprintDef.FromString((directory / "fingerprint.pb").read_bytes())
        assert found.graph_def_program_hash == 7
        assert not (directory / "assets").exists() and (directory / "variables").exists()
        uuids.append(found.uuid)
    assert uuids[0] == uuids[1] and len(set(uuids)) == 3


def test_assets_stay_and_a_directory_without_fingerprint_is_left_alone(tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "words.txt").write_text("words")
    (tmp_path / "assets.extra").mkdir()
    canonical.canonical_saved_model(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["assets"]
    assert (tmp_path / "assets" / "words.txt").read_text() == "words"
