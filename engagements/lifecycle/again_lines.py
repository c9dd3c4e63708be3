"""A segment logs what its people do again as long as an engagement takes that in.

That is from its activation to its end: a paused one takes in later what was done
meanwhile.
"""

from engagements.models import Engagement
from segments.membership import readers
from segments.models import Segment


def settle(segment_id: int) -> None:
    """Let the segment log that, or no longer, as the engagements at work want it.

    Takes the segment's lock, under which its log is written. Call it in the transaction
    that moves an engagement, behind the move: of two at once the second sees both.
    """
    segment = Segment.objects.select_for_update(no_key=True).get(pk=segment_id)
    listening = Engagement.objects.filter(
        segment=segment_id, trigger=Engagement.Trigger.EACH_EVENT
    )
    is_kept = listening.exclude(state__in=Engagement.AT_REST).exists()
    if segment.keeps_again != is_kept:
        readers.keep_again(segment_id, is_kept=is_kept)
