"""What is one jail's and what is everybody's: no notebook takes more of it than its share."""

from __future__ import annotations

import ast
import json
import os
import warnings

import pytest

from course_lib.grading.jail import guard
from course_lib.grading.jail.kernel import Kernel, KernelLost
from course_lib.grading.jail.limits import HOME, Limits
from course_lib.grading.jail.warm import Warm, WarmKernel
from tests.grading.jail.hogs import HOGS
from tests.grading.jail.test_walls import by_a_normal_user

LIMITS = Limits(memory_mb=256, files_mb=16)  # 512 MB in all


@pytest.fixture(scope="module")
def warm():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Warm(LIMITS) as warm:
            yield warm


def said(live, expression):
    reply = live.execute("", 30, expression=expression)
    return ast.literal_eval(reply["user_expressions"]["it"]["data"]["text/plain"])


def outcome(live, source):
    """What a hog got, or why it was ended."""
    try:
        reply = live.execute(source, 60)
        return said(live, "taken") if reply["status"] == "ok" else json.dumps(reply)
    except KernelLost as lost:
        assert not lost.ours
        return str(lost)


def held(name, got):
    hog = HOGS[name]
    return got <= hog.most if isinstance(got, int) else hog.words in got


@pytest.mark.slow
@pytest.mark.parametrize("name", HOGS)
@pytest.mark.parametrize("warmth", ["cold", "warm"])
def test_no_notebook_takes_more_than_its_share(warmth, name, warm):
    with warm.kernel() if warmth == "warm" else Kernel(LIMITS) as live:
        assert isinstance(live, WarmKernel) == (warmth == "warm")
        got = outcome(live, HOGS[name].source)
        assert held(name, got), got


BY_NOBODY = """
import json, os, warnings
from course_lib.grading.jail.kernel import Kernel
from course_lib.grading.jail.warm import Warm
from tests.grading.jail.hogs import HOGS
from tests.grading.jail.test_resources import LIMITS, outcome
warnings.filterwarnings("error", "kernels start cold")
found = {"uid": os.getuid()}
with Warm(LIMITS) as warm:
    for warmth, make in {"cold": lambda: Kernel(LIMITS), "warm": warm.kernel}.items():
        for name, hog in HOGS.items():
            with make() as live:
                found[f"{warmth} {name}"] = outcome(live, hog.source)
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as a normal user here")
def test_nor_where_a_normal_user_grades():
    found = by_a_normal_user(BY_NOBODY)
    assert found.pop("uid") == 65534 and len(found) == 2 * len(HOGS)
    assert {n: got for n, got in found.items() if not held(n.split(" ", 1)[1], got)} == {}


@pytest.mark.slow
def test_what_is_the_machine_s_is_not_taken_for_the_jail_s_before_that_is_there(monkeypatch):
    inside, early, first = [], [os.getpid()] * 3, Kernel._first

    def look(first, *_):
        inside.append(os.path.isdir(f"/proc/{first}/root{HOME}"))
        return ""

    monkeypatch.setattr(guard, "excess", look)
    monkeypatch.setattr(Kernel, "_first", lambda live: early.pop() if early else first(live))
    with Kernel(LIMITS) as live:
        live.execute("1", 10)
    assert inside and all(inside)


MEMORY = "MemTotal: {total} kB\nMemFree: 1 kB\nMemAvailable: {left} kB\n"


def test_what_all_jails_stop_for_is_this_machine_s_last_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "PROC", tmp_path)
    assert guard.shortage() == ""  # not known: not short
    for total, left, short in (
        (4 << 20, 300 << 10, False),
        (4 << 20, 200 << 10, True),
        (64 << 20, 1100 << 10, False),
        (64 << 20, 1000 << 10, True),
    ):
        (tmp_path / "meminfo").write_text(MEMORY.format(total=total, left=left))
        assert bool(guard.shortage()) == short, (total, left)
    assert guard.shortage() == "this machine had only 1000 MB of memory left"


@pytest.mark.slow
def test_who_was_stopped_for_the_machine_s_sake_did_nothing_wrong(warm, monkeypatch):
    with warm.kernel() as live:
        monkeypatch.setattr(guard, "shortage", lambda: "only 9 MB of memory left")
        with pytest.raises(KernelLost, match="only 9 MB") as lost:
            live.execute("1 + 1", 20)
        assert lost.value.ours
