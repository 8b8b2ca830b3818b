"""Every method has a name, and every name a method that keeps the contract."""

import inspect

import keras_repvis.analysis.attribution as attribution
from keras_repvis.analysis.attribution import Method, catalog


def test_every_method_is_named_once():
    named = {catalog.get(name) for name in catalog.names()}
    public = {getattr(attribution, name) for name in attribution.__all__}
    methods = {one for one in public if inspect.isclass(one) and issubclass(one, Method) and one is not Method}
    assert named == methods and len(named) == len(catalog.ENTRIES)


def test_names_say_their_class():
    for name, entry in catalog.ENTRIES.items():
        assert name.replace("_", "") == entry.method.lower()
        assert entry.reading.endswith(".") and entry.caution.endswith(".")
