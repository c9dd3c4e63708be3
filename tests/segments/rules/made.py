"""Comparisons and values out of a seed, odd ones among them."""

HOSTILE: tuple[object, ...] = (
    None, "", " ", "5", "5.0", "05", "5e0", 5, 5.0, 0, -0.0, -2.5, 1e20, 1e-9,
    12345678901234567890, True, False, "true", "null", [], [5], ["5"], ["5", None],
    [["5"]], {}, {"5": 5}, {"a": {"0": "5"}}, "Pune", "pune", "une", "it's", "back\\",
    "%", "%s %(ids)s", "$a $x", "{people}", "}'::bigint[]", "Zoe\u0308", "Zo\u00eb",
    "👩‍🚀", "x" * 2_000, "2026-01-01", "2026-01-01T10:00:00Z", "2026-01-01 10:00",
    "2026-03-29T02:30:00+05:30", "2026-02-30", "2026-01-01T24:00:00", "0001-01-01",
    "2026-01-01 BC", "2026-W01-1", "20260101", "now", "infinity", "-infinity",
    "tomorrow", "294277-01-01", "2026-01-01junk", "STRASSE", "Straße", "Øre", "ore",
    "Ｐｕｎｅ", "ﬁn", "İzmir", "ΣΑΣ", "σας", "ПУНА", "пуна", "각", "가", "क़", "क\u093c",
    "10", "-3.50", "+5", "1,000", "1" * 31, "٣", "first\nlast", "a.b", "a-b_c 9",
    ["Pune", "Goa"], ["Pune", 5, True, None, ["Goa"], {"a": 1}], ["PUNE", "Zoë"],
    [1, 1, 1], [5.0, "true"], ["First (1)"], ["prospect"], [{"sku": "2", "qty": 5}],
    "2000-02-29", "1999-02-28", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z",
    "2026-03-28T23:30:00-01:00", "2025-12-31T18:30:00Z", "2025-12-31T18:29:59.999999Z",
    "2026-01-31T10:00:00.123+0530", "2026-11-01T05:59:59Z",
)  # fmt: skip
TEXTS = tuple(v for v in HOSTILE if isinstance(v, str) and 0 < len(v) <= 1_000)
NUMBERS = (0, 5, 5.0, -2.5, 1e20, 10**29)
DATES = ("2026-01-01", "2026-01-01T10:00:00Z", "1999-12-31T23:59:59.999999+14:00")
DAYS = ("2026-01-01", "2025-12-31", "2000-02-29", "2026-10-25", "2026-03-29")
ZONES = ("UTC", "Asia/Kolkata", "America/New_York", "Pacific/Apia", "Europe/Berlin")
PATTERNS = (
    "^[Pp]u", "une$", "^(a|x)+$", r"^\d+$", r"\bPune\b", "[^a-z]", "^.{4}$", r"\.",
    "(ne|oa)?$", "^first.last$", "Zo[eë]", r"a[-\s]b", "^$|x{3,}", r"[\w.]+\s?9",
)  # fmt: skip
FOLDED = (
    "JOSÉ",
    "pune",
    "ÉÈ",
    "Straße",
    "STRASSE",
    "zoe",
    "Ｐ",
    "ﬁ",
    "σασ",
    "ØRE",
    "가",
)
VALUES = {
    "value": lambda r: r.choice((*TEXTS, *NUMBERS, *FOLDED, True, False)),
    "text": lambda r: r.choice((*TEXTS, *FOLDED)),
    "values": lambda r: r.sample((*TEXTS, *NUMBERS, *FOLDED, True), r.randint(1, 12)),
    "pattern": lambda r: r.choice(PATTERNS),
    "bound": lambda r: r.choice((*NUMBERS, *DATES)),
    "pair": lambda r: r.choices(r.choice((NUMBERS, DATES)), k=2),
    "day": lambda r: r.choice(DAYS),
    "day_pair": lambda r: sorted(r.choices(DAYS, k=2)),
    "weekdays": lambda r: r.sample(("mon", "thu", "sat", "sun"), r.randint(1, 3)),
    "days": lambda r: r.choice((1, 2, 400, 3_660)),
    "ahead": lambda r: r.choice((0, 1, 2, 30, 366)),
    "size": lambda r: r.choice((0, 1, 2, 6)),
    "nothing": lambda r: None,
}


def comparison(random, operators, operator=None):
    """A right one of `operators`, with some of its options."""
    name = operator or random.choice(tuple(operators))
    made = {"is": name, "value": VALUES[operators[name].takes](random)}
    options = [one for one in operators[name].options if random.random() < 0.6]
    for option in options:
        made[option] = True
    if "zone" in options:
        made["zone"] = random.choice(ZONES)
        if name in ("in_last_days", "in_next_days"):
            made["calendar"] = True
    return made
