"""What the five verbs do with any kind of resource: create, fetch, list, update, delete.

The kinds say what a record contains; this file says what happens to it, and where it is kept.
"""

from __future__ import annotations

from twilio_simulator.created_resources import StoredResource
from twilio_simulator.dates import iso_stamp, rfc2822_stamp
from twilio_simulator.paging import core_list, cut_page, match_records, product_list
from twilio_simulator.received_request import parse_form, parse_json
from twilio_simulator.record_faults import alter_record, listed_records
from twilio_simulator.resource_kinds import Action, Context, Draft, ResourceKind
from twilio_simulator.resource_values import Answer, ResourceBodyKind
from twilio_simulator.simulated_errors import not_found

_NOT_SCOPED_BY = ("AccountSid", "Sid")
_ANOTHERS_TEXT = "what another program has to say"


def create(kind: ResourceKind, body: ResourceBodyKind = ResourceBodyKind.FORM) -> Action:
    """201 and the new record."""

    def act(context: Context) -> Answer:
        sid = context.mint(kind.prefix)
        draft = Draft(
            sid=sid,
            account_sid=context.account_sid,
            uri=f"{_base(context)}/{sid}",
            stamp=_stamp(context),
            form=parse_form(context.received),
            body=parse_json(context.received) if body is ResourceBodyKind.JSON else {},
            mint=context.mint,
        )
        fields = kind.build(draft)
        if context.by_another and context.plan.get("second-sender") == "other" and "body" in fields:
            fields["body"] = _ANOTHERS_TEXT
        alter_record(context.plan, fields)
        keep = context.store.seed if context.by_another else context.store.add
        record = keep(kind.key, _scope(context), sid, context.now, fields)
        answer = Answer(201, dict(fields), element=kind.element)
        if kind.created is not None:
            kind.created(context, record)
        return answer

    return act


def fetch(kind: ResourceKind) -> Action:
    """200 and the record, or 404."""

    def act(context: Context) -> Answer:
        return Answer(200, _require(kind, context).fields, element=kind.element)

    return act


def list_page(kind: ResourceKind) -> Action:
    """200 and one page, newest first."""

    def act(context: Context) -> Answer:
        received = context.received
        to = received.query.get("To", "") if "To" in kind.filters else ""
        records = listed_records(
            context.plan, context.store.newest_first(kind.key, _scope(context), to), context.now
        )
        page = cut_page(match_records(kind, records, received.query), received.query)
        items = [record.fields for record in page.records]
        if received.product == "api":
            fields = core_list(kind, page, received.path, received.query, items)
        else:
            fields = product_list(kind, page, _base(context), received.query, items)
        return Answer(200, fields, element=kind.element, items=kind.key, plural=kind.plural)

    return act


def update(kind: ResourceKind) -> Action:
    """200 and the changed record."""

    def act(context: Context) -> Answer:
        record = _require(kind, context)
        kind.change(record.fields, parse_form(context.received))
        record.fields["date_updated"] = _stamp(context)
        return Answer(200, record.fields, element=kind.element)

    return act


def delete(kind: ResourceKind) -> Action:
    """204, and 404 the second time."""

    def act(context: Context) -> Answer:
        record = _require(kind, context)
        context.store.remove(kind.key, _scope(context), record.sid)
        if kind.deleted is not None:
            kind.deleted(context, record)
        return Answer(204)

    return act


def _require(kind: ResourceKind, context: Context) -> StoredResource:
    sid = context.params["Sid"]
    record = context.store.find(kind.key, _scope(context), sid)
    if record is None:
        raise not_found(context.received.path)
    return record


def _scope(context: Context) -> str:
    parents = [value for name, value in context.params.items() if name not in _NOT_SCOPED_BY]
    return "/".join([context.account_sid, *parents])


def _stamp(context: Context) -> str:
    return rfc2822_stamp(context.now) if context.received.product == "api" else iso_stamp(context.now)


def _base(context: Context) -> str:
    """Where the collection is: a path on the 2010 API, an absolute URL elsewhere."""
    received = context.received
    if received.product == "api":
        return received.base_path
    host = received.host if received.host.endswith(".twilio.com") else f"{received.product}.twilio.com"
    return f"https://{host}{received.path}"
