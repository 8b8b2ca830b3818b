import pathlib
import subprocess
import sys
import types

import pytest

from keras_repvis import claims
from keras_repvis.claims import catalog

SOURCES = pathlib.Path(catalog.__file__).parent


def test_every_file_of_a_folder_is_a_claim():
    files = {path.stem for path in SOURCES.glob("*/*.py") if path.name != "__init__.py"}
    assert set(claims.names()) == files
    for name in claims.names():
        assert claims.get(name).id == name
        assert (SOURCES / catalog.family(name) / f"{name}.py").is_file()


def test_claims_are_listed_without_tensorflow():
    code = (
        "import sys; from keras_repvis import claims; [claims.get(name) for name in claims.names()];"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(ValueError, match="claim='shortcuts' is not known. Did you mean 'shortcut'"):
        claims.get("shortcuts")


def _module(monkeypatch, name, **content):
    module = types.ModuleType(name)
    vars(module).update(content)
    monkeypatch.setitem(sys.modules, name, module)
    return name


def test_files_that_do_not_define_their_claim_are_named(monkeypatch):
    with pytest.raises(ValueError, match="unfinished does not define a claim"):
        catalog.load(_module(monkeypatch, "unfinished"))
    with pytest.raises(ValueError, match="wrong_kind.CLAIM="):
        catalog.load(_module(monkeypatch, "wrong_kind", CLAIM={"id": "wrong_kind"}))
    with pytest.raises(ValueError, match="expected the name of its file, 'other'"):
        catalog.load(_module(monkeypatch, "other", CLAIM=claims.get("shortcut")))


def test_a_claim_file_that_misses_a_field_is_named(tmp_path, monkeypatch):
    (tmp_path / "half_a_claim.py").write_text(
        "from keras_repvis.claims import Claim\nCLAIM = Claim(id='half_a_claim', statement='Water is wet.')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="half_a_claim does not define a claim: .*'budget'"):
        catalog.load("half_a_claim")
