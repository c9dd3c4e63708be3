"""A file makes the same of every table, whether people are written in sets or one by one.

Random files are imported onto random people twice: by the runner, which writes in sets
whom a row says nothing of but what they are like; and by the inbox, as a tracking call
each, with no row taken for plain. Afterwards every row of every table is compared.
"""

import csv
import io
import json
import random

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from segments.dictionary import folding
from segments.identity import tombstones
from segments.identity.plain import choosing
from segments.imports import lifecycle, runner, storing
from segments.ingest import inbox
from segments.models import (
    DictionaryEntry,
    Event,
    Identifier,
    Import,
    IntakeMinute,
    LatestMessages,
    Membership,
    MergeLog,
    Profile,
    RefusedMessage,
    Seen,
    Segment,
    Touched,
    Transition,
)
from tests import factories
from tests.segments.imports.conftest import attribute, plan, take, work

pytestmark = pytest.mark.django_db

IDS = [f"u{n}" for n in range(40)]
EMAILS = [f"a{n}@x.example" for n in range(25)]
TYPED_EMAILS = [*EMAILS, "A1@X.example ", "no address", "ä2@x.example"]
PHONES = [
    *(f"+44770090{n:04}" for n in range(8)),
    "+447700900123",
    "+44 7700 900124",
    "+4407700900125",
    "0170 1234567",
]
CITIES = ["Köln", "Bonn", 'O\'Hara "x"', "C:\\temp", "", "7", "null", "a\tb"]
TIMES = [f"2026-0{month}-05T10:00:00.000000+00:00" for month in range(1, 5)]
USES = {
    "id": {"to": "external_id"},
    "email": {"to": "email"},
    "phone": {"to": "phone"},
    "city": attribute("city"),
    "score": attribute("score", "number"),
    "member": attribute("member", "boolean"),
}


class World:
    """Random people, and a random file about them, of one seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.source = factories.make_source()
        self.other = factories.make_source()

    def some(self, values, share=0.5):
        return self.random.choice(values) if self.random.random() < share else None

    def people(self):
        """What a website said before."""
        calls = []
        for n in range(self.random.choice([0, 12, 60])):
            traits = {
                "city": self.some(CITIES),
                "email": self.some(EMAILS, 0.8),
                "phone": self.some(PHONES[:8], 0.8),
                "score": self.random.choice([1, 1.0, 7, "x", None]),
            }
            traits = {k: v for k, v in traits.items() if self.random.random() < 0.6}
            payload = {"timestamp": self.random.choice(TIMES), "traits": traits}
            who, kind = self.random.random(), "identify"
            if who < 0.7:
                payload["userId"] = self.random.choice(IDS)
            if who > 0.6:
                payload["anonymousId"] = f"d{self.random.randrange(12)}"
            if who > 0.95:
                kind, payload["userId"] = "alias", self.random.choice(IDS)
                payload["previousId"] = self.random.choice([*IDS, "d1"])
                del payload["traits"]
            calls.append((f"before-{n}", kind, payload))
        inbox.append(self.other, calls)
        assert inbox.apply().errors == 0
        if self.random.random() < 0.3:
            key = self.random.choice([("external_id", "u1"), ("email", EMAILS[0])])
            tombstones.put([key], may_return=self.random.random() < 0.5)
        if self.random.random() < 0.3:
            DictionaryEntry.objects.filter(name="score").delete()
            factories.make_dictionary_entry(
                "score",
                expected_type="number",
                on_mismatch=self.random.choice(["flag", "drop", "refuse"]),
            )
        Profile.objects.update(updated_at="2020-01-01T00:00:00Z")

    def anonymous_file(self, target):
        """A file whose rows name nobody by an external ID, and what its columns become.

        `target`: "anonymous_id", or "email" for e-mail and phone alone.
        """
        names = [f"d{n}" for n in range(self.random.choice([12, 60]))]
        if target == "email":
            names = [*EMAILS, *(f"b{n}@x.example" for n in range(30)), "A1@X.example "]
        names = self.random.sample(names, self.random.choice([1, 8, len(names)]))
        names += self.random.choices(names, k=self.random.choice([0, 0, 2]))
        if self.random.random() < 0.3:
            names.append("null")
        uses = {"who": {"to": target}, **USES}
        for name in self.random.sample(["id", "email", "phone"], 2):
            del uses[name]
        uses.pop("id", None)
        if target == "email":
            uses.pop("email", None)
        odd = {
            "email": lambda: self.some([*TYPED_EMAILS, "c1@x.example"], 0.3),
            "phone": lambda: self.some(PHONES, 0.3),
            "city": lambda: self.some(CITIES[:3], 0.8),
            "score": lambda: self.random.choice(["1", "7", ""]),
            "member": lambda: self.random.choice(["true", ""]),
        }
        text = io.StringIO()
        rows = [[who, *(odd[name]() or "" for name in [*uses][1:])] for who in names]
        csv.writer(text).writerows([[*uses], *rows])
        return text.getvalue(), "people.csv", uses

    def rows(self):
        ids = self.random.choice([IDS, [f"n{n}" for n in range(40)], [*IDS, "null"]])
        ids = self.random.sample(ids, self.random.choice([1, 10, 35]))
        again = self.random.choices(ids, k=self.random.choice([0, 0, 3]))
        for who in (*ids, *again):
            yield [
                who,
                self.some(self.random.choice([EMAILS, TYPED_EMAILS]), 0.5) or "",
                self.some(self.random.choice([PHONES[:8], PHONES]), 0.3) or "",
                self.some(CITIES[: self.random.choice([3, len(CITIES)])], 0.8) or "",
                self.random.choice(["1", "7", "2.50", ""]),
                self.random.choice(["true", "no", ""]),
            ]

    def file(self):
        """(a file, its name, what each of its columns becomes)"""
        uses = dict(USES)
        rows = list(self.rows())
        if self.random.random() < 0.4:
            uses["device"] = {"to": "anonymous_id"}
            alone = self.random.choice([0, 0.4])
            rows = [self._of_a_device(row, alone) for row in rows]
        if self.random.random() < 0.5:
            uses["at"] = {"to": "time", "type": "date_ymd"}
            days = ["2026-02-01", "2026-04-30"]
            rows = [[*row, self.some(days) or ""] for row in rows]
        if self.random.random() < 0.3:
            uses["loans"] = attribute("loans", "as_is")
            for name in ("city", "score", "member"):
                uses[name] = attribute(name, "as_is")
            return self._lines([*uses], rows), "people.jsonl", uses
        text = io.StringIO()
        csv.writer(text).writerows([[*uses], *rows])
        return text.getvalue(), "people.csv", uses

    def _of_a_device(self, row, alone):
        """Of a known person, who may have one, or of somebody else whose it is."""
        if self.random.random() < alone:
            return ["", *row[1:], f"d{self.random.randrange(20)}"]
        return [*row, self.some(["d1", "d9"], 0.2) or ""]

    def _lines(self, names, rows):
        loans = [[{"id": 1}], {"$add": [{"id": 2}]}, {"$remove": 3}, 1.0, 1e20, None]
        return "\n".join(
            json.dumps(
                {n: v for n, v in zip(names, row, strict=False) if v}
                | {"loans": self.random.choice(loans)}
            )
            for row in rows
        )


def by_import(imported):
    """As a worker does, a row alone being enough of them to be written in sets."""
    assert work(imported).state == Import.State.DONE, imported.problem


def by_calls(imported):
    """The same rows as calls of the tracking API, none of which counts as plain."""
    with storing.stream_of(imported) as stream:
        rows = storing.reader_of(imported, stream).read(1_000)
    messages, _ = runner._writer(imported).messages(rows)
    if messages:
        inbox.append(imported.source, messages)
    inbox.apply()


def tables():
    """Every row that an import may write, with names in the place of ids."""
    names = dict(Profile.objects.values_list("pk", "external_id"))
    own = Identifier.objects.filter(is_own=True).values_list(
        "pk", "profile", "kind", "value"
    )
    said = {}
    for pk, profile, kind, value in own:
        said[pk] = f"{kind} {value}"
        names[profile] = names[profile] or said[pk]

    def named(rows, *fields):
        found = []
        for row in rows.values():
            if rows.model is Profile:
                row["who"] = names[row["id"]]
                row["updated_at"] = row["updated_at"].year > 2020
            for name in fields:
                if isinstance(row[name], list):
                    row[name] = sorted(names[pk] for pk in row[name])
                elif row[name] is not None:
                    row[name] = names[row[name]]
            for name in ("id", "created_at", "at", "since"):
                row.pop(name, None)
            if key := (row.get("own") or {}).get("key"):
                key[2] = said.get(key[2], key[2])
            found.append(json.dumps(row, default=str, sort_keys=True))
        return sorted(found)

    assert len(set(names.values())) == len(names), "each of them has a name"
    return {
        "people": named(Profile.objects.all(), "merged_into_id"),
        "identifiers": named(Identifier.objects.all(), "profile_id"),
        "merges": named(MergeLog.objects.all(), "profile_id", "part_id", "followers"),
        "events": named(Event.objects.all(), "profile_id"),
        "memberships": named(Membership.objects.all(), "profile_id"),
        "transitions": named(Transition.objects.all(), "profile_id"),
        "touched": named(Touched.objects.all(), "profile_id"),
        "sizes": sorted(Segment.objects.values_list("pk", "size", "problem")),
        "seen": set(Seen.objects.values_list("key", "digest")),
        "minutes": sorted(
            IntakeMinute.objects.values_list("source", "applied", "refused")
        ),
        "latest": [
            [{**json.loads(m), "receivedAt": ""} for m in messages]
            for messages in LatestMessages.objects.order_by("source_id").values_list(
                "messages", flat=True
            )
        ],
        "refused": sorted(
            RefusedMessage.objects.values_list(
                "source", "code", "message", "message_id", "kind", "body"
            )
        ),
        "dictionary": sorted(
            map(
                str,
                DictionaryEntry.objects.values_list(
                    "kind",
                    "event",
                    "name",
                    "count",
                    "types",
                    "mismatches",
                    "looks_personal",
                    "source",
                ),
            )
        ),
    }


@pytest.mark.parametrize("seed", range(36))
def test_every_table_is_the_same(seed, monkeypatch):
    _compare(World(seed), monkeypatch)


@pytest.mark.parametrize("target", ["anonymous_id", "email"])
@pytest.mark.parametrize("seed", range(20))
def test_every_table_is_the_same_without_external_ids(seed, target, monkeypatch):
    _compare(World(seed), monkeypatch, target)


def test_anonymous_people_are_written_in_sets(monkeypatch):
    """New ones, and those that are there, by what they are known by alone."""
    monkeypatch.setattr(choosing, "FEW", 1)
    source = factories.make_source()
    for column in ("anonymous_id", "email", "phone"):
        for city in ("Bonn", "Kiel"):
            cells = [
                f"+44770090{n:04}" if column == "phone" else f"x{n}@x.example"
                for n in range(30)
            ]
            text = "who,city\n" + "".join(f"{cell},{city}\n" for cell in cells)
            imported = take(text)
            decided = plan({"to": column}, attribute("city"))
            assert lifecycle.start_unchecked(imported, decided, source)
            with CaptureQueriesContext(connection) as queries:
                by_import(imported)
            assert not [q for q in queries if OF_VALUES in q["sql"]]
    people = Profile.objects.filter(external_id=None, merged_into=None)
    assert list(people.values_list("attributes__city")) == [("Kiel",)] * 90
    assert Identifier.objects.filter(is_own=True).count() == 90


def test_what_joins_somebody_is_told_of_both_wherever_it_stands(monkeypatch):
    """A device that said an e-mail, and a row of the known person who has it."""
    source = factories.make_source()
    factories.make_segment(rule={"attribute": "city", "is": "equals", "value": "Bonn"})
    payload = {"anonymousId": "d1", "traits": {"email": "ana@x.example"}}
    inbox.append(source, [("m1", "identify", payload | {"timestamp": TIMES[0]})])
    others = [{"anonymousId": f"d{n}", "traits": {"city": "Bonn"}} for n in range(2, 9)]
    said = [
        {"userId": "u1", "traits": {"email": "ana@x.example", "city": "Kiel"}},
        {"anonymousId": "d1", "traits": {"city": "Bonn"}},
        *others,
    ]
    inbox.apply()
    found = []
    for few in (1, 1 << 20):
        monkeypatch.setattr(choosing, "FEW", few)
        with transaction.atomic():
            inbox.append(
                source,
                [
                    (f"n{n}", "identify", {"timestamp": TIMES[n % 2 + 1], **one})
                    for n, one in enumerate(said)
                ],
            )
            assert inbox.apply().errors == 0
            # It does so by itself only for a name that this process has not met.
            folding.add()
            found.append(tables())
            transaction.set_rollback(True)
    in_sets, one_by_one = found
    for table, lines in one_by_one.items():
        assert in_sets[table] == lines, table


# As it is asked for whoever goes one by one.
OF_VALUES = "extract(epoch FROM i.time)"


def _compare(world, monkeypatch, target=""):
    for name, value in (("city", "Bonn"), ("score", 7)):
        factories.make_segment(rule={"attribute": name, "is": "equals", "value": value})
    world.people()
    data, name, uses = world.anonymous_file(target) if target else world.file()
    imported = take(data, name)
    columns = [uses[column["name"]] for column in imported.columns]
    empty = world.random.choice(["keep", "clear"])
    assert lifecycle.start_unchecked(
        imported, plan(*columns, empty=empty), world.source
    )
    found = []
    for way, few in ((by_import, 1), (by_calls, 1 << 20)):
        monkeypatch.setattr(choosing, "FEW", few)
        with transaction.atomic():
            way(imported)
            folding.add()
            found.append(tables())
            transaction.set_rollback(True)
        imported.refresh_from_db()
    in_sets, one_by_one = found
    # A file's rows are not looked for among the messages that were seen: how far it was
    # read is noted with what they say.
    assert in_sets.pop("seen") <= one_by_one.pop("seen")
    for table, rows in one_by_one.items():
        assert in_sets[table] == rows, table
