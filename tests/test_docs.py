"""The documents say what the code does."""

import ast
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.db.models import TextChoices

from engagements.models import Attempt
from engagements.throttling.backoff import SCHEDULE
from lemnisk_braze.dashboard.navigation import GROUPS
from segments.models import Profile

ROOT = Path(__file__).parents[1]
DOCS = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}


def test_every_setting_is_in_the_operators_guide():
    source = (ROOT / "lemnisk_braze/settings.py").read_text()
    variables = set(re.findall(r'env(?:\.\w+)?\(\s*"([A-Z_]+)"', source))
    variables |= set(
        re.findall(r'(?:kept_secret|server_url|one_of)\(\s*"([A-Z_]+)"', source)
    )
    assert len(variables) > 15
    documented = set(re.findall(r"^\| `([A-Z_]+)`", DOCS["operators.md"], re.MULTILINE))
    assert variables == documented


def test_how_long_each_thing_is_kept_is_on_one_page():
    source = (ROOT / "lemnisk_braze/settings.py").read_text()
    kept = dict(re.findall(r'"(RETENTION_\w+)", default=(\d+)', source))
    table = re.findall(r"\| `(RETENTION_\w+)` \| (\d+) \|", DOCS["privacy.md"])
    assert len(kept) > 5
    assert dict(table) == kept


def test_every_permission_about_people_is_on_the_page_of_privacy():
    own = [code for code, _ in Profile._meta.permissions]
    assert own
    assert [c for c in own if f"`segments.{c}`" not in DOCS["privacy.md"]] == []


def _events(path: Path) -> set[str]:
    """The names that a module's loggers are called with, and only such."""
    texts = {
        argument.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _is_of_a_logger(node)
        for argument in ast.walk(node)
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    return {text for text in texts if re.fullmatch(r"[a-z_]+\.[a-z_]+", text)}


def _is_of_a_logger(call: ast.Call) -> bool:
    words = ast.unparse(call.func)
    return words.startswith(("logger.", "logging.getLogger(")) or words.endswith(
        ("after_commit", "comes_of")
    )


def test_every_event_of_the_log_is_in_the_operators_guide():
    modules = [
        path
        for app in ("engagements", "externalapi", "segments", "lemnisk_braze")
        for path in (ROOT / app).rglob("*.py")
    ]
    named = set().union(*map(_events, modules))
    assert len(named) > 40
    table = DOCS["operators.md"].partition("## Logs")[2].partition("## Commands")[0]
    first_cells = "".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE))
    assert named == set(re.findall(r"`([a-z_.]+)`", first_cells))


def test_every_outcome_is_in_the_table_of_answers():
    text = DOCS["delivery.md"]
    for outcome in Attempt.Outcome.values:
        if outcome != Attempt.Outcome.UNFINISHED:
            words = outcome.replace("_", " ").replace("accepted un", "accepted, un")
            assert f"| {words} |" in text, outcome


def test_the_retry_schedule_is_the_documented_one():
    units = {"s": 1, "m": 60, "h": 3_600}
    (line,) = re.findall(r"Tried again after (.*), each", DOCS["delivery.md"])
    seconds = [int(n) * units[unit] for n, unit in re.findall(r"(\d+) ([smh])", line)]
    assert seconds == [step.total_seconds() for step in SCHEDULE]


def test_links_and_pictures_lead_somewhere():
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_every_alarm_is_in_the_operators_guide():
    folder = ROOT / "engagements/operations"
    sources = [folder / "alarms.py", folder / "standstills.py"]
    names = {
        name
        for path in sources
        for name in re.findall(r'name="(\w+)"', path.read_text())
    }
    assert len(names) > 3
    documented = set(
        re.findall(r"^\| `([a-z]+)` \|", DOCS["operators.md"], re.MULTILINE)
    )
    assert names == documented


def test_every_command_of_delivery_is_in_the_operators_guide():
    folder = ROOT / "engagements/management/commands"
    names = {path.stem for path in folder.glob("[!_]*.py")}
    documented = set(re.findall(r"^\| `([a-z_]+)[` ]", DOCS["operators.md"], re.M))
    assert names <= documented


def test_every_fault_names_a_test_that_exists():
    named = re.findall(r"\| `(tests/[\w/]+\.py)::(\w+)` \|", DOCS["faults.md"])
    assert len(named) == DOCS["faults.md"].count("\n| ") - 1
    for path, test in named:
        assert f"def {test}(" in (ROOT / path).read_text(), f"{path}::{test}"


def _models():
    return [
        model
        for label in ("segments", "externalapi", "engagements")
        for model in apps.get_app_config(label).get_models()
    ]


@pytest.mark.parametrize("model", _models(), ids=lambda model: model.__name__)
def test_every_model_and_each_of_its_states_is_in_the_glossary(model):
    words = [f"(`{model.__name__}`)"]
    for name in ("State", "Status", "Outcome"):
        states = getattr(model, name, None)
        if isinstance(states, type) and issubclass(states, TextChoices):
            words += [f"*{label}*" for label in states.labels]
    assert [word for word in words if word not in DOCS["glossary.md"]] == []


def test_each_word_is_in_the_glossary_once():
    words = re.findall(r"^\| ([^|]+) \|", DOCS["glossary.md"], re.MULTILINE)
    words = [word for word in words if word != "word"]
    assert len(words) > 50
    assert [word for word in words if words.count(word) > 1] == []


@pytest.mark.parametrize("group", GROUPS)
def test_every_page_is_in_the_glossary(group):
    titles = [f"*{entry.title}*" for entry in GROUPS[group]]
    assert [title for title in titles if title not in DOCS["glossary.md"]] == []
