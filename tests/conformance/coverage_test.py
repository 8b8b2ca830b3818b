"""The registry is complete, and nothing in it is out of date."""

import inspect

import keras

from keras_repvis import layers, losses, models

KINDS = {
    "layers": lambda value: inspect.isclass(value) and issubclass(value, keras.layers.Layer),
    "losses": lambda value: inspect.isclass(value) and issubclass(value, keras.losses.Loss),
    # Constructors are functions named like the classes they replace.
    "models": lambda value: callable(value) and not inspect.isclass(value) and value.__name__[0].isupper(),
}
ROOMS = {"layers": layers, "losses": losses, "models": models}


def public_parts(room):
    found = {name: getattr(ROOMS[room], name) for name in ROOMS[room].__all__}
    return {name: value for name, value in found.items() if KINDS[room](value)}


def test_every_public_part_has_a_case_and_every_case_a_part(suite):
    for room, cases in suite["cases"].CASES.items():
        assert {case.name for case in cases} == set(public_parts(room)), room


def test_cases_have_different_names(suite):
    names = [f"{case.room}/{case}" for cases in suite["cases"].CASES.values() for case in cases]
    assert len(names) == len(set(names))


def test_cases_set_every_argument_of_layers_and_losses(suite):
    """Each at least once to another value than the default."""
    silent = []
    for room in ("layers", "losses"):
        for name, part in public_parts(room).items():
            cases = [case for case in suite["cases"].CASES[room] if case.name == name]
            for argument, declared in inspect.signature(part.__init__).parameters.items():
                if argument in ("self", "kwargs", "args", "name", "dtype", "reduction"):
                    continue
                if not any(case.arguments.get(argument, declared.default) != declared.default for case in cases):
                    silent.append(f"{name}({argument}=...)")
    assert silent == []


def test_exemptions_name_a_check_and_a_reason(suite):
    for room, cases in suite["cases"].CASES.items():
        for case in cases:
            assert set(case.exempt) <= set(suite["checks"](room))
            assert all(len(reason.split()) > 2 for reason in case.exempt.values())


def test_every_check_is_run_by_a_test(suite, request):
    """The files here have a `test_<check>` for each check, and `conftest.py` knows which are not for losses."""
    layer_checks, loss_checks = (set(suite["checks"](room)) for room in ("layers", "losses"))
    assert layer_checks - loss_checks == suite["not_of_losses"]
    texts = [path.read_text(encoding="utf-8") for path in request.path.parent.glob("*_test.py")]
    run = {check for check in layer_checks if any(f"def test_{check}(conforms)" in text for text in texts)}
    assert run == layer_checks
