"""What differs between two versions, as plain values, and as tables for people."""

import dataclasses
import numbers


@dataclasses.dataclass(frozen=True)
class Change:
    """Something named that both versions have, or one of them.

    Attributes:
        name: String, for instance "training.flags.epochs" or "layers[logits].config.units".
        a: Plain JSON value in the first version; None if it is not there.
        b: The same in the second.
        only: "a" or "b" if only that version has it, else None.
    """

    name: str
    a: object = None
    b: object = None
    only: str | None = None

    @property
    def change(self):
        """Number, b - a, where both are numbers; else None."""
        numeric = all(isinstance(x, numbers.Real) and not isinstance(x, bool) for x in (self.a, self.b))
        return self.b - self.a if numeric else None

    @property
    def differs(self):
        """Whether a and b are not the same."""
        return self.only is not None or self.a != self.b


@dataclasses.dataclass(frozen=True)
class WeightChange:
    """A weight that is not the same in both versions.

    Attributes:
        path: String, the path of the weight in the model.
        a: Dict {"shape", "dtype", "trainable"} in the first version, or None if it is not there.
        b: The same in the second.
        max_change: Largest absolute difference of a value, or None if the values were not compared.
        relative_norm: ||b - a|| / ||a||, Euclidean norms over all values; None if not compared or a is zero.
    """

    path: str
    a: dict | None
    b: dict | None
    max_change: float | None = None
    relative_norm: float | None = None


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """How the two models answer the same inputs.

    Attributes:
        inputs: Whose stored inputs: "a", "b", or "a and b" if both have the same.
        examples: Number of inputs.
        difference: Largest absolute difference of an output relative to the largest output of the two models; None
            if it was not compared.
        same_top1: Share of inputs, from 0 to 1, for which the largest output is that of the same class; None unless
            the models have one output of the shape (batch, classes).
        reason: Why it was not compared, or None.
    """

    inputs: str
    examples: int
    difference: float | None = None
    same_top1: float | None = None
    reason: str | None = None


@dataclasses.dataclass(frozen=True)
class Difference:
    """What differs between two published versions, `a` and `b`; see `diff`.

    Attributes:
        a: Handle of the first version.
        b: Handle of the second.
        relation: What the manifests say of their descent, or "".
        equal_weights: Number of weights with the same path and bytes.
        weights: Tuple of `WeightChange`, those that are in one version only first.
        signatures: Tuple of `Change`, tensors of signatures.
        operations: Tuple of `Change` by endpoint; a and b are the operations that only it uses.
        metrics: Tuple of `Change`, all metrics, equal ones too.
        configuration: Tuple of `Change`, places in the configuration of the architecture.
        settings: Tuple of `Change`: training, data, licence, versions of software, whatever else the manifests hold.
        files: Tuple of `Change`, a and b are {"sha256", "size"}.
        behaviour: Tuple of `Behaviour`; empty if the models were not run.
    """

    a: str
    b: str
    relation: str
    equal_weights: int
    weights: tuple
    signatures: tuple
    operations: tuple
    metrics: tuple
    configuration: tuple
    settings: tuple
    files: tuple
    behaviour: tuple = ()

    @property
    def same_model(self):
        """Whether all that decides an answer is the same: weights, architecture, signatures and operations."""
        return not (self.weights or self.configuration or self.signatures or self.operations)

    def to_dict(self):
        """Return everything as plain JSON values."""
        return {"same_model": self.same_model, **_plain(dataclasses.asdict(self))}

    def tables(self, limit=30):
        """Return a list of tables (title, header, rows) of strings; parts without a difference have none.

        Args:
            limit: Most rows of a table; a last row says how many are left out. None: all. Default 30.
        """
        a, b = "a", "b"
        tables = [
            ("", ("", ""), self._summary()),
            ("weights", ("weight", a, b, "largest change", "relative norm"), [_weight_row(x) for x in self._by_size()]),
            ("architecture", ("place", a, b), [_row(x) for x in self.configuration]),
            ("signatures", ("tensor", a, b), [_row(x) for x in self.signatures]),
            ("operations", ("endpoint", "only in a", "only in b"), [_row(x) for x in self.operations]),
            ("metrics", ("metric", a, b, "change"), [(*_row(x), _number(x.change, "+.4g")) for x in self.metrics]),
            ("behaviour", ("inputs of", "examples", "difference", "same top-1"), [_run(x) for x in self.behaviour]),
            ("settings", ("setting", a, b), [_row(x) for x in self.settings]),
            ("files", ("file", a, b), [_row(x) for x in self.files]),
        ]
        return [(title, header, _cut(rows, len(header), limit)) for title, header, rows in tables if rows]

    def _summary(self):
        parts = ("weights", "architecture", "signatures", "operations")
        changes = (self.weights, self.configuration, self.signatures, self.operations)
        differing = ", ".join(name for name, found in zip(parts, changes) if found)
        only_a, only_b = (sum(getattr(weight, other) is None for weight in self.weights) for other in ("b", "a"))
        counts = [(self.equal_weights, "equal"), (len(self.weights) - only_a - only_b, "changed")]
        counts += [(only_a, "only in a"), (only_b, "only in b")]
        rows = [
            ("a", self.a),
            ("b", self.b),
            ("relation", self.relation),
            ("model", "the same" if self.same_model else f"not the same: {differing} differ"),
            ("weights", ", ".join(f"{count} {what}" for count, what in counts if count)),
        ]
        return [row for row in rows if row[1]]

    def _by_size(self):
        """The weights of one version first, then the most changed."""
        return sorted(self.weights, key=lambda w: (w.a is not None and w.b is not None, -(w.relative_norm or 0.0)))


def _plain(value):
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _weight_row(weight):
    return (
        weight.path,
        _weight(weight.a),
        _weight(weight.b),
        _number(weight.max_change, ".3g"),
        _number(weight.relative_norm, ".3g"),
    )


def _weight(facts):
    if facts is None:
        return ""
    frozen = "" if facts["trainable"] else " frozen"
    return f"{facts['dtype']} ({', '.join(map(str, facts['shape']))}){frozen}"


def _row(change):
    return change.name, *("" if change.only == other else _text(x) for x, other in ((change.a, "b"), (change.b, "a")))


def _run(run):
    if run.reason is not None:
        return run.inputs, str(run.examples), f"not compared: {run.reason}", ""
    share = "" if run.same_top1 is None else f"{run.same_top1:.1%}"
    return run.inputs, str(run.examples), f"{run.difference:.3g}", share


def _text(value):
    if isinstance(value, dict) and value.keys() == {"sha256", "size"}:
        return f"{value['size']:,} bytes, SHA-256 {value['sha256'][:12]}"
    if isinstance(value, dict) and "class_name" in value:
        return str(value["class_name"])
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _number(value, form):
    return "" if value is None else format(value, form)


def _cut(rows, width, limit):
    if limit is None or len(rows) <= limit:
        return rows
    return [*rows[:limit], (f"... and {len(rows) - limit} more", *[""] * (width - 1))]
