"""People's payloads: values first, then the External API's template."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import orjson

from engagements.personalization.columns import (
    ERRORS,
    NO_GAPS,
    Column,
    Context,
    Gaps,
    Group,
    LeftOutError,
    Source,
    by_variant,
    same_for_all,
    through,
)
from engagements.personalization.liquid import (
    MISSING,
    PersonalizationError,
    Value,
    compile_value,
)
from engagements.variants.plan import NONE, Variants, read_text
from externalapi.definitions.compiled import (
    CompiledDefinition,
    InvalidParameterError,
    MissingParameterError,
    Reader,
    Rendered,
    compile_version,
)
from externalapi.models import ExternalAPIVersion
from externalapi.template.batching import (
    NothingToSendError,
    TooBigError,
    TooManyObjectsError,
)
from externalapi.template.parameters import Level
from externalapi.template.placeholders import Columns, find
from lemnisk_braze.lib.json_types import JSON

# At an address that has a person's value in it these say something of that person; at
# one that is everybody's the definition is wrong.
OWN_ADDRESS = frozenset({403, 404, 405, 410, *range(300, 400)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Why a person has no payload: the code of the reason, and the words for people.

    `parameter`: whose value it is about, where it is about one.
    """

    code: str
    message: str
    parameter: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """An External API's version with an engagement's values, compiled once a run."""

    definition: CompiledDefinition
    # Parameter name → what gives its value for everybody.
    columns: Mapping[str, Column]
    channel_identifier: str
    # A request has room for one variant's values only.
    is_of_one_variant: bool = False

    def render(self, group: Group) -> tuple[Rendered | None, Mapping[int, Skip]]:
        """The request parts of a group, and who has none and why, by position.

        The bodies are those of the others, in order; None where there are no others.
        The data of `profile` and `event` come from the database.
        """
        if not len(group):
            return None, {}
        columns, gaps = self._read(group)
        skipped = self._skipped(group, gaps)
        if not (gaps or skipped) and (whole := self._together(columns, len(group))):
            return whole, {}
        odd = {position for own in gaps.values() for position in own}
        going = [n for n in range(len(group)) if n not in skipped]
        where, bodies = self._at_once([n for n in going if n not in odd], columns)
        for n in going:
            if n not in bodies:
                try:
                    one = self.definition.fill(_of_one(n, columns, gaps))
                except ERRORS as e:
                    skipped[n] = _skip(e)
                else:
                    # Who shares a request has it go to the same place.
                    where, bodies[n] = where or one, one.body
        if where is None:
            return None, skipped
        there = [n for n in going if n in bodies]
        rendered = where._replace(
            bodies=[bodies[n] for n in there], left_out=_left_out(there, gaps)
        )
        return rendered, skipped

    def problems(self, group: Group) -> dict[str, Exception]:
        """What keeps a group of one from being sent, by parameter name."""
        found = {name: column(group)[1].get(0) for name, column in self.columns.items()}
        return {
            name: error
            for name, error in found.items()
            if error is not None and not isinstance(error, LeftOutError)
        }

    def sendable(self, rendered: Rendered) -> tuple[Rendered, Mapping[int, Skip]]:
        """Those of whom a request can be made, and why not of the others, by position.

        Too many objects of one person are not spread over several requests: the later
        ones would be written from other data, and half of them could be in doubt.
        """
        skipped: dict[int, Skip] = {}
        for position, body in enumerate(rendered.bodies):
            try:
                self.definition.request(rendered._replace(bodies=[body]))
            except ValueError as e:
                skipped[position] = _skip(e)
        bodies = [body for n, body in enumerate(rendered.bodies) if n not in skipped]
        return rendered._replace(bodies=bodies), skipped

    def _read(self, group: Group) -> tuple[Columns, Mapping[str, Gaps]]:
        """Everybody's values and their gaps, without the columns that nobody has."""
        columns: dict[str, Sequence[JSON]] = {}
        gaps: dict[str, Gaps] = {}
        for name, column in self.columns.items():
            values, own = column(group)
            if len(own) < len(group) or any(own.values()):
                columns[name] = values
                if own:
                    gaps[name] = own
        return columns, gaps

    def _skipped(self, group: Group, gaps: Mapping[str, Gaps]) -> dict[int, Skip]:
        nobody = Skip(
            code="no_identifier",
            message=f"The person has no {self.channel_identifier}.",
        )
        identifiers = [person.get(self.channel_identifier) for person in group.profiles]
        skipped: dict[int, Skip] = {}
        if not all(identifiers):
            skipped = {n: nobody for n, found in enumerate(identifiers) if not found}
        for own in gaps.values():
            for n, error in own.items():
                if error is None or isinstance(error, LeftOutError):
                    continue
                skipped.setdefault(n, _skip(error))
        return skipped

    def _at_once(
        self, positions: Sequence[int], columns: Columns
    ) -> tuple[Rendered | None, dict[int, JSON]]:
        """Fill in people who have every value together, where that can be done."""
        own = _only(positions, columns)
        rendered = self._together(own, len(positions))
        if rendered is None:
            return None, {}
        return rendered, dict(zip(positions, rendered.bodies, strict=True))

    def _together(self, columns: Columns, count: int) -> Rendered | None:
        """All of so many people filled in; None where each is to be looked at alone."""
        if count < 2 or not self.definition.is_json:
            return None
        try:
            return self.definition.fill_all(columns, count)
        except ERRORS:
            # Each of them alone tells who it is.
            return None


def _only(positions: Sequence[int], columns: Columns) -> Columns:
    """The columns of these people alone."""
    if any(len(positions) < len(column) for column in columns.values()):
        return {name: [own[n] for n in positions] for name, own in columns.items()}
    return columns


def _left_out(positions: Sequence[int], gaps: Mapping[str, Gaps]) -> dict[int, str]:
    """What each goes without that could not be sent, by place among these."""
    if not gaps:
        return {}
    said = {
        place: " ".join(
            str(error)
            for own in gaps.values()
            if isinstance(error := own.get(n), LeftOutError)
        )
        for place, n in enumerate(positions)
    }
    return {place: words for place, words in said.items() if words}


def _of_one(
    position: int, columns: Columns, gaps: Mapping[str, Gaps]
) -> dict[str, JSON]:
    """A person's values, by parameter name."""
    return {
        name: column[position]
        for name, column in columns.items()
        if position not in gaps.get(name, NO_GAPS)
    }


def _skip(error: Exception) -> Skip:
    match error:
        case MissingParameterError(name=name):
            return Skip(code="missing_parameter", message=str(error), parameter=name)
        case InvalidParameterError(name=name):
            return Skip(code="template_error", message=str(error), parameter=name)
        case PersonalizationError():
            return Skip(code="template_error", message=str(error))
        case NothingToSendError():
            return Skip(code="nothing_to_send", message=str(error))
        case TooBigError():
            return Skip(code="too_big", message=too_big(error))
    # Odd data, or a payload that nothing can be made of.
    return Skip(code="template_error", message=f"{type(error).__name__}: {error}")


def too_big(error: TooBigError) -> str:
    """Why one person's own data are too much for a request, and what to do about it."""
    if isinstance(error, TooManyObjectsError) and error.room > 0:
        return (
            f"{error}. Shorten what fills “{error.array}”, for example with the filter"
            f" “slice: 0, {error.room}”, which takes the first {error.room:,}."
        )
    return f"{error}. Send less of this person, for example with “truncate”."


def compile_recipe(
    version: ExternalAPIVersion,
    values: Mapping[str, str],
    variants: Variants = NONE,
) -> Recipe:
    """Compile a version and an engagement's values; raise PersonalizationError."""
    recipe, problems = read_recipe(version, values, variants)
    for error in problems.values():
        raise error
    return recipe


def read_recipe(
    version: ExternalAPIVersion,
    values: Mapping[str, str],
    variants: Variants = NONE,
) -> tuple[Recipe, dict[str, PersonalizationError]]:
    """Compile as much as can be, and say what is wrong with the other parameters."""
    definition = compile_version(version)
    identifier = version.external_api.channel_identifier
    texts = variants.by_number(values) or {0: values}
    each = list(texts.values())
    columns: dict[str, Column] = {}
    problems: dict[str, PersonalizationError] = {}
    for reader in definition.readers:
        name = reader.parameter.name
        try:
            if len({own.get(name) for own in each}) == 1:
                columns[name] = _column(reader, each[0], identifier)
            else:
                own = {n: _column(reader, its, identifier) for n, its in texts.items()}
                columns[name] = by_variant(own)
        except PersonalizationError as e:
            problems[name] = e
    if _is_personal(version, definition.readers, each):
        definition = definition.with_refused(OWN_ADDRESS)
    recipe = Recipe(
        definition=definition,
        columns=columns,
        channel_identifier=identifier,
        is_of_one_variant=len(each) > 1 and _is_of_one_variant(version, each),
    )
    return recipe, problems


def _is_of_one_variant(
    version: ExternalAPIVersion, each: Sequence[Mapping[str, str]]
) -> bool:
    """Whether people go together only with others of their variant."""
    within = _constant(version, each)
    same = {name for name in within if len({own.get(name) for own in each}) == 1}
    apart, mixed = compile_version(version, within), compile_version(version, same)
    return mixed.people_per_request < apart.people_per_request


def _is_personal(
    version: ExternalAPIVersion,
    readers: Iterable[Reader],
    each: Sequence[Mapping[str, str]],
) -> bool:
    """Whether people have values of their own in a version's address."""
    same = _constant(version, each)
    given = {name for values in each for name in values}
    own = {
        parameter.name
        for parameter in (reader.parameter for reader in readers)
        if parameter.level == Level.IDENTIFIER
        or (parameter.name in given and parameter.name not in same)
    }
    return not own.isdisjoint(find(version.target))


def people_per_request(
    version: ExternalAPIVersion,
    values: Mapping[str, str],
    variants: Variants = NONE,
) -> int:
    """How many people go into one request, with an engagement's values.

    Of a variant, where a request has room for one only (Recipe.is_of_one_variant).
    Raises ValueError for a version that cannot be compiled.
    """
    constant = _constant(version, variants.each(values))
    return compile_version(version, constant).people_per_request


@lru_cache(maxsize=1_000)
def people_per_batch(version_id: int, values: str, variants: str) -> int:
    """The same of a run's version, values and variants, as JSON; none of them changes."""
    version = ExternalAPIVersion.objects.select_related("external_api", "connection")
    own = orjson.loads(values)
    return people_per_request(version.get(pk=version_id), own, read_text(variants))


def _constant(
    version: ExternalAPIVersion, each: Sequence[Mapping[str, str]]
) -> frozenset[str]:
    """The parameters that are the same for every person of a variant, in all of them.

    What is left to its default, or left out, is so for everybody.
    """
    parameters = version.read_parameters()
    asked = {one.name for one in parameters if one.level == Level.ENGAGEMENT}
    return frozenset.intersection(
        *(_same_for_all(own) | (asked - own.keys()) for own in each)
    )


def _same_for_all(values: Mapping[str, str]) -> frozenset[str]:
    """The parameters that are the same for every person of a run."""
    found = set()
    for name, text in values.items():
        # What cannot be compiled is told where it is sent.
        with suppress(PersonalizationError):
            if _is_same_for_all(compile_value(text)):
                found.add(name)
    return frozenset(found)


def _is_same_for_all(value: Value) -> bool:
    is_own = ("engagement", "delivery_id") in value.variables
    return not is_own and not value.is_personal


def _column(reader: Reader, values: Mapping[str, str], identifier: str) -> Column:
    """What gives a parameter's value for everybody."""
    name, level = reader.parameter.name, reader.parameter.level
    if level == Level.FIXED or (level == Level.ENGAGEMENT and name not in values):
        return same_for_all(lambda context: reader.read({}))
    if level == Level.IDENTIFIER:
        slow = _identifier(reader, identifier)
        return through(("profile", identifier), reader, slow)
    value = compile_value(values[name])
    slow = _evaluated(reader, value)
    if _is_same_for_all(value):
        return same_for_all(slow)
    return through(
        value.path,
        reader,
        slow,
        has_default=value.has_default,
        fallback=_fallback(reader, value),
    )


def _identifier(reader: Reader, identifier: str) -> Source:
    name = reader.parameter.name
    return lambda context: reader.read({name: context["profile"][identifier]})


def _evaluated(reader: Reader, value: Value) -> Source:
    name = reader.parameter.name

    def source(context: Context) -> JSON:
        result = value.evaluate(context)
        return reader.read({} if result is MISSING else {name: result})

    return source if reader.parameter.required else _or_without(reader, source)


def _or_without(reader: Reader, source: Source) -> Source:
    """What an optional parameter cannot take is left out, and keeps nobody back."""

    def lenient(context: Context) -> JSON:
        try:
            return source(context)
        except ERRORS as e:
            raise LeftOutError(
                f"“{reader.parameter.name}” is left out: {words(e)}"
            ) from e

    return lenient


def words(error: Exception) -> str:
    """What is wrong, as a sentence that does not name the parameter."""
    text = error.message if isinstance(error, InvalidParameterError) else str(error)
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _fallback(reader: Reader, value: Value) -> JSON:
    """What a person without anything at the value's path gets, if anything at all."""
    try:
        return reader.read({reader.parameter.name: value.default})
    except ValueError:
        return None
