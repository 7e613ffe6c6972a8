"""Daily sums by kind and status as well. They are made anew from the ledger."""

from datetime import timezone

from django.db import migrations, models
from django.db.models import Count, Max, Sum
from django.db.models.functions import TruncDate

KINDS = [('response', 'Answer'), ('transcription', 'Transcription'), ('time', 'Connected time'), ('correction', 'Correction'), ('probe', 'Connection test')]
STATUSES = [('completed', 'Completed'), ('cancelled', 'Interrupted'), ('incomplete', 'Broken off'), ('failed', 'Failed')]
PLACE = ['account_id', 'user_id', 'provider_id', 'model', 'kind', 'corrects', 'status', 'currency', 'source']
MEASURES = ['text_in', 'text_cached', 'text_out', 'audio_in', 'audio_cached', 'audio_out', 'image_in', 'image_cached', 'other_in', 'other_cached', 'other_out', 'seconds', 'characters', 'messages']


def rebuild(apps, schema_editor):
    usage, days = (apps.get_model('realtime', name) for name in ('Usage', 'UsageDay'))
    days.objects.all().delete()
    groups = (
        usage.objects.order_by()
        .annotate(on=TruncDate('created', tzinfo=timezone.utc))
        .values('on', *PLACE)
        .annotate(
            **{f'sum_{name}': Sum(name) for name in [*MEASURES, 'cost']},
            **{f'max_{name}': Max(name) for name in ('account_name', 'user_name', 'provider_name')},
            count=Count('pk'),
        )
    )
    days.objects.bulk_create(
        (
            days(
                day=group['on'],
                provider_key=str(group['provider_id'] or ''),
                rows=group['count'],
                cost=group['sum_cost'] or 0,
                **{name: group[name] for name in PLACE},
                **{name: group[f'sum_{name}'] for name in MEASURES},
                **{name: group[f'max_{name}'] for name in ('account_name', 'user_name', 'provider_name')},
            )
            for group in groups
        ),
        batch_size=500,
    )


class Migration(migrations.Migration):

    dependencies = [('realtime', '0008_quotas')]

    operations = [
        migrations.RemoveConstraint(model_name='usageday', name='one_sum_each'),
        migrations.AddField('usageday', 'kind', models.CharField(choices=KINDS, default='response', max_length=13, verbose_name='kind')),
        migrations.AddField('usageday', 'corrects', models.CharField(blank=True, default='', max_length=13, verbose_name='corrects'), preserve_default=False),
        migrations.AddField('usageday', 'status', models.CharField(choices=STATUSES, default='completed', max_length=10, verbose_name='status')),
        migrations.RunPython(rebuild, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='usageday',
            constraint=models.UniqueConstraint(fields=('day', 'account_id', 'user_id', 'provider_key', 'model', 'kind', 'corrects', 'status', 'currency', 'source'), name='one_sum_each'),
        ),
        migrations.AddIndex('callrecord', models.Index(fields=['started'], name='call_started')),
        migrations.AddIndex('callrecord', models.Index(fields=['user', 'started'], name='call_user_started')),
        migrations.AddIndex('callrecord', models.Index(fields=['account', 'started'], name='call_account_started')),
        migrations.AlterField('usage', 'call_id', models.UUIDField(null=True, verbose_name='call')),
        migrations.AddIndex('usage', models.Index(fields=['call_id', 'created'], name='usage_call_created')),
    ]
