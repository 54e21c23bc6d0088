"""Small networks of many kinds, batches for them, and the ways to score them."""

import copy

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from course_lib.pruning import criteria

CRITERIA = [
    criteria.magnitude, criteria.random, criteria.signed_first_order, criteria.first_order,
    criteria.snip, criteria.fisher, criteria.obd, criteria.second_order, criteria.synflow,
    criteria.oracle,
]  # fmt: skip


def small(seed=0, activation=nn.ReLU):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 4), activation(), nn.Linear(4, 3)).double()


def conv(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)
    ).double()


def batch(n=7, shape=(5,), classes=3, seed=1):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, *shape, generator=g).double(), torch.randint(
        0, classes, (n,), generator=g
    )


def changed(model, X, y, name, index, value, loss=cross_entropy):
    """The loss with one weight set to a value."""
    w = dict(model.named_parameters())[name]
    old = w.data[index].clone()
    w.data[index] = value
    with torch.no_grad():
        found = loss(model.eval()(X), y).item()
    w.data[index] = old
    return found


def entries(scores):
    return [(n, i) for n, s in scores.items() for i in np.ndindex(*s.shape)]


MODELS = [(small, (5,)), (conv, (1, 4, 4))]


def quadratic(P=6, seed=0):
    """A linear model of one output at its minimum: its loss is exactly quadratic."""
    rng = np.random.default_rng(seed)
    X = torch.tensor(rng.normal(size=(40, P)) @ rng.normal(size=(P, P)))
    y = torch.tensor(rng.normal(size=(40, 1)))
    model = nn.Sequential(nn.Linear(P, 1, bias=False)).double()
    model[0].weight.data = torch.linalg.lstsq(X, y).solution.T
    return model, X, y


class Recurrent(nn.Module):
    """It answers with what its layer says last."""

    def __init__(self, kind, **how):
        super().__init__()
        self.layer = kind(3, 4, batch_first=True, **how)
        self.head = nn.Linear(8 if how.get("bidirectional") else 4, 3)

    def forward(self, X):
        return self.head(self.layer(X)[0][:, -1])


class Attentive(nn.Module):
    def __init__(self, **how):
        super().__init__()
        self.layer = nn.MultiheadAttention(4, 2, batch_first=True, **how)
        self.head = nn.Linear(4, 3)

    def forward(self, X):
        return self.head(X + self.layer(X, X, X, need_weights=False)[0]).mean(1)


class Language(nn.Module):
    """Embedding, a layer of a transformer with dropout, and a head that may be the embedding."""

    def __init__(self, tied):
        super().__init__()
        self.words = nn.Embedding(6, 4)
        self.layer = nn.TransformerEncoderLayer(4, 2, 5, dropout=0.4, batch_first=True)
        self.middle = nn.Linear(4, 4)
        self.head = nn.Linear(4, 6, bias=False)
        if tied:
            self.head.weight = self.words.weight

    def forward(self, X):
        return self.head(self.middle(self.layer(self.words(X))))


class Sum(nn.Module):
    """Two inputs, a residual, and one weight in two places."""

    def __init__(self):
        super().__init__()
        self.left, self.right, self.head = nn.Linear(3, 4), nn.Linear(2, 4), nn.Linear(4, 3)
        self.inner, self.again = nn.Linear(4, 4), nn.Linear(4, 4)
        self.again.weight = self.inner.weight

    def forward(self, X, more):
        h = torch.tanh(self.left(X) + self.right(more))
        return self.head(h + self.again(torch.tanh(self.inner(h))))


class Peeking(nn.Module):
    """It looks at its numbers, so it cannot be asked for many examples at once."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, X):
        h = self.a(X)
        return self.b(h * 2 if h.sum().item() > -1e9 else h)


class KeptTwice(nn.Module):
    """It finds its weights in a list of its own, where nobody can put others."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 4), nn.Linear(4, 3)
        self.held = [self.a.weight]

    def forward(self, X):
        return self.b(torch.tanh(nn.functional.linear(X, self.held[0], self.a.bias)))


def by_word(logits, words):
    return cross_entropy(logits.flatten(0, 1), words.flatten())


def of_layer(output, y):
    return mse_loss(output[0], y)


def kinds():
    torch.manual_seed(3)
    g = torch.Generator().manual_seed(4)

    def some(*shape):
        return torch.randn(5, *shape, generator=g)

    y = torch.tensor([0, 1, 2, 2, 1])
    words = torch.randint(0, 6, (5, 4), generator=g)
    return {
        "lstm": (Recurrent(nn.LSTM), (some(4, 3), y), cross_entropy),
        "lstm both ways": (
            Recurrent(nn.LSTM, bidirectional=True, num_layers=2), (some(4, 3), y), cross_entropy
        ),
        "gru": (Recurrent(nn.GRU), (some(4, 3), y), cross_entropy),
        "rnn": (Recurrent(nn.RNN), (some(4, 3), y), cross_entropy),
        "lstm alone": (nn.LSTM(3, 2, batch_first=True), (some(4, 3), some(4, 2)), of_layer),
        "attention": (Attentive(), (some(4, 4), y), cross_entropy),
        "attention, other keys": (Attentive(add_bias_kv=True), (some(4, 4), y), cross_entropy),
        "language": (Language(tied=False), (words, words.flip(1)), by_word),
        "language, tied": (Language(tied=True), (words, words.flip(1)), by_word),
        "two inputs": (Sum(), ((some(3), some(2)), y), cross_entropy),
        "named inputs": (Sum(), ({"X": some(3), "more": some(2)}, y), cross_entropy),
        "kept twice": (KeptTwice(), (some(5), y), cross_entropy),
        "peeking": (Peeking(), (some(5), y), cross_entropy),
        "norm": (
            nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3)),
            (some(3), y), cross_entropy,
        ),
    }  # fmt: skip


def exactly(model, data):
    """A copy in float64 that is asked as it is used, and its data."""

    def double(X):
        if isinstance(X, dict):
            return {name: double(part) for name, part in X.items()}
        if isinstance(X, tuple):
            return tuple(map(double, X))
        return X.double() if X.is_floating_point() else X

    return copy.deepcopy(model).double().eval(), double(data)


def asked(model, X):
    return model(**X) if isinstance(X, dict) else model(*X) if isinstance(X, tuple) else model(X)


def one_of(X, i):
    if isinstance(X, dict):
        return {name: part[i : i + 1] for name, part in X.items()}
    return tuple(part[i : i + 1] for part in X) if isinstance(X, tuple) else X[i : i + 1]
