"""What an engagement that listens waits for, in words."""

from engagements.models import Engagement, Run

Trigger = Engagement.Trigger
# (at once, after a delay)
MOMENTS = {
    Trigger.ON_ENTRY: (
        "As soon as someone enters the segment",
        "after someone enters the segment",
    ),
    Trigger.EACH_EVENT: (
        "On each qualifying event, at once",
        "after each qualifying event",
    ),
    Trigger.ON_EXIT: (
        "As soon as someone leaves the segment",
        "after someone leaves the segment",
    ),
}
THEN = {
    Trigger.ON_ENTRY: "each person who enters it",
    Trigger.EACH_EVENT: "on each qualifying event",
}
NEXT = {
    Trigger.ON_ENTRY: "the next person who enters the segment",
    Trigger.EACH_EVENT: "the next qualifying event",
    Trigger.ON_EXIT: "the next person who leaves the segment",
}
# While it is paused: what comes meanwhile, and for whom a change of the values is.
PAUSED = {
    Trigger.ON_ENTRY: (
        "People who enter the segment meanwhile are sent after Resume.",
        "people who enter after Resume",
    ),
    Trigger.EACH_EVENT: (
        "What people do meanwhile is taken in after Resume.",
        "events after Resume",
    ),
    Trigger.ON_EXIT: (
        "People who leave the segment meanwhile are sent after Resume.",
        "people who leave after Resume",
    ),
    Trigger.SCHEDULE: (
        "A time that comes meanwhile is made up for after Resume: of several the newest,"
        " unless the next is near.",
        "the runs after Resume",
    ),
}
ENDED = {
    Trigger.ON_ENTRY: "People who enter the segment from now on are not sent.",
    Trigger.EACH_EVENT: "What people do from now on is not taken in.",
    Trigger.ON_EXIT: "People who leave the segment from now on are not sent.",
    Trigger.SCHEDULE: "No run begins any more.",
}
FIRST = {
    Trigger.ON_ENTRY: "entering the segment",
    Trigger.EACH_EVENT: "a qualifying event",
    Trigger.ON_EXIT: "leaving the segment",
}


def in_words(engagement: Engagement) -> str:
    """The trigger as a sentence without its full stop."""
    trigger, wait = Trigger(engagement.trigger), delay_in_words(engagement)
    at_once, later = MOMENTS[trigger]
    if engagement.takes_present:
        said = f"Everybody in the segment now, then {THEN[trigger]}"
        said += f", {wait} later" if wait else ""
    else:
        said = f"{wait.capitalize()} {later}" if wait else at_once
    limit = limit_in_words(engagement)
    return f"{said}; {limit}" if limit else said


def delay_in_words(engagement: Engagement) -> str:
    """ "2 hours"; "" where it sends at once."""
    if not engagement.delay_time:
        return ""
    unit = engagement.delay_unit
    return f"{engagement.delay:,} {unit[:-1] if engagement.delay == 1 else unit}"


def limit_in_words(engagement: Engagement) -> str:
    """How many events of a person it takes in; "" where it is all of them."""
    if engagement.trigger != Trigger.EACH_EVENT or not engagement.most_events:
        return ""
    per = engagement.get_most_events_per_display()
    return f"at most {engagement.most_events:,} of a person in {per}"


def next_in_words(engagement: Engagement) -> str:
    """Who, or what, comes first once it is active."""
    return NEXT[Trigger(engagement.trigger)]


def first_in_words(engagement: Engagement) -> str:
    """When the first person is in its report."""
    moment = FIRST[Trigger(engagement.trigger)]
    wait = delay_in_words(engagement)
    return f"{wait} after {moment}" if wait else f"within seconds of {moment}"


def meanwhile_in_words(engagement: Engagement) -> str:
    """What comes of what happens while it is paused, with a full stop."""
    return PAUSED[Trigger(engagement.trigger)][0]


def ended_in_words(engagement: Engagement) -> str:
    """What does not come any more once it has ended, with a full stop."""
    return ENDED[Trigger(engagement.trigger)]


def changes_in_words(engagement: Engagement) -> str:
    """For whom it is that the values are changed while it is paused."""
    return PAUSED[Trigger(engagement.trigger)][1]


def waiting_in_words(engagement: Engagement) -> str:
    """What becomes of whoever moves the other way while they wait, with a full stop."""
    if engagement.trigger == Trigger.ON_EXIT:
        who = "Who comes back into the segment meanwhile"
    else:
        who = "Who leaves the segment meanwhile"
    does = "is skipped" if engagement.skips_who_left else "is sent all the same"
    return f"{who} {does}."


def run_in_words(run: Run) -> str:
    """What a standing run takes in."""
    return f"Takes in {run.kind_in_words[0].lower()}{run.kind_in_words[1:]}"
