"""Masks: what they cover, that they match what they mask, and that files are whole or refused."""

import os

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from course_lib.masks import Mask, prunable, select


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
    assert list(prunable(tied)) == ["write.weight"]
    mask.apply_(tied)
    assert int(torch.count_nonzero(tied["read"].weight)) == 3
    pair = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    pair[1].weight = pair[0].weight
    assert list(prunable(pair)) == ["0.weight"]


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
    with pytest.raises(ValueError, match=r"no \['9.weight'\].*it has \['0.weight'"):
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
    with pytest.raises(ValueError, match=r"second mask has no \['w'\]"):
        a & Mask({"v": a["w"]})
    with pytest.raises(ValueError, match=r"first mask has no \['v'\]"):
        a & Mask({"w": a["w"], "v": a["w"]})
    with pytest.raises(ValueError, match="expected the same shape"):
        a & Mask({"w": torch.ones(2, dtype=torch.bool)})


@pytest.mark.parametrize("entry", [torch.ones(2), [True, False], None])
def test_entries_must_be_bool_tensors(entry):
    with pytest.raises(TypeError, match=r"mask of 'w': given .*expected a bool tensor"):
        Mask({"w": entry})


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
