"""Services in the admin: their functions, a test that really calls one, and statistics."""

from __future__ import annotations

import asyncio
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from chats import audit
from chats.admin_fields import Autocompletes
from chats.models import Account
from realtime.bridge.limits import Limits
from realtime.bridge.shown import MAX_OUTPUT, shown_of
from realtime.bridge.tools import ToolFailed, fitted
from realtime.models import ToolFunction, ToolService
from realtime.outbound import Destination
from realtime.providers.connection_test import TooOften, count_for
from realtime.tools.services.forms import ToolFunctionForm, ToolServiceForm, TryForm
from realtime.tools.services.listing import Changes, listed, store
from realtime.tools.services.results import ServiceFailed
from realtime.tools.services.run import Plan, Trace, destination, run, seconds_of
from realtime.tools.trail import Use, use_of_tools

# Fields that, when they change, make a service offer something else.
TELLING = {"kind", "url", "document", "document_url", "auth", "auth_name", "new_secret", "model"}


class FunctionInline(admin.TabularInline):
    model = ToolFunction
    form = ToolFunctionForm
    fields = ["chosen", "ask", "about", "state", "use", "failure"]
    readonly_fields = ["about", "state", "use", "failure"]
    extra = 0
    max_num = 0
    can_delete = False
    _use: dict[str, Use] | None = None

    @admin.display(description=_("what it does"))
    def about(self, function: ToolFunction) -> str:
        return function.description[:300]

    @admin.display(description=_("last 30 days"))
    def use(self, function: ToolFunction) -> str:
        if self._use is None:
            rows = function.service.functions.select_related("service")
            self._use = use_of_tools(row.offered_name for row in rows)
        return use_words(self._use.get(function.offered_name))

    @admin.display(description=_("last failure"))
    def failure(self, function: ToolFunction) -> str:
        return function.last_error


@admin.register(ToolService)
class ToolServiceAdmin(Autocompletes, admin.ModelAdmin):
    form = ToolServiceForm
    change_form_template = "admin/realtime/toolservice/change_form.html"
    change_list_template = "admin/realtime/toolservice/change_list.html"
    list_display = ["name", "kind", "enabled", "whose", "url", "functions_shown", "refreshed"]
    list_filter = ["kind", "enabled", ("account", admin.EmptyFieldListFilter)]
    list_select_related = ["account"]
    search_fields = ["name", "prefix", "url", "account__name"]
    autocomplete_fields = ["account", "accounts"]
    inlines = [FunctionInline]

    def get_fieldsets(self, request: HttpRequest, obj: ToolService | None = None) -> Any:
        secret = ["auth", "auth_name", "new_secret"]
        if obj is not None and obj.sealed_secret:
            secret.append("remove_secret")
        fields = ["kind", "name", "prefix", "url", "document_url", "document", "model", "passed_on"]
        return [
            (None, {"fields": fields}),
            (_("What it is sent with each request"), {"fields": secret}),
            (_("Who may use it"), {"fields": ["account", "accounts", "enabled"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: ToolService | None = None) -> Any:
        # The names that models know its functions by are in conversations and switches.
        return [] if obj is None else ["kind", "prefix"]

    def get_inlines(self, request: HttpRequest, obj: ToolService | None) -> Any:
        return [] if obj is None else super().get_inlines(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ToolService]:
        queryset: QuerySet[ToolService] = super().get_queryset(request)
        there = ~Q(functions__state=ToolFunction.State.GONE)
        return queryset.annotate(
            count=Count("functions", filter=there),
            on=Count("functions", filter=Q(functions__chosen=True)),
        )

    @admin.display(description=_("whose"), ordering="account")
    def whose(self, service: ToolService) -> str:
        return str(service.account or _("the site"))

    @admin.display(description=_("functions"))
    def functions_shown(self, service: Any) -> str:
        return gettext("%(on)d of %(count)d") % {"on": service.on, "count": service.count}

    # Saving

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        for formset in formsets:
            changed = getattr(formset, "changed_objects", [])
            names = {row.name: {"chosen": row.chosen, "ask": row.ask} for row, _fields in changed}
            if names:
                _note(request, form.instance, "functions_chosen", functions=names)
        if not change or TELLING & set(form.changed_data):
            self._refresh(request, form.instance)

    def response_add(self, request: HttpRequest, obj: ToolService, *args: Any) -> HttpResponse:
        """Functions are chosen next."""
        answer: HttpResponse = super().response_add(request, obj, *args)
        if "_addanother" in request.POST or "_popup" in request.POST:
            return answer
        return redirect("admin:realtime_toolservice_change", obj.pk)

    # Pages of its own

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Any, name: str) -> URLPattern:
            guarded = self.admin_site.admin_view(view)
            made: URLPattern = path(route, guarded, name=f"realtime_toolservice_{name}")
            return made

        return [
            page("use/", require_http_methods(["GET"])(self.use_view), "use"),
            page("<uuid:pk>/test/", require_http_methods(["GET", "POST"])(self.test_view), "test"),
            page("<uuid:pk>/refresh/", require_POST(self.refresh_view), "refresh"),
            *super().get_urls(),
        ]

    def refresh_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Read again what the service offers, and say what changed."""
        self._refresh(request, self._service(request, pk))
        return redirect("admin:realtime_toolservice_change", pk)

    def test_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Really call a function, chosen or not, and show the result."""
        service = self._service(request, pk)
        form = TryForm(service, request.POST or None, initial={"function": request.GET.get("f")})
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Test"),
            "subtitle": str(service),
            "opts": self.opts,
            "service": service,
            "form": form,
        }
        if request.method == "POST" and form.is_valid():
            try:
                count_for(request.user)  # type: ignore[arg-type]
                context |= _tried(request, service, **form.cleaned_data)
            except TooOften:
                context["problem"] = gettext("That was tested many times just now. Wait a minute.")
        return render(request, "admin/realtime/toolservice/test.html", context)

    def use_view(self, request: HttpRequest) -> HttpResponse:
        """How every tool did lately, the site's own ones included."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = sorted(use_of_tools().items(), key=lambda row: (-row[1].calls, row[0]))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Use of tools"),
            "opts": self.opts,
            "rows": rows,
        }
        return render(request, "admin/realtime/toolservice/use.html", context)

    def _service(self, request: HttpRequest, pk: Any) -> ToolService:
        # First, so that somebody who may not look does not learn which services there are.
        if not self.has_change_permission(request):
            raise PermissionDenied
        service = self.get_queryset(request).filter(pk=pk).first()
        if service is None:
            raise Http404
        return service

    def _refresh(self, request: HttpRequest, service: ToolService) -> None:
        try:
            functions, problems = async_to_sync(_listed)(service, destination(service))
        except (ServiceFailed, TimeoutError) as problem:
            why = getattr(problem, "reason", gettext("no answer in time"))
            words = gettext("Its functions could not be listed: %(why)s.")
            self.message_user(request, words % {"why": why}, messages.ERROR)
            return
        changes = store(service, functions, problems)
        _note(request, service, "refreshed", new=changes.new, changed=changes.changed)
        self.message_user(request, change_words(changes))
        if problems:
            count = len(problems)
            words = ngettext("%(count)d cannot be called: ", "%(count)d cannot be called: ", count)
            text = words % {"count": count} + "; ".join(problems[:3])
            self.message_user(request, text, messages.WARNING)


async def _listed(service: ToolService, to: Destination) -> Any:
    async with asyncio.timeout(Limits().tool_seconds):
        return await listed(service, to)


def _tried(
    request: HttpRequest, service: ToolService, function: ToolFunction, arguments: dict[str, Any]
) -> dict[str, Any]:
    """The result of a call, for the page."""
    user: Any = request.user
    trace, told = Trace(), dict[str, Any]()
    try:
        plan = Plan(function, destination(service), Account.objects.own(user), user)
        result = async_to_sync(_run)(plan, arguments, trace)
        told["output"] = fitted(result.output, MAX_OUTPUT)
        told["table"] = shown_of(result.shown).get("table")
        told["files"] = [(each.name, each.content_type, len(each.data)) for each in result.files]
    except ToolFailed as problem:
        told["problem"] = str(problem)
        trace.status = trace.status or getattr(problem, "reason", "")
    except TimeoutError:
        told["problem"] = gettext("No answer in time.")
    _note(request, service, "tested", function=function.name, status=trace.status)
    return {**told, "trace": trace, "tried": function}


async def _run(plan: Plan, arguments: dict[str, Any], trace: Trace) -> Any:
    async with asyncio.timeout(seconds_of(plan.service) or Limits().tool_seconds):
        return await run(plan, arguments, trace)


def _note(request: HttpRequest, service: ToolService, verb: str, **detail: Any) -> None:
    """Audit what Django's own log of the admin does not."""
    audit.record(
        f"toolservice.{verb}",
        actor=request.user,
        account=service.account,
        target=service,
        request=request,
        **detail,
    )


def change_words(changes: Changes) -> str:
    """What happened to a service's functions, for people."""
    if not changes:
        return gettext("It offers what it did before.")
    parts = [
        (gettext("New: %(names)s."), changes.new),
        (
            gettext("Changed, and off until you choose them again: %(names)s."),
            changes.changed,
        ),
        (gettext("Gone: %(names)s."), changes.gone),
    ]
    return " ".join(words % {"names": ", ".join(names)} for words, names in parts if names)


def use_words(use: Use | None) -> str:
    """How a tool did, in a line."""
    if use is None:
        return gettext("not called")
    words = [ngettext("%(count)d call", "%(count)d calls", use.calls) % {"count": use.calls}]
    if use.failures:
        words.append(gettext("%(count)d failed") % {"count": use.failures})
    if use.median_ms is not None:
        words.append(gettext("median %(ms)d ms") % {"ms": use.median_ms})
    return ", ".join(words)
