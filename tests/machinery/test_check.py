"""Exercise checks: each mistake gets its sentence; banks of answers, stubs, hostile objects, display."""

import html
import math
import random
import re
import runpy
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from torch.distributions import Normal, kl_divergence

from aigc_course.check import check, exercises
from aigc_course.plumbing import grading, rooms

EXERCISES = exercises()
TASKS = {number: found.task(found.truth()) for number, found in EXERCISES.items()}
FUNCTIONS = [number for number, task in TASKS.items() if isinstance(task, rooms.shared("tasks").Function)]
NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
RIGHT, WRONG = {}, {}
for path in sorted((Path(__file__).parents[2] / "chapters").glob("*/answers.py")):
    bank = runpy.run_path(str(path))
    RIGHT |= bank["RIGHT"]
    WRONG |= bank["WRONG"]


def listed(bank):
    return [pytest.param(number, *row, id=f"{number}-{i}") for number in bank for i, row in enumerate(bank[number])]


# --- right answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", EXERCISES)
def test_solution_passes_and_is_told_so(number):
    result = check(number, EXERCISES[number].truth())
    assert result and result.status == "right"
    assert result.message == f"{number} right. {EXERCISES[number].praise}"


@pytest.mark.parametrize("number, answer", listed({n: [(a,) for a in RIGHT[n]] for n in RIGHT}))
def test_other_correct_answers_pass(number, answer):
    assert check(number, answer).status == "right"


def torch_kl(m1, v1, m2, v2):
    return kl_divergence(Normal(m1, (v1 / 2).exp()), Normal(m2, (v2 / 2).exp())).sum(-1)


def test_truths_agree_with_independent_calculations():
    mu_1, log_var_1, mu_2, log_var_2 = torch.randn(4, 5, 3, dtype=torch.float64)
    expected = torch_kl(mu_1, log_var_1, mu_2, log_var_2)
    torch.testing.assert_close(EXERCISES["03.4"].truth()(mu_1, log_var_1, mu_2, log_var_2), expected)
    hand = kl_divergence(Normal(1.0, 2.0), Normal(0.0, 1.0))
    assert EXERCISES["03.2"].truth() == pytest.approx(float(hand), abs=1e-6)
    torch.testing.assert_close(EXERCISES["03.5"].truth()(mu_1), mu_1.exp().mean(0).log())
    mu, log_var = torch.full((2, 100_000), 3.0).mul(torch.tensor([[1.0], [math.log(4) / 3]]))
    z = EXERCISES["03.3"].truth()(mu, log_var, torch.randn(100_000))
    assert abs(z.mean() - 3) < 0.05 and abs(z.std() - 2) < 0.05
    torch.testing.assert_close(EXERCISES["00.1"].truth()(mu_1, mu_2, 0.3), torch.lerp(mu_1, mu_2, 0.3))


# --- stubs ------------------------------------------------------------------------------------------------------------


def stub_raises(*args):
    raise NotImplementedError


def stub_raises_text(*args):
    raise NotImplementedError("write me")


STUBS = {number: [(None,), (...,)] for number in EXERCISES} | {
    number: [(None,), (...,), (stub_raises,), (stub_raises_text,), (lambda *a: None,), (lambda *a: ...,)]
    for number in FUNCTIONS
}
for number in STUBS:
    if isinstance(truth := EXERCISES[number].truth(), dict):
        last = list(truth)[-1]
        STUBS[number] = [(None,), (dict.fromkeys(truth),), (truth | {last: ...},), (truth | {last: ""},)]


@pytest.mark.parametrize("number, answer", listed(STUBS))
def test_stub_is_not_attempted(number, answer):
    result = check(number, answer)
    assert result.status == "not attempted" and not result
    assert result.message.startswith(f"{number} not attempted yet. ")
    assert f'check.hint("{number}")' in result.message


# --- mistakes ---------------------------------------------------------------------------------------------------------

MISTAKES = {number: list(task.wrong_answers(EXERCISES[number].truth())) for number, task in TASKS.items()}


@pytest.mark.parametrize("number, sentence, answer", listed(MISTAKES))
def test_each_mistake_of_a_grader_gets_its_sentence(number, sentence, answer):
    result = check(number, answer)
    assert result.status == "wrong" and not result
    assert result.message.startswith(f"{number} wrong: ") and sentence in result.message, result.message


@pytest.mark.parametrize("number", EXERCISES)
def test_a_grader_names_at_most_eight_mistakes_and_each_edge_is_one(number):
    sentences = dict(MISTAKES[number])
    assert 3 <= len(sentences) <= (8 if number != "07.1" else 10)  # there, each of nine entries can be wrong
    assert set(getattr(TASKS[number], "edges", {})) <= set(sentences)
    assert all(sentence[-1] in ".?" and len(sentence) < 230 for sentence in sentences)


@pytest.mark.parametrize("number, answer, words", listed(WRONG))
def test_wrong_answer_is_told_its_mistake(number, answer, words):
    result = check(number, answer)
    assert result.status == "wrong" and not result
    assert result.message.startswith(f"{number} wrong: ")
    assert re.search(words, result.message), result.message
    assert "Error: Error" not in result.message


def test_every_exercise_has_banks():
    assert set(EXERCISES) == set(RIGHT) == set(WRONG)
    assert all(len(RIGHT[number]) >= 3 and len(WRONG[number]) >= 6 for number in EXERCISES)


def test_messages_do_not_give_the_answer_away():
    for _, answer in MISTAKES["03.2"]:
        assert "1.30" not in check("03.2", answer).message and "1.31 " not in check("03.2", answer).message
    for number, bank in MISTAKES.items():
        code = EXERCISES[number].solution.splitlines()[-1].split("#")[0].strip().removeprefix("return ")
        assert not any(code in sentence for sentence, _ in bank)


def test_a_mistake_is_named_only_where_all_cases_show_it():
    """On one case alone this is the mean of the logarithms; the sentence for that would be false."""

    def only_for_five(log_w):
        return log_w.mean(0) if len(log_w) == 5 else EXERCISES["03.5"].truth()(log_w)

    message = check("03.5", only_for_five).message
    assert "ELBO" not in message and "it returns" in message


def test_the_smallest_failing_case_is_shown():
    message = check("12.4", lambda ids, left, right, new: ids[ids != left]).message
    assert "for ids = [3, 4], left = 3, right = 4, new = 8, it returns [4] where [8] is due." in message


def test_two_mistakes_are_both_named():
    message = check("01.3", lambda p, q: -EXERCISES["01.3"].truth()(q, p).mean()).message
    assert "weighted by q" in message and " And everything is averaged" in message or "rows are averaged" in message


# --- what may be written in other ways --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["15,360", "15360", " 15,360\n", "15,360 weights", "= 15360", "'15,360'", "15360.0", "n = 15360", "≈ 15360 in all"],
)
def test_numbers_are_read_as_the_course_prints_them(text):
    assert check("13.2", text).status == "right"


@pytest.mark.parametrize("text", ["−0.3924", "-0.3924 nats", "≈ -0.392", "-3924/10000"])
def test_minus_signs_units_and_fractions_are_read(text):
    assert check("04.2", text).status == "right"


@pytest.mark.parametrize("text", ["", "1.3.1", "1,3", "15,36", "one", "1 or 2", "1/0", "١.٣x", "nan", "-inf"])
def test_what_is_no_number_is_not_taken_for_one(text):
    assert "number" in check("03.2", text).message


@pytest.mark.parametrize("word", ["falls\n", "\tFalls", '"falls"', "'FALLS.'", "“falls”", " falls! "])
def test_words_are_read_without_white_space_quotes_and_case(word):
    assert check("03.1", {"reconstruction": "rises", "kl": word}).status == "right"


def test_numpy_results_with_negative_strides_and_float64_pass():
    truth = EXERCISES["05.4"].truth()
    assert check("05.4", lambda x, w, s: np.asarray(truth(x, w, s)).astype(float)[::-1].copy()[::-1])


# --- a fence around the answer ----------------------------------------------------------------------------------------


def loops(*args):
    while True:
        pass


def loops_and_catches(*args):
    while True:
        try:
            sum(range(100))
        except Exception:
            pass


class Endless:
    def __float__(self):
        loops()


# A bare `except:` around all of a loop is stopped as a rule, soon or late, and so is not among these.
ENDLESS = [("03.5", loops), ("03.5", loops_and_catches), ("03.2", Endless())]


@pytest.mark.parametrize("number, answer", ENDLESS)
def test_an_answer_that_never_ends_is_stopped(number, answer, monkeypatch):
    monkeypatch.setattr(grading, "SECONDS", 0.3)
    begin = time.process_time()
    message = check(number, answer).message
    assert "stopped after 0.3 seconds. Is there a loop that never ends?" in message
    assert time.process_time() - begin < 5


def test_a_search_for_the_mistake_that_takes_too_long_is_not_the_answers_fault(monkeypatch):
    def waits(p, x, h):  # ends where the probabilities sum to 1, as in all cases; the search tries others, too
        while float(p.sum()) > 1.5:
            pass
        return 1.25

    monkeypatch.setattr(grading, "SECONDS", 1.0)
    result = check("22b.3", waits)
    assert result.status == "wrong" and "never ends" not in result.message and "it returns [1.25]" in result.message


def test_what_pytorch_imports_for_a_gradient_is_imported_before_the_clock_starts():
    """An import that the clock cut off left half a module, and right answers were refused from then on."""
    code = (
        "import sys; from aigc_course.check import exercises; found = exercises()['06.4'];"
        "task = found.task(found.truth()); before = set(sys.modules); task.grade(found.truth(), found.truth());"
        "sys.exit('sympy' in set(sys.modules) - before)"
    )
    env = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_watchdog_leaves_nothing_behind():
    with pytest.raises(grading.TooLong), grading.limited(0.2):
        loops()
    with grading.limited(0.2):
        pass
    begin = time.process_time()
    while time.process_time() - begin < 0.5:  # nothing is raised here any more
        pass


def spoils(*args):
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.use_deterministic_algorithms(True)
    torch.set_grad_enabled(False)
    torch.set_num_threads(1 + torch.get_num_threads() % 2)
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    raise ValueError


def test_what_an_answer_changes_in_the_world_is_put_back():
    def world():
        state = (torch.get_default_dtype(), torch.get_default_device(), torch.are_deterministic_algorithms_enabled(),
                 torch.is_grad_enabled(), torch.get_num_threads(), torch.get_rng_state().tolist())  # fmt: skip
        return *state, random.getstate(), str(np.random.get_state())

    before = world()
    assert "ValueError" in check("03.5", spoils).message
    assert world() == before


def test_a_change_in_the_last_digits_of_an_argument_is_seen():
    def nudges(log_w):
        log_w += 1e-6
        return torch.logsumexp(log_w, 0) - math.log(len(log_w))

    assert "changes its argument `log_w` in place" in check("03.5", nudges).message


def test_a_huge_result_of_the_wrong_shape_is_not_converted():
    message = check("03.5", lambda log_w: torch.zeros(1).expand(10**12)).message
    assert "it returns shape (1000000000000,) where" in message


def test_answers_run_in_float32_whatever_the_page_has_set():
    torch.set_default_dtype(torch.float64)
    try:
        assert check("10.4", lambda x, places: EXERCISES["10.4"].truth()(x, places) @ torch.eye(x.shape[1]))
    finally:
        torch.set_default_dtype(torch.float32)


# --- objects that attack ---------------------------------------------------------------------------------------------


class Hostile:
    def _raise(self, *args, **kwargs):
        raise ValueError("<script>alert(1)</script>\x1b[31m`\n" * 50)

    __eq__ = __bool__ = __len__ = __iter__ = __getitem__ = __array__ = __float__ = __str__ = __repr__ = _raise
    __hash__ = None


class Opaque(Hostile):
    def __getattr__(self, name):
        raise RuntimeError(name)


class Markup:
    def __repr__(self):
        return "<img src=x onerror=alert(1)>`</code>" + "x" * 10_000


class Quits:
    def __repr__(self):
        raise SystemExit(3)

    __str__ = __float__ = __call__ = __repr__


class Ends(BaseException):
    pass


def quits(*args):
    sys.exit(1)


def ends(*args):
    raise Ends


def recurses(*args):
    return recurses(*args)


def raises_hostile(*args):
    class Error(Exception):
        __str__ = Hostile._raise

    raise Error


ATTACKS = [
    Hostile(), Opaque(), Markup(), Quits(), quits, ends, recurses, raises_hostile, int, Hostile, object(), check,
    b"\xff", "</code><script>", float("nan"), [], {}, {"reconstruction": Hostile(), "kl": Markup()}, range(3), print,
    lambda *a: Hostile(), lambda *a: Markup(), lambda *a: Quits(), lambda *a: [1, [2]], lambda *a: math.nan,
    lambda *a: torch.full((4, 3), math.nan), lambda *a: torch.zeros(0), lambda *a: a[0].to_sparse(),
    lambda *a: a[0].to(torch.complex64), lambda *a: np.array(["x"]), lambda *a: a[0].resize_(1), torch.nn.Linear,
    torch.nn.Linear(2, 2), np.zeros((2, 2)), lambda *a: iter(()), lambda *a: a[0].half() * 9e4,
    lambda *a: a[0].requires_grad_(False), lambda *a: a[0].zero_(), lambda *a: torch.empty(4, 3, device="meta"),
]  # fmt: skip


@pytest.mark.parametrize("number", EXERCISES)
def test_nothing_raises_and_the_text_stays_tame(number, capsys):
    for i, attack in enumerate(ATTACKS):  # not a test each, which would be some thousands
        result = check(number, attack)
        assert result.status in ("wrong", "not attempted"), f"attack {i}: {result.status}"
        assert len(result.message) < 700 and result.message.isprintable(), f"attack {i}: {result.message}"


def test_an_interrupt_by_the_learner_is_passed_on():
    def interrupted(*args):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("00.1", interrupted)


def test_the_learners_world_is_left_as_it_was():
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            for number, found in EXERCISES.items():
                assert check(number, found.truth())
                check(number, lambda *args: torch.randn(3))
            assert not torch.is_grad_enabled()
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(torch.randn(3), expected)


# --- numbers, help and display ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number, words", [
    ("3.1", "Did you mean `03.1`"), (3.1, "Did you mean `03.1`"), ("03.9", "Did you mean `03"), ("", "Exercises: 00.1"),
    ("00.2", "Did you mean `00.1`? Exercises"), ("O3.1", "Did you mean `"),
    (None, "Exercises"), (Hostile(), "Exercises"), (Quits(), "Exercises"), ("<b>", "'<b>'"), (check, "Exercises"),
])  # fmt: skip
def test_unknown_number_lists_those_that_exist(number, words, capsys):
    result = check(number, 1)
    assert result.status == "unknown" and not result
    assert words in result.message and "03.5" in result.message
    check.hint(number), check.solution(number)
    assert capsys.readouterr().out.count("There is no exercise") == 3


def test_missing_or_extra_arguments_do_not_raise():
    assert check().status == "unknown"
    assert "one answer" in check("03.1", "rises", "falls").message


def test_without_an_answer_the_page_is_asked(monkeypatch):
    """A check that ran before its exercise's cell ended in a bare NameError."""
    page = {"check": check}
    result = eval('check("03.2")', page)
    assert result.message.startswith(
        "03.2 not attempted yet. There is no `answer_2` yet: run the cell above, then this one."
    )
    for answer, status in ((None, "not attempted"), (1.31, "right"), (0, "wrong")):
        assert eval('check("03.2")', page | {"answer_2": answer}).status == status
    assert eval('check("03.2", 1.31)', page | {"answer_2": 0}).status == "right"


@pytest.mark.parametrize("number", EXERCISES)
def test_hint_and_solution_are_shown_only_when_asked(number, capsys):
    found = EXERCISES[number]
    assert check.hint(number) is None
    hint = capsys.readouterr().out
    assert found.hint in hint and found.solution not in hint
    assert check.solution(number) is None
    assert found.solution in capsys.readouterr().out
    assert check(number, None).status == "not attempted" and found.solution not in capsys.readouterr().out
    assert all(len(line) <= 100 for line in found.solution.splitlines())


def test_plain_print_survives_a_narrow_console():
    code = "from aigc_course.check import check; check('03.2', 0.6137); check('03.2', '\\u2603'); check.hint('03.2')"
    env = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.count("03.2 wrong: ") == 2, done.stderr


def test_import_and_listing_do_not_import_torch():
    code = (
        "import sys; from aigc_course.check import check; check('03.2', 1.31); check.hint('03.3');"
        "sys.exit(bool({'torch', 'transformers', 'numpy', 'IPython'} & set(sys.modules)))"
    )
    env = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    assert subprocess.run([sys.executable, "-c", code], env=env, timeout=60).returncode == 0


def text_of_html(markup):
    return html.unescape(re.sub("<[^>]*>", "", markup.replace("<pre>", "\n\n")))


def test_a_kernel_shows_each_message_once_as_html_and_as_text():
    cells = [
        "from aigc_course.check import check\nimport torch",
        'check("03.2", 0.6534)',
        "def interpolate(z_a, z_b, t):\n    return z_a + t * undefined_name",
        'check("00.1", interpolate)',
        'class Bad:\n    def __repr__(self):\n        return "<script>alert(1)</script>`$x$"\ncheck("03.2", Bad())',
        'check.hint("03.4")',
        'check.solution("03.4")',
        'result = check("03.2", 1.31)\nresult',
        'check("7.1", 0)',
        'assert not check("03.2", None)',
        'check("03.2")',
        "answer_2 = 1.31",
        'check("03.2")',
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(book, timeout=120, kernel_name="python3").execute()
    shown = [cell.outputs for cell in book.cells]
    assert [len(outputs) for outputs in shown] == [0, 1, 0] + 8 * [1] + [0, 1]
    bundles = [outputs[0].data for outputs in shown if outputs]
    for bundle in bundles:
        assert set(bundle) == {"text/plain", "text/html"}
        assert text_of_html(bundle["text/html"]) == bundle["text/plain"].replace("`", "")
        assert set(re.findall(r"<(\w+)", bundle["text/html"])) <= {"div", "code", "pre", "span"}
    assert "in the line `return z_a + t * undefined_name`" in bundles[1]["text/plain"]
    assert "&lt;script&gt;" in bundles[2]["text/html"]
    assert "def kl_between" in bundles[4]["text/plain"]
    assert "run the cell above" in bundles[-2]["text/plain"] and "03.2 right" in bundles[-1]["text/plain"]


# --- the notebooks that are there -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_and_registry_agree(path):
    chapter = path.stem.split("_")[0]
    cells = {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}
    numbers = {number for number in EXERCISES if number.startswith(f"{chapter}.")}
    assert {key.removeprefix("check-").replace("-", ".") for key in cells if key.startswith("check-")} == numbers
    for number in numbers:
        names = {}
        stub, source = (cells[f"{kind}-{number.replace('.', '-')}"] for kind in ("exercise", "check"))
        exec(f"import math\nimport torch\n{stub}", names)
        found = EXERCISES[number]
        assert f'check("{number}", {found.name})' in source
        assert check(number, names[found.name]).status == "not attempted"
        exec(found.solution, names)
        assert check(number, names[found.name]).status == "right"
