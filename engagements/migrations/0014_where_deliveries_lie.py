from django.db import migrations, models

# Of runs to which nothing is added any more. Of the others nobody knows what is being
# written just now: those that listen have an index, and the rest ends soon.
FIND = """
    UPDATE engagements_run r
    SET deliveries_after = d.first - 1, deliveries_before = d.last + 1
    FROM (
        SELECT run_id, min(id) AS first, max(id) AS last
        FROM engagements_delivery GROUP BY run_id
    ) d
    WHERE r.id = d.run_id AND r.state NOT IN ('expanding', 'sending')
      AND NOT EXISTS (
          SELECT FROM engagements_batch b WHERE b.run_id = r.id
            AND b.state IN ('pending', 'leased', 'sending', 'retry')
      )
"""
NEXT = models.Func(
    models.Value("engagements_delivery_id_seq"), function="nextval"
)


class Migration(migrations.Migration):

    dependencies = [
        ('engagements', '0013_approvals'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state__in', ['accepted_unverified', 'rejected', 'skipped', 'uncertain', 'dead', 'cancelled', 'erased'])), fields=['state', 'id'], name='delivery_of_state'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('transition_id__gt', 0), ('profile__isnull', True), _connector='OR'), fields=['run', 'id'], name='delivery_of_lines'),
        ),
        # Without its default first: runs that are there began before the next delivery.
        migrations.AddField(
            model_name='run',
            name='deliveries_after',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='run',
            name='deliveries_before',
            field=models.BigIntegerField(null=True),
        ),
        migrations.RunSQL(FIND, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='run',
            name='deliveries_after',
            field=models.BigIntegerField(db_default=NEXT, null=True),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(condition=models.Q(('deliveries_before', None)), fields=['id'], name='run_with_deliveries_to_come'),
        ),
    ]
