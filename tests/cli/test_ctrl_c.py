"""Ctrl-C ends every command with one line, the exit code 130, and nothing left running."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from course_lib.cli import COMMANDS, main
from course_lib.cli.ports import free_port

ROOT = Path(__file__).parents[2]
WAIT = """
import time
from pathlib import Path
def wait(**settings):
    Path({began!r}).touch()
    time.sleep(900)
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_whatever_a_command_does(monkeypatch, name):
    command = main.get_command(None, name)
    monkeypatch.setattr(command, "params", [])

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "callback", interrupted)
    result = CliRunner().invoke(main, [name])
    assert result.exit_code == 130
    assert result.output.split() == ["Stopped."]


ANSWERING = """
import time
import anyio
from jupyter_server.serverapp import ServerApp
from course_lib.cli.ports import until_ctrl_c
async def answer():
    server.io_loop.call_later(0.1, server.stop)
    await anyio.to_thread.run_sync(time.sleep, 1)
server = ServerApp()
server.initialize(["--ip=127.0.0.1", "--no-browser", "--allow-root", "--port=0"])
server.io_loop.add_callback(answer)
until_ctrl_c(server)
"""


@pytest.mark.slow
def test_a_server_ends_though_it_still_answers(tmp_path):
    """Its threads once waited for the end of a request, and Python for them, without end."""
    command = [sys.executable, "-c", ANSWERING]
    subprocess.run(command, cwd=tmp_path, env=os.environ | {"HOME": str(tmp_path)}, check=True)


@pytest.fixture
def began(course):
    """What appears when the slow part of a command has begun, in a course that waits."""
    began = course / "began"
    (course / "waiting.py").write_text(WAIT.format(began=str(began)))
    (course / "tests").mkdir()
    (course / "tests" / "test_wait.py").write_text(
        "import waiting\ndef test_wait():\n    waiting.wait()\n"
    )
    (course / "tests" / "notebooks").mkdir()
    (course / "tests" / "notebooks" / "sanitize.cfg").touch()
    shutil.copy(ROOT / "tests" / "conftest.py", course / "tests")  # how the course's tests end
    return began


def hears_ctrl_c():
    # Even where the tests themselves were started in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["run", "sweep", "test", "lab"])
def test_what_is_under_way_ends_with_it(course, began, write_notebook, tmp_path, name):
    waits = f"import sys; sys.path.insert(0, {str(course)!r}); import waiting; waiting.wait()"
    write_notebook("01_waits", waits if name == "run" else "1")
    options = {
        "sweep": ["waiting:wait", "--workers=2"],
        "lab": ["--no-browser", f"--port={free_port(18700)}"],
    }
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("course"), name, *options.get(name, [])],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group of its own, as a shell gives to a command
            preexec_fn=hears_ctrl_c,
        )
    is_up = {"lab": lambda: "127.0.0.1" in log.read_text()}.get(name, began.exists)
    while not is_up():  # a hang is ended by pytest's own limit
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    family = psutil.Process(process.pid).children(recursive=True)
    before = log.read_text()
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait() == 130
    said = log.read_text().removeprefix(before).splitlines()
    counted = [line for line in said if line.startswith("===")]  # by pytest
    assert len(counted) == (name == "test")
    assert [line for line in said if line.strip() and line not in counted] == ["Stopped."], said
    assert not psutil.wait_procs(family)[1]
