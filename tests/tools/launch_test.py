"""repvis-launch with real processes, none of which needs TensorFlow: places, output, and how everything ends."""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time

import pytest

_START = "from keras_repvis_tools import launch; launch.run()"
# What the workers of these tests share: their index, a line to the test and one back, and what to do when stopped.
_WORKER = """
import json, os, signal, subprocess, sys, time
index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
witness = os.open(os.environ["WITNESS"], os.O_WRONLY)
def tell(word):
    os.write(witness, f"{index} {word}\\n".encode())
def leave_at(number, code=0):
    def leave(*_):
        tell(f"got {signal.Signals(number).name}")
        print("saved", file=sys.stderr)
        sys.exit(code)
    signal.signal(number, leave)
def stay():
    tell("runs")
    for _ in range(3000):  # A signal that comes just before a sleep is only seen after it.
        time.sleep(0.02)
def wait_for_go():
    while not os.path.exists(os.environ["WITNESS"] + "_go"):
        time.sleep(0.01)
"""


class Witness:
    """A named pipe that every worker holds open: what they tell, and by its end, that none of them is left."""

    def __init__(self, path):
        os.mkfifo(path)
        self.path = path
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.text = b""

    def go(self):
        """Let workers pass that wait for it."""
        open(f"{self.path}_go", "w").close()

    def read(self, done, seconds=20):
        """The lines told so far, as soon as `done(lines, ended)` holds."""
        deadline = time.monotonic() + seconds
        ended = False
        while not done(self.lines(), ended):
            left = deadline - time.monotonic()
            assert left > 0, f"only {self.lines()} after {seconds} s, ended: {ended}"
            if select.select([self.descriptor], [], [], min(left, 0.05))[0]:
                told = os.read(self.descriptor, 65536)
                self.text += told
                # Nobody has it open: either not yet or no more.
                ended = not told and bool(self.text)
                time.sleep(0 if told else 0.02)
        return self.lines()

    def lines(self):
        return sorted(self.text.decode().splitlines())

    def wait_for(self, *lines):
        self.read(lambda told, ended: set(lines) <= set(told))

    def wait_for_the_end(self, seconds=20):
        return self.read(lambda told, ended: ended, seconds)


@pytest.fixture(name="witness")
def witness_fixture(tmp_path):
    witness = Witness(tmp_path / "witness")
    yield witness
    os.close(witness.descriptor)


@pytest.fixture(name="start")
def start_fixture(witness):
    processes = []

    def start(script, *flags, **options):
        command = [sys.executable, "-c", _START, *flags, sys.executable, "-c", _WORKER + script]
        environment = {**os.environ, "WITNESS": str(witness.path)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen(command, env=environment, **pipes, **options))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(name="launch")
def launch_fixture(start, witness):
    """Run to the end: the exit code, stdout and the lines of stderr without the one that names the processes."""

    def launch(script, *flags, **options):
        return finish(start(script, *flags, **options))

    return launch


def finish(process):
    stdout, stderr = process.communicate(timeout=30)
    lines = stderr.decode().splitlines()
    assert lines[0].startswith("workers: 0 is process ")
    return process.returncode, stdout, lines[1:]


def refused(*arguments, **options):
    command = [sys.executable, "-c", _START, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, **options)
    assert done.stdout == "" and "Traceback" not in done.stderr
    return done.returncode, done.stderr.splitlines()[0]


def test_every_worker_has_its_place_in_one_cluster_of_free_ports(launch):
    code, stdout, stderr = launch(
        """
import socket
place = json.loads(os.environ["TF_CONFIG"])
host, port = place["cluster"]["worker"][index].split(":")
socket.create_server((host, int(port))).close()
print(json.dumps(place))
""",
        "--workers=3",
    )
    assert code == 0
    others = dict(line.removeprefix("[worker ").split("] ", 1) for line in stderr)
    places = [json.loads(stdout), json.loads(others["1"]), json.loads(others["2"])]
    assert [place["task"] for place in places] == [{"type": "worker", "index": index} for index in range(3)]
    clusters = [place["cluster"] for place in places]
    assert clusters[0] == clusters[1] == clusters[2] and set(clusters[0]) == {"worker"}
    assert len(set(clusters[0]["worker"])) == 3
    assert all(address.startswith("127.0.0.1:") for address in clusters[0]["worker"])


def test_output_of_worker_0_is_untouched_and_all_other_lines_say_whose_they_are(launch):
    code, stdout, stderr = launch(
        """
os.write(1, b"\\xff first\\r\\n{}" if index == 0 else b"mine\\n")
os.write(2, f"one {index}\\ntwo {index}".encode())
""",
        "--workers=2",
    )
    assert (code, stdout) == (0, b"\xff first\r\n{}")
    assert sorted(stderr) == [
        "[worker 0] one 0", "[worker 0] two 0", "[worker 1] mine", "[worker 1] one 1", "[worker 1] two 1"
    ]
    assert [line for line in stderr if "0]" in line] == ["[worker 0] one 0", "[worker 0] two 0"]


@pytest.mark.parametrize("flags", [["--workers=1"], ["--workers", "1", "--"], ["--nodebug", "--workers=1", "--"]])
def test_flags_of_the_command_are_its_own(flags):
    script = "import sys; print(sys.argv[1:])"
    arguments = ["--workers=9", "--help", "--flagfile=absent", "--", "x"]
    command = [sys.executable, "-c", _START, *flags, sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{arguments}\n"


@pytest.mark.parametrize(
    "end, code, how",
    [
        ("sys.exit(3)", 3, "ended with exit code 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "was killed by SIGKILL"),
    ],
)
def test_when_one_dies_it_is_named_and_the_others_can_save_and_leave(start, witness, end, code, how):
    process = start(
        f"""
if index == 1:
    wait_for_go()
    os.write(2, b"word\\n" * 5000)
    {end}
leave_at(signal.SIGTERM)
stay()
""",
        "--workers=3",
    )
    witness.wait_for("0 runs", "2 runs")
    witness.go()
    begun = time.monotonic()
    returned, stdout, stderr = finish(process)
    assert returned == code and stdout == b""
    assert stderr[:5000] == ["[worker 1] word"] * 5000  # Its last words, and then the reason.
    assert stderr[5000] == f"error: worker 1 {how}; stopping workers 0, 2 (Ctrl-C kills)"
    assert sorted(stderr[5001:]) == ["[worker 0] saved", "[worker 2] saved"]
    assert witness.wait_for_the_end() == ["0 got SIGTERM", "0 runs", "2 got SIGTERM", "2 runs"]
    assert time.monotonic() - begun < 8  # Nobody waited for the ten seconds of grace.


def test_a_worker_that_is_done_early_is_no_failure(launch):
    code, stdout, stderr = launch("time.sleep(0.3 * (1 - index)); print(index)", "--workers=2")
    assert (code, stdout, stderr) == (0, b"0\n", ["[worker 1] 1"])


def test_a_worker_that_ignores_sigterm_is_killed(start, witness):
    process = start(
        """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if index == 0:
    stay()
wait_for_go()
sys.exit(7)
""",
        "--workers=2",
        "--grace_seconds=0.3",
    )
    witness.wait_for("0 runs")
    witness.go()
    begun = time.monotonic()
    code, _, stderr = finish(process)
    assert code == 7
    assert stderr == [
        "error: worker 1 ended with exit code 7; stopping worker 0 (Ctrl-C kills)", "killing worker 0 after 0.3 s"
    ]
    assert time.monotonic() - begun < 8
    witness.wait_for_the_end(seconds=2)


@pytest.mark.parametrize(
    "number, passed_on, code",
    [
        (signal.SIGINT, signal.SIGINT, 130),
        (signal.SIGTERM, signal.SIGTERM, 143),
        (signal.SIGHUP, signal.SIGTERM, 129),  # The terminal was closed: save.
    ],
)
def test_a_signal_is_passed_on_once(start, witness, number, passed_on, code):
    process = start("leave_at(signal.SIGINT); leave_at(signal.SIGTERM); stay()", "--workers=2")
    witness.wait_for("0 runs", "1 runs")
    process.send_signal(number)
    returned, _, stderr = finish(process)
    assert returned == code
    assert stderr[0] == f"received {number.name}; stopping workers 0, 1 (Ctrl-C kills)"
    got = [f"{index} got {passed_on.name}" for index in (0, 1)]
    assert witness.wait_for_the_end() == sorted([*got, "0 runs", "1 runs"])


def test_a_second_interrupt_kills_at_once(start, witness):
    process = start(
        """
def got(*_):
    tell("got SIGINT")
signal.signal(signal.SIGINT, got)
stay()
""",
        "--workers=2",
        "--grace_seconds=60",
    )
    witness.wait_for("0 runs", "1 runs")
    process.send_signal(signal.SIGINT)
    witness.wait_for("0 got SIGINT", "1 got SIGINT")
    process.send_signal(signal.SIGTERM)  # A second SIGTERM does not: some supervisors send two.
    time.sleep(0.7)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    returned, _, stderr = finish(process)
    assert returned == 130
    assert stderr[1:] == ["killing workers 0, 1 after a second Ctrl-C"]
    assert witness.wait_for_the_end(seconds=2) == ["0 got SIGINT", "0 runs", "1 got SIGINT", "1 runs"]


# A process that the worker starts, deaf to SIGTERM.
_CHILD = """
child = "import os, signal, sys, time; signal.signal(15, signal.SIG_IGN)"
child += "; w = os.open(sys.argv[1], os.O_WRONLY); os.write(w, b'child\\\\n'); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", child, os.environ["WITNESS"]])
"""


def test_a_killed_launcher_leaves_nothing_behind(start, witness):
    process = start("leave_at(signal.SIGTERM); stay()", "--workers=2")
    witness.wait_for("0 runs", "1 runs")
    process.kill()
    assert witness.wait_for_the_end() == ["0 got SIGTERM", "0 runs", "1 got SIGTERM", "1 runs"]


def test_a_killed_launcher_leaves_nothing_deaf_behind(start, witness):
    process = start(
        f"{_CHILD}\nsignal.signal(signal.SIGTERM, signal.SIG_IGN); stay()", "--workers=2", "--grace_seconds=0.5"
    )
    witness.read(lambda told, ended: told == ["0 runs", "1 runs", "child", "child"])
    process.kill()
    witness.wait_for_the_end()


def test_what_a_worker_leaves_behind_is_stopped(launch, witness):
    code, _, stderr = launch(f"{_CHILD}\ntell('runs'); time.sleep(0.5)", "--workers=1")
    assert (code, stderr) == (0, [])
    assert witness.wait_for_the_end(seconds=2) == ["0 runs", "child"]


def test_a_reader_of_stderr_that_has_gone_does_not_stop_the_workers(start, witness):
    process = start("for _ in range(3000): print('x' * 100, file=sys.stderr)\nprint('{}')", "--workers=1")
    process.stderr.close()
    process.stderr = None
    assert process.communicate(timeout=30)[0] == b"{}\n"
    assert process.returncode == 0


def test_a_reader_of_stderr_that_pauses_does_not_keep_the_workers(start, witness):
    script = "leave_at(signal.SIGINT)\ntell('runs')\nwhile True: print('x' * 100, file=sys.stderr)"
    process = start(script, "--workers=2")
    witness.wait_for("0 runs", "1 runs")
    time.sleep(0.3)  # By now the pipe is full.
    process.send_signal(signal.SIGINT)
    witness.wait_for("0 got SIGINT", "1 got SIGINT")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130
    witness.wait_for_the_end(seconds=2)


def test_threads_are_limited_only_if_asked(launch):
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    script = f"print([os.environ.get(name) for name in {names}])"
    assert launch(script, "--workers=1", "--threads_per_worker=3")[1] == b"['3', '3']\n"
    untouched = str([os.environ.get(name) for name in names])
    assert launch(script, "--workers=1")[1] == f"{untouched}\n".encode()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "error: expected a command after the flags, for instance repvis-train --strategy=multi_worker."),
        (["repvis-trian"], "error: command 'repvis-trian' is not known: expected a program on the PATH, or the path"),
        (["--workers=0", "true"], "error: flag --workers=0: 0 is not a positive integer"),
        (["--wrokers=1", "true"], "error: Unknown command line flag 'wrokers'. Did you mean: workers ?"),
        (["--threads_per_worker=-1", "true"], "error: flag --threads_per_worker=-1: -1 is not a non-negative integer"),
        (["--grace_seconds=nan", "true"], "error: grace_seconds=nan is not accepted: expected a number >= 0 and"),
        (["--workers", "two", "true"], "error: flag --workers=two: invalid literal for int()"),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    code, line = refused(*arguments)
    assert code == 1 and line.startswith(message)


def test_a_cluster_inside_a_cluster_is_refused():
    code, line = refused("true", env={**os.environ, "TF_CONFIG": "{}"})
    assert code == 1 and line.startswith("error: TF_CONFIG='{}' is set already")


def test_a_program_that_cannot_run_is_named(tmp_path):
    (tmp_path / "program").write_text("neither binary nor script")
    (tmp_path / "program").chmod(0o755)
    code, line = refused(str(tmp_path / "program"))
    assert code == 1 and line == f"error: Exec format error: {tmp_path / 'program'}"


def test_no_free_ports():
    def few_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

    code, line = refused("--workers=50", "true", preexec_fn=few_files)
    assert code == 1
    assert line.startswith("error: workers=50 is not possible: no more free ports on 127.0.0.1 (")
    assert "Too many open files" in line


def test_help_shows_examples_and_flags():
    done = subprocess.run([sys.executable, "-c", _START, "--help"], capture_output=True, text=True, check=True)
    assert "repvis-launch --workers=2 repvis-train" in done.stdout
    assert all(f"--{name}: " in done.stdout for name in ("workers", "grace_seconds", "threads_per_worker"))
