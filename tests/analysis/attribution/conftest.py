"""The table of methods in rows.py, for the tests that ask for `rows`, and a run for each of them for `method_name`."""

import functools
import importlib.util
import pathlib

import pytest


@functools.lru_cache(maxsize=None)
def _rows():
    spec = importlib.util.spec_from_file_location("repvis_attribution_rows", pathlib.Path(__file__).parent / "rows.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pytest_generate_tests(metafunc):
    if "method_name" in metafunc.fixturenames:
        metafunc.parametrize("method_name", list(_rows().ROWS))
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", _rows().KINDS)


@pytest.fixture(scope="session")
def rows():
    """The module rows.py."""
    return _rows()
