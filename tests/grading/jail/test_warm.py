"""Warm kernels: their walls are those of cold ones, and no student finds what another left."""

from __future__ import annotations

import ast
import gc
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import psutil
import pytest

from course_lib.grading.cells import imports
from course_lib.grading.jail import forkserver, walls
from course_lib.grading.jail import warm as warm_module
from course_lib.grading.jail.kernel import Kernel, KernelLost
from course_lib.grading.jail.limits import Limits
from course_lib.grading.jail.walls import Jail
from course_lib.grading.jail.warm import Warm, WarmKernel
from tests.grading import example
from tests.grading.trial.test_hostile import survivors

LIMITS = Limits(memory_mb=1024, processes=40, files_mb=16)


@pytest.fixture(scope="module")
def warm():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a fall back to cold kernels would make these tests empty
        with Warm(LIMITS, modules=["torch"]) as warm:
            yield warm


def said(live, expression):
    """The value of an expression in a kernel."""
    reply = live.execute("", 30, expression=expression)
    return ast.literal_eval(reply["user_expressions"]["it"]["data"]["text/plain"])


def run(live, source):
    reply = live.execute(source, 60)
    assert reply["status"] == "ok", reply


SURVEY = """
import ctypes, os, resource, signal, socket, subprocess, sys
found = {}
for place in ("/", "/dev", "/etc", "/proc/1", os.getcwd(), "/dev/shm", "/dev/pts", "/sys"):
    try:
        found[place] = sorted(os.listdir(place))
    except OSError as error:
        found[place] = type(error).__name__
for place in ("/", "/dev", "/etc", "/usr", "/proc", "/proc/sys", os.getcwd(), "/dev/shm", "/tmp"):
    found["may write " + place] = os.access(place, os.W_OK)
    if os.path.isdir(place):
        stat = os.statvfs(place)
        found["flags of " + place] = stat.f_flag
        found["mode of " + place] = oct(os.stat(place).st_mode)
for place in ("/tmp", "/dev/shm", os.getcwd()):
    found["size of " + place] = (lambda s: s.f_blocks * s.f_frsize)(os.statvfs(place))
lines = dict(map(str.strip, x.split(":", 1)) for x in open("/proc/self/status"))
keys = "CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp Groups Umask SigBlk SigIgn".split()
found |= {key: lines[key] for key in keys}
found["limits"] = {k: resource.getrlimit(getattr(resource, k)) for k in dir(resource) if k.startswith("RLIMIT")}
found["ids"] = len({*os.getresuid(), *os.getresgid()}), os.getpid(), os.getppid()
found["leader"] = os.getsid(0) == os.getpgid(0) == os.getpid()
found["environment"] = {k: v for k, v in os.environ.items() if "jail." not in v and "warm." not in v}
found["names"] = os.uname().nodename, socket.if_nameindex(), sys.argv[1:2], os.getcwd()
found["Python"] = [p for p in sys.path if not p.startswith("/tmp")], sys.executable, sys.prefix
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname(), 2).close()
found["own"] = os.access("/proc/self/mem", os.R_OK), os.access("/proc/1/mem", os.R_OK)
found["signals"] = [str(signal.getsignal(n)) for n in (1, 2, 15, 17)]
for name, ask in {
    "user": "c.unshare(0x10000000)", "mounts": "c.unshare(0x20000)", "memfd": "c.memfd_create(b'x', 0)",
    "mount": "c.mount(b'none', b'/tmp', b'tmpfs', 0, None)", "umount": "c.umount2(b'/tmp', 2)",
    "ptrace": "c.ptrace(16, 1, 0, 0)", "shm": "c.shmget(0, 4096, 512)", "setuid": "c.setuid(0)",
    "clone3": "c.syscall(435, 0, 0)", "hostname": "c.sethostname(b'x', 1)", "bpf": "c.syscall(321, 0, 0, 0)",
}.items():
    code = f"import ctypes; c = ctypes.CDLL(None, use_errno=True); print({ask}, ctypes.get_errno())"
    found[name] = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
found["memory"] = "MemoryError"
try:
    bytearray(3 << 30)
    found["memory"] = "none"
except MemoryError:
    pass
"""  # noqa: E501


@pytest.mark.slow
def test_the_walls_of_a_warm_kernel_are_those_of_a_cold_one(warm):
    surveys = []
    for make in (warm.kernel, lambda: Kernel(LIMITS)):
        with make() as live:
            run(live, SURVEY)
            surveys.append(said(live, "found"))
    ours, theirs = surveys
    assert ours["CapBnd"] == "0" * 16 and ours["Seccomp"] == "2"  # and the survey saw something
    assert {k: v for k, v in ours.items() if theirs[k] != v} == {}
    assert ours.keys() == theirs.keys()


LEAVE = """
import builtins, gc, os, random, subprocess, sys, threading, time
import numpy as np, torch
from pathlib import Path
torch.relu = np.sort = lambda *args, **kwargs: "patched"
np.MARK = torch.nn.MARK = sys.MARK = builtins.MARK = True
np.random.seed(1); random.seed(1); torch.manual_seed(1)
torch.set_default_dtype(torch.float64); torch.set_num_threads(2); np.seterr(all="raise")
torch.use_deterministic_algorithms(True); torch.set_grad_enabled(False)
os.environ["MARK"] = "left"; os.umask(0o777); os.nice(5)
for folder in ("/tmp", "/dev/shm", "/assignment"):
    Path(folder, "MARK").write_text("left")
threading.Thread(target=time.sleep, args=(600,)).start()
if os.fork() == 0:
    os.setsid()
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "survivor-of-a-notebook"])
    time.sleep(600)
"""  # noqa: E501
LOOK = """
import builtins, os, random, sys
import numpy as np, torch
found = [name for name, there in {
    "patched": "patched" in (str(np.sort([1])), torch.relu(torch.ones(1))),
    "module": any(hasattr(module, "MARK") for module in (np, torch.nn, sys, builtins)),
    "environment": "MARK" in os.environ,
    "file": any(os.path.exists(f"{p}/MARK") for p in ("/tmp", "/dev/shm", "/assignment")),
    "dtype": torch.get_default_dtype() != torch.float32,
    "threads": torch.get_num_threads() != 1,
    "strict": torch.are_deterministic_algorithms_enabled() or not torch.is_grad_enabled(),
    "errors": np.geterr()["divide"] != "warn",
    "seed": torch.initial_seed() == 1,
    "umask": os.umask(0o022) != 0o022,
    "nice": os.nice(0) != 0,
    "process": any(b"survivor" in open(f"/proc/{p}/cmdline", "rb").read() for p in os.listdir("/proc") if p.isdigit()),
}.items() if there]
drawn = np.random.random(), random.random(), torch.rand(1).item()
"""  # noqa: E501


@pytest.mark.slow
def test_nothing_of_one_student_is_seen_by_the_next(warm):
    with warm.kernel() as live:
        run(live, LOOK)
        first = said(live, "drawn")
        run(live, LEAVE)
        run(live, LOOK)  # the oracle finds what is there
        seen = ["patched", "module", "environment", "file", "dtype", "threads", "strict", "errors"]
        assert said(live, "found")[:8] == seen
    assert survivors() == []
    with warm.kernel() as live:
        run(live, LOOK)
        assert said(live, "found") == []
        second = said(live, "drawn")
    assert first[0] != second[0] and first[1] != second[1]  # as in kernels that start cold
    assert first[2] == second[2]  # torch begins with the same seed in every process


@pytest.mark.slow
def test_two_at_once_do_not_see_each_other_and_one_cannot_starve_the_other(warm):
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    with warm.kernel() as one:
        one.client.execute(bomb)
        with warm.kernel() as two:
            run(two, "import os, subprocess, sys\nsubprocess.run([sys.executable, '-c', ''])")
            assert said(two, "len([p for p in os.listdir('/proc') if p.isdigit()])") == 2
            folders = said(two, "[d for _, ds, _ in os.walk('/tmp') for d in ds if 'jail.' in d]")
            assert folders == [two.folder.name]
            if os.geteuid() == 0:
                assert one.uid != two.uid
        inside = psutil.Process(one.process.pid).children(recursive=True)
    assert len(inside) > 5 and not psutil.wait_procs(inside, timeout=0)[1]


@pytest.mark.slow
def test_threads_of_torch_work_after_the_fork(warm):
    with warm.kernel() as live:
        run(
            live,
            "import torch\ntorch.set_num_threads(2)\nw = torch.ones(600, 600).requires_grad_()",
        )
        run(live, "(w @ w).sum().backward()")
        assert said(live, "w.grad.mean().item()") == 1200


@pytest.mark.slow
def test_a_warm_kernel_sees_its_data_and_its_rooms(tmp_path):
    (tmp_path / "data.csv").write_text("1,2")
    with Warm(LIMITS, [tmp_path / "data.csv"], ["teaching"]) as warm, warm.kernel() as live:
        assert isinstance(live, WarmKernel)
        run(live, "import course_lib.teaching")
        assert said(live, "open('data.csv').read()") == "1,2"
        assert live.execute("open('data.csv', 'a')", 20)["ename"] in ("OSError", "PermissionError")
        assert live.execute("import course_lib.masks", 20)["ename"] == "ImportError"


@pytest.mark.slow
def test_a_python_that_lies_where_each_jail_has_its_own_folder_is_seen(tmp_path, monkeypatch):
    """As in a course that was cloned into /tmp."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mine").write_text("here")
    for folder in (tmp_path, *tmp_path.parents):  # pytest's own are closed to other users
        if folder.is_relative_to(tmp_path.parents[1]):
            folder.chmod(0o755)
    assert tmp_path.is_relative_to("/tmp")
    places = [*walls.python(), tmp_path]
    monkeypatch.setattr(walls, "python", lambda: places)
    monkeypatch.setattr(warm_module, "python", lambda: places)
    with Warm(LIMITS) as warm, warm.kernel() as live:
        assert isinstance(live, WarmKernel)
        assert said(live, f"open({str(tmp_path / 'bin' / 'mine')!r}).read()") == "here"
        assert said(live, f"__import__('os').access({str(tmp_path)!r}, 2)") is False


@pytest.mark.slow
def test_where_no_fork_can_be_jailed_kernels_are_cold_and_it_is_said_once(monkeypatch):
    monkeypatch.setattr(Jail, "start_forkserver", Jail.start)  # it may not make a jail in its jail
    with Warm(LIMITS) as warm:
        with pytest.warns(UserWarning, match="start cold.*not permitted"), warm.kernel() as live:
            assert type(live) is Kernel and said(live, "1 + 1") == 2
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with warm.kernel() as live:
                assert type(live) is Kernel
    assert not warm.folder.exists()


@pytest.mark.slow
def test_a_lost_server_is_told_and_leaves_nothing():
    with Warm(LIMITS) as warm:
        with warm.kernel() as live:
            inside = psutil.Process(warm.server.pid).children(recursive=True)
            warm.server.kill()
            with pytest.raises(KernelLost):
                live.execute("import time; time.sleep(60)", 60)
        assert len(inside) >= 4 and not psutil.wait_procs(inside, timeout=600)[1]
        with pytest.raises(KernelLost, match="could be forked"):
            warm.kernel()
    assert not warm.folder.exists()


GRADER = """
import time
import psutil
from course_lib.grading.jail.limits import Limits
from course_lib.grading.jail.warm import Warm
warm = Warm(Limits())
live = warm.kernel()
print(warm.folder, *[p.pid for p in psutil.Process().children(recursive=True)], flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_all_die_with_the_grader(tmp_path):
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", GRADER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as grader:
        folder, *pids = grader.stdout.readline().split()
        processes = [psutil.Process(int(pid)) for pid in pids]
        grader.send_signal(signal.SIGKILL)
    assert len(processes) >= 5 and not psutil.wait_procs(processes, timeout=600)[1]
    subprocess.run(["rm", "-r", folder], check=True)


def test_a_process_with_threads_is_not_forked():
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    before = len(os.listdir("/proc/self/task"))
    thread.start()
    try:
        assert forkserver.prepare(["no_such_module"]) == f"the imports leave {before} threads"
    finally:
        gc.unfreeze()
        stop.set()
        thread.join()


def test_imports_are_those_at_the_top_of_code_cells():
    book = example.source()
    book.cells[1].source = (
        "import numpy as np, os.path\nfrom torch.nn import Linear\nfrom course_lib import masks\n"
        "def f():\n    import secret"
    )
    book.cells[4].source = "%matplotlib inline\nimport matplotlib"
    assert imports(book) == ["numpy", "os.path", "torch.nn"]
