"""Wrong versions of assignment 07, each a misconception; and right ones, written differently.

Each message completes "This looks like a known slip: ..." and is read by a student whose answers
are those of the mutant in every case.
"""

import numpy as np

from course_lib.grading import alternative, mutant, slip

# --- constant_accuracy


@alternative("constant_accuracy")
def by_counting(y_train, y_test):
    heard = y_train.tolist()
    named = max(sorted(set(heard)), key=heard.count)
    return sum(y == named for y in y_test.tolist()) / len(y_test)


@alternative("constant_accuracy")
def by_unique(y_train, y_test):
    names, counts = np.unique(y_train, return_counts=True)
    return np.count_nonzero(y_test == names[np.argmax(counts)]) / y_test.size


@mutant(
    "constant_accuracy",
    "it takes the class that is commonest in the test, which nobody can know",
    loses=["common", "ties", "gaps"],
)
def of_the_test(y_train, y_test):
    return np.bincount(y_test).max() / len(y_test)


@mutant(
    "constant_accuracy", "it reports the accuracy in training", loses=["common", "ties", "gaps"]
)
def train_for_test(y_train, y_test):
    return np.bincount(y_train).max() / len(y_train)


@mutant(
    "constant_accuracy",
    "it gives one over the number of classes, as if they were equally common",
    loses=["common", "ties", "gaps"],
)
def equal_chances(y_train, y_test):
    return 1 / len(np.unique(y_train))


@mutant("constant_accuracy", "it names the highest of classes that tie", loses=["ties"])
def highest_of_a_tie(y_train, y_test):
    names, counts = np.unique(y_train, return_counts=True)
    return np.mean(y_test == names[counts == counts.max()][-1])


@mutant("constant_accuracy", "it names the first to come of classes that tie", loses=["ties"])
def first_of_a_tie(y_train, y_test):
    heard = y_train.tolist()
    return np.mean(y_test == max(heard, key=heard.count))


@mutant("constant_accuracy", "it takes a place in the list of counts for a class", loses=["gaps"])
def place_for_class(y_train, y_test):
    return np.mean(y_test == np.unique(y_train, return_counts=True)[1].argmax())


# --- memoriser_accuracy


@alternative("memoriser_accuracy")
def by_adding(chances, leak):
    total = 0.0
    for p in chances:
        total += p * (leak + (1 - leak) * p)
    return total


@alternative("memoriser_accuracy")
def by_errors(chances, leak):
    return 1 - (1 - leak) * (1 - chances @ chances)


@mutant(
    "memoriser_accuracy",
    "it is the constant predictor, which always names the commonest class",
    loses=["two", "many", "leak"],
)
def the_constant(chances, leak):
    return leak + (1 - leak) * max(chances)


one_over_c = slip(
    "memoriser_accuracy",
    "it takes the classes for equally likely",
    swap=("np.sum(np.square(chances))", "1 / len(chances)"),
    loses=["two", "many", "leak"],
)
all_by_heart = slip(
    "memoriser_accuracy",
    "it counts on the memory where labels are fresh: training accuracy reported as test accuracy",
    swap=("leak + (1 - leak) * fresh", "1.0"),
    loses=["two", "many", "leak"],
)


@mutant(
    "memoriser_accuracy",
    "it knows of two classes only: the first, and the others",
    loses=["many", "leak"],
)
def two_classes(chances, leak):
    p = chances[0]
    return leak + (1 - leak) * (p * p + (1 - p) ** 2)


@mutant("memoriser_accuracy", "it leaves out what leaked", loses=["leak"])
def no_leak(chances, leak):
    return np.sum(chances**2)


@mutant(
    "memoriser_accuracy",
    "it adds what leaked to an accuracy that was already that of the whole test",
    loses=["leak"],
)
def counted_twice(chances, leak):
    return leak + np.sum(chances**2)


# --- find_leak


@alternative("find_leak")
def by_a_set(X_train, X_test):
    known = {tuple(row) for row in X_train.tolist()}
    return [tuple(row) in known for row in X_test.tolist()]


@alternative("find_leak")
def by_differences(X_train, X_test):
    return np.array([np.abs(X_train - row).sum(axis=1).min() == 0 for row in X_test])


@mutant(
    "find_leak",
    "it compares each row with the training row at the same place only",
    loses=["planted", "nearly", "twins"],
)
def same_place(X_train, X_test):
    found = np.zeros(len(X_test), dtype=bool)
    for i in range(min(len(X_train), len(X_test))):
        found[i] = bool((X_train[i] == X_test[i]).all())
    return found


any_column = slip(
    "find_leak",
    "it is content with rows that agree in one column",
    swap=("all(axis=2)", "any(axis=2)"),
    loses=["nearly", "twins"],
)
column_by_column = slip(
    "find_leak",
    "it looks for each number in its column, one by one, not for the whole row",
    swaps=[("all(axis=2)", "any(axis=1)"), ("equal.any(axis=1)", "equal.all(axis=1)")],
    loses=["twins"],
)


@mutant("find_leak", "it does not mind the order of the numbers in a row", loses=["nearly"])
def order_forgotten(X_train, X_test):
    known = {tuple(sorted(row)) for row in X_train.tolist()}
    return np.array([tuple(sorted(row)) in known for row in X_test.tolist()])


@mutant(
    "find_leak",
    "it compares rows as text, with nothing between their numbers: 1 and 12 are like 11 and 2",
    loses=["nearly"],
)
def as_text(X_train, X_test):
    known = {"".join(map(str, row)) for row in X_train.tolist()}
    return np.array(["".join(map(str, row)) in known for row in X_test.tolist()])


@mutant("find_leak", "it looks for rows that occur twice, wherever they occur", loses=["twins"])
def twice_anywhere(X_train, X_test):
    both = np.concatenate([X_train, X_test])
    _, where, counts = np.unique(both, axis=0, return_inverse=True, return_counts=True)
    return counts[where.reshape(-1)][len(X_train) :] > 1


the_other_way = slip(
    "find_leak",
    "it tells which rows of the training are in the test, not the other way round",
    swap=("equal.any(axis=1)", "equal.any(axis=0)"),
    loses=["planted", "nearly", "twins"],
)


# --- honest_split


@alternative("honest_split")
def by_comparing(X, every):
    firsts, test = [], []
    for row in X.tolist():
        if row not in firsts:
            firsts.append(row)
        test.append(firsts.index(row) % every == 0)
    return test


@alternative("honest_split")
def by_first_places(X, every):
    _, first, where = np.unique(X, axis=0, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return rank[where.reshape(-1)] % every == 0


row_by_row = slip(
    "honest_split",
    "it counts rows, so that copies land on both sides",
    swap=(
        "number[tuple(row.tolist())] % every == 0 for row in X",
        "i % every == 0 for i in range(len(X))",
    ),
    loses=["copies", "scattered"],
)


@mutant(
    "honest_split",
    "it keeps copies out of the test, and so puts them into the training",
    loses=["copies", "scattered"],
)
def firsts_alone(X, every):
    number, test = {}, []
    for row in map(tuple, X.tolist()):
        test.append(row not in number and len(number) % every == 0)
        number.setdefault(row, len(number))
    return np.array(test)


@mutant(
    "honest_split",
    "it knows a copy only where it directly follows the row it is a copy of",
    loses=["scattered"],
)
def neighbours_alone(X, every):
    new = np.ones(len(X), dtype=bool)
    new[1:] = (X[1:] != X[:-1]).any(axis=1)
    return (np.cumsum(new) - 1) % every == 0


@mutant(
    "honest_split",
    "it numbers the rows in sorted order instead of the order of appearance",
    loses=["different", "copies", "scattered"],
)
def sorted_rows(X, every):
    where = np.unique(X, axis=0, return_inverse=True)[1].reshape(-1)
    return where % every == 0


from_one = slip(
    "honest_split",
    "it begins to count at 1",
    swap=(
        "number.setdefault(tuple(row.tolist()), len(number))",
        "number.setdefault(tuple(row.tolist()), len(number) + 1)",
    ),
    loses=["different", "copies", "scattered"],
)
copies_count = slip(
    "honest_split",
    "it lets a copy use up a number",
    swaps=[("for row in X:", "for i, row in enumerate(X):"), ("len(number)", "i")],
    loses=["copies"],
)


# --- average_accuracy


@alternative("average_accuracy")
def world_by_world(targets, seen, answers):
    hits = total = 0
    for target in targets.tolist():
        row = int("".join(str(target[i]) for i in seen), 2)
        open_points = [i for i in range(len(target)) if i not in seen]
        for place, i in enumerate(open_points):
            hits += answers[row][place] == target[i]
            total += 1
    return hits / total


@alternative("average_accuracy")
def by_horner(targets, seen, answers):
    row = np.zeros(len(targets), dtype=int)
    for i in seen:
        row = 2 * row + targets[:, i]
    rest = np.delete(targets, seen, axis=1)
    return 1 - np.abs(answers[row] - rest).mean()


@mutant(
    "average_accuracy",
    "it grades the points that were shown as well",
    loses=["one", "worlds", "order"],
)
def with_training_points(targets, seen, answers):
    rows = targets[:, seen] @ (2 ** np.arange(len(seen))[::-1])
    rest = np.delete(targets, seen, axis=1)
    hits = (answers[rows] == rest).sum() + len(targets) * len(seen)
    return hits / targets.size


@mutant(
    "average_accuracy",
    "it takes the first shown point for the least significant digit",
    loses=["worlds", "order"],
)
def least_first(targets, seen, answers):
    rows = targets[:, seen] @ (2 ** np.arange(len(seen)))
    return np.mean(answers[rows] == np.delete(targets, seen, axis=1))


@mutant(
    "average_accuracy",
    "it reads the shown points in ascending order instead of the order of `seen`",
    loses=["order"],
)
def ascending(targets, seen, answers):
    rows = targets[:, sorted(seen)] @ (2 ** np.arange(len(seen))[::-1])
    return np.mean(answers[rows] == np.delete(targets, seen, axis=1))


@mutant(
    "average_accuracy", "it counts the errors instead of the hits", loses=["one", "worlds", "order"]
)
def errors(targets, seen, answers):
    rows = targets[:, seen] @ (2 ** np.arange(len(seen))[::-1])
    return np.mean(answers[rows] != np.delete(targets, seen, axis=1))


one_half = slip(
    "average_accuracy",
    "it gives one half, which the theorem promises for all targets and for no other list",
    swap=("np.mean(answers[rows] == targets[:, unseen])", "0.5"),
    loses=["one", "worlds", "order"],
)


@mutant("average_accuracy", "it lets a target that is listed twice count once", loses=["order"])
def each_once(targets, seen, answers):
    targets = np.unique(targets, axis=0)
    rows = targets[:, seen] @ (2 ** np.arange(len(seen))[::-1])
    return np.mean(answers[rows] == np.delete(targets, seen, axis=1))
