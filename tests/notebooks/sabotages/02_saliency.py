"""Wrong experiments of chapter 02: each must turn its claim red."""

import torch

from course_lib.teaching import interval
from tests.notebooks.harness import sabotage

CHAPTER = "02_saliency"


def machines(units, refit=True):
    """The twenty machines of the chapter in some units, and what C4 reads of them."""
    smallest, largest, worth, same = [], [], [], True
    for seed in range(20):
        g = torch.Generator().manual_seed(seed)
        X = torch.randn(500, 5, generator=g, dtype=torch.float64)
        y = X @ torch.tensor([10, 0.03, -1.5, 1, 0.8], dtype=torch.float64)
        y = y + 0.1 * torch.randn(500, generator=g, dtype=torch.float64)
        plain = torch.linalg.lstsq(X, y.unsqueeze(1)).solution.squeeze(1)
        scaled = X * torch.tensor(units, dtype=torch.float64)
        w = torch.linalg.lstsq(scaled, y.unsqueeze(1)).solution.squeeze(1) if refit else plain
        found, expected = costs(scaled, y, w), costs(X, y, plain)
        smallest.append(found[w.abs().argmin()].item())
        largest.append(found[w.abs().argmax()].item())
        worth.append((found - expected).abs().max().item())
        same = same and torch.allclose(scaled @ w, X @ plain)
    return {"smallest": smallest, "largest": largest, "worth": worth, "same": same}


def costs(X, y, w):
    without = w.repeat(5, 1).fill_diagonal_(0)
    return (without @ X.T - y).square().mean(dim=1) - (X @ w - y).square().mean()


@sabotage(CHAPTER, "C4")
def everything_in_like_units():
    return machines([1, 1, 1, 1, 1])


@sabotage(CHAPTER, "C4")
def features_rescaled_but_the_machine_not_fitted_again():
    return machines([1000, 0.01, 1, 1, 1], refit=False)


@sabotage(CHAPTER, "C4")
def the_large_one_pulled_instead_of_the_small():
    found = machines([1000, 0.01, 1, 1, 1])
    return found | {"smallest": found["largest"], "largest": found["smallest"]}


RANKED = {"first_low": 0.95, "behind": 14.5, "behind_low": 10.4, "behind_high": 18.5}
HONEST = RANKED | {"size_low": 8.0, "mended_low": 9.0, "signed_high": 50.0}


def difference(name, ours, theirs):
    mean, low, high = interval([a - b for a, b in zip(ours, theirs, strict=True)])
    return {name: mean, f"{name}_low": low, f"{name}_high": high}


@sabotage(CHAPTER, "C5")
def the_same_mask_passed_off_as_both():
    accuracies = [96.0, 97.0, 95.5, 96.2, 96.9]
    return HONEST | difference("behind", accuracies, accuracies)


@sabotage(CHAPTER, "C5")
def one_lucky_network():
    return HONEST | difference("behind", [96, 97, 95, 96, 97], [97, 96, 95, 30, 97])


@sabotage(CHAPTER, "C5")
def a_ranking_by_chance():
    return HONEST | {"first_low": 0.02}


@sabotage(CHAPTER, "C5")
def a_mending_that_mends_nothing():
    return HONEST | {"mended_low": -0.5}


@sabotage(CHAPTER, "C5")
def sizes_taken_of_the_signed_score():
    return HONEST | {"signed_high": 88.0}


def quadratic(price, *, correlated=True):
    """Prices of weights on random quadratics against the truth, and what C6 reads of them."""
    g = torch.Generator().manual_seed(0)
    taylor, surgeon = [], []
    for _ in range(20):
        B = torch.randn(50, 5, generator=g, dtype=torch.float64)
        H, w = B.T @ B / 50, torch.randn(5, generator=g, dtype=torch.float64)
        inverse = torch.linalg.inv(H)
        alone = 0.5 * H.diagonal() * w.square()
        adapted = 0.5 * w.square() / inverse.diagonal()
        damage, cut = price(H, inverse, w)
        taylor.append(((damage - alone).abs() / alone).max().item())
        surgeon.append(((cut - adapted).abs() / adapted).max().item())
    pair = {"pair": 0.2, "pair_high": 0.3} if correlated else {"pair": 1.0, "pair_high": 1.0}
    return {"worst": max(taylor), "surgeon_error": surgeon, **pair}


def damage(H, w):
    return 0.5 * H.diagonal() * w.square()


def cut(inverse, w):
    return 0.5 * w.square() / inverse.diagonal()


@sabotage(CHAPTER, "C6")
def the_half_forgotten():
    return quadratic(lambda H, inverse, w: (2 * damage(H, w), cut(inverse, w)))


@sabotage(CHAPTER, "C6")
def the_inverse_of_the_diagonal():
    return quadratic(lambda H, inverse, w: (damage(H, w), damage(H, w)))


@sabotage(CHAPTER, "C6")
def features_that_have_nothing_in_common():
    honest = quadratic(lambda H, inverse, w: (damage(H, w), cut(inverse, w)), correlated=False)
    return honest
