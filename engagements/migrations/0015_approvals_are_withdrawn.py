from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('engagements', '0014_where_deliveries_lie'),
    ]

    operations = [
        migrations.AlterField(
            model_name='approval',
            name='state',
            field=models.CharField(choices=[('waiting', 'Waits for approval'), ('approved', 'Approved'), ('declined', 'Declined'), ('withdrawn', 'Withdrawn'), ('closed', 'Not needed any more')], default='waiting', max_length=16),
        ),
    ]
