"""A row of everything that the admin has a page for."""

from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.urls import reverse

from engagements.models import (
    Attempt,
    Batch,
    Delivery,
    Engagement,
    FrequencyCap,
    Run,
    Suppression,
)
from externalapi.connections import encryption
from externalapi.models import Connection, ExternalAPI
from segments.models import (
    DictionaryEntry,
    Erasure,
    Event,
    Import,
    InboxRequest,
    Profile,
    Proposal,
    Segment,
    Source,
    SourceQuery,
    UploadedList,
    WatchedFolder,
)
from tests import factories

# Pages of an upload are below those of its list.
OF_AN_UPLOAD = {
    f"segments_uploadedlist_{page}" for page in ("read", "now", "unmatched")
}


class World:
    """One row of each model; `at_work` is an engagement with a history."""

    def __init__(self) -> None:
        connection = factories.make_connection()
        encryption.set_key(connection, "0f9e8d7c-braze")
        version = factories.make_version(connection=connection)
        factories.make_test(version)
        person = factories.make_profile(first_name="Ann")
        event = factories.make_event(person)
        segment = factories.make_segment(
            [person], rule={"event": "Lead", "at_least": 1}
        )
        # Two engagements: one with a history, one that nobody has touched yet.
        self.at_work = factories.make_engagement(segment, version, state="active")
        draft = factories.make_engagement(segment, version)
        run = factories.make_run(self.at_work, state="sending")
        batch = factories.make_batch(
            run, [person], delivery_state="uncertain", state="uncertain"
        )
        request = InboxRequest.objects.create(
            source=event.source, count=1, body=b'[["m", "track", {}]]'
        )
        self.proposal = Proposal.objects.create(
            segment=segment, rule={"event": "Sale"}, is_active=True
        )
        self.upload = factories.make_list_upload()
        self.approval = factories.make_approval(draft)
        self.rows: dict[type[Model], Model] = {
            Connection: connection,
            ExternalAPI: version.external_api,
            Segment: segment,
            Source: event.source,
            Engagement: draft,
            Suppression: Suppression.objects.create(
                kind="email", value="complained@example.com", reason="Complained"
            ),
            FrequencyCap: FrequencyCap.objects.create(name="Two a day", most=2),
            Run: run,
            Batch: batch,
            Delivery: batch.deliveries.get(),
            Attempt: factories.make_attempt(batch),
            Profile: person,
            Event: event,
            DictionaryEntry: factories.make_dictionary_entry(),
            InboxRequest: request,
            Import: factories.make_import(),
            UploadedList: self.upload.of,
            SourceQuery: SourceQuery.objects.create(
                name="Warehouse",
                kind="postgresql",
                query="SELECT 1",
                source=factories.make_source(),
            ),
            WatchedFolder: WatchedFolder.objects.create(
                name="Drop", path="/srv/drop", source=factories.make_source()
            ),
            Erasure: Erasure.objects.create(
                asked_through="a test", may_return=False, went={"people": 1}
            ),
            User: factories.make_user(),
            Group: Group.objects.create(name="Interns"),
        }

    def url(self, name: str) -> str:
        if name == "segments_segment_proposal":
            return self.proposal.get_absolute_url()
        if name == "engagements_engagement_approval":
            return self.approval.get_absolute_url()
        if name == "engagements_engagement_withdraw":
            return self.approval.withdrawal_url
        if name in OF_AN_UPLOAD:
            args = [self.upload.of_id, self.upload.pk]
            return reverse(f"admin:{name}", args=args)
        row = next(r for m, r in self.rows.items() if name.startswith(prefix(m)))
        return reverse(f"admin:{name}", args=[row.pk])


def prefix(model: type[Model]) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}_"
