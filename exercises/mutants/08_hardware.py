"""Wrong versions of assignment 08, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant, slip

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


lengths_for_pointers = slip(
    "to_csr",
    "its pointers are the lengths of the rows, not where they begin",
    swap=("np.concatenate([[0], np.cumsum((W != 0).sum(axis=1))])", "(W != 0).sum(axis=1)"),
    loses=["pointers", "empty_rows", "nothing"],
)
no_last_pointer = slip(
    "to_csr",
    "it leaves out the last pointer, the number of entries",
    swap=(
        "np.concatenate([[0], np.cumsum((W != 0).sum(axis=1))])",
        "np.concatenate([[0], np.cumsum((W != 0).sum(axis=1))])[:-1]",
    ),
    loses=["pointers", "empty_rows", "nothing"],
)
ends_for_beginnings = slip(
    "to_csr",
    "its pointers begin with the end of the first row, not with 0",
    swap=(
        "np.concatenate([[0], np.cumsum((W != 0).sum(axis=1))])",
        "np.cumsum((W != 0).sum(axis=1))",
    ),
    loses=["pointers", "empty_rows", "nothing"],
)


@mutant("to_csr", "it leaves out empty rows", loses=["empty_rows", "nothing"])
def skips_empty_rows(W):
    rows, columns = np.nonzero(W)
    lengths = (W != 0).sum(1)
    return W[rows, columns], columns, np.concatenate([[0], np.cumsum(lengths[lengths > 0])])


positive_only = slip(
    "to_csr",
    "it keeps positive entries only",
    swaps=[("np.nonzero(W)", "np.nonzero(W > 0)"), ("(W != 0)", "(W > 0)")],
    loses=["values", "signs"],
)
by_columns = slip(
    "to_csr",
    "it goes through the matrix column by column",
    swaps=[
        ("rows, columns = np.nonzero(W)", "columns, rows = np.nonzero(W.T)"),
        ("sum(axis=1)", "sum(axis=0)"),
        ("return W[rows, columns], columns", "return W[rows, columns], rows"),
    ],
    loses=["values", "columns", "pointers", "empty_rows", "nothing", "signs"],
)
flat_positions = slip(
    "to_csr",
    "its columns count through the whole matrix, not anew in each row",
    swap=("return W[rows, columns], columns", "return W[rows, columns], np.flatnonzero(W)"),
    loses=["columns"],
)
tiny_is_nothing = slip(
    "to_csr",
    "it takes very small entries for zeros",
    swaps=[("np.nonzero(W)", "np.nonzero(~np.isclose(W, 0))"), ("(W != 0)", "(~np.isclose(W, 0))")],
    loses=["signs"],
)


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


indices_forgotten = slip(
    "most_kept",
    "it forgets the column of each kept weight",
    swap=("value_bits + index_bits", "value_bits"),
    loses=ALL,
)
pointers_forgotten = slip(
    "most_kept", "it forgets the row pointers", swap=(" - 32 * (rows + 1)", ""), loses=ALL
)
one_pointer_short = slip(
    "most_kept",
    "it counts one pointer for each row, but there is one more",
    swap=("32 * (rows + 1)", "32 * rows"),
    loses=ALL,
)
equal_for_smaller = slip(
    "most_kept", "it takes equal for smaller", swap=("(room - 1)", "room"), loses=["smaller"]
)
index_as_wide_as_value = slip(
    "most_kept",
    "it gives each column as many bits as a value",
    swap=("value_bits + index_bits", "2 * value_bits"),
    loses=["float32", "other"],
)
density = slip(
    "most_kept",
    "it returns the density, not the number of weights",
    swap=(
        "(room - 1) // (value_bits + index_bits)",
        "(room - 1) // (value_bits + index_bits) / (rows * columns)",
    ),
    loses=ALL,
)


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


stops_short = slip(
    "spmm",
    "it stops one entry before the end of each row",
    swap=("pointers[row + 1]", "pointers[row + 1] - 1"),
    loses=WRONG,
)
overwrites = slip(
    "spmm",
    "each entry replaces the sum of its row and does not add to it",
    swap=("Y[row] += values", "Y[row] = values"),
    loses=WRONG,
)
transposed = slip(
    "spmm",
    "it multiplies with the transposed matrix",
    swap=("Y[row] += values[p] * X[columns[p]]", "Y[columns[p]] += values[p] * X[row]"),
    loses=WRONG,
)
columns_ignored = slip(
    "spmm",
    "the columns are not used: each row takes its inputs from the top",
    swap=("X[columns[p]]", "X[p - pointers[row]]"),
    loses=WRONG,
)


@mutant(
    "spmm", "an empty row gets the first product of the next one", loses=["empty_rows", "nothing"]
)
def reduceat(values, columns, pointers, X):
    products = values[:, None] * X[columns]
    return np.add.reduceat(products, np.minimum(pointers[:-1], len(values) - 1), axis=0)


writes_into_x = slip(
    "spmm", "it writes into X", swap=("return Y", "X *= 0; return Y"), loses=["unchanged"]
)


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


dense_operations = slip(
    "least_seconds",
    "it counts the operations of the dense layer",
    swap=("2 * kept * batch", "2 * rows * columns * batch"),
    loses=["compute"],
)
one_operation = slip(
    "least_seconds",
    "it counts a multiplication and an addition as one",
    swap=("2 * kept * batch", "kept * batch"),
    loses=["compute"],
)
columns_weigh_nothing = slip(
    "least_seconds",
    "it forgets the bytes of the columns",
    swap=("8 * kept", "4 * kept"),
    loses=["memory"],
)
activations_weigh_nothing = slip(
    "least_seconds",
    "it forgets the bytes of the inputs and outputs",
    swap=(" + 4 * batch * (rows + columns)", ""),
    loses=["memory"],
)
a_pointer_short = slip(
    "least_seconds",
    "it counts one pointer for each row, but there is one more",
    swap=("4 * (rows + 1)", "4 * rows"),
    loses=["memory"],
)
bits = slip(
    "least_seconds",
    "it takes the bandwidth for bits a second",
    swap=("moved / (bandwidth * 1e9)", "8 * moved / (bandwidth * 1e9)"),
    loses=["memory"],
)
shorter = slip(
    "least_seconds",
    "it takes the shorter of the two times",
    swap=("max(operations", "min(operations"),
    loses=["compute", "memory"],
)
added = slip(
    "least_seconds",
    "it adds the two times: they can pass together",
    swap=(
        "max(operations / (peak * 1e9), moved / (bandwidth * 1e9))",
        "operations / (peak * 1e9) + moved / (bandwidth * 1e9)",
    ),
    loses=["compute", "memory"],
)
no_billion = slip(
    "least_seconds",
    "it forgets the billion in both units",
    swap=(
        "operations / (peak * 1e9), moved / (bandwidth * 1e9)",
        "operations / peak, moved / bandwidth",
    ),
    loses=["compute", "memory"],
)


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


first_for_never = slip(
    "pays_below",
    "where sparse never pays it returns the first density",
    swap=("return 0.0", "return densities[0]"),
    loses=["never"],
)
one_for_always = slip(
    "pays_below",
    "where sparse always pays it returns 1, which nobody measured",
    swap=("return densities[-1]", "return 1.0"),
    loses=["always"],
)
backwards = slip(
    "pays_below",
    "it goes the wrong way along the line, from the slower density to the faster",
    swap=("return densities[last] + share", "return densities[last + 1] - share"),
    loses=["between", "never", "equal"],
)


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
