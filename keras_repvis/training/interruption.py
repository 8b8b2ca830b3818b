"""SIGTERM and Ctrl-C as a wish: noted when they arrive, granted between two steps."""

import signal
import threading


class Interrupted(KeyboardInterrupt):
    """Training stopped because it was asked to, between two steps and after saving.

    Args:
        message: What was saved and how to go on.
        signal_number: Integer, the signal that asked for it.

    Example:
        >>> import signal
        >>> keras_repvis.training.Interrupted("saved", signal.SIGTERM).exit_code
        143
    """

    def __init__(self, message, signal_number=signal.SIGINT):
        super().__init__(message)
        self.signal_number = signal.Signals(signal_number)

    @property
    def exit_code(self):
        """Integer, what a process that stops for this reason returns to its shell."""
        return 128 + self.signal_number


class Interruption:
    """Context in which the first SIGTERM or Ctrl-C is only noted; a second Ctrl-C raises `KeyboardInterrupt` at once.

    Outside the main thread, where Python delivers no signals, nothing changes.

    Args:
        on_request: Function of the signal's name, called when it arrives, or None.

    Attributes:
        requested: Number of the signal that arrived, or None.

    """

    _SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, on_request=None):
        self.requested = None
        self._on_request = on_request
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in self._SIGNALS}
        return self

    def __exit__(self, *exception):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number, frame):
        if self.requested is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = number
        if self._on_request:
            self._on_request(signal.Signals(number).name)
