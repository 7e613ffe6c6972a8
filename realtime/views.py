"""Whether this process lives and can take calls; for probes, without sign-in."""

from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from realtime import live


@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers and the site is not being stopped, else 503."""
    if live.stopping() and not live.retired():
        return JsonResponse({"status": "stopping"}, status=503)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:
        return JsonResponse({"status": "database away"}, status=503)
    return JsonResponse({"status": "ok", "calls": live.count()})
