"""Measures claims of the talks again and says whether they hold.

    repvis-reproduce --list                          the claims, and where each is made
    repvis-reproduce relu_collapse_share             one claim, over five seeds
    repvis-reproduce linear_bottleneck shortcut      two claims that share their trained networks
    repvis-reproduce                                 every claim

Prints the effect of each claim with its 95 % interval and one of: reproduced, not reproduced, reversed, undecided.
Writes one record a claim into --output_dir and the page beside it. Every finished seed is kept: after an interruption
the same command continues.
"""

import sys
import time

from absl import flags

from keras_repvis_tools import program

_SEEDS = flags.DEFINE_integer(
    "seeds", 5, "Number of seeds of each claim that is not exact; fewer than 5 never decide.", lower_bound=1
)
_LIST = flags.DEFINE_bool("list", False, "List the claims and stop.")
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", "docs/claims", "Folder of the records; the page is written beside it, as docs/claims.md."
)


def main(argv):
    """Measure the claims named in `argv[1:]`, or all of them."""
    # The room, not its catalog: every claim comes with it.
    from keras_repvis import claims

    chosen = [claims.get(name) for name in dict.fromkeys(argv[1:]) or claims.names()]
    if _LIST.value:
        print("\n\n".join(_entry(claim) for claim in chosen))
        return 0
    return _reproduce(chosen)


def _entry(claim):
    return f"{claim.id}\n    {claim.statement}\n    {claim.source.place}"


def _reproduce(chosen):
    from keras_repvis.claims import page, reproduction

    run_of_claims = reproduction.Reproduction(chosen, _SEEDS.value, _OUTPUT_DIR.value)
    for name, seeds in run_of_claims.resumed.items():
        _note(f"{name}: continuing an interrupted run with {seeds} finished seed{'s' if seeds > 1 else ''}")
    for name in run_of_claims.dropped:
        _note(f"{name}: an unfinished record does not fit this version of the claim or the package; starting afresh")
    for record in run_of_claims.finish_resumed():
        _print_result(record)
    steps = run_of_claims.steps()
    try:
        with _Progress(steps) as progress:
            for step in steps:
                progress.start(step)
                record = run_of_claims.measure(step)
                progress.stop(step)
                if record is not None:
                    _print_result(record)
    except KeyboardInterrupt:
        _note(f"Finished seeds are kept in {_OUTPUT_DIR.value}; the same command continues.")
        raise
    print(f"Records: {_OUTPUT_DIR.value}  Page: {page.path(_OUTPUT_DIR.value)}")
    return 0


def _print_result(record):
    from keras_repvis.claims import page

    print(f"{record['claim']}: {page.effect(record)}  {record['result']['verdict']}", flush=True)


def _note(text):
    print(text, file=sys.stderr, flush=True)


class _Progress:
    """A bar with the time left on a terminal, else one line a measurement.

    Measurements take from milliseconds to minutes, so the time left is the claims' own estimate of what remains, scaled
    by how long the finished ones took against theirs.
    """

    def __init__(self, steps):
        self.total = sum(step.claim.seconds_per_seed for step in steps)
        self.done = 0.0
        self.began = time.monotonic()
        self.bar = self.task = None

    def __enter__(self):
        from rich import console, progress

        stderr = console.Console(stderr=True)
        if stderr.is_terminal:
            columns = ("{task.description}", progress.BarColumn(), progress.TimeElapsedColumn(), "{task.fields[left]}")
            self.bar = progress.Progress(*columns, console=stderr, transient=True)
            self.task = self.bar.add_task("", total=self.total, left="")
            self.bar.start()
        return self

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.stop()

    def start(self, step):
        text = step.claim.id if step.claim.exact else f"{step.claim.id}, seed {step.seed}"
        if self.bar is not None:
            self.bar.update(self.task, description=text, left=f"{self.left()} left")
        else:
            _note(f"{text} ({self.left()} left)")

    def stop(self, step):
        self.done += step.claim.seconds_per_seed
        if self.bar is not None:
            self.bar.update(self.task, completed=self.done, left=f"{self.left()} left")

    def left(self):
        pace = (time.monotonic() - self.began) / self.done if self.done else 1.0
        seconds = round((self.total - self.done) * pace)
        return f"{seconds // 60} min" if seconds >= 120 else f"{seconds} s"


def run():
    """Run the program."""
    program.run(main)


if __name__ == "__main__":
    run()
