"""Every method that needs nothing but a model, or what its entry says, has a name, and every name is a method's."""

import inspect

import keras_repvis.analysis.attribution as attribution
from keras_repvis.analysis.attribution import Method, catalog


def required(method):
    parameters = inspect.signature(method).parameters.values()
    return [one.name for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]


def test_every_method_is_named_once():
    named = {catalog.get(name) for name in catalog.names()}
    public = {getattr(attribution, name) for name in attribution.__all__}
    methods = {one for one in public if inspect.isclass(one) and issubclass(one, Method) and one is not Method}
    plain = {one for one in methods if required(one) == ["model"]}
    more = {catalog.get(name): entry.needs for name, entry in catalog.ENTRIES.items() if entry.needs}
    assert named == plain | set(more) and plain.isdisjoint(more) and len(named) == len(catalog.ENTRIES)
    assert all(needs in required(method) for method, needs in more.items())


def test_names_say_their_class():
    for name, entry in catalog.ENTRIES.items():
        assert name.replace("_", "") == entry.method.lower()
        assert entry.reading.endswith(".") and entry.caution.endswith(".")
