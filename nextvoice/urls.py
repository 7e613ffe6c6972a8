"""Every URL of the site."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

admin.autodiscover()
# Django's own admin login has no rate limit; this one sends people to the site's sign-in.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

handler500 = "nextvoice.away.server_error"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("chats.urls")),
    path("", include("realtime.urls")),
]
