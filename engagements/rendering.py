"""One person's payload: values first, then the External API's template."""

from collections.abc import Mapping
from dataclasses import dataclass

from engagements.personalization import (
    MISSING,
    PersonalizationError,
    Value,
    compile_value,
)
from externalapi.definition import (
    CompiledDefinition,
    InvalidParameterError,
    MissingParameterError,
    Rendered,
    compile_version,
)
from externalapi.models import ExternalAPIVersion
from externalapi.parameters import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Why a person has no payload: the code of the reason, and the words for people."""

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """An External API's version with an engagement's values, compiled once a run."""

    definition: CompiledDefinition
    values: Mapping[str, Value]
    channel_identifier: str

    def render(self, context: Mapping[str, object]) -> Rendered | Skip:
        """The request parts of one person, or why there are none."""
        profile = context["profile"]
        assert isinstance(profile, Mapping)
        identifier = profile.get(self.channel_identifier)
        if not identifier:
            return Skip(
                code="no_identifier",
                message=f"The person has no {self.channel_identifier}.",
            )
        try:
            return self.definition.render(self._filled(context, identifier))
        except PersonalizationError as e:
            return Skip(code="template_error", message=str(e))
        except MissingParameterError as e:
            return Skip(code="missing_parameter", message=str(e))
        except InvalidParameterError as e:
            return Skip(code="template_error", message=str(e))
        except (ValueError, TypeError, RecursionError) as e:
            # One person's odd data must not stop the other 74.
            return Skip(code="template_error", message=f"{type(e).__name__}: {e}")

    def _filled(
        self, context: Mapping[str, object], identifier: JSON
    ) -> dict[str, JSON]:
        filled: dict[str, JSON] = {}
        for name, value in self.values.items():
            result = value.evaluate(context)
            if result is not MISSING and result != "":
                filled[name] = result
        for parameter in self.definition.identifier_parameters:
            filled[parameter.name] = identifier
        return filled


def compile_recipe(version: ExternalAPIVersion, values: Mapping[str, str]) -> Recipe:
    """Compile a version and an engagement's values; raise PersonalizationError."""
    definition = compile_version(version)
    wanted = {parameter.name for parameter in definition.engagement_parameters}
    return Recipe(
        definition=definition,
        values={n: compile_value(v) for n, v in values.items() if n in wanted},
        channel_identifier=version.external_api.channel_identifier,
    )
