"""Files of the storage that are still to be removed."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class DoomedFile(models.Model):
    """A file whose row is gone. Written in the same transaction, so that it is removed in the end
    whatever breaks."""

    name = models.CharField(_("name"), max_length=100, primary_key=True)
    next_try = models.DateTimeField(_("next attempt"), db_index=True)

    class Meta:
        verbose_name = _("file to remove")
        verbose_name_plural = _("files to remove")

    def __str__(self) -> str:
        return self.name
