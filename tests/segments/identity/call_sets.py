"""Sets of calls, each of a kind that has its own way to go wrong."""

import random

# Few times, so that some are equal.
TIMES = [f"2026-01-31T{hour:02}:00:00.000000Z" for hour in range(8, 13)]
NAMES = ("city", "plan", "age")
SETS, SIZE = 40, 12


class Calls:
    """One set's calls; ids carry its number, so that many sets can live together."""

    def __init__(self, number, seed):
        self.number = number
        self.random = random.Random(f"{seed}/{number}")
        self.made = []

    def id(self, letter, most):
        return f"{letter}{self.random.randrange(most)}-{self.number}"

    def email(self, most):
        # As people type it.
        text = f"{self.id('E', most)}@Example.com"
        return self.random.choice([text, text.lower(), f" {text} "])

    def phone(self, most):
        end = f"{self.number:03}{self.random.randrange(most)}"
        return self.random.choice([f"+4477009{end}", f"+44 77009 {end}"])

    def traits(self, *, gone=0.0):
        chosen = self.random.sample(NAMES, self.random.randint(1, 3))
        return {
            name: None
            if self.random.random() < gone
            else self.random.choice(["a", "b", 1, True, 1.5, ["x"]])
            for name in chosen
        }

    def loan(self):
        fields = {"id": self.random.choice([1, 2, 3, "3", True])}
        fields |= {name: self.random.randrange(9) for name in self.some("ab", 2)}
        return fields

    def some(self, names, most):
        return self.random.sample(names, self.random.randint(1, most))

    def loans(self):
        """A list, nothing, or what changes."""
        if self.random.random() < 0.15:
            return [self.loan() for _ in range(self.random.randrange(4))]
        if self.random.random() < 0.1:
            return self.random.choice([None, "none", [1, {"id": 1}, {"a": 5}]])
        change = {}
        for operation in self.some(["$add", "$update", "$remove"], 2):
            loan = self.loan()
            key = {"$identifier_key": "id", "$identifier_value": loan.pop("id")}
            if operation == "$update":
                gone = {name: None for name in "ab" if self.random.random() < 0.2}
                key["$new_object"] = loan | gone
            change[operation] = [
                self.loan() if operation == "$add" else key
                for _ in range(self.random.choice([1, 1, 2]))
            ]
        return change

    def add(self, kind, **fields):
        message = {
            "type": kind,
            "messageId": f"{self.number}-{len(self.made)}",
            "timestamp": self.random.choice(TIMES),
            **{name: value for name, value in fields.items() if value is not None},
        }
        if kind == "track":
            message |= {"event": "Lead", "properties": {}}
        self.made.append(message)

    def maybe(self, value, share=0.5):
        return value if self.random.random() < share else None

    def speak(self, **ids):
        if self.random.random() < 0.5:
            self.add("track", **ids)
        else:
            self.add("identify", traits=self.traits(), **ids)


def single_device(calls):
    """A device, now and then with its one user."""
    calls.speak(
        anonymousId=f"d-{calls.number}", userId=calls.maybe(f"u-{calls.number}", 0.3)
    )


def shared_device(calls):
    """Two devices, three users."""
    calls.speak(
        anonymousId=calls.id("d", 2), userId=calls.maybe(calls.id("u", 3), 0.35)
    )


def alias_chains(calls):
    """Aliases between users, and of devices to users."""
    if calls.random.random() < 0.35:
        previous = calls.random.choice([calls.id("u", 4), calls.id("d", 3)])
        calls.add("alias", userId=calls.id("u", 4), previousId=previous)
    elif calls.random.random() < 0.5:
        calls.speak(userId=calls.id("u", 4))
    else:
        calls.speak(
            anonymousId=calls.id("d", 3), userId=calls.maybe(calls.id("u", 4), 0.2)
        )


def shared_email(calls):
    """Who is named by device or user, and says one of three addresses."""
    _with_contact(calls, "email", calls.email(3))


def shared_phone(calls):
    _with_contact(calls, "phone", calls.phone(3))


def _with_contact(calls, name, value):
    traits = calls.traits()
    if calls.random.random() < 0.6:
        traits[name] = value
    who = calls.random.random()
    if who < 0.25:
        calls.add("identify", userId=calls.id("u", 3), traits=traits)
    elif who < 0.85:
        user = calls.maybe(calls.id("u", 3), 0.15)
        calls.add("identify", anonymousId=calls.id("d", 5), userId=user, traits=traits)
    else:
        calls.speak(anonymousId=calls.id("d", 5))


def late_data(calls):
    """Values of many times, of people who become one."""
    calls.add(
        "identify",
        anonymousId=calls.maybe(calls.id("d", 2), 0.7) or calls.id("d", 2),
        userId=calls.maybe(f"u-{calls.number}", 0.4),
        traits=calls.traits(),
    )


def tombstones(calls):
    """The same, and half of it takes something away; also e-mail."""
    traits = calls.traits(gone=0.5)
    if calls.random.random() < 0.4:
        traits["email"] = calls.maybe(calls.email(2))
    calls.add(
        "identify",
        anonymousId=calls.id("d", 2),
        userId=calls.maybe(calls.id("u", 2), 0.3),
        traits=traits,
    )


def placeholders(calls):
    """Programs that know nobody."""
    empty = calls.random.choice(["undefined", " NULL", "0", "[object Object]"])
    calls.speak(
        anonymousId=calls.random.choice([empty, calls.id("d", 3), calls.id("d", 3)]),
        userId=calls.random.choice([empty, None, calls.id("u", 2)]),
    )


def named_ids(calls):
    """Aliases of Braze's kind, its own IDs, and a kind of the customer's own."""
    ids = [
        pair
        for kind, letter in (("user_alias", "l:"), ("braze_id", "b"), ("card", "c"))
        if (pair := calls.maybe([kind, calls.id(letter, 3)], 0.4))
    ]
    device = calls.maybe(calls.id("d", 3))
    user = calls.maybe(calls.id("u", 3), 0.25)
    calls.speak(
        anonymousId=device if device or user or ids else calls.id("d", 3),
        userId=user,
        ids=ids or None,
    )


def loans(calls):
    """A list that is said whole, taken away, and changed loan by loan."""
    calls.add(
        "identify",
        anonymousId=calls.maybe(calls.id("d", 2), 0.5) or calls.id("d", 2),
        userId=calls.maybe(f"u-{calls.number}", 0.5),
        traits={"loans": calls.loans()},
    )


def mixed(calls):
    """Everything at once."""
    calls.random.choice(
        [
            shared_device,
            alias_chains,
            shared_email,
            shared_phone,
            tombstones,
            placeholders,
            named_ids,
            loans,
        ]
    )(calls)


KINDS = {
    kind.__name__: kind
    for kind in (
        single_device,
        shared_device,
        alias_chains,
        shared_email,
        shared_phone,
        late_data,
        tombstones,
        placeholders,
        named_ids,
        loans,
        mixed,
    )
}


def make(name, seed):
    """SETS lists of SIZE messages, as Segment's spec has them; `ids` beside."""
    found = []
    for number in range(SETS):
        calls = Calls(number, f"{name}/{seed}")
        for _ in range(SIZE):
            KINDS[name](calls)
        found.append(calls.made)
    return found
