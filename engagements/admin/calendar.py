"""The calendar page: what will run, by the month or by the week."""

import calendar as months
from datetime import date, timedelta
from functools import partial

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from engagements.schedules import calendar
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.pages.context import context_of

PERMISSION = "engagements.view_engagement"
WEEK = 7
# The calendar's years: what a date may be at all, with a month to each side.
FIRST, LAST = date(2000, 1, 1), date(2200, 1, 1)


def urls(site: admin.AdminSite) -> list[URLPattern]:
    """The page's address, under those of the engagements."""
    view = site.admin_view(partial(page, site))
    return [path("calendar/", view, name="engagements_calendar")]


def page(site: admin.AdminSite, request: HttpRequest) -> HttpResponse:
    """?view=week for a week's list; ?day=2026-11-29 for another time."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    now, zone = database_clock.now(), timezone.get_current_timezone()
    today = now.astimezone(zone).date()
    day = _day(request.GET.get("day", ""), today)
    is_week = request.GET.get("view") == "week"
    begin, count, before, after = _week(day) if is_week else _month(day)
    shown = calendar.of(begin, count, now, zone)
    days = shown.days
    context = {
        **context_of(site, request, "Calendar"),
        "days": days,
        "weeks": [days[n : n + WEEK] for n in range(0, count, WEEK)],
        "weekdays": list(months.day_name),
        "is_week": is_week,
        "day": day,
        "today": today,
        "before": before,
        "after": after,
        "zone": str(zone),
        "is_cut": shown.is_cut,
        "is_empty": not any(one.entries for one in days),
    }
    return TemplateResponse(request, "engagements/calendar.html", context)


def _day(text: str, today: date) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return today
    return day if FIRST <= day <= LAST else today


def _week(day: date) -> tuple[date, int, date, date]:
    """Its first day, how many it has, and a day of the one before and of that after."""
    begin = day - timedelta(days=day.weekday())
    return begin, WEEK, begin - timedelta(days=WEEK), begin + timedelta(days=WEEK)


def _month(day: date) -> tuple[date, int, date, date]:
    """The same of a month, in whole weeks."""
    first = day.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    begin = first - timedelta(days=first.weekday())
    weeks = -(-(following - begin).days // WEEK)
    return begin, weeks * WEEK, (first - timedelta(days=1)).replace(day=1), following
