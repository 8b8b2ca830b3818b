"""The models that ship with keras_repvis, and the recipes that made them; installed as `keras_repvis_zoo`."""
