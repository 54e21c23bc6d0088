"""The jail itself: what is seen in it, who runs in it, and what is left of it."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import psutil
import pytest
from nbformat.v4 import new_code_cell

from course_lib.grading.errors import Refusal
from course_lib.grading.jail import walls
from course_lib.grading.jail.kernel import Kernel, KernelLost
from course_lib.grading.jail.limits import Limits
from course_lib.grading.jail.seccomp import filter_of
from course_lib.grading.jail.walls import UIDS, Jail, rules_here
from course_lib.grading.trial.judge import judge
from course_lib.grading.trial.submission import Step

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]


def inside(code, **kwargs):
    """What this code prints in a jail."""
    pipe = subprocess.PIPE
    process = Jail(Limits(files_mb=16), **kwargs).start(
        [sys.executable, "-c", code], stdout=pipe, stderr=pipe
    )
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out.strip()


def test_only_what_is_listed_is_seen(tmp_path):
    (tmp_path / "data.csv").write_text("1,2")
    (tmp_path / "secret.txt").touch()
    code = """
import os
for place in ("/", "/assignment", "/tmp", "/etc"):
    print(sorted(os.listdir(place)))
print(open("data.csv").read())
"""
    said = inside(code, data=[tmp_path / "data.csv"])
    assert "['data.csv']" in said and "1,2" in said and "secret" not in said
    assert "'home'" not in said and "passwd" not in said and "'proc'" in said


def test_the_course_is_not_seen_where_it_lies_in_a_place_that_is(tmp_path, monkeypatch):
    place = tmp_path / "opt"
    course, environment = place / "course", place / "course" / ".venv"
    environment.mkdir(parents=True)
    for path in (place / "beside", course / "solutions", environment / "module"):
        path.touch()
    monkeypatch.setattr(walls, "COURSE", course)
    code = """
import os, sys
place = sys.argv[1]
print([sorted(os.listdir(place + rest)) for rest in ("", "/course", "/course/.venv")])
try:
    open(place + "/course/new", "w")
except OSError as error:
    print(error.strerror)
"""
    code = code.replace("sys.argv[1]", repr(str(place)))
    said = inside(code, read=[place, environment])
    assert "[['beside', 'course'], ['.venv'], ['module']]" in said
    assert "Read-only file system" in said or "Permission denied" in said
    assert "solutions" in inside(code, read=[course, environment])  # if it is asked for, it is seen


def test_python_may_be_called_by_a_path_with_dots(tmp_path):
    code = """
import sys
from course_lib.grading.jail.kernel import Kernel
from course_lib.grading.jail.limits import Limits
assert ".." in sys.executable
with Kernel(Limits()) as live:
    print(live.execute("1", 60)["status"])
"""
    here = os.path.relpath(sys.executable, tmp_path)
    done = subprocess.run(
        [here, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "ok", done.stderr


def test_no_variable_of_the_grader_comes_in(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "x")
    assert "SECRET_TOKEN" not in inside("import os; print(dict(os.environ))")


def test_no_root_no_capability_and_no_way_back():
    code = """
import os
wanted = ("CapEff", "CapBnd", "CapPrm", "NoNewPrivs", "Seccomp:")
print(os.getuid(), [x.split()[1] for x in open("/proc/self/status") if x.startswith(wanted)])
"""
    uid, rest = inside(code).split(" ", 1)
    assert int(uid) in UIDS if os.geteuid() == 0 else int(uid) == 65534
    assert rest.count("0000000000000000") == 3 and rest.endswith("'1', '2']")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives each jail a user of its own")
def test_each_jail_has_a_user_of_its_own():
    assert len({Jail(Limits()).uid for _ in range(50)}) == 50


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives each jail a user of its own")
def test_two_jails_never_share_a_user_even_where_their_turns_meet(monkeypatch):
    """As those of a worker that is as many jails ahead of another."""
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"

    def start():
        monkeypatch.setattr(walls, "_turn", itertools.count(5))
        return Kernel(Limits(memory_mb=512))

    with start() as one:
        one.client.execute(bomb)
        with start() as two:
            assert one.uid != two.uid
            source = (
                "import subprocess, sys\nsubprocess.run([sys.executable, '-c', ''], check=True)"
            )
            assert two.execute(source, 60)["status"] == "ok"
    with start() as three:
        assert three.uid == one.uid  # it is free again


def test_what_takes_the_place_of_a_kernel_s_socket_is_not_spoken_to(tmp_path):
    """A socket of the grader's machine lies where a link of that name would lead it."""
    with socket.socket(socket.AF_UNIX) as secret, Kernel(Limits()) as live:
        secret.bind(str(tmp_path / "secret"))
        secret.listen()
        secret.setblocking(False)
        swap = f"""
import glob, os
for path in glob.glob("/tmp/**/*-[1-5]", recursive=True):
    os.remove(path)
    os.symlink({str(tmp_path / "secret")!r}, path)
line = get_ipython().kernel
text = "x" * (9 << 20)  # more than a message may have: the line is cut, and made anew
line.session.send(line.iopub_socket, "stream", {{"name": "stdout", "text": text}})
"""
        assert live.execute(swap, 60)["status"] == "ok"
        assert live.execute("1 + 1", 60)["status"] == "ok"
        with pytest.raises(BlockingIOError):
            secret.accept()


def test_another_machine_is_refused(monkeypatch):
    assert len(filter_of("x86_64")) == len(filter_of("aarch64"))
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(Refusal, match="not riscv64"):
        rules_here()


def test_a_kernel_leaves_nothing_behind():
    with Kernel(Limits()) as live:
        assert live.folder.is_dir()
        children = psutil.Process(live.process.pid).children(recursive=True)
        reply = live.execute(
            "import os\nif os.fork() == 0:\n    os.setsid()\n    while True: pass", 20
        )
        assert reply["status"] == "ok"
        children += psutil.Process(live.process.pid).children(recursive=True)
    assert len(set(children)) >= 3 and not psutil.wait_procs(children, timeout=600)[1]
    assert not live.folder.exists()


def test_a_room_that_an_assignment_needs_is_there_and_others_are_not():
    with Kernel(Limits(), needs=["teaching"]) as live:
        assert live.execute("import course_lib.teaching", 20)["status"] == "ok"
        for source in (
            "import course_lib.masks",
            "from course_lib import masks",
            "import course_lib; course_lib.masks",
        ):
            reply = live.execute(source, 20)
            assert (
                reply["ename"] == "ImportError"
                and "course_lib.masks cannot be imported" in reply["evalue"]
            )
        assert (
            live.execute("from course_lib.grading import check; check('anything')", 20)["status"]
            == "ok"
        )


def test_a_kernel_that_cannot_start_says_so_and_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr("tempfile.mkdtemp", lambda **kwargs: str(tmp_path))
    with pytest.raises(KernelLost, match="ended the Python process"):
        Kernel(Limits())
    assert not tmp_path.exists()


def test_a_notebook_that_takes_too_long_in_all_is_ended(assignment):
    limits = Limits(total_s=2)
    source = (
        "import time\nend = time.process_time() + 0.7\nwhile time.process_time() < end: pass\n1"
    )
    steps = [Step(new_code_cell(source)) for _ in range(9)]
    trial = judge(steps, assignment.materials(1), lambda: Kernel(limits))
    assert sum(bool(step.cell.outputs) for step in steps) < 4
    assert trial.notes == ["the notebook did not run to its end: it took more than 2 s in all"]
    assert [task.points for task in trial.results.values()] == [0, 0]


# Grades as the user nobody. Where Python lies in a private folder of root's, it is covered, in
# a mount namespace of the test's own, by a folder in which only Python lies.
SCRIPT = """
set -e
home=$(mktemp -d) && chmod 755 $home && mkdir $home/python $home/out && chown 65534:65534 $home/out
top=/$(echo {base} | cut -d/ -f2)
if ! setpriv --reuid=65534 --regid=65534 --clear-groups test -x {base}/bin; then
    mount --bind {base} $home/python
    mount -t tmpfs -o mode=755 none $top
    mkdir -p {base}
    mount --bind $home/python {base}
fi
cd {root}
export HOME=$home/out
exec setpriv --reuid=65534 --regid=65534 --clear-groups {python} -c "$1" $home/out
"""
GRADE = """
import json, os, pathlib, sys, warnings
import nbformat
from course_lib.grading.authoring.assignment import Assignment
from course_lib.grading.jail.limits import Limits
from tests.grading import hostile, example
warnings.filterwarnings("error", "kernels start cold")
os.umask(0o077)
out = pathlib.Path(sys.argv[1])
assignment = Assignment(example.make(out / "course"), example.NAME)
assignment.limits = Limits(256, files_mb=32, output_mb=5)
grader, found = example.Grader(assignment, out), {"uid": os.getuid()}
for name in ("right", "writes outside", "spy", "network", "disk of the machine", "kills the kernel",
             "fork bomb"):
    path = out / "ada.ipynb"
    nbformat.write(hostile.notebook(grader.released, hostile.CASES[name]), path)
    verdict, _ = grader.verdict("ada", path)
    found[name] = [verdict.points, json.dumps(verdict.stored())]
print(json.dumps(found))
"""


def by_a_normal_user(code, **variables):
    """What this code prints as JSON when a user without rights runs it."""
    if os.geteuid() == 0:
        places = {"base": sys.base_prefix, "root": ROOT, "python": sys.executable}
        names = {name: shlex.quote(str(place)) for name, place in places.items()}
        script = textwrap.dedent(SCRIPT).format(**names)
        command = ["unshare", "-m", "bash", "-c", script, "bash", code]
    else:
        command = [sys.executable, "-c", code, tempfile.mkdtemp()]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **variables}
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as a normal user here")
def test_a_normal_user_can_grade():
    found = by_a_normal_user(GRADE)
    assert found.pop("uid") == 65534
    assert {name: points for name, (points, _) in found.items()} == {
        "right": 7, "writes outside": 2, "spy": 2, "network": 2, "disk of the machine": 2,
        "kills the kernel": 0, "fork bomb": 2,
    }  # fmt: skip
    for name in ("writes outside", "spy", "disk of the machine"):
        assert "RuntimeError: []" in found[name][1]


# What a notebook can find out about the processes that it sees, its own and those of the jail.
LOOK = """
import os
found, pids = {}, [p for p in os.listdir("/proc") if p.isdigit()]
for pid in pids:
    for what in ("environ", "cmdline", "maps", "mem", "cwd/x", "fd"):
        path = f"/proc/{pid}/{what}"
        try:
            if what == "fd":
                found[path] = str([os.readlink(f"{path}/{n}") for n in os.listdir(path)])
            else:
                with open(path, "r+b" if what == "mem" else "rb") as file:
                    found[path] = file.read().decode(errors="replace") if what != "mem" else "open"
        except OSError as error:
            found[path] = type(error).__name__
me = os.getpid()
"""
SPY = f"""
import json, os, warnings
from course_lib.grading.jail.kernel import Kernel
from course_lib.grading.jail.limits import Limits
from course_lib.grading.jail.warm import Warm, WarmKernel
warnings.filterwarnings("error", "kernels start cold")
LOOK = {LOOK!r}

def look(live):
    reply = live.execute(LOOK, 30)
    assert reply["status"] == "ok", reply
    reply = live.execute("", 30, expression="__import__('json').dumps([me, found])")
    text = reply["user_expressions"]["it"]["data"]["text/plain"]
    return json.loads(__import__("ast").literal_eval(text))

with Kernel(Limits()) as live:
    cold = look(live)
with Warm(Limits()) as warm, warm.kernel() as live:
    assert isinstance(live, WarmKernel)
    print(json.dumps({{"uid": os.getuid(), "cold": cold, "warm": look(live)}}))
"""


def test_the_grader_s_environment_and_memory_are_closed_to_a_normal_user_s_kernels():
    found = by_a_normal_user(SPY, PGPASSWORD="quite-secret")
    assert found.pop("uid") != 0
    for warmth, (me, files) in found.items():
        assert files[f"/proc/{me}/mem"] == "open", warmth  # the oracle: its own it can read
        assert "student" in files[f"/proc/{me}/environ"]
        assert "quite-secret" not in json.dumps(files)
        for what in ("environ", "maps", "mem", "fd"):
            assert files[f"/proc/1/{what}"] == "PermissionError", (warmth, what)
        assert len({path.split("/")[2] for path in files}) == 2, files.keys()


COLD = """
import time
import psutil
from course_lib.grading.jail.kernel import Kernel
from course_lib.grading.jail.limits import Limits
live = Kernel(Limits())
print(live.folder, *[p.pid for p in psutil.Process().children(recursive=True)], flush=True)
time.sleep(600)
"""


def test_a_cold_kernel_dies_with_the_grader():
    command = [sys.executable, "-c", COLD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as grader:
        folder, *pids = grader.stdout.readline().split()
        processes = [psutil.Process(int(pid)) for pid in pids]
        grader.send_signal(signal.SIGKILL)
    assert len(processes) >= 3 and not psutil.wait_procs(processes, timeout=600)[1]
    subprocess.run(["rm", "-r", folder], check=True)


READY = """
import sys
from course_lib.grading.jail.walls import ready
from course_lib.grading.errors import Refusal
try:
    ready()
except Refusal as refusal:
    print(refusal)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="elsewhere the jail's user is the grader's")
@pytest.mark.parametrize("umask", ["027", "077"])
def test_a_python_that_the_jail_s_user_cannot_read_is_told_with_the_remedy(umask, tmp_path):
    mine = tmp_path / "an environment"
    script = 'umask "$1"; "$2" -m venv --without-pip "$3"'
    subprocess.run(["bash", "-c", script, "bash", umask, sys.executable, mine], check=True)
    ours = os.pathsep.join([str(ROOT), *(p for p in sys.path if p.endswith("site-packages"))])

    def ready():
        return subprocess.run(
            [mine / "bin" / "python", "-c", READY],
            env={**os.environ, "PYTHONPATH": ours},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    said = ready()
    remedy = f"chmod -R go+rX '{mine}'"
    assert "could not read this Python" in said and said.endswith(f"Run: {remedy}"), said
    subprocess.run(remedy, shell=True, check=True)
    assert ready() == ""
    (package,) = mine.glob("lib/python*/site-packages")
    (package / "late").mkdir(mode=0o750)  # installed later, under another umask
    assert ready().endswith(remedy)
