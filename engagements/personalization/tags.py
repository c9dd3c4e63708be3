"""Tags in a value: `{% if %}`, `{% unless %}`, `{% case %}`, `{% for %}`, `{% assign %}`.

    {% for policy in profile.policies %}
      {% if policy.lapses_on < now %}{{ policy.number }}{% break %}{% endif %}
    {% endfor %}

python-liquid reads them; what they mean is Liquid's, but for what would send the wrong
thing in silence: a comparison of what cannot be compared is false, a number that came as
text is a number beside one, and a date is compared as a time. A loop over what is not
there has no turns; over what is no list it is an error. All turns and questions of one
value together are steps, and have an end (Budget).
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from liquid.ast import BlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import LoopExpression, Path
from liquid.builtin.expressions.logical import (
    BooleanExpression,
    LogicalAndExpression,
    LogicalNotExpression,
    LogicalOrExpression,
)
from liquid.builtin.expressions.primitive import Blank, Empty, Nil, RangeLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.case_tag import CaseNode, MultiExpressionBlockNode
from liquid.builtin.tags.comment_tag import CommentNode
from liquid.builtin.tags.for_tag import BreakNode, ContinueNode, ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.expression import Expression

from engagements.personalization import conditions, expressions
from engagements.personalization.expressions import Context, PersonalizationError
from engagements.personalization.filters import kinds
from engagements.personalization.filters.budget import Budget
from engagements.personalization.filters.errors import FilterError

# What a value may have, besides what closes or divides them.
NAMES = "if unless case for break continue assign comment".split()
MAX_DEPTH = 8
FORLOOP = "forloop"

_TAG = re.compile(r"\{%-?\s*(\w+)")
_OPENING = frozenset({"if", "unless", "case", "for", "comment"})
# How a list of nodes ended: in order, or by a tag that ends a turn or the whole loop.
Ended: TypeAlias = Literal["", "break", "continue"]
Scope: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Piece:
    """What a node wrote: text of the value, or what an expression gave (`is_output`)."""

    value: Any
    is_output: bool


# Writes a node's pieces.
Write: TypeAlias = Callable[[Scope, Budget, list[Piece]], Ended]
Ask: TypeAlias = Callable[[Scope, Budget], Any]


def check_depth(source: str) -> None:
    """Refuse what is nested too deeply, before anything reads it."""
    depth = 0
    for name in _TAG.findall(source):
        depth += name in _OPENING
        depth -= name.startswith("end")
        if depth > MAX_DEPTH:
            raise PersonalizationError(
                f"Tags are nested more than {MAX_DEPTH} levels deep."
            )


def unknown(source: str) -> str:
    """The first tag that there is none of; "" for none."""
    inner = {"else", "elsif", "when", *(f"end{name}" for name in _OPENING)}
    found = (name for name in _TAG.findall(source) if name not in {*NAMES, *inner})
    return next(found, "")


def unclosed(source: str) -> str:
    """The innermost tag that nothing closes; "" for none."""
    open_: list[str] = []
    for name in _TAG.findall(source):
        if name in _OPENING:
            open_.append(name)
        elif open_ and name == f"end{open_[-1]}":
            open_.pop()
    return open_[-1] if open_ else ""


def compile_nodes(
    nodes: Iterable[Node],
    check: Callable[[expressions.Segments], None],
    taken: Collection[str],
) -> tuple[Callable[[Context, Budget], list[Piece]], list[expressions.Segments]]:
    """What writes the nodes' pieces, and the paths of data that they read.

    `check` refuses a path that is none of a variable; names of loops and of `assign`
    are known here, and none of those that are `taken`. Raises PersonalizationError.
    """
    reader = _Reader(check=check, taken={*taken, FORLOOP})
    write = reader.block(nodes)

    def evaluate(context: Context, budget: Budget) -> list[Piece]:
        pieces: list[Piece] = []
        write(dict(context), budget, pieces)
        return pieces

    return evaluate, reader.paths


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Compiles nodes in order; `names` are those that loops and `assign` have made."""

    check: Callable[[expressions.Segments], None]
    taken: Collection[str]
    names: list[str] = field(default_factory=list)
    paths: list[expressions.Segments] = field(default_factory=list)

    def block(self, nodes: Iterable[Node]) -> Write:
        parts = [self.node(node) for node in nodes]

        def write(scope: Scope, budget: Budget, pieces: list[Piece]) -> Ended:
            for part in parts:
                if ended := part(scope, budget, pieces):
                    return ended
            return ""

        return write

    def node(self, node: Node) -> Write:
        match node:
            case ContentNode():
                return _text(node.text)
            case OutputNode():
                return self.output(node.expression)
            case BlockNode():
                return self.block(node.nodes)
            case CommentNode():
                return lambda scope, budget, pieces: ""
            case BreakNode():
                return self.end("break")
            case ContinueNode():
                return self.end("continue")
            case AssignNode():
                return self.assign(node)
            case IfNode() | UnlessNode():
                return self.branches(node)
            case CaseNode():
                return self.case(node)
            case ForNode():
                return self.loop(node)
        raise PersonalizationError(f"This tag cannot be used here: {node}")

    def output(self, expression: Expression) -> Write:
        self.read(expression)
        value = expressions.compile_expression(expression)

        def write(scope: Scope, budget: Budget, pieces: list[Piece]) -> Ended:
            found = value(scope, budget)
            _spend(budget.spend, found)
            pieces.append(Piece(found, is_output=True))
            return ""

        return write

    def end(self, how: Literal["break", "continue"]) -> Write:
        if FORLOOP not in self.names:
            raise PersonalizationError(
                f"{{% {how} %}} has a meaning inside {{% for %}} only."
            )
        return lambda scope, budget, pieces: how

    def assign(self, node: AssignNode) -> Write:
        self.read(node.expression)
        value = expressions.compile_expression(node.expression)
        name = self.own_name(str(node.name))
        self.names.append(name)

        def write(scope: Scope, budget: Budget, pieces: list[Piece]) -> Ended:
            _spend(budget.step)
            scope[name] = value(scope, budget)
            return ""

        return write

    def branches(self, node: IfNode | UnlessNode) -> Write:
        first = self.question(node.condition)
        if isinstance(node, UnlessNode):
            first = _opposite(first)
        asked = [(first, self.block(node.consequence.nodes))]
        asked += [
            (self.question(one.expression), self.block(one.block.nodes))
            for one in node.alternatives
        ]
        other = self.block(node.default.nodes) if node.default else None

        def write(scope: Scope, budget: Budget, pieces: list[Piece]) -> Ended:
            for question, block in asked:
                _spend(budget.step)
                if question(scope, budget):
                    return block(scope, budget, pieces)
            return other(scope, budget, pieces) if other else ""

        return write

    def case(self, node: CaseNode) -> Write:
        value = self.operand(node.expression)
        whens: list[tuple[list[Ask], Write]] = []
        others: list[Write] = []
        for block in node.blocks:
            if isinstance(block, MultiExpressionBlockNode):
                choices = [self.operand(one) for one in block.expression.expressions]
                whens.append((choices, self.block(block.block.nodes)))
            else:
                others.append(self.block(block.nodes))

        def write(scope: Scope, budget: Budget, pieces: list[Piece]) -> Ended:
            found = value(scope, budget)
            for choices, block in whens:
                _spend(budget.step)
                if any(
                    conditions.equal(found, choice(scope, budget)) for choice in choices
                ):
                    return block(scope, budget, pieces)
            for block in others:
                if ended := block(scope, budget, pieces):
                    return ended
            return ""

        return write

    def loop(self, node: ForNode) -> Write:
        turns = self.turns(node.expression)
        name = self.own_name(node.expression.identifier)
        self.names += [name, FORLOOP]
        block = self.block(node.block.nodes)
        del self.names[-2:]
        other = self.block(node.default.nodes) if node.default else None

        def write(scope: Scope, budget: Budget, pieces: list[Piece]) -> Ended:
            items = turns(scope, budget)
            if not items:
                return other(scope, budget, pieces) if other else ""
            before = {key: scope.get(key) for key in (name, FORLOOP)}
            for number, item in enumerate(items):
                _spend(budget.step)
                scope[name], scope[FORLOOP] = item, _forloop(number, len(items))
                if block(scope, budget, pieces) == "break":
                    break
            scope.update(before)
            return ""

        return write

    def turns(self, loop: LoopExpression) -> Callable[[Scope, Budget], list[Any]]:
        """What gives the items that a loop goes through."""
        if not isinstance(loop.iterable, Path):
            raise PersonalizationError(
                f"“for {loop.identifier} in {loop.iterable}”: write a variable that is a"
                " list after “in”."
            )
        found, offset = self.operand(loop.iterable), self.number(loop.offset)
        limit, is_reversed = self.number(loop.limit), loop.reversed

        def items(scope: Scope, budget: Budget) -> list[Any]:
            value = found(scope, budget)
            if value is None:
                return []
            if not isinstance(value, list):
                raise PersonalizationError(
                    f"“for”: a list is needed here, not {kinds.name_of(value)}."
                )
            first = offset(scope, budget) if offset else 0
            last = first + limit(scope, budget) if limit else len(value)
            chosen = value[first:last]
            return chosen[::-1] if is_reversed else chosen

        return items

    def number(self, expression: Expression | None) -> Ask | None:
        if expression is None:
            return None
        value = self.operand(expression)

        def whole(scope: Scope, budget: Budget) -> int:
            try:
                found = kinds.whole(value(scope, budget))
            except FilterError as e:
                raise PersonalizationError(f"“for”: {e}.") from e
            if found < 0:
                raise PersonalizationError("“for”: limit and offset are 0 or more.")
            return found

        return whole

    def question(self, expression: Expression) -> Ask:
        """What says whether a condition is true."""
        match expression:
            case BooleanExpression():
                return self.question(expression.expression)
            case LogicalNotExpression():
                return _opposite(self.question(expression.right))
            case LogicalAndExpression():
                left, right = self.both(expression, self.question)
                return lambda scope, budget: (
                    left(scope, budget) and right(scope, budget)
                )
            case LogicalOrExpression():
                left, right = self.both(expression, self.question)
                return lambda scope, budget: left(scope, budget) or right(scope, budget)
        for kind, compare in conditions.COMPARED.items():
            if isinstance(expression, kind):
                left, right = self.both(expression, self.operand)
                return _compared(left, right, compare)
        value = self.operand(expression)
        return lambda scope, budget: conditions.is_true(value(scope, budget))

    def both(
        self, expression: Any, read: Callable[[Expression], Ask]
    ) -> tuple[Ask, Ask]:
        return read(expression.left), read(expression.right)

    def operand(self, expression: Expression) -> Ask:
        """What gives a value that is compared or gone through."""
        if isinstance(expression, Nil | Empty | Blank):
            return lambda scope, budget: expression
        if isinstance(expression, RangeLiteral):
            raise PersonalizationError(f"“{expression}” cannot be used here.")
        self.read(expression)
        return expressions.operand(expression)

    def read(self, expression: Expression) -> None:
        """Note the data that an expression reads; raises where a name means nothing."""
        for path in expressions.paths(expression):
            if path[0] not in self.names:
                self.check(path)
                self.paths.append(path)

    def own_name(self, name: str) -> str:
        """A name of a loop or of `assign`; one of ours would hide data."""
        if name in self.taken:
            raise PersonalizationError(
                f"Choose another name than “{name}”: it means something already."
            )
        return name


def _text(text: str) -> Write:
    piece = Piece(text, is_output=False)

    def write(scope: Scope, budget: Budget, pieces: list[Piece]) -> Ended:
        _spend(budget.spend, text)
        pieces.append(piece)
        return ""

    return write


def _spend(spend: Callable[..., None], *value: object) -> None:
    """Take from the budget; what is left of none is the person's error."""
    try:
        spend(*value)
    except FilterError as e:
        raise PersonalizationError(f"{e}.") from e


def _forloop(number: int, length: int) -> dict[str, Any]:
    """Where in a loop a turn is, as Liquid has it."""
    return {
        "index": number + 1,
        "index0": number,
        "rindex": length - number,
        "rindex0": length - number - 1,
        "first": number == 0,
        "last": number == length - 1,
        "length": length,
    }


def _opposite(question: Ask) -> Ask:
    return lambda scope, budget: not question(scope, budget)


def _compared(left: Ask, right: Ask, compare: Callable[[Any, Any], bool]) -> Ask:
    return lambda scope, budget: compare(left(scope, budget), right(scope, budget))
