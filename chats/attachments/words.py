"""Texts for people: why a file was refused, and notes about one that was not."""

from django.utils.translation import gettext_lazy as _

REFUSALS = {
    "empty": _("The file is empty."),
    "heic": _(
        "This is a HEIC picture, which cannot be read here. Save it as JPEG, or set the phone’s"
        " camera to “Most compatible”."
    ),
    "other_picture": _("Pictures of this kind cannot be read here. Save it as JPEG or PNG."),
    "markup": _("Web pages and SVG drawings cannot be attached. Save it as PDF, text or PNG."),
    "archive": _("Archives cannot be attached. Attach the files that are in it."),
    "not_what_it_says": _("The file is not what its name says."),
    "unknown": _(
        "Files of this kind cannot be read. Pictures (PNG, JPEG, WebP, GIF), PDF, Word (docx),"
        " text, Markdown and CSV can."
    ),
    "broken": _("The file is damaged and cannot be read."),
    "too_many_pixels": _("The picture has too many pixels. Make it smaller and try again."),
    "too_large_inside": _("There is too much in this file to read it. Try a part of it."),
    "locked": _("The document is protected by a password. Save it without one and try again."),
    "too_slow": _("The file took too long to read. Try a smaller one, or a part of it."),
    "too_large": _("The file is larger than %(most)s."),
    "no_file": _("There is no file in this upload. Try again."),
    "too_many": _(
        "This conversation has too many files. Delete some, or start another conversation."
    ),
    "no_room": _("Your files have used up all your space. Delete some and try again."),
    "too_often": _("That was a lot of files in a short time. Wait a minute and try again."),
    "busy": _("Many files are being read right now. Try again in a moment."),
}

NOTES = {
    "first_picture": _("Only the first picture of the animation is kept."),
    "no_text": _("No text was found in it: it may be a scan. The assistant only gets its name."),
    "cut": _("It is long, so the assistant only reads the beginning."),
}
