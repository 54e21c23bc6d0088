"""Formats against SciPy, torch and bytes counted by hand."""

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.masks import n_of_m, top_k
from course_lib.sparse import patterns
from course_lib.sparse.formats import CSR, Bitmask, BlockCSR, NofM

SHAPES = [(0, 0), (0, 5), (5, 0), (1, 1), (1, 9), (9, 1), (7, 12), (13, 8)]
MAKERS = {
    "CSR": CSR.from_dense,
    "4x1": BlockCSR.from_dense,
    "3x2": lambda w, m: BlockCSR.from_dense(w, m, block=(3, 2)),
    "1x5": lambda w, m: BlockCSR.from_dense(w, m, block=(1, 5)),
    "Bitmask": Bitmask.from_dense,
}


def drawn(shape, density, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    kept = rng.random(shape) < density
    return (rng.standard_normal(shape) * kept).astype(dtype), kept


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("density", [0, 0.3, 1])
def test_round_trip(make, dtype, density):
    for shape in SHAPES:
        weight, kept = drawn(shape, density, dtype)
        made = make(weight, kept)
        assert made.to_dense().dtype == dtype and np.array_equal(made.to_dense(), weight)
        assert made.nnz == kept.sum() and made.shape == shape
        assert made.nbytes == sum(getattr(made, name).nbytes for name in made.ARRAYS)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(0, 40),
    columns=st.integers(0, 40),
    density=st.floats(0, 1),
    block=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    seed=st.integers(0, 99),
)
def test_any_shape_comes_back(rows, columns, density, block, seed):
    weight, kept = drawn((rows, columns), density, seed=seed)
    for made in (
        CSR.from_dense(weight, kept),
        BlockCSR.from_dense(weight, kept, block=block),
        Bitmask.from_dense(weight, kept),
        NofM.from_dense(weight, kept, n=columns or 1, m=columns or 1),
    ):
        assert np.array_equal(made.to_dense(), weight)
    csr = CSR.from_dense(weight, kept)
    back, order = csr.transpose()
    assert np.array_equal(back.to_dense(), weight.T)
    assert np.array_equal(back.values, csr.values[order])
    assert np.array_equal(csr.rows(), np.nonzero(kept)[0])


@pytest.mark.parametrize("n,m", [(1, 1), (1, 2), (2, 4), (3, 4), (1, 5), (4, 16)])
def test_n_of_m(n, m):
    weight = torch.randn(6, 16 * m, generator=torch.Generator().manual_seed(0))
    mask = n_of_m(weight.abs(), n, m)
    made = NofM.from_dense(weight, mask, n=n, m=m)
    assert np.array_equal(made.to_dense(), (weight * mask).numpy())
    bits = {1: 0, 2: 1, 4: 2, 5: 3, 16: 4}[m]
    assert made.bytes == {"values": 6 * 16 * n * 4, "places": -(-6 * 16 * n * bits // 8)}


def test_bytes_by_hand():
    weight, kept = drawn((10, 20), 0.3)
    z = int(kept.sum())
    narrow, wide = CSR.from_dense(weight, kept), CSR.from_dense(weight, kept, index="int32")
    assert narrow.bytes == {"values": 4 * z, "columns": 2 * z, "pointers": 44}
    assert wide.nbytes == 8 * z + 44
    assert Bitmask.from_dense(weight, kept).bytes == {"values": 4 * z, "bits": 25}
    full = BlockCSR.from_dense(np.ones((8, 3), np.float32))
    assert full.bytes == {"values": 96, "columns": 12, "pointers": 12} and full.stored == 24
    one = np.zeros((8, 3), np.float32)
    one[5, 1] = 2
    assert (BlockCSR.from_dense(one).stored, BlockCSR.from_dense(one).nnz) == (4, 1)


def test_the_pattern_is_the_masks():
    weight, mask = torch.zeros(3, 4), torch.ones(3, 4, dtype=torch.bool)
    assert CSR.from_dense(weight, mask).nnz == 12 and CSR.from_dense(weight).nnz == 0
    assert Bitmask.from_dense(weight, mask).nnz == 12
    strange = np.array([[np.nan, np.inf, 0.0, -np.inf]])
    for make in MAKERS.values():
        assert np.array_equal(make(strange, strange != 0).to_dense(), strange, equal_nan=True)


def test_scipy_and_torch():
    weight, kept = drawn((30, 17), 0.2)
    csr = CSR.from_dense(weight, kept)
    assert np.array_equal(csr.to_scipy().toarray(), weight)
    assert np.array_equal(csr.to_torch().to_dense().numpy(), weight)
    for other in (CSR.from_scipy(csr.to_scipy()), CSR.from_torch(csr.to_torch())):
        for name in csr.ARRAYS:
            assert np.array_equal(getattr(other, name), getattr(csr, name))
    twice = scipy.sparse.coo_array(([1.0, 2.0, 4.0], ([0, 0, 1], [2, 2, 0])), shape=(2, 3))
    assert np.array_equal(CSR.from_scipy(twice).to_dense(), [[0, 0, 3], [4, 0, 0]])
    unsorted = scipy.sparse.csr_array(([5.0, 6.0], [2, 0], [0, 2]), shape=(1, 3))
    assert np.array_equal(CSR.from_scipy(unsorted).columns, [0, 2])
    with pytest.raises(ValueError, match="to_sparse_csr"):
        CSR.from_torch(torch.ones(2, 2))


def test_wide_matrices_get_wide_columns():
    weight = np.zeros((2, 2**16 + 1), np.float32)
    weight[1, -1] = weight[0, 3] = 1
    assert CSR.from_dense(weight).columns.dtype == np.int32
    assert CSR.from_dense(weight[:, :-1]).columns.dtype == np.uint16
    assert np.array_equal(CSR.from_dense(weight).to_dense(), weight)
    with pytest.raises(ValueError, match="uint16"):
        CSR.from_dense(weight, index="uint16")
    with pytest.raises(ValueError, match="int64"):
        CSR.from_dense(weight, index="int64")


GOOD = dict(
    values=np.array([7, 5, 3, 9], np.float32),
    columns=np.array([1, 3, 0, 3], np.uint16),
    pointers=np.array([0, 2, 2, 4], np.int32),
    shape=(3, 4),
)


@pytest.mark.parametrize(
    "change,error,words",
    [
        (
            dict(columns=np.array([3, 1, 0, 3], np.uint16)),
            ValueError,
            "row 0 has the column 1 after 3",
        ),
        (
            dict(columns=np.array([1, 3, 3, 3], np.uint16)),
            ValueError,
            "row 2 has the column 3 after 3",
        ),
        (
            dict(columns=np.array([1, 3, 0, 4], np.uint16)),
            ValueError,
            "row 2 has the column 4 of 4",
        ),
        (dict(columns=np.array([-1, 3, 0, 3], np.int32)), ValueError, "row 0 has the column -1"),
        (dict(columns=np.array([1, 3, 0, 3], np.int64)), TypeError, "columns are int64"),
        (dict(columns=np.array([1, 3, 0], np.uint16)), ValueError, "columns have the shape"),
        (dict(pointers=np.array([0, 2, 1, 4], np.int32)), ValueError, "never fall"),
        (dict(pointers=np.array([1, 2, 2, 4], np.int32)), ValueError, "begin with 0"),
        (dict(pointers=np.array([0, 2, 2, 3], np.int32)), ValueError, "end with 4"),
        (dict(pointers=np.array([0, 2, 4], np.int32)), ValueError, "pointers .3,"),
        (dict(pointers=np.array([0, 2, 2, 4])), TypeError, "pointers int64"),
        (dict(values=np.array([7, 5, 3, 9])), TypeError, "values are int64"),
    ],
)
def test_a_pattern_that_the_kernels_could_not_trust(change, error, words):
    CSR(**GOOD)
    with pytest.raises(error, match=words):
        CSR(**GOOD | change)


def test_refusals(monkeypatch):
    weight = np.ones((4, 6), np.float32)
    with pytest.raises(ValueError, match="mask is bool \\(4, 5\\), expected bool \\(4, 6\\)"):
        CSR.from_dense(weight, weight[:, :5] > 0)
    with pytest.raises(ValueError, match="mask is float32"):
        CSR.from_dense(weight, weight)
    with pytest.raises(TypeError, match="weight are int64"):
        CSR.from_dense(weight.astype(int))
    with pytest.raises(ValueError, match="2 dimensions"):
        CSR.from_dense(weight[0])
    with pytest.raises(ValueError, match="block=\\(0, 1\\)"):
        BlockCSR.from_dense(weight, block=(0, 1))
    with pytest.raises(ValueError, match="row 0 keeps more than 2 of its columns 0 to 2"):
        NofM.from_dense(weight, n=2, m=3)
    with pytest.raises(ValueError, match="m to divide"):
        NofM.from_dense(weight, n=2, m=4)
    with pytest.raises(ValueError, match="one for each"):
        Bitmask(np.ones(3, np.float32), np.zeros(3, np.uint8), (4, 6))
    monkeypatch.setattr(patterns, "INT32", 23)
    with pytest.raises(ValueError, match="24 weights are kept"):
        CSR.from_dense(weight)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("make", [*MAKERS.values(), NofM.from_dense], ids=[*MAKERS, "2:4"])
def test_tensors_that_numpy_does_not_know(make):
    weight, mask = torch.eye(4), torch.eye(4) > 0
    for wrong, error, words in (
        (weight.bfloat16(), TypeError, r"weight are torch.bfloat16, expected float16, .*\.float"),
        (weight.to(torch.complex64), TypeError, "weight are torch.complex64, expected float16"),
        (weight.to_sparse(), TypeError, "weight: given a tensor that is torch.sparse_coo"),
        (torch.nested.nested_tensor([weight]), TypeError, "weight: given a tensor that is nested"),
        (weight.to("meta"), ValueError, "weight: given a tensor on meta, expected one on the CPU"),
    ):
        with pytest.raises(error, match=words):
            make(wrong, mask)
    with pytest.raises(ValueError, match=r"mask is torch\.bfloat16, expected bool"):
        make(weight, mask.bfloat16())
    with pytest.raises(ValueError, match="mask: given a tensor on meta"):
        make(weight, mask.to("meta"))


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
def test_matrices_of_others_that_are_none():
    for wrong in (scipy.sparse.coo_array(np.ones(3)), np.ones(3), np.ones((2, 2, 2)), None):
        with pytest.raises(ValueError, match="expected two dimensions: reshape it"):
            CSR.from_scipy(wrong)
    for kind in (int, bool, complex, np.float16, np.longdouble):
        with pytest.raises(TypeError, match="expected float32 or float64"):
            CSR.from_scipy(np.ones((2, 2), kind))
    with pytest.raises(TypeError, match="values are float16, expected float32 or float64"):
        CSR.from_dense(np.ones((2, 2), np.float16)).to_scipy()
    for tensor, error, words in (
        (torch.eye(2).bfloat16().to_sparse_csr(), TypeError, "values are torch.bfloat16"),
        (torch.ones(2, 3, 3).to_sparse_csr(), ValueError, r"shape \(2, 3, 3\), expected two"),
        (torch.eye(2).to_sparse_csr().to("meta"), ValueError, "given a tensor on meta"),
        (np.eye(2), TypeError, "given ndarray, expected a torch tensor"),
    ):
        with pytest.raises(error, match=words):
            CSR.from_torch(tensor)
    with pytest.raises(TypeError, match="values: given Tensor, expected a NumPy array"):
        CSR(**GOOD | {"values": torch.ones(4)})


def test_a_mask_of_the_course_fits():
    weight = torch.randn(8, 8)
    mask = top_k(weight.abs(), 10)
    assert CSR.from_dense(weight.requires_grad_(), mask).nnz == 10


def test_sizes_of_blocks_and_groups_that_are_none_are_said():
    for block in (4, (2.0, 1), (1, 2, 3), (0, 1)):
        with pytest.raises(ValueError, match="expected two numbers of at least 1"):
            BlockCSR.from_dense(np.ones((4, 4)), block=block)
    with pytest.raises(TypeError, match=r"n=2.0, m=4, expected two integers"):
        NofM.from_dense(np.ones((4, 4)), n=2.0)
