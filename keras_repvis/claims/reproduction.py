"""Measures claims over seeds, keeps every finished seed, and writes records and page."""

import dataclasses
import math
import numbers
import pathlib

from keras_repvis import checks
from keras_repvis.claims import decision, page, record
from keras_repvis.claims.claim import Claim


@dataclasses.dataclass(frozen=True)
class Step:
    """One measurement that is still to be made.

    Attributes:
        claim: The `Claim` to measure.
        seed: Integer to measure it with.
    """

    claim: Claim
    seed: int


class Reproduction:
    """Measures `claims` over `seeds` seeds into `output_dir`.

    Seeds come one after another, with all claims at each: claims that share a trained network then share the training,
    and an interruption loses at most the measurement at hand. Finished seeds of an interrupted run are taken up, unless
    the claim or a version has changed since.

    Args:
        claims: Iterable of `Claim`.
        seeds: Number of seeds, 0, 1, ...; integer >= 1. Fewer than five never decide a claim. Default 5.
        output_dir: Folder of the records; the page is written beside it. Default "docs/claims".

    Attributes:
        resumed: Dict of claim name to the number of seeds taken up from an interrupted run.
        dropped: Names of the claims whose unfinished record no longer fits and is measured afresh.

    Raises:
        ValueError: If `seeds` is out of range, there is no claim, or `output_dir` is a file.

    Example:
        >>> import tempfile
        >>> from keras_repvis import claims
        >>> folder = tempfile.TemporaryDirectory()
        >>> reproduction = claims.Reproduction([claims.get("relu_slide_bound")], output_dir=f"{folder.name}/claims")
        >>> for step in reproduction.steps():
        ...     record = reproduction.measure(step)
        >>> record["result"]["verdict"]
        'reversed'
        >>> folder.cleanup()
    """

    def __init__(self, claims, seeds=decision.LEAST_SEEDS, output_dir="docs/claims"):
        self.claims = tuple(claims)
        if not self.claims:
            raise ValueError("claims is empty: expected at least one claim.")
        self.seeds = checks.number("seeds", seeds, low=1, integer=True)
        self.output_dir = pathlib.Path(output_dir)
        if self.output_dir.exists() and not self.output_dir.is_dir():
            raise ValueError(f"output_dir={str(output_dir)!r} is not accepted: expected a folder, found a file.")
        self._measured, self.resumed, self.dropped = {}, {}, []
        for claim in self.claims:
            found, dropped = record.read_seeds(claim, self.output_dir)
            self._measured[claim.id] = {seed: found[seed] for seed in self._seeds(claim) if seed in found}
            if self._measured[claim.id]:
                self.resumed[claim.id] = len(self._measured[claim.id])
            if dropped:
                self.dropped.append(claim.id)

    def steps(self):
        """Return the measurements still to be made, in order.

        Returns:
            List of `Step`.
        """
        return [
            Step(claim, seed)
            for seed in range(self.seeds)
            for claim in self.claims
            if seed in self._seeds(claim) and seed not in self._measured[claim.id]
        ]

    def measure(self, step):
        """Make one measurement and keep it; the last one of a claim also writes its record and the page.

        Args:
            step: `Step`, from `steps`.

        Returns:
            The finished record (a dict) after the last measurement of the claim, else None.

        Raises:
            ValueError: If the claim returned something other than finite numbers with an "effect".
        """
        claim = step.claim
        measured = self._measured[claim.id]
        measured[step.seed] = _checked(claim, claim.measure(step.seed))
        if any(seed not in measured for seed in self._seeds(claim)):
            record.write_seeds(claim, self.output_dir, measured)
            return None
        return self._finish(claim)

    def finish_resumed(self):
        """Write the records of the claims whose every seed was taken up from an interrupted run.

        Returns:
            List of records.
        """
        pending = {step.claim.id for step in self.steps()}
        return [self._finish(claim) for claim in self.claims if claim.id in self.resumed and claim.id not in pending]

    def _finish(self, claim):
        finished = record.write(claim, self.output_dir, self._measured[claim.id])
        page.write(self.output_dir)
        return finished

    def _seeds(self, claim):
        return range(1 if claim.exact else self.seeds)


def _checked(claim, measured):
    fits = isinstance(measured, dict) and "effect" in measured
    if not fits or not all(isinstance(v, numbers.Real) and math.isfinite(v) for v in measured.values()):
        raise ValueError(f"claim {claim.id!r} measured {measured!r}: expected finite numbers, an 'effect' among them.")
    # NumPy's numbers are not JSON's.
    return {name: int(v) if isinstance(v, numbers.Integral) else float(v) for name, v in measured.items()}
