"""The dictionary of names; what is stored already is read by the tick."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import segments.models.dictionary
from django.db import migrations, models

# Its counts change all the time, and nothing that is indexed does.
ROOM = "ALTER TABLE segments_dictionaryentry SET (fillfactor = 70)"
# Up to here nobody counted names; a few hundred pieces of 2,000 rows are read.
BUILD = """
INSERT INTO segments_dictionarybuild ("table", until_id, every)
SELECT "table", last, greatest(1, ceil(last / 1000000.0))
FROM (
    SELECT 'people' AS "table", max(id) AS last FROM segments_profile
    UNION ALL SELECT 'events', max(id) FROM segments_event
) found WHERE last IS NOT NULL
"""
# Who might see events may look names up; who shapes segments or sources may describe
# them.
PERMIT = """
INSERT INTO django_content_type (app_label, model)
VALUES ('segments', 'dictionaryentry') ON CONFLICT DO NOTHING;
INSERT INTO auth_permission (name, content_type_id, codename)
SELECT 'Can ' || verb || ' dictionary entry', id, verb || '_dictionaryentry'
FROM django_content_type, unnest(ARRAY['view', 'change']) verb
WHERE (app_label, model) = ('segments', 'dictionaryentry') ON CONFLICT DO NOTHING;
CREATE TEMPORARY TABLE dictionary_right ON COMMIT DROP AS
SELECT DISTINCT old.id AS old_id, new.id AS new_id
FROM auth_permission new JOIN auth_permission old ON old.codename = ANY(
    CASE new.codename WHEN 'view_dictionaryentry' THEN ARRAY['view_event']
    ELSE ARRAY['change_segment', 'change_source'] END)
WHERE new.codename IN ('view_dictionaryentry', 'change_dictionaryentry');
INSERT INTO auth_group_permissions (group_id, permission_id)
SELECT g.group_id, r.new_id FROM auth_group_permissions g
JOIN dictionary_right r ON r.old_id = g.permission_id ON CONFLICT DO NOTHING;
INSERT INTO auth_user_user_permissions (user_id, permission_id)
SELECT u.user_id, r.new_id FROM auth_user_user_permissions u
JOIN dictionary_right r ON r.old_id = u.permission_id ON CONFLICT DO NOTHING;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('segments', '0011_sources_have_a_page'),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.CreateModel(
            name='DictionaryBuild',
            fields=[
                ('table', models.CharField(choices=[('people', 'people'), ('events', 'events')], max_length=8, primary_key=True, serialize=False)),
                ('next_id', models.BigIntegerField(db_default=0, default=0)),
                ('until_id', models.BigIntegerField()),
                ('every', models.PositiveIntegerField()),
                ('rows', models.PositiveBigIntegerField(db_default=0, default=0)),
                ('finished_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='DictionaryEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('attribute', 'Attribute'), ('event', 'Event'), ('property', 'Property')], editable=False, max_length=16)),
                ('event', models.CharField(blank=True, db_default='', default='', editable=False, max_length=255)),
                ('name', models.CharField(editable=False, max_length=255)),
                ('sources', models.JSONField(db_default={}, default=dict, editable=False)),
                ('count', models.PositiveBigIntegerField(db_default=0, default=0, editable=False, verbose_name='times seen')),
                ('is_count_estimated', models.BooleanField(db_default=False, default=False, editable=False)),
                ('types', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=segments.models.dictionary.no_types, editable=False, size=None)),
                ('day', models.DateField(editable=False, null=True)),
                ('day_types', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=segments.models.dictionary.no_types, editable=False, size=None)),
                ('day_before_types', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), default=segments.models.dictionary.no_types, editable=False, size=None)),
                ('mismatches', models.PositiveBigIntegerField(db_default=0, default=0, editable=False, verbose_name='values of another type')),
                ('mismatched_at', models.DateTimeField(editable=False, null=True)),
                ('first_seen', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('last_seen', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('people', models.PositiveBigIntegerField(editable=False, null=True)),
                ('people_asked', models.PositiveBigIntegerField(editable=False, null=True)),
                ('is_share_estimated', models.BooleanField(db_default=False, default=False, editable=False)),
                ('asked_at', models.DateTimeField(editable=False, null=True)),
                ('looks_personal', models.CharField(blank=True, choices=[('email', 'an e-mail address'), ('phone', 'a phone number'), ('name', 'a name'), ('birth', 'a date of birth')], db_default='', editable=False, max_length=8)),
                ('description', models.TextField(blank=True, db_default='', help_text='What it means, and where it comes from, for whoever picks it.')),
                ('owner', models.CharField(blank=True, db_default='', help_text='Who to ask: a person or a team.', max_length=255)),
                ('is_personal', models.BooleanField(blank=True, null=True, verbose_name='personal data')),
                ('expected_type', models.CharField(blank=True, choices=[('text', 'text'), ('number', 'number'), ('boolean', 'true or false'), ('date', 'date'), ('list', 'list'), ('objects', 'list of objects'), ('object', 'object'), ('null', 'null')], db_default='', help_text='Nothing is checked where this is empty.', max_length=8)),
                ('on_mismatch', models.CharField(choices=[('flag', 'Keep it, and count it here'), ('drop', 'Leave the value out, and keep the rest'), ('refuse', 'Refuse the message; it can be sent in again')], db_default='flag', default='flag', max_length=8, verbose_name='a value of another type')),
                ('is_planned', models.BooleanField(db_default=False, default=False, help_text='Somebody knows of it, and wants it.', verbose_name='planned')),
                ('is_hidden', models.BooleanField(db_default=False, default=False, help_text='It is still taken in, and not offered where a name is picked.', verbose_name='hidden')),
                ('source', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='segments.source')),
            ],
            options={
                'verbose_name': 'dictionary entry',
                'verbose_name_plural': 'dictionary',
                'indexes': [models.Index(condition=models.Q(('expected_type', ''), _negated=True), fields=['id'], name='dictionary_expects'), models.Index(fields=['source', 'kind', 'event'], name='dictionary_of_a_source')],
                'constraints': [models.UniqueConstraint(fields=('kind', 'event', 'name'), name='dictionary_has_a_name_once')],
            },
        ),
        migrations.RunSQL([ROOM, BUILD], migrations.RunSQL.noop),
        migrations.RunSQL(PERMIT, migrations.RunSQL.noop),
    ]
