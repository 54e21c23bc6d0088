"""Privacy: what the mask of a client tells about its owner, and what it costs to hide it.

A *client* is a phone with a few handwritten digits. It trains a softmax regression on them and
reports a *mask*: which of its weights, or which pixels, it would keep. Masks of many clients are
NumPy arrays of bool, one a row. Epsilon is always that of *local* differential privacy: what leaves
the phone is protected, and nobody is trusted with the rest.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import torch
from dp_accounting.pld import privacy_loss_distribution
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_auc_score, roc_curve
from torch import Tensor
from torch.nn.functional import one_hot

from course_lib.labs.chance import log_choose
from course_lib.masks import n_of_m
from course_lib.training.data import CLASSES

Bits = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TOGETHER = 50  # clients trained at a time, so that they fit the cache


# Clients and their masks


class Clients(NamedTuple):
    """What lies on the phones: X (n, examples, pixels), y (n, examples), classes bool (n, 10)."""

    X: Tensor
    y: Tensor
    classes: Bits


def deal_clients(
    X: Tensor, y: Tensor, count: int, seed: int, *, classes: int = 5, each: int = 12
) -> Clients:
    """Give every client some of the ten classes, and of each class some examples of its own draw.

    Args:
        X: a pool of examples (n, pixels), which the clients share.
        y: their classes (n,).
        count: clients.
        seed: of the draw.
        classes: how many of the ten a client has.
        each: how many different examples of each.

    Raises:
        ValueError: no clients, or a class of the pool has fewer examples than a client needs.
    """
    members = [np.flatnonzero(y.numpy() == c) for c in range(CLASSES)]
    fewest = min(map(len, members))
    if count < 1 or not 1 <= classes <= CLASSES or not 1 <= each <= fewest:
        raise ValueError(
            f"given count={count}, classes={classes}, each={each}: expected at least one client, "
            f"1 to {CLASSES} classes, and 1 to {fewest} examples of each, as many as the pool has."
        )
    rng = np.random.default_rng(seed)
    owned = rng.random((count, CLASSES)).argsort(axis=1)[:, :classes]
    drawn = np.empty((count, classes, each), dtype=np.int64)
    for c, pool in enumerate(members):
        at = np.nonzero(owned == c)
        drawn[at] = pool[rng.random((len(at[0]), len(pool))).argsort(axis=1)[:, :each]]
    has = np.zeros((count, CLASSES), dtype=bool)
    np.put_along_axis(has, owned, True, axis=1)
    chosen = torch.from_numpy(drawn.reshape(count, -1))
    return Clients(X[chosen], y[chosen], has)


def softmax_regressions(
    X: Tensor, y: Tensor, *, steps: int = 40, lr: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Train one softmax regression for each client, from zero, by gradient descent.

    Gradient descent never leaves the span of the examples: weights are sums of examples. So a step
    needs only their inner products, and thousands of clients take a second.

    Args:
        X: examples (n, examples, features).
        y: classes (n, examples).
        steps: each on all examples of the client.
        lr: the learning rate.

    Returns:
        Weights (n, 10, features) and biases (n, 10).

    Raises:
        ValueError: X and y do not fit each other.
    """
    if X.ndim != 3 or y.shape != X.shape[:2]:
        raise ValueError(
            f"given X {tuple(X.shape)} and y {tuple(y.shape)}, expected (n, examples, features) "
            "and (n, examples): one row for each client."
        )
    trained = []
    for own, labels in zip(X.split(TOGETHER), y.split(TOGETHER), strict=True):
        pulls = _pulls(own, labels, steps, lr)
        trained.append((pulls @ own, pulls.sum(dim=2)))
    weights, biases = (torch.cat(part) for part in zip(*trained, strict=True))
    return weights, biases


def _pulls(X: Tensor, y: Tensor, steps: int, lr: float) -> Tensor:
    """Return how much of every example is in the weights of every class, (n, 10, examples)."""
    rate = lr / X.shape[1]
    inner = rate * (X @ X.mT + 1)  # the 1 is the bias, whose input is 1
    target = one_hot(y, CLASSES).mT.to(X.dtype).contiguous()
    logits = torch.zeros_like(target)
    total = torch.zeros_like(target)
    for _ in range(steps):
        chances = (logits - logits.amax(dim=1, keepdim=True)).exp_()  # torch's softmax is slower
        missing = target - chances.div_(chances.sum(dim=1, keepdim=True))
        total += missing
        logits.baddbmm_(missing, inner)
    return rate * total


def weight_masks(weights: Tensor, k: int) -> Bits:
    """Return what every client keeps: the k weights of largest size, bool (n, 10 * pixels).

    Raises:
        TypeError, ValueError: as `n_of_m`.
    """
    sizes = weights.abs().flatten(1)
    return n_of_m(sizes, k, sizes.shape[1]).numpy()


def pixel_masks(weights: Tensor, k: int) -> Bits:
    """Return what every client keeps: the k pixels whose ten weights are longest, (n, pixels).

    Raises:
        TypeError, ValueError: as `n_of_m`.
    """
    lengths = weights.norm(dim=1)
    return n_of_m(lengths, k, lengths.shape[1]).numpy()


def server_accuracy(
    masks: Bits, public: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], *, steps: int = 300
) -> Floats:
    """Refit the server's model under each mask of pixels, and return its accuracies, (n,).

    Args:
        masks: bool (n, pixels).
        public: the server's own examples X, y, to train on.
        test: X, y, to judge by.
        steps: of training.

    Raises:
        ValueError: shapes that do not fit.
    """
    kept = torch.from_numpy(np.atleast_2d(masks)).unsqueeze(1)
    X, y = public
    weights, biases = softmax_regressions(X * kept, y.expand(len(kept), -1), steps=steps)
    logits = torch.baddbmm(biases.unsqueeze(1), test[0] * kept, weights.mT)
    return (logits.argmax(dim=-1) == test[1]).double().mean(dim=1).numpy()


# Randomised response


def truth(epsilon: float) -> float:
    """Return p = e^epsilon / (1 + e^epsilon): how often randomised response says what is so.

    It is also the largest area under the ROC curve that any attack on one such report can have.

    Raises:
        ValueError: epsilon is not a positive finite number.

    Source: Warner (1965).

    Examples:
        >>> round(truth(1.0), 3)
        0.731
    """
    return 1 / (1 + math.exp(-_positive(epsilon)))


def randomised_response(
    bits: ArrayLike, epsilon: float, *, insecure_rng: np.random.Generator | None = None
) -> Bits:
    """Report every bit as it is with probability p of `truth`, and the opposite otherwise.

    Each reported bit is epsilon-locally private; a report of many bits costs the sum.

    Args:
        bits: bool, any shape.
        epsilon: for each bit.
        insecure_rng: only to show a page twice. Who knows its seed can take all noise away. Left
            out, the noise comes from the operating system (`os.urandom`).

    Raises:
        TypeError: bits that are not bool.
        ValueError: epsilon is not a positive finite number.

    Source: Warner (1965); on noise that leaks by its last digits, Mironov (2012).
    """
    true = np.asarray(bits)
    if true.dtype != bool:
        raise TypeError(f"bits: given {true.dtype}, expected bool, such as `mask > 0`.")
    if insecure_rng is None:
        drawn = np.frombuffer(os.urandom(8 * true.size), dtype=np.uint64).reshape(true.shape)
    else:
        drawn = insecure_rng.integers(2**64, size=true.shape, dtype=np.uint64)
    return np.asarray(true ^ (drawn < _lie_below(epsilon)))


def _lie_below(epsilon: float) -> np.uint64:
    """Return the share of lies, as one of 2^64 parts, rounded up: a lie too many tells nothing."""
    share = math.exp(-epsilon) * truth(epsilon)
    return np.uint64(min(max(math.ceil(share * (1 + 2**-50) * 2**64), 1), 2**63))


def debias(reported: ArrayLike, epsilon: float) -> Floats:
    """Return unbiased estimates of shares, from the shares of ones in the reports.

    q = (reported - (1 - p)) / (2p - 1). It may lie outside 0 to 1; cutting it off would bias it.

    Raises:
        ValueError: epsilon is not a positive finite number.

    Source: Warner (1965).

    Examples:
        >>> p = truth(1.0)
        >>> float(debias(0.2 * p + 0.8 * (1 - p), 1.0).round(6))  # a fifth has it
        0.2
    """
    # 2p - 1 is tanh(epsilon / 2); about one half nothing cancels.
    return np.asarray((np.asarray(reported, float) - 0.5) / math.tanh(_positive(epsilon) / 2) + 0.5)


def standard_error(count: ArrayLike, epsilon: float, share: ArrayLike | None = None) -> Floats:
    """Return the standard deviation of `debias` over `count` reports.

    sqrt(p (1-p) / count) / (2p - 1), which is 1 / (2 sinh(epsilon / 2) sqrt(count)).

    Args:
        count: clients that reported the bit.
        epsilon: of each report.
        share: of ones among all clients, if those who reported are a sample of them: then what
            sampling adds is counted too. Left out, only the noise is.

    Raises:
        ValueError: count below 1, share outside 0 to 1, or epsilon not positive and finite.

    Source: Warner (1965).
    """
    n, q = np.asarray(count, float), np.asarray(0 if share is None else share, float)
    if not (n >= 1).all() or not ((q >= 0) & (q <= 1)).all():
        raise ValueError(f"given count={n}, share={q}: expected at least 1, and from 0 to 1.")
    noise = 1 / (2 * math.sinh(min(_positive(epsilon) / 2, 300.0)))
    return np.asarray(np.sqrt((noise**2 + q * (1 - q)) / n))


def _positive(epsilon: float) -> float:
    """Return epsilon, or raise ValueError."""
    if not 0 < epsilon < math.inf:
        raise ValueError(f"epsilon: given {epsilon}, expected a positive finite number.")
    return float(epsilon)


# Accounting: many reports of one client


def advanced_composition(epsilon: float, count: int, delta: float) -> float:
    """Return epsilon sqrt(2 count ln(1/delta)) + count epsilon (e^epsilon - 1).

    `count` reports of epsilon each are private with this epsilon and delta. Basic composition,
    count * epsilon with delta = 0, is better for a few reports.

    Args:
        epsilon: of each report.
        count: reports.
        delta: the chance that is left out.

    Raises:
        ValueError: epsilon is not positive and finite, count below 1, or delta not inside 0 to 1.

    Source: Dwork, Rothblum and Vadhan (2010).

    Examples:
        >>> round(advanced_composition(0.1, 100, 1e-5), 2)  # and 100 * 0.1 is 10
        5.85
    """
    _check_composition(epsilon, count, delta)
    return epsilon * math.sqrt(-2 * count * math.log(delta)) + count * epsilon * math.expm1(epsilon)


def exact_composition(epsilon: float, count: int, delta: float) -> float:
    """Return the least total epsilon that `count` bits of randomised response have at this delta.

    Two inputs that differ in all the bits: with j lies the report is e^((count - 2j) epsilon) times
    as likely under the one as under the other. With A the chance under the one of at most j lies,
    and B under the other of the same reports, delta is the largest A - e^total B over j.

    Raises:
        ValueError: epsilon is not positive and finite, count below 1, or delta not inside 0 to 1.

    Source: Kairouz, Oh and Viswanath (2015).
    """
    _check_composition(epsilon, count, delta)
    lies = np.arange(count + 1)
    log_p = -np.log1p(math.exp(-epsilon))
    log_one = log_choose(count, lies) + count * log_p - lies * epsilon
    log_other = log_one - (count - 2 * lies) * epsilon
    A, log_B = np.exp(np.logaddexp.accumulate(log_one)), np.logaddexp.accumulate(log_other)
    reached = delta < A
    return max(0.0, float((np.log(A[reached] - delta) - log_B[reached]).max()))


def pld_composition(epsilon: float, count: int, delta: float) -> float:
    """Return the same from Google's dp-accounting, which composes privacy loss distributions.

    It rounds losses up on a grid, here of a thousandth of epsilon, so it never promises too much.

    Raises:
        ValueError: epsilon is not positive and finite, count below 1, or delta not inside 0 to 1.

    Source: Meiser and Mohammadi (2018).
    """
    _check_composition(epsilon, count, delta)
    once = privacy_loss_distribution.from_randomized_response(
        noise_parameter=2 * (1 - truth(epsilon)),
        num_buckets=2,
        value_discretization_interval=epsilon / 1000,
    )
    return float(once.self_compose(count).get_epsilon_for_delta(delta))


def _check_composition(epsilon: float, count: int, delta: float) -> None:
    _positive(epsilon)
    if count < 1 or not 0 < delta < 1:
        raise ValueError(
            f"given count={count}, delta={delta}: expected at least one report, and a delta "
            "strictly between 0 and 1."
        )


class Overspent(Exception):
    """A report would cost more than is left of its owner's budget; it was not made."""


class Budget:
    """The epsilon that one client may ever spend, over all rounds: reports add up.

    Amounts are kept as the fractions that they are written as, so that three times 0.1 is 0.3, and
    no rounding lets anything slip through.

    Args:
        total: what there is to spend.

    Raises:
        ValueError: total is not a positive finite number.

    Examples:
        >>> budget = Budget(0.3)
        >>> for _ in range(3):
        ...     budget.spend(0.1)
        >>> budget.left
        Fraction(0, 1)
    """

    def __init__(self, total: float | Fraction) -> None:
        self.total, self.spent = _amount(total), Fraction(0)

    @property
    def left(self) -> Fraction:
        """What may still be spent."""
        return self.total - self.spent

    def spend(self, epsilon: float | Fraction) -> None:
        """Pay for one report.

        Raises:
            Overspent: it costs more than is left. Then nothing is spent, and nothing may be said.
            ValueError: epsilon is not a positive finite number.
        """
        cost = _amount(epsilon)
        if cost > self.left:
            raise Overspent(
                f"a report of epsilon {float(cost):g} was asked for, and {float(self.left):g} of "
                f"{float(self.total):g} is left. Nothing was spent; ask another client."
            )
        self.spent += cost


def _amount(epsilon: float | Fraction) -> Fraction:
    """Return the number that was written: 0.1 is one tenth, though no float is."""
    _positive(float(epsilon))
    return epsilon if isinstance(epsilon, Fraction) else Fraction(repr(float(epsilon)))


# One bit of each client


class Answers(NamedTuple):
    """One bit of each client: which place it was asked for (n,), and what it said, bool (n,)."""

    places: Ints
    reports: Bits


def ask_one_bit(
    masks: Bits,
    epsilon: float,
    budgets: Sequence[Budget],
    public_rng: np.random.Generator,
    *,
    insecure_rng: np.random.Generator | None = None,
) -> Answers:
    """Ask every client for one bit of its mask, at a place that is drawn in public.

    The places are dealt out evenly. They are no secret: they do not depend on anybody's data.

    Args:
        masks: bool (n, places), each row known to its client alone.
        epsilon: what the bit costs, and all that its client spends.
        budgets: one for each client; either all of them pay or none.
        public_rng: draws the places.
        insecure_rng: as in `randomised_response`.

    Raises:
        Overspent: somebody cannot pay; nobody was charged and nothing was reported.
        ValueError: as many budgets as clients were expected, or an epsilon that cannot be.
    """
    if len(budgets) != len(masks):
        raise ValueError(f"budgets: given {len(budgets)}, expected {len(masks)}, one a client.")
    _charge(budgets, epsilon)
    count, size = masks.shape
    places = public_rng.permutation(np.arange(count) % size)
    asked = masks[np.arange(count), places]
    return Answers(places, randomised_response(asked, epsilon, insecure_rng=insecure_rng))


def _charge(budgets: Sequence[Budget], epsilon: float) -> None:
    paid: list[Budget] = []
    try:
        for budget in budgets:
            budget.spend(epsilon)
            paid.append(budget)
    except Overspent:
        for budget in paid:
            budget.spent -= _amount(epsilon)
        raise


class Tally:
    """What the server knows: for each place how many were asked, and how many said yes.

    Args:
        size: places.
        epsilon: of every answer.
    """

    def __init__(self, size: int, epsilon: float) -> None:
        self.epsilon = _positive(epsilon)
        self.asked, self.yes = np.zeros((2, size), dtype=np.int64)

    def add(self, answers: Answers) -> None:
        """Count the answers of a round."""
        size = len(self.asked)
        self.asked += np.bincount(answers.places, minlength=size)
        self.yes += np.bincount(answers.places[answers.reports], minlength=size)

    def shares(self) -> Floats:
        """Return the unbiased estimate, for each place, of the share of clients that keep it.

        Raises:
            ValueError: a place that nobody was asked for.
        """
        if not self.asked.all():
            raise ValueError(
                f"{(self.asked == 0).sum()} of {len(self.asked)} places were never asked for. Ask "
                "at least as many clients as there are places."
            )
        return debias(self.yes / self.asked, self.epsilon)


# Attacks


@dataclass(frozen=True)
class Attack:
    """A linear guess of traits from whole masks, learned on masks of the attacker's own making.

    On noisy reports it is the best linear one: independent noise in the inputs is a ridge penalty
    of its variance (Bishop, 1995), so it is learned on clean masks, for exactly this noise.

    Attributes:
        mean: of the masks, (places,).
        slopes: (places, traits).
        epsilon: per bit, of the reports to be attacked; infinite for masks without noise.
    """

    mean: Floats
    slopes: Floats
    epsilon: float

    @classmethod
    def learn(
        cls, masks: Bits, traits: Bits, epsilon: float = math.inf, floor: float = 0.01
    ) -> "Attack":
        """Learn from masks (n, places) whose owners' traits, bool (n, traits), are known.

        Args:
            masks: without noise.
            traits: what is to be guessed.
            epsilon: of each bit of the reports that will be attacked.
            floor: a little ridge for masks without noise, as a variance.

        Raises:
            ValueError: shapes that do not fit, or epsilon not positive.
        """
        if len(masks) != len(traits):
            raise ValueError(f"given {len(masks)} masks and {len(traits)} rows of traits.")
        noise = 0.0 if epsilon == math.inf else float(standard_error(1, epsilon)) ** 2
        mean = masks.mean(axis=0)
        centred, wanted = masks - mean, traits - traits.mean(axis=0)
        spread = centred.T @ centred / len(masks) + (noise + floor) * np.eye(len(mean))
        slopes = np.linalg.solve(spread, centred.T @ wanted / len(masks))
        return cls(mean, slopes, epsilon)

    def scores(self, reports: Bits) -> Floats:
        """Return a score for every client and trait, higher where the trait is likelier."""
        seen = reports if self.epsilon == math.inf else debias(reports, self.epsilon)
        return np.asarray((seen - self.mean) @ self.slopes)


def one_bit_scores(masks: Bits, traits: Bits, answers: Answers, epsilon: float) -> Floats:
    """Attack one-bit answers: the logarithm of how much likelier an answer is with the trait.

    Args:
        masks: of the attacker's own making, without noise (n, places).
        traits: of their owners, bool (n, traits).
        answers: of the clients that are attacked.
        epsilon: of an answer.
    """
    counts = traits.sum(axis=0)
    kept_with = (masks.T @ traits.astype(float) + 0.5) / (counts + 1)  # (places, traits)
    kept_without = (masks.T @ (~traits).astype(float) + 0.5) / (len(traits) - counts + 1)
    p, said = truth(epsilon), answers.reports[:, None]
    yes = [1 - p + (2 * p - 1) * share[answers.places] for share in (kept_with, kept_without)]
    with_it, without_it = (np.where(said, chance, 1 - chance) for chance in yes)
    return np.asarray(np.log(with_it / without_it))


def auc(scores: Floats, truths: Bits) -> Floats:
    """Return the area under the ROC curve of every column: how often a pair is put in order.

    A half for guessing, one for an attack that never errs; ties count a half.

    Args:
        scores: (n, traits), higher where a trait is likelier.
        truths: bool (n, traits).

    Raises:
        ValueError: shapes that differ, or a column with only one kind.

    Source: Mann and Whitney (1947).

    Examples:
        >>> auc(np.array([[3.0], [1.0], [2.0]]), np.array([[True], [False], [True]]))
        array([1.])
    """
    if scores.shape != truths.shape or not np.all(truths.any(axis=0) & ~truths.all(axis=0)):
        raise ValueError(
            f"given scores {scores.shape} and truths {truths.shape}: expected the same shapes, and "
            "both kinds in every column."
        )
    return np.atleast_1d(roc_auc_score(truths, scores, average=None))


def roc(scores: Floats, truths: Bits, at: Floats) -> Floats:
    """Return the share of true positives at given shares of false positives, all columns pooled.

    Args:
        scores: any shape, higher where a trait is likelier.
        truths: bool, the same shape.
        at: shares of false positives.

    Raises:
        ValueError: shapes that differ.
    """
    if scores.shape != truths.shape:
        raise ValueError(f"given scores {scores.shape} and truths {truths.shape}: they differ.")
    wrong, right, _ = roc_curve(truths.ravel(), scores.ravel(), drop_intermediate=False)
    return np.asarray(np.interp(at, wrong, right))
