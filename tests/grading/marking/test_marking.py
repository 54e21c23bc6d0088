"""Values cross the boundary whole, nonsense does not, and messages say what is so."""

from __future__ import annotations

import json
import signal
import sys
from array import array
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from course_lib.grading import Check, Task, attr, call, helper, module, name
from course_lib.grading.authoring.tasks import Variant, material, prove
from course_lib.grading.marking import plain
from course_lib.grading.marking.check import check
from course_lib.grading.marking.mark import mark, report
from course_lib.grading.marking.plain import answer, decode, encode
from course_lib.grading.marking.values import numbers, outcome, same, show

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | hnp.arrays(
        st.sampled_from(["f4", "f8", "i8", "?", "u1"]), hnp.array_shapes(max_dims=2, max_side=3)
    )
)
values = st.recursive(
    leaves,
    lambda x: (
        st.lists(x, max_size=3)
        | st.tuples(x, x)
        | st.dictionaries(st.text(max_size=3), x, max_size=3)
    ),
    max_leaves=6,
)
EXACT = {"types": True, "rtol": 0.0, "atol": 0.0, "unchanged": False, "property": None}


def alike(a, b):
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)
    return type(a) is type(b) and (a == b or a != a)


def faulty(result):
    """What is said of the first check of a task."""
    return "\n".join(result.checks[0].fault.lines)


def through(value):
    """The value as the judge sees it: encoded, as JSON, checked."""
    return outcome(json.dumps({"value": encode(value)})).value


@given(values)
def test_decode_undoes_encode(value):
    assert alike(value, decode(json.loads(json.dumps(encode(value))), {}))


@given(values)
def test_a_value_is_the_same_as_itself(value):
    assert same(through(value), through(value), EXACT)


@given(
    st.recursive(
        leaves.filter(lambda x: not isinstance(x, np.ndarray)),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "type",
                        "value",
                        "items",
                        "pairs",
                        "dtype",
                        "shape",
                        "bytes",
                        "raised",
                        "text",
                        "changed",
                        "expr",
                    ]
                ),
                x,
                max_size=5,
            )
        ),
    )
)
def test_no_answer_whatever_makes_marking_raise(thing):
    for line in (
        json.dumps(thing),
        json.dumps({"value": thing}),
        json.dumps({"raised": thing, "text": thing}),
    ):
        found = outcome(line)
        if found.value:
            show(found.value)
            numbers(found.value)
            same(found.value, through(1.0), EXACT)


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float64, torch.bool, torch.int8, torch.complex64]
)
def test_tensors_of_every_kind_come_through(dtype):
    tensor = torch.tensor([[0, 1, 2], [3, 4, 5]]).to(dtype).t()
    back = decode(json.loads(json.dumps(encode(tensor))), {})
    assert back.dtype == dtype and torch.equal(back, tensor)


def test_gradients_parameters_and_sparse_tensors_are_tensors():
    for tensor in (
        torch.nn.Parameter(torch.ones(2)),
        torch.ones(2).to_sparse(),
        torch.ones(2).conj(),
    ):
        assert encode(tensor)["type"] == "torch.Tensor"
        assert same(through(torch.ones(2)), through(tensor), EXACT)


@pytest.mark.parametrize(
    "want, got, equal",
    [
        (np.array([1.0, 2.0]), [1.0, 2.0], True),
        (np.array([True, False]), [1, 0], True),
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), True),
        (1.0, np.nan, False),
        (np.nan, 1.0, False),
        (np.zeros(3), np.zeros((3, 1)), False),
        ([1, [2, 3]], [1, [2, 3]], True),
        ([1, [2, 3]], [1, 2, 3], False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, ["a", 1], False),
        ("a", "a", True),
        (1, "1", False),
        (None, None, True),
        (None, False, False),
        (object(), object(), False),
        (10**30, 10**30, True),
        (2**53, 2**53 + 1, False),
        (1.0, 1.0 + 1e-7, True),
        (1.0, 1.0 + 1e-3, False),
        (np.array([], dtype=bool), [], True),
    ],
)
def test_equality_without_types(want, got, equal):
    check = {**EXACT, "types": False, "rtol": 1e-5, "atol": 1e-7}
    assert same(through(want), through(got), check) is equal


def test_text_that_would_take_much_room_is_not_looked_at():
    long = through(["x" * 501, "y"])
    assert numbers(long) is None and numbers(through(["1", "2"])) is None
    assert "too long to look at" in show(long)
    assert not same(long, long, EXACT)


def test_one_item_of_an_answer_is_shown_as_a_person_would_write_it():
    take = attr(module("operator"), "getitem")
    assert show(call(take, call(name("f"), 3), 0)) == "f(3)[0]"


def test_types_can_count():
    for got in ([1.0], np.array([1.0], "f4"), torch.tensor([1.0], dtype=torch.float64)):
        assert not same(through(np.array([1.0])), through(got), EXACT)


@pytest.mark.parametrize(
    "value",
    [
        {"0.weight": np.eye(2, dtype="f4"), 3: [1, (2.5,)], "none": None, "some": {"a": True}},
        {},
        {"empty": np.zeros((0,)), "row": np.array([True, False]), "one": np.float64(0.5)},
        [torch.tensor([1.5, 2]), torch.tensor([1, 2], dtype=torch.int8), torch.zeros(0)],
    ],
)
def test_what_is_shown_whole_can_be_pasted(value):
    pasted = eval(show(encode(value)), {"np": np, "torch": torch})
    assert encode(pasted) == encode(value)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (np.array([2, -0.0]), "np.array([2., 0.])"),
        (np.float32(-0.0), "np.float32(0.)"),
        (-0.0, "0.0"),
        ([-0.0, False, 0], "[0.0, False, 0]"),
    ],
)
def test_a_zero_of_an_answer_is_told_without_its_sign(answer, text):
    """A text says 0; who multiplies by it has -0."""
    assert show(through(answer)) == text


def test_a_zero_of_an_input_is_told_with_its_sign():
    assert show(encode(np.array([2, -0.0]))) == "np.array([ 2., -0.])"


def test_a_long_dict_is_shown_shortened():
    assert show(encode(dict.fromkeys(range(9), 0))).endswith("4: 0, 5: 0, ...}")


def test_a_packed_array_of_python_is_as_good_as_a_list():
    check = {**EXACT, "types": False}
    assert same(through([1.5, 2.0]), through(array("d", [1.5, 2])), check)
    assert not same(through([1.5, 2.5]), through(array("d", [1.5, 2])), check)
    assert show(through(array("d", [1.5, 2]))) == "array.array(1.5, 2.0)"


# --- tasks made for a test: f is judged against its reference


def shifted(rng):
    return [(float(x),) for x in rng.uniform(1, 2, 3)]


def task(**kwargs):
    return Task("f", [Check("a", "adds one", 1, shifted, **kwargs)])


def run(made, function, names=None):
    names = {"f": function, **(names or {})}
    return mark(made, lambda cases, _: ([json.dumps(answer(c, names)) for c in cases], None))


def slip(key, function, message=None, loses=("a",)):
    return Variant("f", key, function, "", message or f"it is {key}", tuple(loses))


def plus(x):
    return x + 1


def test_a_known_slip_is_named_only_if_every_answer_is_its():
    double = slip("double", lambda x: 2 * x)
    made = material(task(), plus, [double], 0)
    assert run(made, lambda x: 2 * x).slips == ["it is double"]
    first = made["checks"][0]["cases"][0]["args"][0]["value"]
    assert run(made, lambda x: 2 * x if x == first else 0).slips == []
    assert run(made, plus).slips == []


def test_no_slip_is_named_for_answers_that_never_came():
    made = material(task(), plus, [slip("double", lambda x: 2 * x)], 0)
    result = mark(
        made, lambda cases, _: ([json.dumps(answer(cases[0], {"f": lambda x: 2 * x}))], "it ended")
    )
    assert result.slips == [] and result.points == 0


def test_two_slips_that_look_alike_here_are_both_named():
    twins = [slip("double", lambda x: 2 * x), slip("twice", lambda x: x + x)]
    result = run(material(task(), plus, twins, 0), lambda x: 2 * x)
    assert result.slips == ["it is double", "it is twice"]
    assert "it is double, or it is twice" in report(result)
    wrong = prove(task(), plus, twins, [], [0])
    assert any("is told ['it is double', 'it is twice']" in w for w in wrong)


def test_the_smallest_failing_input_is_shown():
    sizes = Task("f", [Check("a", "sums", 1, lambda rng: [(np.ones(n),) for n in (9, 4, 1, 6)])])
    made = material(sizes, lambda w: w.sum(), [], 0)
    result = run(made, lambda w: w.sum() if len(w) == 1 else 0.0)
    assert faulty(result).startswith("f(np.array([1., 1., 1., 1.]))")


def test_close_numbers_are_shown_with_the_digits_that_differ():
    made = material(
        Task("f", [Check("a", "a", 1, lambda rng: [(np.array([1.0]),)], rtol=1e-9)]),
        lambda w: w,
        [],
        0,
    )
    fault = faulty(run(made, lambda w: w + 1e-6))
    assert "1.000001" in fault


def test_shape_and_type_are_named():
    made = material(
        Task("f", [Check("a", "a", 1, lambda rng: [(np.ones((2, 3)),)], types=True)]),
        lambda w: w,
        [],
        0,
    )
    assert "shape (2, 3), not (6,)" in faulty(run(made, lambda w: w.ravel()))
    assert "the type is not" in faulty(run(made, lambda w: w.astype("f4")))


def test_inputs_must_stay_if_the_check_says_so():
    made = material(
        Task("f", [Check("a", "a", 1, lambda rng: [(np.ones(2),)], unchanged=True)]),
        lambda w: w + 0,
        [],
        0,
    )

    def careless(w):
        w *= 1
        out = w.copy()
        w[0] = np.nan
        return out

    assert "it changed its input number 1" in faulty(run(made, careless))


def test_errors_are_judged_by_class():
    def reference(x):
        raise ValueError("no")

    made = material(task(), reference, [], 0)

    class Own(ValueError):
        pass

    def own(x):
        raise Own

    def other(x):
        raise KeyError("k")

    assert run(made, own).points == 1
    assert "expected it to raise ValueError" in faulty(run(made, other))
    assert run(made, lambda x: None).points == 0


def below(inputs, value):
    """Deliberately written so that NaN would pass."""
    return "too large" if value > inputs[0] else ""


def test_a_property_never_sees_a_number_that_is_not_finite():
    made = material(task(property=below), lambda x: 0.0, [], 0)
    assert run(made, lambda x: x / 2).points == 1
    assert "too large" in faulty(run(made, lambda x: 2 * x))
    for bad in (
        np.nan,
        np.inf,
        [np.nan],
        np.array([1.0, np.nan]),
        torch.tensor(float("nan")),
        {"a": np.nan},
        complex("nan"),
    ):
        assert run(made, lambda x, bad=bad: bad).points == 0
    assert "not the kind of answer" in faulty(run(made, lambda x: "text"))


def test_a_released_property_gives_no_answer_away():
    made = material(
        task(property=below, visible=True), lambda x: 0.123456789, [], 0, visible_only=True
    )
    assert "0.123456789" not in json.dumps(made)
    assert run(made, lambda x: x / 2).points == 1


def trace(matrix):
    return float(matrix.trace())


def test_expressions_reach_modules_methods_and_helpers():
    np_ = module("numpy")

    def cases(rng):
        return [call(helper(trace), call(name("f"), call(attr(np_, "eye"), 3), by=2.0))]

    made = material(Task("f", [Check("a", "a", 1, cases)]), lambda m, by: m * by, [], 0)
    assert run(made, lambda m, by: by * m).points == 1
    fault = faulty(run(made, lambda m, by: m))
    assert fault.startswith("trace(f(numpy.eye(3), by=2.0))\nit returned 3.0\nexpected    6.0")


def test_mutants_that_do_not_lose_what_they_say_are_refused():
    from course_lib.grading.errors import Refusal

    with pytest.raises(Refusal, match="right"):
        material(task(), plus, [slip("right", plus)], 0)


def test_proof_finds_a_check_that_nonsense_passes():
    lenient = Task("f", [Check("a", "a", 1, lambda rng: [(0.0,)])])
    assert any("returns 0" in wrong for wrong in prove(lenient, lambda x: 0.0, [], [], [0]))


def test_inputs_are_drawn_again_for_other_seeds_and_the_same_for_the_same():
    one, two, again = (material(task(), plus, [], seed) for seed in (1, 2, 1))
    assert one == again and one["checks"][0]["cases"] != two["checks"][0]["cases"]


# --- checks whose last case is asked once more, in a new process


def by_seed(inputs, answer):
    return "" if len(answer) == 2 and answer[0] != answer[1] else "the seed changes nothing"


def pairs(rng):
    return [call(helper(two_of), name("f"), int(s), int(s) + 1) for s in rng.integers(0, 99, 2)]


def two_of(f, seed, other):
    return [f(seed), f(other)]


SEEDED = Task("f", [Check("a", "the seed decides", 1, pairs, property=by_seed, anew=True)])


def kept_by_seed(known, draw):
    return lambda seed: known.setdefault(seed, draw())


def from_the_seed():
    return lambda seed: float(np.random.default_rng(seed).random())


def remembered():
    return kept_by_seed({}, np.random.default_rng().random)


def remembered_from_one_stream():
    """Every process begins with the same numbers, as copies of a notebook's process do."""
    return kept_by_seed({}, np.random.default_rng(5).random)


@pytest.mark.parametrize(
    ("begin", "points"),
    [(from_the_seed, 1), (remembered, 0), (remembered_from_one_stream, 0)],
)
def test_random_numbers_kept_by_seed_are_no_numbers_from_a_seed(begin, points):
    made = material(SEEDED, from_the_seed(), [], 0)

    def ask(cases, _):
        names = {"f": begin()}  # each request goes to a new process
        return [json.dumps(answer(c, names)) for c in cases], None

    result = mark(made, ask)
    assert result.points == points
    said = faulty(result) if result.checks[0].fault else ""
    assert ("what the same call returned before, in another process" in said) == (points == 0)


def test_what_did_not_come_a_second_time_costs_nothing():
    made, asked = material(SEEDED, from_the_seed(), [], 0), []

    def ask(cases, _):
        asked.append(len(cases))
        names = {"f": from_the_seed()}
        return ([json.dumps(answer(c, names)) for c in cases] if len(asked) == 1 else []), "ended"

    assert mark(made, ask).points == 1 and asked == [2, 1, 1]


# --- check(), as students call it


@pytest.fixture
def notebook(monkeypatch, tmp_path):
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    made = material(
        task(visible=True), plus, [slip("double", lambda x: 2 * x)], 0, visible_only=True
    )
    (tmp_path / "f.check.json").write_text(json.dumps(made))
    monkeypatch.chdir(tmp_path)
    return vars(main)


def test_check_prints_a_report(notebook, capsys):
    notebook["f"] = plus
    check("f")
    out = capsys.readouterr().out
    assert "f: 1 of 1 points" in out and "[ok] 1/1  adds one" in out and "Note" not in out
    notebook["f"] = lambda x: 2 * x
    check("f")
    assert "This looks like a known slip: it is double." in capsys.readouterr().out


def test_check_of_what_is_not_written_says_so_in_two_lines(notebook, capsys):
    exec("def f(x):\n    raise NotImplementedError", notebook)
    check("f")
    assert capsys.readouterr().out.startswith("f: 0 of 1 points\n  it is not written yet")
    exec("def g(x):\n    raise NotImplementedError\n\ndef f(x):\n    return g(x)", notebook)
    check("f")
    said = capsys.readouterr().out
    assert "NotImplementedError: g is not written yet" in said and "it is not" not in said
    del notebook["f"]
    check("f")
    assert (
        capsys.readouterr().out
        == "f is not defined: run the code that defines it first, under this very name.\n"
    )


def test_check_asks_whether_the_imports_have_run(notebook, capsys):
    exec("def f(x):\n    return missing.add(x, 1)", notebook)
    check("f")
    assert "The imports are in the first cells" in capsys.readouterr().out


def test_check_hints_at_a_missing_return(notebook, capsys):
    notebook["f"] = lambda x: None
    check("f")
    assert "it returned None (does it end without a `return`?)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ("pass", "it was still running after 2.0 s of processor time"),
        ("\n  try: time.sleep(9)\n  except Exception: pass", "it had not answered after 2 s"),
    ],
)
def test_check_stops_what_does_not_end(inside, said, notebook, capsys, monkeypatch):
    monkeypatch.setattr(plain, "FAR", 1 if "sleep" in inside else plain.FAR)
    exec(f"import time\ndef f(x):\n while True: {inside}", notebook)
    before = signal.getsignal(signal.SIGALRM)
    check("f")
    assert said in capsys.readouterr().out
    assert signal.getsignal(signal.SIGALRM) is before
    for timer in (signal.ITIMER_REAL, signal.ITIMER_PROF):
        assert signal.getitimer(timer) == (0, 0)


def test_check_that_is_interrupted_says_so_in_one_line(notebook, capsys):
    def f(x):
        raise KeyboardInterrupt

    notebook["f"] = f
    check("f")
    assert capsys.readouterr().out == "f was still running when you stopped it.\n"


@pytest.mark.parametrize(
    "source, warned",
    [
        ("from course_lib.masks import top_k as f", True),
        ("from course_lib.masks import top_k\ndef f(x):\n    return top_k(x, 1)", True),
        (
            "import course_lib.masks as m\n"
            "def g(x):\n    return m.top_k(x, 1)\ndef f(x):\n    return g(x)",
            True,
        ),
        ("from course_lib.masks import top_k\ndef f(x):\n    return x + 1", False),
        ("from course_lib.grading import check\ndef f(x):\n    return x + 1", False),
        ("import numpy as np\ndef f(x):\n    return np.add(x, 1)", False),
        ("def f(x):\n    from course_lib.masks import top_k\n    return x + 1", True),
        ("def f(x):\n    import course_lib.grading\n    return x + 1", False),
    ],
)
def test_check_warns_of_answers_taken_from_the_library(source, warned, notebook, capsys):
    notebook["__name__"] = "__main__"
    exec(source, notebook)
    check("f")
    assert ("course_lib cannot be imported" in capsys.readouterr().out) is warned


def test_check_without_its_file_says_where_to_be(notebook):
    with pytest.raises(FileNotFoundError, match="Keep the notebook in the folder"):
        check("g")


@pytest.mark.parametrize("content", ["{", "[]", "{}", "null", '{"name": "g", "checks": []}'])
def test_check_with_a_spoilt_file_says_so(content, notebook, tmp_path):
    (tmp_path / "g.check.json").write_text(content)
    with pytest.raises(FileNotFoundError, match=r"g\.check\.json cannot be read.*copy the file"):
        check("g", tmp_path)


@pytest.mark.parametrize(
    ("worth", "words"),
    [
        (None, "These are the visible checks; more of them are hidden."),
        (2.0, "These checks are all that the task has."),
        (6.0, "These visible checks are 1 of the task's 6 points, the rest is hidden."),
    ],
)
def test_check_tells_how_much_of_the_task_it_is(worth, words, notebook, tmp_path, capsys):
    made = json.loads((tmp_path / "f.check.json").read_text())
    total = sum(check["points"] for check in made["checks"])
    made["worth"] = worth if worth != 2 else total
    (tmp_path / "f.check.json").write_text(json.dumps(made))
    notebook["f"] = lambda x: x
    check("f", tmp_path)
    assert words.replace(" 1 of", f" {total:g} of") in capsys.readouterr().out


def long_ones(rng):
    return [(rng.normal(size=(8, 8)).round(1), int(k)) for k in rng.integers(0, 9, 2)]


def first_of(f, w, k):
    return f(w, k)[0]


take = attr(module("operator"), "getitem")


@pytest.mark.parametrize(
    "cases",
    [
        long_ones,
        lambda rng: [call(take, call(name("f"), *case), 0) for case in long_ones(rng)],
        lambda rng: [call(helper(first_of), name("f"), *case) for case in long_ones(rng)],
    ],
    ids=["plain", "an item", "a helper"],
)
@pytest.mark.parametrize("released", [True, False])
def test_inputs_that_are_shown_shortened_can_be_had_whole(cases, released, tmp_path):
    def wrong(w, k):
        seen.append((w, k))
        return [w, k]

    seen = []
    made = material(Task("f", [Check("a", "a", 1, cases, visible=True)]), lambda w, k: [0], [], 0)
    if released:
        made["worth"] = 1
        (tmp_path / "f.check.json").write_text(json.dumps(made))
    fault = run(made, wrong).checks[0].fault
    assert f"its inputs: {fault.again}" in fault.lines and len(fault.again) < 2100
    line = fault.again.replace("check(", f"check(folder={str(tmp_path)!r}, name=")
    found = eval(line, {"check": check})
    assert any(np.array_equal(found[0], w) and found[1:] == [k] for w, k in seen)


def test_inputs_that_are_shown_whole_need_no_line():
    fault = run(material(task(), plus, [], 0), lambda x: x).checks[0].fault
    assert fault.again == "" and len(fault.lines) == 3


def test_inputs_that_would_fill_pages_are_put_into_no_message():
    large = Task("f", [Check("a", "a", 1, lambda rng: [(rng.normal(size=(90, 90)),)])])
    fault = run(material(large, lambda w: 0, [], 0), lambda w: 1).checks[0].fault
    assert fault.again == ""


@pytest.mark.parametrize("where", ["a/9", "b/0", "a/x", "&&&", "c$fr"])
def test_inputs_that_are_not_there_are_named(where, notebook, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no inputs are called.*Copy the whole line"):
        check("f", tmp_path, inputs=where)


@pytest.mark.slow
def test_in_a_notebook_that_lies_elsewhere_one_sentence_is_shown_and_no_pass(tmp_path):
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    cells = ["from course_lib.grading import check\ndef f(x): return x", "check('f')", "after = 1"]
    book = new_notebook(cells=[new_code_cell(source) for source in cells])
    NotebookClient(
        book, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    (shown,) = book.cells[1].outputs
    assert shown.output_type == "error"  # it stops Run All, and is no pass
    (line,) = shown.traceback
    assert line.startswith("Nothing was checked: f.check.json is not in")
    assert "Keep the notebook in the folder" in line
