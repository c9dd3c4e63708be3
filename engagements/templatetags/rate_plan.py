"""What the page of a connection asks for while it is drawn."""

from django import template

from engagements.operations import plan_use
from externalapi.models import Connection
from lemnisk_braze.lib import database_clock

register = template.Library()


@register.simple_tag
def plan_use_of(connection: Connection) -> plan_use.PlanUse:
    return plan_use.read(connection, database_clock.now())
