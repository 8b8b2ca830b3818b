"""How every command-line program of this package starts, asks for help, fails and stops.

A program is a module with a docstring (what it does, then commands to copy), its absl flags, `main(argv)` and

    def run():
        program.run(main)

`FLAG_SECTIONS`, if the module has it, is a dict {heading: names of flags} that --help lists apart.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 the user's input or the machine prevented it
(one line ``error: ...`` says what), 130 interrupted by Ctrl-C, 143 by SIGTERM after saving.
"""

import contextlib
import os
import shutil
import sys
import tempfile
import textwrap
import traceback

from absl import app, flags, logging

_DEBUG = flags.DEFINE_bool("debug", False, "Show the traceback of an error, not only its message.")

_HELP = frozenset(("--help", "-help", "--helpshort", "-helpshort", "-h", "-?"))


def run(main, argv=None):
    """Parse the flags, call `main(argv)` and exit.

    Args:
        main: Function of the list of positional arguments (the program's name first), defined in the program's module.
        argv: List of strings, the program's name first; `sys.argv` when None.

    Raises:
        SystemExit: Always; its code is 0 after success or help, 1 after an error and 130 after Ctrl-C.
    """
    argv = list(sys.argv if argv is None else argv)
    if _asks_for_help(argv[1:]):
        with contextlib.suppress(BrokenPipeError):
            print(help_text(main.__module__), flush=True)
            sys.exit(0)
        # The reader (`| head`) has seen enough; Python would complain again when it flushes at exit.
        os._exit(0)
    app.run(_Guarded(main), argv=argv, flags_parser=_parse)


def import_tensorflow():
    """Import TensorFlow without its greetings, which no log level silences; a program calls this after its checks.

    What TensorFlow writes to stderr while it starts is shown only if it fails to, or with --debug.

    Returns:
        The module `tensorflow`.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as greetings:
        os.dup2(greetings.fileno(), 2)
        quiet = False
        try:
            import tensorflow

            # Looks for devices now, because that greets too.
            tensorflow.config.list_physical_devices()
            quiet = not _DEBUG.value
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            if not quiet:
                greetings.seek(0)
                os.write(2, greetings.read())
    return tensorflow


def say(message):
    """Tell the user on stderr what is going on."""
    print(message, file=sys.stderr, flush=True)


def help_text(module):
    """Return the docstring of the program `module` (its name, already imported) followed by its flags."""
    found = sys.modules[module]
    # absl files the flags of a program started by its path under that path.
    owner = sys.argv[0] if module == "__main__" else module
    own = [flag for flag in flags.FLAGS.get_key_flags_for_module(owner) if flag.name != _DEBUG.name]
    width = min(120, max(60, shutil.get_terminal_size().columns))
    sections = getattr(found, "FLAG_SECTIONS", {})
    apart = {name for names in sections.values() for name in names}
    lines = [(found.__doc__ or "").strip()]
    for heading, names in {"Flags": [flag.name for flag in own if flag.name not in apart], **sections}.items():
        lines += ["", textwrap.fill(f"{heading}:", width), *(_flag_help(flags.FLAGS[name], width) for name in names)]
    return "\n".join([*lines, *([""] if sections else []), _flag_help(_debug_flag(), width)])


def _debug_flag():
    return flags.FLAGS[_DEBUG.name]


def _flag_help(flag, width):
    name = f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}"
    notes = [note for note in (flag.parser.syntactic_help, _default(flag)) if note]
    text = " ".join([flag.help or "", f"({'; '.join(notes)})" if notes else ""]).strip()
    return textwrap.fill(f"{name}: {text}", width, initial_indent="  ", subsequent_indent="      ")


def _default(flag):
    return f"default: {flag.default_as_str}" if flag.default_as_str else ""


def _asks_for_help(arguments):
    flags_end = arguments.index("--") if "--" in arguments else len(arguments)
    return any(argument in _HELP for argument in arguments[:flags_end])


def _parse(argv):
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        _fail(error)
        sys.exit(1)


class _Guarded:
    """Calls a program's `main` and turns the failures that are not bugs into one line and an exit code."""

    def __init__(self, main):
        self.main = main

    def __call__(self, argv):
        if not flags.FLAGS["verbosity"].present:
            # absl turns to INFO in a program; TensorFlow would tell of every file it writes.
            logging.set_verbosity(logging.WARNING)
        try:
            code = self.main(argv)
            sys.stdout.flush()
            return code
        except KeyboardInterrupt as interrupt:
            # A training run that saved first says so, and which signal it was.
            try:
                say(str(interrupt) or "interrupted")
            except OSError:
                # Ctrl-C has ended the reader of stderr too (`2>&1 | tee`), and Python would fail on what is left.
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            return getattr(interrupt, "exit_code", 130)
        except BrokenPipeError:
            # The reader of stdout (`| head`) has seen enough. Python would complain again when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except _failures() as error:
            if _DEBUG.value:
                traceback.print_exc()
            _fail(error)
            return 1


def _failures():
    """Return the exceptions that the user's input or the machine can cause."""
    tensorflow = sys.modules.get("tensorflow")
    # What fails while batches are made, an unreadable image for instance, reaches us through TensorFlow's own class.
    of_tensorflow = (tensorflow.errors.OpError,) if tensorflow else ()
    return (ValueError, ArithmeticError, ImportError, OSError, flags.Error, app.UsageError, *of_tensorflow)


def _fail(error):
    print(f"error: {_message(error)}", file=sys.stderr)
    if isinstance(error, (flags.Error, app.UsageError)):
        print(f"Try: {os.path.basename(sys.argv[0])} --help", file=sys.stderr)


def _message(error):
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror}: {error.filename}"
    text = str(error) or type(error).__name__
    if type(error).__module__.startswith("tensorflow"):
        # "... transformation with iterator ...: CorruptImageError: image 'a.jpg' ..." and a traceback.
        return text.splitlines()[0].split("Error: ")[-1]
    return text
