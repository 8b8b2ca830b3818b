"""Runs every case of the registry through the checks that a test file asks for.

A test named `test_<check>` with the argument `conforms` runs once for every case to which the check applies.
"""

import functools
import importlib.util
import pathlib

import pytest

FOLDER = pathlib.Path(__file__).parent


@functools.lru_cache(maxsize=None)
def _load(name):
    spec = importlib.util.spec_from_file_location(f"repvis_conformance_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _checks(room):
    contract = _load("contract")
    functions = _load("loss_contract").bind(contract) if room == "losses" else contract.CHECKS
    return {function.__name__: function for function in functions}


# Known without TensorFlow, so that pytest collects in an instant; coverage_test.py compares it with the functions.
NOT_OF_LOSSES = {"weight_count", "saved_model", "any_size"}


def pytest_generate_tests(metafunc):
    if "conforms" in metafunc.fixturenames:
        check = metafunc.function.__name__.removeprefix("test_")
        cases = [case for room, listed in _load("cases").CASES.items() for case in listed
                 if room != "losses" or check not in NOT_OF_LOSSES]
        metafunc.parametrize("conforms", [(check, case) for case in cases], ids=[str(case) for case in cases],
                             indirect=True)


@pytest.fixture
def conforms(request):
    """A function that runs the check of the test on its case."""
    return functools.partial(run_check, *request.param)


def run_check(check, case):
    """Run a check; an exempted case must fail it, or its exemption is no longer needed."""
    function = _checks(case.room)[check]
    if check not in case.exempt:
        function(case)
        return
    try:
        function(case)
    except Exception:  # Whatever it is, the case cannot do what the check asks.
        return
    raise AssertionError(f"{case} passes {check}: its exemption ({case.exempt[check]}) is no longer needed")


@pytest.fixture(scope="session")
def suite():
    """The parts of the suite, for the tests of the suite itself."""
    return {
        "cases": _load("cases"),
        "checks": _checks,
        "contract": _load("contract"),
        "not_of_losses": NOT_OF_LOSSES,
        "run_check": run_check,
    }


@pytest.fixture(scope="session")
def load():
    """Function of the name of a file here that returns it as a module."""
    return _load
