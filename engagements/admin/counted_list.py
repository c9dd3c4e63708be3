"""The list of engagements, which counts; a page of one does not wait for that."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

from engagements.models import Engagement
from engagements.reporting import reports


class CountedEngagements(ChangeList):
    """The list, with how many deliveries each of a page's engagements has sent."""

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: Any = None
    ) -> QuerySet[Engagement]:
        everything: QuerySet[Engagement] = self.model_admin.get_queryset(request)
        self.root_queryset = reports.with_deliveries_sent(everything)
        listed: QuerySet[Engagement] = super().get_queryset(request, exclude_parameters)
        return listed
