"""Wrong versions of assignment 08, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant

# --- to_csr


@alternative("to_csr")
def to_csr_by_hand(W):
    values, columns, pointers = [], [], [0]
    for row in W:
        for column, value in enumerate(row):
            if value != 0:
                values.append(value)
                columns.append(column)
        pointers.append(len(values))
    return values, columns, pointers


@alternative("to_csr")
def to_csr_scipy(W):
    from scipy.sparse import csr_array

    W = csr_array(W)
    return W.data, W.indices, W.indptr


@mutant(
    "to_csr",
    "its pointers are the lengths of the rows, not where they begin",
    loses=["pointers", "empty_rows", "nothing"],
)
def lengths_for_pointers(W):
    rows, columns = np.nonzero(W)
    return W[rows, columns], columns, (W != 0).sum(1)


@mutant(
    "to_csr",
    "it leaves out the last pointer, the number of entries",
    loses=["pointers", "empty_rows", "nothing"],
)
def no_last_pointer(W):
    rows, columns = np.nonzero(W)
    return W[rows, columns], columns, np.concatenate([[0], np.cumsum((W != 0).sum(1))])[:-1]


@mutant(
    "to_csr",
    "its pointers begin with the end of the first row, not with 0",
    loses=["pointers", "empty_rows", "nothing"],
)
def ends_for_beginnings(W):
    rows, columns = np.nonzero(W)
    return W[rows, columns], columns, np.cumsum((W != 0).sum(1))


@mutant("to_csr", "it leaves out empty rows", loses=["empty_rows", "nothing"])
def skips_empty_rows(W):
    rows, columns = np.nonzero(W)
    lengths = (W != 0).sum(1)
    return W[rows, columns], columns, np.concatenate([[0], np.cumsum(lengths[lengths > 0])])


@mutant("to_csr", "it keeps positive entries only", loses=["signs"])
def positive_only(W):
    rows, columns = np.nonzero(W > 0)
    return W[rows, columns], columns, np.concatenate([[0], np.cumsum((W > 0).sum(1))])


@mutant(
    "to_csr",
    "it goes through the matrix column by column",
    loses=["values", "columns", "pointers", "empty_rows", "nothing", "signs"],
)
def by_columns(W):
    columns, rows = np.nonzero(W.T)
    pointers = np.concatenate([[0], np.cumsum((W != 0).sum(0))])
    return W[rows, columns], rows, pointers


@mutant(
    "to_csr",
    "its columns count through the whole matrix, not anew in each row",
    loses=["columns"],
)
def flat_positions(W):
    places = np.flatnonzero(W)
    return W.ravel()[places], places, np.concatenate([[0], np.cumsum((W != 0).sum(1))])


@mutant("to_csr", "it takes very small entries for zeros", loses=["signs"])
def tiny_is_nothing(W):
    on = ~np.isclose(W, 0)
    rows, columns = np.nonzero(on)
    return W[rows, columns], columns, np.concatenate([[0], np.cumsum(on.sum(1))])


# --- most_kept

ALL = ["float32", "other", "smaller"]


@alternative("most_kept")
def most_kept_search(rows, columns, value_bits, index_bits):
    kept = 0
    while (kept + 1) * (value_bits + index_bits) + 32 * (rows + 1) < rows * columns * value_bits:
        kept += 1
    return kept


@alternative("most_kept")
def most_kept_bytes(rows, columns, value_bits, index_bits):
    import math

    room = rows * columns * value_bits / 8 - 4 * (rows + 1)
    return math.ceil(room / ((value_bits + index_bits) / 8)) - 1


@mutant("most_kept", "it forgets the column of each kept weight", loses=ALL)
def indices_forgotten(rows, columns, value_bits, index_bits):
    return (rows * columns * value_bits - 32 * (rows + 1) - 1) // value_bits


@mutant("most_kept", "it forgets the row pointers", loses=ALL)
def pointers_forgotten(rows, columns, value_bits, index_bits):
    return (rows * columns * value_bits - 1) // (value_bits + index_bits)


@mutant(
    "most_kept",
    "it counts one pointer for each row, but there is one more",
    loses=["other", "smaller"],
)
def one_pointer_short(rows, columns, value_bits, index_bits):
    return (rows * columns * value_bits - 32 * rows - 1) // (value_bits + index_bits)


@mutant("most_kept", "it takes equal for smaller", loses=["smaller"])
def equal_for_smaller(rows, columns, value_bits, index_bits):
    return (rows * columns * value_bits - 32 * (rows + 1)) // (value_bits + index_bits)


@mutant("most_kept", "it gives each column as many bits as a value", loses=["other"])
def index_as_wide_as_value(rows, columns, value_bits, index_bits):
    return (rows * columns * value_bits - 32 * (rows + 1) - 1) // (2 * value_bits)


@mutant("most_kept", "it returns the density, not the number of weights", loses=ALL)
def density(rows, columns, value_bits, index_bits):
    kept = (rows * columns * value_bits - 32 * (rows + 1) - 1) // (value_bits + index_bits)
    return kept / (rows * columns)


# --- spmm


@alternative("spmm")
def spmm_loops(values, columns, pointers, X):
    Y = [[0.0] * X.shape[1] for _ in range(len(pointers) - 1)]
    for row in range(len(pointers) - 1):
        for p in range(pointers[row], pointers[row + 1]):
            for j in range(X.shape[1]):
                Y[row][j] += float(values[p] * X[columns[p], j])
    return np.array(Y)


@alternative("spmm")
def spmm_dense(values, columns, pointers, X):
    W = np.zeros((len(pointers) - 1, len(X)), dtype=np.float32)
    W[np.repeat(np.arange(len(W)), np.diff(pointers)), columns] = values
    return W @ X.astype(np.float32)


@alternative("spmm")
def spmm_add_at(values, columns, pointers, X):
    Y = np.zeros((len(pointers) - 1, X.shape[1]))
    np.add.at(Y, np.repeat(np.arange(len(Y)), np.diff(pointers)), values[:, None] * X[columns])
    return Y


WRONG = ["product", "shapes", "empty_rows", "unchanged"]


@mutant("spmm", "it stops one entry before the end of each row", loses=WRONG)
def stops_short(values, columns, pointers, X):
    Y = np.zeros((len(pointers) - 1, X.shape[1]))
    for row in range(len(Y)):
        for p in range(pointers[row], pointers[row + 1] - 1):
            Y[row] += values[p] * X[columns[p]]
    return Y


@mutant("spmm", "each entry replaces the sum of its row and does not add to it", loses=WRONG)
def overwrites(values, columns, pointers, X):
    Y = np.zeros((len(pointers) - 1, X.shape[1]))
    for row in range(len(Y)):
        for p in range(pointers[row], pointers[row + 1]):
            Y[row] = values[p] * X[columns[p]]
    return Y


@mutant("spmm", "it multiplies with the transposed matrix", loses=WRONG)
def transposed(values, columns, pointers, X):
    Y = np.zeros((len(pointers) - 1, X.shape[1]))
    for row in range(len(Y)):
        for p in range(pointers[row], pointers[row + 1]):
            Y[columns[p]] += values[p] * X[row]
    return Y


@mutant("spmm", "the columns are not used: each row takes its inputs from the top", loses=WRONG)
def columns_ignored(values, columns, pointers, X):
    Y = np.zeros((len(pointers) - 1, X.shape[1]))
    for row in range(len(Y)):
        for j, p in enumerate(range(pointers[row], pointers[row + 1])):
            Y[row] += values[p] * X[j]
    return Y


@mutant(
    "spmm", "an empty row gets the first product of the next one", loses=["empty_rows", "nothing"]
)
def reduceat(values, columns, pointers, X):
    products = values[:, None] * X[columns]
    return np.add.reduceat(products, np.minimum(pointers[:-1], len(values) - 1), axis=0)


@mutant("spmm", "it writes into X", loses=["unchanged"])
def writes_into_x(values, columns, pointers, X):
    Y = np.zeros((len(pointers) - 1, X.shape[1]))
    for row in range(len(Y)):
        for p in range(pointers[row], pointers[row + 1]):
            Y[row] += values[p] * X[columns[p]]
    X *= 0
    return Y


# --- least_seconds


@alternative("least_seconds")
def least_seconds_roofline(rows, columns, batch, kept, peak, bandwidth):
    operations = 2 * kept * batch
    moved = 8 * kept + 4 * (rows + 1) + 4 * batch * (rows + columns)
    intensity = operations / moved
    return operations / (1e9 * min(peak, bandwidth * intensity))


@alternative("least_seconds")
def least_seconds_float32(rows, columns, batch, kept, peak, bandwidth):
    weights = np.float32(kept) * 8 + np.float32(rows + 1) * 4
    activations = np.float32(batch) * 4 * np.float32(rows + columns)
    arithmetic = np.float32(2) * np.float32(kept) * np.float32(batch) / np.float32(peak)
    return max(arithmetic, (weights + activations) / np.float32(bandwidth)) / np.float32(1e9)


@mutant("least_seconds", "it counts the operations of the dense layer", loses=["compute"])
def dense_operations(rows, columns, batch, kept, peak, bandwidth):
    moved = 8 * kept + 4 * (rows + 1) + 4 * batch * (rows + columns)
    return max(2 * rows * columns * batch / peak, moved / bandwidth) / 1e9


@mutant("least_seconds", "it counts a multiplication and an addition as one", loses=["compute"])
def one_operation(rows, columns, batch, kept, peak, bandwidth):
    moved = 8 * kept + 4 * (rows + 1) + 4 * batch * (rows + columns)
    return max(kept * batch / peak, moved / bandwidth) / 1e9


@mutant("least_seconds", "it forgets the bytes of the columns", loses=["memory"])
def columns_weigh_nothing(rows, columns, batch, kept, peak, bandwidth):
    moved = 4 * kept + 4 * (rows + 1) + 4 * batch * (rows + columns)
    return max(2 * kept * batch / peak, moved / bandwidth) / 1e9


@mutant("least_seconds", "it forgets the bytes of the inputs and outputs", loses=["memory"])
def activations_weigh_nothing(rows, columns, batch, kept, peak, bandwidth):
    moved = 8 * kept + 4 * (rows + 1)
    return max(2 * kept * batch / peak, moved / bandwidth) / 1e9


@mutant(
    "least_seconds",
    "it counts one pointer for each row, but there is one more",
    loses=["memory"],
)
def a_pointer_short(rows, columns, batch, kept, peak, bandwidth):
    moved = 8 * kept + 4 * rows + 4 * batch * (rows + columns)
    return max(2 * kept * batch / peak, moved / bandwidth) / 1e9


@mutant("least_seconds", "it takes the bandwidth for bits a second", loses=["memory"])
def bits(rows, columns, batch, kept, peak, bandwidth):
    moved = 8 * kept + 4 * (rows + 1) + 4 * batch * (rows + columns)
    return max(2 * kept * batch / peak, 8 * moved / bandwidth) / 1e9


@mutant("least_seconds", "it takes the shorter of the two times", loses=["compute", "memory"])
def shorter(rows, columns, batch, kept, peak, bandwidth):
    moved = 8 * kept + 4 * (rows + 1) + 4 * batch * (rows + columns)
    return min(2 * kept * batch / peak, moved / bandwidth) / 1e9


@mutant(
    "least_seconds", "it adds the two times: they can pass together", loses=["compute", "memory"]
)
def added(rows, columns, batch, kept, peak, bandwidth):
    moved = 8 * kept + 4 * (rows + 1) + 4 * batch * (rows + columns)
    return (2 * kept * batch / peak + moved / bandwidth) / 1e9


@mutant("least_seconds", "it forgets the billion in both units", loses=["compute", "memory"])
def no_billion(rows, columns, batch, kept, peak, bandwidth):
    moved = 8 * kept + 4 * (rows + 1) + 4 * batch * (rows + columns)
    return max(2 * kept * batch / peak, moved / bandwidth)


# --- pays_below


@alternative("pays_below")
def pays_below_loop(densities, sparse, dense):
    best = 0.0
    for j in range(len(densities)):
        if sparse[j] <= dense:
            best = densities[j]
            if j + 1 < len(densities) and sparse[j + 1] > dense:
                share = (dense - sparse[j]) / (sparse[j + 1] - sparse[j])
                best += share * (densities[j + 1] - densities[j])
    return best


@alternative("pays_below")
def pays_below_interp(densities, sparse, dense):
    if dense < sparse[0]:
        return 0
    paying = np.array(sparse) <= dense
    last = np.flatnonzero(paying)[-1]
    return float(np.interp(dense, sparse[last : last + 2], densities[last : last + 2]))


@mutant(
    "pays_below", "it takes a measured density, without the line to the next", loses=["between"]
)
def no_line(densities, sparse, dense):
    return max((d for d, t in zip(densities, sparse, strict=True) if t <= dense), default=0.0)


@mutant("pays_below", "where sparse never pays it returns the first density", loses=["never"])
def first_for_never(densities, sparse, dense):
    last = max((j for j, t in enumerate(sparse) if t <= dense), default=None)
    if last is None:
        return densities[0]
    if last == len(sparse) - 1:
        return densities[-1]
    share = (dense - sparse[last]) / (sparse[last + 1] - sparse[last])
    return densities[last] + share * (densities[last + 1] - densities[last])


@mutant(
    "pays_below", "where sparse always pays it returns 1, which nobody measured", loses=["always"]
)
def one_for_always(densities, sparse, dense):
    last = max((j for j, t in enumerate(sparse) if t <= dense), default=None)
    if last is None:
        return 0.0
    if last == len(sparse) - 1:
        return 1.0
    share = (dense - sparse[last]) / (sparse[last + 1] - sparse[last])
    return densities[last] + share * (densities[last + 1] - densities[last])


@mutant(
    "pays_below",
    "it goes the wrong way along the line, from the slower density to the faster",
    loses=["between", "never", "equal"],
)
def backwards(densities, sparse, dense):
    last = max((j for j, t in enumerate(sparse) if t <= dense), default=None)
    if last is None:
        return 0.0
    if last == len(sparse) - 1:
        return densities[-1]
    share = (dense - sparse[last]) / (sparse[last + 1] - sparse[last])
    return densities[last + 1] - share * (densities[last + 1] - densities[last])


@mutant("pays_below", "of equal times it takes the first, not the last", loses=["equal"])
def first_of_equals(densities, sparse, dense):
    if sparse[0] > dense:
        return 0.0
    if sparse[-1] < dense:
        return densities[-1]
    after = next(j for j, t in enumerate(sparse) if t >= dense)
    if sparse[after] == dense:
        return densities[after]
    share = (dense - sparse[after - 1]) / (sparse[after] - sparse[after - 1])
    return densities[after - 1] + share * (densities[after] - densities[after - 1])
