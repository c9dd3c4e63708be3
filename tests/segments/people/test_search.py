"""Who is found by what is typed, each way by its own index."""

import pytest
from django.db import connection

from segments.models import Identifier, Profile
from segments.people import search
from tests.factories import make_profile

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    person = make_profile(
        external_id="crm-7",
        email="ada@example.com",
        phone="+442071838750",
        first_name="Ada",
        last_name="Lovelace",
    )
    for kind, value in (
        ("anonymous_id", "device-7"),
        ("user_alias", "crm:ada"),
        ("loyalty_card", "9007199254740993"),
    ):
        Identifier.objects.create(kind=kind, value=value, profile=person)
    return person


@pytest.mark.parametrize(
    "typed",
    [
        *("crm-7", "crm", "ada@example.com", "ADA@EX", "+4420", " crm-7 "),
        *("ada", "ADA LOVE", "lovelace", "Love"),
        *("device-7", "crm:ada", "9007199254740993"),
        # A number as somebody reads it off a letter.
        *(
            "+44 20 7183",
            "+44 (0)20 7183 8750",
            "442071838750",
            "ada@example.com\u200b",
        ),
    ],
)
def test_one_is_found_by_each_of_their_names(ada, typed):
    make_profile(first_name="Grace", last_name="Hopper")
    assert list(search.find(typed)) == [ada]


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "  ",
        "device",
        "9007199254740992",
        "%",
        "_da",
        "da",
        "\0\u200b",
        "'",
        "x" * 900,
    ],
)
def test_nobody_else_is(ada, typed):
    assert list(search.find(typed)) == []


@pytest.mark.parametrize(
    ("attributes", "typed"),
    [
        ({"name": "Zoë Ångström"}, ["zoë", "ZOË Å", "ångst", "ÅNG"]),
        ({"full_name": "Ludwig van Beethoven"}, ["ludwig", "van b"]),
        ({"last_name": "Ng"}, ["ng"]),
        ({"first_name": "Ng"}, ["NG"]),
        ({"first_name": "Al%_\\", "last_name": "B"}, ["al%_\\ b", "AL%"]),
        ({"first_name": " Ada ", "name": "Countess"}, ["ada"]),
    ],
)
def test_names_are_read_as_they_are_shown(attributes, typed):
    person = make_profile(**attributes)
    for text in typed:
        assert list(search.find(text)) == [person]


@pytest.mark.parametrize(
    "name", [None, 7, [], {"a": 1}, True, "x" * 100_000, "", "\u200b"]
)
def test_no_value_of_a_name_is_refused(name):
    person = make_profile(external_id="odd", first_name=name, name=name, last_name=name)
    assert list(search.find("odd")) == [person]


def test_a_part_of_somebody_leads_to_whole_of_them(ada):
    part = make_profile(external_id=None, email="old@example.com", first_name="Adele")
    Identifier.objects.create(kind="anonymous_id", value="device-8", profile=part)
    Profile.objects.filter(pk=part.pk).update(merged_into=ada)
    assert list(search.find("device-8")) == [ada]
    assert list(search.find("old@")) == list(search.find("adele")) == []


def test_what_many_begin_with_is_cut_off(ada):
    for number in range(5):
        make_profile(external_id=f"many-{number}", first_name="Many")
    assert len(search.find("many", 3)) == 3


def test_each_way_reads_an_index():
    many = (
        Profile(
            external_id=f"crm-{n}",
            email=f"{n}@example.com",
            phone=f"+44{n}",
            attributes={"first_name": f"Ann {n}", "last_name": f"Berg {n}"},
        )
        for n in range(5_000)
    )
    Profile.objects.bulk_create(many)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE segments_profile")
    names = ("name_key", "last_name")
    columns = ("external_id", "external_id", "email", "phone", "phone", *names)
    for column, way in zip(columns, search._ways("4321"), strict=True):
        condition = way[:5].explain().partition("Index Cond: ")[2].splitlines()[0]
        assert column in condition
