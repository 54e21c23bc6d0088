"""The kernels against dense products in float64; and that they touch no memory but their own."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.sparse import kernels, plan
from course_lib.sparse.formats import CSR
from course_lib.sparse.kernels import feature_major, lanes_of, multiply, sddmm
from course_lib.sparse.team import share

ROOT = Path(__file__).parents[2]
BATCHES = [0, 1, 2, 7, 15, 16, 17, 40, 127, 128, 129, 257]
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-11}


def problem(rows, columns, batch, density, dtype=torch.float32, seed=0):
    chance = torch.Generator().manual_seed(seed)
    kept = torch.rand(rows, columns, generator=chance) < density
    weight = torch.randn(rows, columns, generator=chance, dtype=torch.float64) * kept
    x = torch.randn(columns, batch, generator=chance, dtype=torch.float64)
    slope = torch.randn(rows, batch, generator=chance, dtype=torch.float64)
    bias = torch.randn(rows, generator=chance, dtype=torch.float64)
    csr = CSR.from_dense(weight.to(dtype), kept)
    return weight, kept, csr, x, slope, bias


def agree(weight, kept, csr, x, slope, bias):
    values = torch.from_numpy(csr.values)
    dtype, tolerance = values.dtype, TOLERANCE[values.dtype]
    y = multiply(values, csr.plan, x.to(dtype))
    assert torch.allclose(y.double(), weight @ x, atol=tolerance)
    y = multiply(values, csr.plan, x.to(dtype), bias.to(dtype), relu=True)
    assert torch.allclose(y.double(), (weight @ x + bias[:, None]).relu(), atol=tolerance)
    found = sddmm(csr.plan, slope.to(dtype), x.to(dtype))
    assert torch.allclose(found.double(), (slope @ x.T)[kept], atol=tolerance)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_any_batch(batch, dtype):
    for rows, columns, density in ((33, 65, 0.3), (5, 200, 0.9), (64, 3, 0.05)):
        agree(*problem(rows, columns, batch, density, dtype))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(0, 60),
    columns=st.integers(0, 60),
    batch=st.integers(0, 140),
    density=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_any_shape(rows, columns, batch, density, seed):
    agree(*problem(rows, columns, batch, density, seed=seed))


def test_many_panels(monkeypatch):
    monkeypatch.setattr(plan, "PANEL", 512)
    monkeypatch.setattr(plan, "WORTH", 1)
    for batch in (7, 128, 200):
        given_ = problem(40, 100, batch, 0.5)
        assert given_[2].plan.panels(16, 4) > 3
        agree(*given_)


def test_panels_cover_each_row_once():
    _, kept, csr, *_ = problem(20, 50, 1, 0.4)
    splits = csr.plan.splits(4)
    assert (np.diff(splits, axis=0) >= 0).all()
    assert np.array_equal(splits[0], csr.pointers[:-1])
    assert np.array_equal(splits[-1], csr.pointers[1:])
    for panel, (low, high) in enumerate(((0, 12), (12, 25), (25, 37), (37, 50))):
        counts = kept[:, low:high].sum(1).numpy()
        assert np.array_equal(splits[panel + 1] - splits[panel], counts)


def test_rows_are_shared_by_weights():
    lengths = np.array([0, 50, 1, 1, 1, 47, 0, 100])
    pointers = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
    made = plan.Plan(np.zeros(200, np.uint16), pointers, (8, 1))
    for parts in (1, 2, 3, 20):
        cuts = made.cuts(parts)
        assert [first for first, _ in cuts[1:]] == [end for _, end in cuts[:-1]]
        assert (cuts[0][0], cuts[-1][1], len(cuts)) == (0, 8, parts)
    halves = [pointers[end] - pointers[first] for first, end in made.cuts(2)]
    assert halves == [100, 100]


def test_views_of_any_layout():
    weight, _, csr, x, *_ = problem(20, 30, 50, 0.3, torch.float64)
    values = torch.from_numpy(csr.values)
    room = torch.full((33, 70), torch.nan, dtype=torch.float64)
    room[2:32, 9:59] = x
    layouts = [x, x.T.contiguous().T, room[2:32, 9:59], x.repeat_interleave(2, 1)[:, ::2]]
    for view in [*layouts, x.flip(0).flip(0)]:
        assert torch.allclose(multiply(values, csr.plan, view), weight @ x)
    one = x[:, :1].expand(-1, 5)
    assert torch.allclose(multiply(values, csr.plan, one), weight @ one)


@pytest.mark.parametrize("batch", [1, 5, 300])
def test_values_of_any_layout(batch):
    weight, _, csr, x, *_ = problem(9, 14, batch, 0.5)
    apart = torch.from_numpy(np.stack([csr.values, np.full_like(csr.values, np.nan)], 1))[:, 0]
    assert not apart.is_contiguous()
    y = multiply(apart, csr.plan, x.float())
    assert torch.allclose(y.double(), weight @ x.double(), atol=1e-4)
    same = torch.ones(1).expand(csr.nnz)
    y = multiply(same, csr.plan, x.float())
    assert torch.allclose(y.double(), (weight != 0).double() @ x.double(), atol=1e-4)


def test_nan_and_infinity_pass_like_through_torch():
    weight = torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 3.0], [-1.0, 0.0, 0.0]])
    csr = CSR.from_dense(weight)
    for batch in (1, 3, 200):
        x = torch.ones(3, batch)
        x[0, 0], x[2, -1] = torch.nan, -torch.inf
        y = multiply(torch.from_numpy(csr.values), csr.plan, x, relu=True)
        expected = torch.stack([x[0] + 2 * x[1], 3 * x[2], -x[0]]).relu()
        assert torch.equal(y.isnan(), expected.isnan())
        assert torch.equal(y.nan_to_num(9), expected.nan_to_num(9))


def test_refusals():
    _, _, csr, x, slope, bias = problem(4, 6, 3, 0.5)
    values, x, slope, bias = torch.from_numpy(csr.values), x.float(), slope.float(), bias.float()
    for wrong, error, words in (
        (lambda: multiply(values, csr.plan, x.double()), TypeError, "x is torch.float64"),
        (
            lambda: multiply(values.half(), csr.plan, x.half()),
            TypeError,
            "float32 or torch.float64",
        ),
        (lambda: multiply(values, csr.plan, x[:5]), ValueError, r"\(5, 3\), expected \(6, batch\)"),
        (lambda: multiply(values[1:], csr.plan, x), ValueError, "values has the shape"),
        (lambda: multiply(values, csr.plan, x, bias[:2]), ValueError, "bias has the shape"),
        (lambda: multiply(values, csr.plan, x[0]), ValueError, "x has the shape"),
        (lambda: multiply(values, csr.plan, x.to("meta")), ValueError, "on meta, expected the CPU"),
        (lambda: sddmm(csr.plan, slope, x[:, :2]), ValueError, "x has the shape"),
        (lambda: sddmm(csr.plan, slope[:3], x), ValueError, "g has the shape"),
        (lambda: multiply(csr.values, csr.plan, x), TypeError, "values is a ndarray, expected a"),
        (lambda: sddmm(csr.plan, slope, 3), TypeError, "x is a int, expected a torch tensor"),
    ):
        with pytest.raises(error, match=words):
            wrong()


def test_rows_begin_on_lines_of_the_cache():
    for batch in (2, 7, 16, 129, 256, 1024):
        room = feature_major(5, batch, torch.float32)
        assert room.shape == (5, batch) and room.data_ptr() % 64 == 0
        assert room.stride(0) * 4 % 64 == 0
        assert room.stride(0) * 4 % 1024 or batch <= 32


def test_nothing_is_written_beside_the_result():
    _, _, csr, x, slope, _ = problem(9, 12, 37, 0.5)
    values, x, slope = torch.from_numpy(csr.values), x.float(), slope.float()
    for batch in (1, 7, 16, 37):
        room = torch.full((9, 64), 5.0)
        every = kernels._every(x.stride(0))
        kernels.multiply_into(room[:, :batch], values, csr.plan, x, every, None, relu=False)
        assert (room[:, batch:] == 5).all() and (room[:, :batch] != 5).any()


# Each buffer ends where a page begins that must not be touched, or begins where one ends.
GUARDED = """
import ctypes, mmap, sys
import numpy as np
import torch
from course_lib.sparse import kernels
from course_lib.sparse.formats import CSR
from course_lib.sparse.plan import Plan

PAGE = mmap.PAGESIZE
libc = ctypes.CDLL(None, use_errno=True)

def guarded(array, at_end):
    array = np.ascontiguousarray(array)
    pages = -(-max(array.nbytes, 1) // PAGE)
    room = mmap.mmap(-1, (pages + 2) * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(room))
    for page in (0, pages + 1):
        address = ctypes.c_void_p(start + page * PAGE)
        assert libc.mprotect(address, ctypes.c_size_t(PAGE), 0) == 0
    offset = (pages + 1) * PAGE - array.nbytes if at_end else PAGE
    kind = array.dtype.type
    view = np.frombuffer(room, kind, array.size, offset).reshape(array.shape)
    view[...] = array
    keep.append(room)
    return view

keep = []
if sys.argv[1] == "canary":
    one = guarded(np.ones(16, np.float32), True)
    kernels.vector_product(8)(
        guarded(np.ones(20, np.float32), True), np.zeros(40000, np.uint16),
        np.array([0, 40000], np.int32), one, np.zeros(1, np.float32), np.zeros(1, np.float32),
        False, (0, 1))
    sys.exit(0)
rng = np.random.default_rng(0)
for at_end in (True, False):
    for rows, columns in ((1, 1), (7, 5), (33, 65)):
        for batch in (1, 7, 16, 33, 64, 129):
            kept = rng.random((rows, columns)) < 0.5
            weight = (rng.standard_normal((rows, columns)) * kept).astype(np.float32)
            csr = CSR.from_dense(weight, kept)
            values, cols, pointers = (guarded(getattr(csr, n), at_end) for n in csr.ARRAYS)
            plan = Plan(cols, pointers, (rows, columns))
            x = guarded(rng.standard_normal((columns, batch)).astype(np.float32), at_end)
            g = guarded(rng.standard_normal((rows, batch)).astype(np.float32), at_end)
            y = guarded(np.zeros((rows, batch), np.float32), at_end)
            out = guarded(np.zeros(csr.nnz, np.float32), at_end)
            v, tx, tg, ty, tout = (torch.from_numpy(a) for a in (values, x, g, y, out))
            every = kernels._every(batch)
            if batch == 1:
                kernels._multiply_one(ty, v, plan, tx, None, False)
            else:
                kernels.multiply_into(ty, v, plan, tx, every, None, relu=False)
            kernels.sddmm_into(tout, plan, tg, tx, every, fresh=True)
            assert np.allclose(y, weight @ x, atol=1e-4), (rows, columns, batch)
            assert np.allclose(out, (g @ x.T)[kept], atol=1e-4)
print("lanes", kernels.lanes_of(np.float32))
"""


def in_process(source, *args, **environment):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", source, *args],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_no_byte_outside_the_buffers_is_touched():
    done = in_process(GUARDED, "all")
    assert done.returncode == 0, done.stderr
    assert in_process(GUARDED, "canary").returncode < 0, "a kernel that reads too far must crash"


NARROW = """
import numpy as np, sys
from course_lib.sparse.kernels import lanes_of
assert lanes_of(np.float32) == int(sys.argv[1]), lanes_of(np.float32)
from tests.sparse.test_kernels import agree, problem
for batch in (1, 7, 40, 129):
    agree(*problem(33, 65, batch, 0.3))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name,lanes", [("haswell", 8), ("x86-64", 4)])
def test_processors_with_shorter_vectors(name, lanes, tmp_path):
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    if "sse2" not in features:
        pytest.skip("not an x86 processor: its own width is what the other tests use")
    longer = ("avx512", "evex", "avx10") + (("avx", "fma", "f16c", "xop") if lanes == 4 else ())
    said = ",".join(
        ("+" if on and not any(part in key for part in longer) else "-") + key
        for key, on in features.items()
    )
    done = in_process(
        NARROW,
        str(lanes),
        NUMBA_CPU_NAME=name,
        NUMBA_CPU_FEATURES=said,
        NUMBA_CACHE_DIR=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr


# --- threads


def test_every_part_is_done_once():
    done = []
    share(done.append, range(100), 3)
    assert sorted(done) == list(range(100))
    share(done.append, [], 2)
    assert len(done) == 100


def test_an_error_of_any_part_comes_out_when_all_are_over():
    done = []

    def work(part):
        done.append(part)
        if part % 3 == 0:
            raise KeyError(part)

    with pytest.raises(KeyError):
        share(work, range(20), 2)
    assert sorted(done) == list(range(20))


@pytest.fixture
def two_threads(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(kernels, "SMALL", 0)  # share even the smallest work
    yield
    torch.set_num_threads(before)


def test_two_threads_give_the_same(two_threads):
    for batch in (1, 7, 129):
        agree(*problem(50, 60, batch, 0.3))
    agree(*problem(0, 5, 7, 0.3))
    agree(*problem(1, 5, 7, 0.3))


def test_two_callers_at_once(two_threads):
    errors = []

    def calls(seed):
        try:
            for _ in range(50):
                agree(*problem(50, 60, 33, 0.3, seed=seed))
        except BaseException as error:
            errors.append(error)

    callers = [threading.Thread(target=calls, args=(seed,)) for seed in range(3)]
    before = threading.active_count()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not errors and threading.active_count() <= before + 2


def test_a_forked_child_has_threads_of_its_own(two_threads):
    agree(*problem(50, 60, 33, 0.3))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            done = []
            share(done.append, range(10), 2)
            code = 0 if sorted(done) == list(range(10)) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_width_of_this_processor():
    assert lanes_of(np.float32) in (4, 8, 16) and lanes_of(np.float64) * 2 == lanes_of(np.float32)
