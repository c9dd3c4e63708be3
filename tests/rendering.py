"""What a test client keeps of a page: the context of its template alone.

Django's keeps a copy of the context for every part of it and for every field of a form,
which is a fifth of what a page with a long form takes.
"""

import threading

from django.template import Context, Template
from django.test.signals import template_rendered


class _Now(threading.local):
    is_within = False


_now = _Now()


def render(template: Template, context: Context) -> str:
    """Render it; a template that is rendered by no other is told of."""
    if _now.is_within:
        return template.nodelist.render(context)
    template_rendered.send(sender=template, template=template, context=context)
    _now.is_within = True
    try:
        return template.nodelist.render(context)
    finally:
        _now.is_within = False
