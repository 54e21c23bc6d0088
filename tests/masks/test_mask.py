"""Masks: what they cover, that they match what they mask, and that files are whole or refused."""

import copy
import os
import warnings

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from course_lib.masks import LeftOutWarning, Mask, prunable, select
from course_lib.sparse import sparsify


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3), nn.Flatten(), nn.LayerNorm(12), nn.Linear(12, 5)
    )


def test_only_weights_of_linear_and_convolution_are_prunable_unless_asked():
    net = network()
    assert list(prunable(net)) == ["0.weight", "4.weight"]
    assert list(prunable(net, biases=True)) == ["0.weight", "0.bias", "4.weight", "4.bias"]
    assert list(prunable(net, norms=True)) == ["0.weight", "1.weight", "3.weight", "4.weight"]
    assert len(prunable(net, biases=True, norms=True)) == 8
    assert all(dict(net.named_parameters())[n] is p for n, p in prunable(net).items())


def test_a_shared_weight_is_named_once_and_masked_in_both_places():
    tied = nn.ModuleDict({"read": nn.Embedding(4, 3), "write": nn.Linear(3, 4, bias=False)})
    tied["write"].weight = tied["read"].weight
    mask = Mask({"write.weight": torch.eye(4, 3).bool()})
    mask.apply_(tied)
    assert int(torch.count_nonzero(tied["read"].weight)) == 3
    assert list(prunable(tied, embeddings=True)) == ["read.weight"]  # as named_parameters() says
    with pytest.raises(ValueError, match=r"nothing to prune.*it has read.weight \(4, 3\)"):
        prunable(tied)
    pair = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    pair[1].weight = pair[0].weight
    assert list(prunable(pair)) == ["0.weight"]


class Own(nn.Module):
    """A layer that nobody but its author knows."""

    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(torch.ones(2, 3))


class LowRank(nn.Linear):
    def __init__(self):
        super().__init__(3, 3)
        self.left, self.right = nn.Parameter(torch.ones(3, 1)), nn.Parameter(torch.ones(1, 3))


# Layers, the names of what pruning may touch, and of the matrices it leaves out: written down by
# hand from torch's documentation.
LAYERS = {
    "linear": (nn.Linear(2, 3), "weight", ""),
    "a kind of linear": (LowRank(), "weight", "left right"),
    "bilinear": (nn.Bilinear(2, 3, 4), "weight", ""),
    "1 dimension": (nn.Conv1d(2, 3, 2), "weight", ""),
    "3 dimensions": (nn.Conv3d(1, 2, 2), "weight", ""),
    "transposed": (nn.ConvTranspose2d(2, 3, 2), "weight", ""),
    "attention": (
        nn.MultiheadAttention(4, 2, add_bias_kv=True), "in_proj_weight out_proj.weight", ""
    ),
    "attention between": (
        nn.MultiheadAttention(4, 2, kdim=3, vdim=5),
        "q_proj_weight k_proj_weight v_proj_weight out_proj.weight", "",
    ),
    "lstm": (
        nn.LSTM(4, 6, bidirectional=True, proj_size=3),
        "weight_ih_l0 weight_hh_l0 weight_hr_l0 "
        "weight_ih_l0_reverse weight_hh_l0_reverse weight_hr_l0_reverse", "",
    ),
    "gru": (nn.GRU(2, 3, 2), "weight_ih_l0 weight_hh_l0 weight_ih_l1 weight_hh_l1", ""),
    "rnn": (nn.RNN(2, 3, bias=False), "weight_ih_l0 weight_hh_l0", ""),
    "cells": (
        nn.ModuleList([nn.LSTMCell(2, 3), nn.GRUCell(2, 3), nn.RNNCell(2, 3)]),
        "0.weight_ih 0.weight_hh 1.weight_ih 1.weight_hh 2.weight_ih 2.weight_hh", "",
    ),
    "embedding": (nn.ModuleList([nn.Embedding(5, 2), nn.Linear(2, 2)]), "1.weight", "0.weight"),
    "own": (nn.ModuleList([Own(), nn.Linear(2, 2)]), "1.weight", "0.matrix"),
    "norm of an image": (nn.Sequential(nn.LayerNorm((4, 3)), nn.Linear(3, 2)), "1.weight", ""),
    "compiled": (
        torch.compile(nn.Sequential(nn.Linear(2, 2)), backend="eager"), "_orig_mod.0.weight", ""
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", LAYERS)
def test_what_is_prunable_of_each_kind_of_layer_and_what_is_said_of_the_rest(kind):
    layer, names, left_out = LAYERS[kind]
    layer = copy.deepcopy(layer)  # one that has never been warned of
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = prunable(layer)
        assert prunable(layer).keys() == found.keys() == Mask.ones_like(layer).keys()
    assert list(found) == names.split()
    assert all(dict(layer.named_parameters())[n] is p for n, p in found.items())
    assert len(said) == bool(left_out)  # once for each network
    for name in left_out.split():
        assert said[0].category is LeftOutWarning and f"{name} (" in str(said[0].message)
        assert said[0].filename == __file__  # where a user called, not a line of the library
        assert f"left out: {name}" in str(Mask.ones_like(layer).table(layer))
    biased = [n for n, p in layer.named_parameters() if "bias" in n and names]
    with_biases = set(prunable(layer, biases=True)) - set(found)
    assert with_biases == {n for n in biased if kind != "norm of an image" or n == "1.bias"}


def test_the_warning_counts_the_weights_and_names_what_asks_for_them():
    net = nn.ModuleDict({"words": nn.Embedding(30, 4), "out": nn.Linear(4, 5)})
    with pytest.warns(LeftOutWarning, match=r"120 of the 140 weights of ModuleDict: words.weight"):
        prunable(net)
    assert list(prunable(net, embeddings=True)) == ["words.weight", "out.weight"]
    assert list(Mask.ones_like(net, embeddings=True)) == ["words.weight", "out.weight"]


def test_a_head_tied_to_an_embedding_is_pruned_only_if_embeddings_are():
    net = nn.ModuleDict({"head": nn.Linear(4, 30), "words": nn.Embedding(30, 4)})
    net["more"], net["words"].weight = nn.Linear(2, 2), net["head"].weight
    with pytest.warns(LeftOutWarning, match=r"head.weight \(30, 4\)"):
        assert list(prunable(net)) == ["more.weight"]
    assert list(prunable(net, embeddings=True)) == ["head.weight", "more.weight"]


@pytest.mark.parametrize(
    "net",
    [nn.Sequential(), nn.ReLU(), nn.BatchNorm2d(3), nn.Embedding(3, 2), Own()],
    ids=lambda net: type(net).__name__,
)
def test_a_network_with_nothing_to_prune_is_an_error(net):
    for ask in (prunable, Mask.ones_like):
        with pytest.raises(ValueError, match=f"{type(net).__name__} has nothing to prune"):
            ask(net)


class Twice(nn.Module):
    def forward(self, w):
        return 2 * w


def test_computed_weights_are_refused_by_the_layers_name():
    def old(make):
        def wrapped(layer, name):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                return make(layer, name)

        return wrapped

    linear, lstm = lambda: nn.Linear(3, 3), lambda: nn.LSTM(3, 3)
    attention = lambda: nn.MultiheadAttention(4, 2)  # noqa: E731
    ways = [
        (lambda w, n: prune.l1_unstructured(w, n, amount=0.5), linear, "weight"),
        (lambda w, n: prune.l1_unstructured(w, n, amount=0.5), lstm, "weight_hh_l0"),
        (lambda w, n: prune.l1_unstructured(w, n, amount=0.5), attention, "in_proj_weight"),
        (lambda w, n: parametrize.register_parametrization(w, n, Twice()), linear, "weight"),
        (lambda w, n: parametrize.register_parametrization(w, n, Twice()), lstm, "weight_ih_l0"),
        (parametrizations.weight_norm, linear, "weight"),
        (parametrizations.spectral_norm, linear, "weight"),
        (old(nn.utils.weight_norm), linear, "weight"),
        (old(nn.utils.spectral_norm), linear, "weight"),
    ]
    for change, make, name in ways:
        net = nn.ModuleDict({"plain": nn.Linear(2, 2), "own": make()})
        change(net["own"], name)
        before = copy.deepcopy({n: b.clone() for n, b in net.named_buffers()})
        with pytest.raises(TypeError, match=f"layer 'own' computes its {name}.*from_torch_prune"):
            prunable(net)
        assert all(torch.equal(before[n], b) for n, b in net.named_buffers())


def test_a_mask_of_a_buffer_names_what_the_network_has():
    net = network()
    with pytest.raises(ValueError, match=r"has no '1.running_mean'.*it has '0.weight', '0.bias'"):
        Mask({"1.running_mean": torch.ones(3).bool()}).apply_(net)


def test_a_scripted_network_is_told_what_was_expected():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(nn.Sequential(nn.Linear(2, 3)))
    with pytest.raises(ValueError, match=r"has nothing to prune.*it has 0.weight \(3, 2\)"):
        prunable(scripted)


def test_a_lazy_layer_is_named():
    with pytest.raises(ValueError, match=r"'1.weight' has no shape yet.*Call the network once"):
        prunable(nn.Sequential(nn.Linear(2, 3), nn.LazyLinear(3)))


def test_counts():
    mask = Mask({"a": torch.tensor([[True, False], [False, False]]), "b": torch.tensor([True])})
    assert (mask.kept, mask.numel, mask.density, mask.sparsity) == (2, 5, 0.4, 0.6)
    assert Mask({}).density == 1.0
    assert repr(mask) == "Mask(2 tensors, 2 of 5 weights kept)"
    ones = Mask.ones_like(network())
    assert ones.density == 1.0 and list(ones) == ["0.weight", "4.weight"]
    assert list(Mask.ones_like({"w": torch.ones(3)})) == ["w"]


def test_apply_sets_pruned_weights_to_zero_and_nothing_else():
    net = network()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    with torch.no_grad():
        net[4].weight[0, 0] = float("nan")  # a pruned weight is zero whatever it was
    scores = {"4.weight": torch.arange(60.0).reshape(5, 12)}
    mask = select(scores, k=20)
    mask.apply_(net)
    for name, parameter in net.named_parameters():
        expected = before[name] * mask[name] if name in mask else before[name]
        assert torch.equal(parameter, expected)
        assert parameter.requires_grad and parameter.grad is None
    tensors = {"4.weight": torch.ones(5, 12)}
    mask.apply_(tensors)
    assert int(tensors["4.weight"].sum()) == 20


def test_a_mask_of_another_network_changes_nothing_and_is_named():
    net = network()
    before = [p.detach().clone() for p in net.parameters()]
    off = torch.zeros(3, 1, 2, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"no '9.weight'.*it has '0.weight'"):
        Mask({"0.weight": off, "9.weight": off}).apply_(net)
    with pytest.raises(ValueError, match=r"'4.weight' is \(5, 12\) in the network and \(12, 5\)"):
        Mask({"0.weight": off, "4.weight": torch.zeros(12, 5, dtype=torch.bool)}).apply_(net)
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_and_keeps_what_both_keep():
    a = Mask({"w": torch.tensor([True, True, False])})
    b = Mask({"w": torch.tensor([True, False, True])})
    assert (a & b)["w"].tolist() == [True, False, False]
    assert a & b == b & a and a & a == a and a != b and a != {"w": a["w"]}
    assert a["w"].tolist() == [True, True, False]
    with pytest.raises(ValueError, match=r"second mask has no 'w'"):
        a & Mask({"v": a["w"]})
    with pytest.raises(ValueError, match=r"first mask has no 'v'"):
        a & Mask({"w": a["w"], "v": a["w"]})
    with pytest.raises(ValueError, match="expected the same shape"):
        a & Mask({"w": torch.ones(2, dtype=torch.bool)})


@pytest.mark.parametrize("entry", [torch.ones(2), [True, False], None])
def test_entries_must_be_bool_tensors(entry):
    with pytest.raises(TypeError, match=r"mask of 'w': given .*expected a bool tensor"):
        Mask({"w": entry})


def test_what_is_no_mapping_or_no_network_is_refused_in_words():
    kept = torch.ones(2, dtype=torch.bool)
    mask = Mask({"w": kept})
    for given in (kept, None, [kept], {0: kept}):
        with pytest.raises(TypeError, match=r"expected a mapping from names to bool tensors"):
            Mask(given)
    for given in (torch.ones(2), nn.Linear, "net", [nn.Linear(1, 1)]):
        for ask in (prunable, Mask.ones_like, mask.apply_, mask.table):
            with pytest.raises(TypeError, match=r"expected a network: an nn.Module"):
                ask(given)
    with pytest.raises(TypeError, match="'w' is a list in the network, expected a torch tensor"):
        mask.apply_({"w": [1.0, 2.0]})
    with pytest.raises(TypeError, match="Mask"):
        mask & {"w": kept}


@pytest.mark.filterwarnings("ignore:pruning leaves out")
def test_computed_biases_and_embeddings_are_refused_where_they_are_asked_for():
    net = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2), nn.BatchNorm1d(2))
    for layer, name in ((net[0], "weight"), (net[1], "bias"), (net[2], "weight")):
        prune.random_unstructured(layer, name, amount=1)
    assert list(prunable(net)) == ["1.weight"]
    for switch, layer in (("embeddings", "0"), ("biases", "1"), ("norms", "2")):
        with pytest.raises(TypeError, match=f"layer '{layer}' computes its"):
            prunable(net, **{switch: True})


@pytest.mark.filterwarnings("ignore:pruning leaves out")
def test_a_head_tied_to_a_pruned_embedding_is_still_an_embedding():
    net = nn.ModuleDict(
        {"words": nn.Embedding(5, 3), "head": nn.Linear(3, 5), "in": nn.Linear(3, 3)}
    )
    net["head"].weight = net["words"].weight
    prune.random_unstructured(net["words"], "weight", amount=1)
    assert list(prunable(net)) == ["in.weight"]


def test_a_mask_is_read_only():
    mask = Mask({"w": torch.ones(2, dtype=torch.bool)})
    with pytest.raises(TypeError):
        mask["w"] = torch.zeros(2, dtype=torch.bool)
    with pytest.raises(TypeError):
        hash(mask)


def test_table_shows_every_layer_and_the_whole():
    mask = Mask({"a<b": torch.tensor([[True, False]]), "c": torch.ones(3, dtype=torch.bool)})
    rows = [line.split() for line in str(mask.table()).splitlines()]
    assert rows[0] == ["layer", "shape", "weights", "kept", "density"]
    assert rows[1] == ["a<b", "(1,", "2)", "2", "1", "50.0%"]
    assert rows[3] == ["all", "5", "4", "80.0%"]
    page = mask.table()._repr_html_()
    assert "a&lt;b" in page and page.count("<tr>") == 4 and "80.0%" in page


def test_a_table_with_the_network_counts_what_the_mask_leaves_out():
    net = nn.ModuleDict({"words": nn.Embedding(30, 4), "out": nn.Linear(4, 5)})
    mask = Mask({"out.weight": torch.arange(20).reshape(5, 4) < 10})
    rows = [line.split("  ") for line in str(mask.table(net)).splitlines()]
    rows = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert rows[1:] == [
        ["out.weight", "(5, 4)", "20", "10", "50.0%"],
        ["all", "20", "10", "50.0%"],
        ["left out: words.weight", "(30, 4)", "120", "120", "100.0%"],
        ["left out: biases, norms", "5", "5", "100.0%"],
        ["the network", "145", "135", "93.1%"],
    ]
    assert sum(p.numel() for p in net.parameters()) == 145
    with pytest.raises(ValueError, match="the network has no"):
        mask.table(nn.Linear(4, 5))


def test_save_and_load_give_the_same_mask(tmp_path):
    shared = torch.tensor([[True, False, True], [False, False, True]])
    mask = Mask({"a": shared, "transposed": shared.T, "none": torch.empty(0, 3).bool(), "": shared})
    mask = Mask({**mask, "scalar": torch.tensor(True)})
    mask.save(tmp_path / "mask.safetensors")
    assert Mask.load(tmp_path / "mask.safetensors") == mask
    assert os.listdir(tmp_path) == ["mask.safetensors"]
    (mask & mask).save(str(tmp_path / "mask.safetensors"))
    Mask({}).save(tmp_path / "empty")
    assert len(Mask.load(tmp_path / "empty")) == 0


def test_a_file_holds_one_bit_a_weight(tmp_path):
    generator = torch.Generator().manual_seed(0)
    for count in (1, 7, 8, 9, 80_000):
        mask = Mask({"w": torch.rand(count, generator=generator) < 0.3, "v": torch.tensor([True])})
        mask.save(tmp_path / "mask")
        assert Mask.load(tmp_path / "mask") == mask
        assert os.path.getsize(tmp_path / "mask") < count / 8 + 400


def test_files_of_a_byte_a_weight_are_still_read(tmp_path):
    mask = Mask(
        {"w": torch.eye(3, 5).bool(), "": torch.tensor(True), "none": torch.empty(0).bool()}
    )
    save_file(dict(mask), tmp_path / "mask")  # what Mask.save wrote before it packed bits
    assert Mask.load(tmp_path / "mask") == mask


@pytest.mark.parametrize(
    ("bits", "shapes", "words"),
    [
        ([1, 2], '{"w": [8]}', "for the shape"),
        ([1, 2], '{"w": [2, 9]}', "for the shape"),
        ([1, 2], '{"v": [16]}', "shapes of v, and bits of w"),
        ([1, 2], "{}", "shapes of nothing"),
        ([1, 2], "[16]", "holds something else"),
        ([1, 2], '{"w": 16}', "holds something else"),
        ([1, 2], '{"w": [-4, -4]}', "holds something else"),
        ([1, 2], '{"w": ["16"]}', "holds something else"),
        ([1, 2], "no shapes", "holds something else"),
        ([1.0, 2.0], '{"w": [16]}', "float32"),
    ],
)
def test_packed_files_whose_parts_do_not_agree_are_refused(tmp_path, bits, shapes, words):
    values = torch.tensor(bits) if isinstance(bits[0], float) else torch.tensor(bits).byte()
    save_file({"w": values}, tmp_path / "mask", {"shapes of the packed bits": shapes})
    with pytest.raises(ValueError, match=f"{tmp_path}.*{words}.*save it again"):
        Mask.load(tmp_path / "mask")


def test_on_a_device_without_values_masks_follow_and_counting_is_refused(tmp_path):
    net = nn.Linear(3, 2, device="meta")
    mask, real = Mask.ones_like(net), Mask.ones_like(nn.Linear(3, 2))
    assert mask["weight"].is_meta and "6 weights, on the device 'meta'" in repr(mask)
    mask.apply_(net)
    real.apply_(net)
    here = nn.Linear(3, 2)
    before = here.weight.detach().clone()
    for ask in (
        lambda: mask.density,
        mask.table,
        lambda: mask.save(tmp_path / "mask"),
        lambda: Mask({"bias": torch.zeros(2).bool(), **mask}).apply_(here),
    ):
        with pytest.raises(ValueError, match="device 'meta', where tensors have shapes"):
            ask()
    assert torch.equal(here.weight, before) and here.bias.any() and not list(tmp_path.iterdir())


def test_a_mask_for_weights_that_are_computed_or_sparse_says_so():
    net = nn.Sequential(nn.Linear(3, 3))
    mask = Mask({"0.weight": torch.eye(3).bool()})
    sparse = sparsify(net, mask)
    prune.l1_unstructured(net[0], "weight", amount=0.5)
    before = net[0].weight_orig.detach().clone()
    with pytest.raises(TypeError, match="layer '0' computes its weight"):
        mask.apply_(net)
    with pytest.raises(TypeError, match=r"layer '0' is sparse.*densify"):
        mask.apply_(sparse)
    assert torch.equal(net[0].weight_orig, before)


def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    old = Mask({"w": torch.tensor([True])})
    old.save(tmp_path / "mask")

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        Mask({"w": torch.tensor([False])}).save(tmp_path / "mask")
    assert Mask.load(tmp_path / "mask") == old and os.listdir(tmp_path) == ["mask"]


def test_broken_files_are_refused_by_name(tmp_path):
    path = tmp_path / "mask"
    Mask({"w": torch.ones(100, dtype=torch.bool)}).save(path)
    whole = path.read_bytes()
    for content in (b"", b"not a mask at all", whole[:-1], whole[:20]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"{path}.*save it again"):
            Mask.load(path)
    save_file({"w": torch.ones(3)}, path)
    with pytest.raises(ValueError, match=r"holds something else.*float32"):
        Mask.load(path)
    with pytest.raises(OSError, match="nowhere"):
        Mask.load(tmp_path / "nowhere")
    with pytest.raises(OSError, match="no_folder"):
        Mask({}).save(tmp_path / "no_folder" / "mask")


@pytest.mark.parametrize("part", [nn.Linear(4, 4), nn.LSTM(4, 4), nn.GRUCell(4, 4)])
def test_quantised_layers_are_refused_by_name(part):
    model = nn.Sequential(nn.Conv1d(3, 4, 1), part)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, that it will move elsewhere
        packed = torch.ao.quantization.quantize_dynamic(model, {type(part)})
    with pytest.raises(TypeError, match=r"layer '1' is quantised \(\w+\).*quantise it then"):
        prunable(packed)
    assert len(prunable(model)) > 1


def test_paths_that_are_folders_and_the_name_of_the_header_are_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mask = Mask({"w": torch.ones(3, dtype=torch.bool)})
    for path in (tmp_path, "", "."):
        for ask in (mask.save, Mask.load):
            with pytest.raises(
                IsADirectoryError, match=r"is a folder, expected the path of a file"
            ):
                ask(path)
    with pytest.raises(ValueError, match="'__metadata__', a name that safetensors files keep"):
        Mask({"__metadata__": torch.ones(3, dtype=torch.bool)}).save("mask")
    assert not list(tmp_path.iterdir())


def test_weights_made_in_inference_mode_are_said():
    with torch.inference_mode():
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        mask = Mask.ones_like(model)
        mask.apply_(model)
    with pytest.raises(ValueError, match=r"'0.weight' was made in torch.inference_mode.*deepcopy"):
        mask.apply_(model)
    mask.apply_(copy.deepcopy(model))


def test_masks_of_many_networks_are_one_and_taken_apart_again():
    masks = [Mask({"a": torch.rand(2, 3) < 0.5, "b": torch.rand(4) < 0.5}) for _ in range(3)]
    many = Mask.stacked(masks)
    assert {name: tuple(entry.shape) for name, entry in many.items()} == {
        "a": (3, 2, 3),
        "b": (3, 4),
    }
    assert all(torch.equal(many["a"][i], mask["a"]) for i, mask in enumerate(masks))
    assert many.unstacked() == masks and many.kept == sum(mask.kept for mask in masks)
    for wrong, said in (
        ([], "given none"),
        ([masks[0], Mask({"a": masks[0]["a"]})], "another of the masks has no 'b'"),
        ([Mask({"a": masks[0]["a"]}), masks[0]], "the first of the masks has no 'b'"),
        ([masks[0], Mask({**masks[0], "b": torch.ones(5) > 0})], "the same shape"),
    ):
        with pytest.raises(ValueError, match=said):
            Mask.stacked(wrong)
    for single in ({"a": torch.ones(2) > 0, "b": torch.ones(3) > 0}, {"a": torch.tensor(True)}):
        with pytest.raises(ValueError, match="as many as there are replicas"):
            Mask(single).unstacked()
