"""A place in a stream of batches, small enough to save with every checkpoint."""

import dataclasses
import json

from keras_repvis import checks


@dataclasses.dataclass(frozen=True)
class Position:
    """The next batch to deliver: batch `step` of epoch `epoch`, both counted from 0.

    Args:
        epoch: Number of finished epochs, an integer >= 0. Default 0.
        step: Number of batches already delivered in this epoch, an integer >= 0. Default 0.

    Example:
        >>> keras_repvis.data.Position(epoch=2, step=7).advance(5, steps_per_epoch=10)
        Position(epoch=3, step=2)
    """

    epoch: int = 0
    step: int = 0

    def __post_init__(self):
        checks.number("epoch", self.epoch, low=0, integer=True)
        checks.number("step", self.step, low=0, integer=True)

    def advance(self, steps, steps_per_epoch):
        """Return the position `steps` batches later in a stream of `steps_per_epoch` batches an epoch."""
        checks.number("steps", steps, low=0, integer=True)
        checks.number("steps_per_epoch", steps_per_epoch, low=1, integer=True)
        total = self.epoch * steps_per_epoch + self.step + steps
        return Position(total // steps_per_epoch, total % steps_per_epoch)

    def to_json(self):
        """Return the position as a line of JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text):
        """Return the position that `to_json` wrote.

        Raises:
            ValueError: If the text is not that of a position.
        """
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise ValueError(f"not a position in a stream: {text!r} ({error})") from error
