"""Checks the fields of a body: accounts for every consumer, and the `form` rules of those that have some.

Each field is looked up in the operation's parameters by its exact name. A name that is not listed is read the
way a lenient reader could, and refused or reported; every repeat is checked (docs/design.md 4.4).
"""

from difflib import get_close_matches
from typing import Final, NamedTuple

from gateway.consumers.account_pinning import is_foreign, refuse_account, require_owned
from gateway.consumers.form_rules import FormRules
from gateway.errors import Refusal
from gateway.http.form_data import Fields, Unreadable, read_json
from gateway.http.parameter_names import is_ambiguous, looks_like_override
from gateway.twilio.catalogue import ParameterClass, Route

_SID_CHARACTERS: Final = 34
_MAX_UNLISTED: Final = 200
"""Names of one body that the operation does not list. Each costs some 20 µs to read in every way."""
_MAX_DOCUMENTS: Final = 100
_MAX_PATH_CHARACTERS: Final = 400
_ACCOUNT: Final = ParameterClass.ACCOUNT
_DOCUMENT: Final = ParameterClass.DOCUMENT
_NEITHER: Final = ParameterClass.NEITHER
_TEXT: Final = ParameterClass.TEXT
_ONLY_TEXT: Final = frozenset({_TEXT})
_WHOLE_BODY: Final = "*"
_THE_BODY: Final = "the body"
_UNCHECKABLE: Final = "holds something that cannot be checked"

Classes = frozenset[ParameterClass]


class FormFinding(NamedTuple):
    """Why a form rule refuses the body, and which parameter is in no catalogue; '' for neither."""

    refused: str
    unknown: str


_NO_FINDING: Final = FormFinding("", "")


class _Unlisted(NamedTuple):
    """What is known of a field whose exact name the operation does not list, or lists as a document."""

    classes: Classes
    known: bool
    name: str  # the catalogue's spelling, or a description; never the caller's bytes


def require_accounts(route: Route, sids: frozenset[str], fields: Fields, *, is_json: bool) -> None:
    """Refuse what no consumer may send, whatever its rules. `sids` are the accounts that may be named.

    Raises `Refusal` for another account's SID, for a method override, and for names of a form that two
    readers would read differently.
    """
    parameters = route.parameters
    for index, (name, value) in enumerate(fields, 1):
        _require_account(route, sids, parameters.get(name), name, value, index, is_json=is_json)


def _require_account(
    route: Route,
    sids: frozenset[str],
    kind: ParameterClass | None,
    name: str,
    value: str,
    index: int,
    *,
    is_json: bool,
) -> None:
    """The same for one field, whose class is `kind` by its exact name."""
    if kind is None:
        _require_plain_name(name, index, is_json=is_json)
        if "account" in name.casefold():
            kind = _ACCOUNT
        elif len(name) >= _SID_CHARACTERS and not _is_text(route, name, is_json=is_json):
            require_owned(sids, name)
    if kind is _ACCOUNT or kind is _DOCUMENT:
        require_owned(sids, f"{name}={value}")
    elif (
        len(value) >= _SID_CHARACTERS
        and kind is not _TEXT
        and is_foreign(sids, value)
        and (kind is not None or not _is_text(route, name, is_json=is_json))
    ):
        raise refuse_account(value)


def check_form(
    route: Route, sids: frozenset[str], rules: FormRules, fields: Fields, *, is_json: bool
) -> FormFinding:
    """Check every field of a body against a consumer's rules, and as `require_accounts` does."""
    parameters, checks = route.parameters, rules.checks
    refused = unknown = ""
    seen: dict[str, _Unlisted] = {}
    documents = 0
    for index, (name, value) in enumerate(fields, 1):
        kind = parameters.get(name)
        if kind is not None and kind is not _DOCUMENT and kind is not _ACCOUNT:
            check = checks.get(kind)
            if check is not None and not refused and (why := check(value.strip())):
                refused = f"{name} {why}"
            if len(value) >= _SID_CHARACTERS and kind is not _TEXT and is_foreign(sids, value):
                raise refuse_account(value)
            continue
        _require_account(route, sids, kind, name, value, index, is_json=is_json)
        documents += kind is _DOCUMENT
        found = seen.get(name)
        if found is None:
            if len(seen) == _MAX_UNLISTED or len(name) > _MAX_PATH_CHARACTERS:
                require_accounts(route, sids, fields[index:], is_json=is_json)
                return FormFinding("the body has too many parameters to check, or too long a name", unknown)
            found = seen[name] = _find_unlisted(route, name, index, is_json=is_json)
            if not found.known and not unknown:
                unknown = f"{found.name}{_hint(route, name)}"
        if documents > _MAX_DOCUMENTS:
            refused = refused or "the body has too many documents to check"
        if not refused:
            refused = _check_unlisted(route, rules, found, name, value.strip(), is_json=is_json)
    return FormFinding(refused, unknown) if refused or unknown else _NO_FINDING


def check_query(route: Route, rules: FormRules, query: Fields) -> str:
    """'' or why a rule refuses the query: readers differ in whether they take a name from query or body."""
    if len(query) > _MAX_UNLISTED:
        return "the query has too many parameters"
    for index, (name, _) in enumerate(query, 1):
        if len(name) > _MAX_PATH_CHARACTERS:
            return "the query has a name that is too long"
        if is_ambiguous(name):
            return "the query has a name that can be read in more than one way"
        classes = _find_unlisted(route, name, index, is_json=False).classes
        if not classes.isdisjoint(rules.checks) or (rules.is_routed and _DOCUMENT in classes):
            return "senders, recipients and callbacks must be sent in the body, where they are checked"
    return ""


def _require_plain_name(name: str, index: int, *, is_json: bool) -> None:
    if name.isascii() and name.isalnum():
        return
    if is_json:  # Twilio's names of JSON have other letters, too
        if not any(map(looks_like_override, name.split("."))):
            return
    elif is_ambiguous(name):
        raise Refusal("bad_body", f"The name of parameter {index} can be read in more than one way.")
    elif not looks_like_override(name):
        return
    raise Refusal("method_override", "_method goes into the query, not into the body.")


def _is_text(route: Route, name: str, *, is_json: bool) -> bool:
    """Whether a name is free text wherever the catalogue has it, or is below free text in JSON."""
    if route.index.exact.get(name) == _ONLY_TEXT:
        return True
    while is_json and "." in name:
        name = name.rpartition(".")[0]
        if route.parameters.get(name) is _TEXT:
            return True
    return False


def is_free_text(route: Route, name: str, *, is_json: bool) -> bool:
    """Whether a field may hold any text, an unrelated AccountSid included."""
    kind = route.parameters.get(name)
    return kind is _TEXT if kind is not None else _is_text(route, name, is_json=is_json)


def _find_unlisted(route: Route, name: str, index: int, *, is_json: bool) -> _Unlisted:
    parameters = route.parameters
    kind = parameters.get(name)
    if kind is not None:
        return _Unlisted(frozenset({kind}), True, name)
    if is_json and (found := _find_above(route, name)) is not None:
        return found
    lower = name.lower()
    for listed, kind in parameters.items():
        if listed.lower() == lower:
            return _Unlisted(frozenset({kind}), True, listed)
    exact = route.index.exact.get(name)
    if exact is not None:
        return _Unlisted(exact, True, name)
    return _Unlisted(route.index.find_lenient(name), False, f"parameter {index}")


def _hint(route: Route, name: str) -> str:
    near = get_close_matches(name[:64], route.parameters, 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _find_above(route: Route, path: str) -> _Unlisted | None:
    """The class of the nearest parameter above a path of a JSON body."""
    above = path
    while "." in above:
        above = above.rpartition(".")[0]
        kind = route.parameters.get(above)
        if kind is not None:
            return _inside(route, kind, above, path)
    kind = route.parameters.get(_WHOLE_BODY)
    return None if kind is None else _inside(route, kind, _THE_BODY, path)


def _inside(route: Route, kind: ParameterClass, name: str, path: str) -> _Unlisted:
    if kind is _DOCUMENT:
        return _Unlisted(route.index.exact.get(path, frozenset({kind})), True, name)
    if kind is _NEITHER and name != _THE_BODY:  # documented as one value: what is inside goes by its own name
        inside = route.index.find_lenient(path.removeprefix(f"{name}."))
        return _Unlisted(inside | {kind}, True, name)
    return _Unlisted(frozenset({kind}), True, name)


def _check_unlisted(
    route: Route, rules: FormRules, found: _Unlisted, name: str, value: str, *, is_json: bool
) -> str:
    """'' or why a form rule refuses the field."""
    for kind in found.classes:
        check = rules.checks.get(kind)
        if check is not None and (why := check(value)):
            return f"{found.name} {why}"
    if _DOCUMENT in found.classes and rules.is_routed and value:
        why = _UNCHECKABLE if is_json else _check_document(route, rules, name, value)
        return f"{found.name} {why}" if why else ""
    return ""


def _check_document(route: Route, rules: FormRules, name: str, value: str) -> str:
    """'' or what is wrong with a JSON document in a form's value: each of its leaves must have a row."""
    if name not in route.index.checkable:
        return _UNCHECKABLE
    try:
        leaves = read_json(value.encode())
    except (Unreadable, UnicodeEncodeError):
        return "is not JSON that can be checked"
    for path, leaf in leaves:
        classes = _find_leaf(route, f"{name}.{path}")
        if classes is None:
            return _UNCHECKABLE
        for kind in classes:
            check = rules.checks.get(kind)
            if check is not None and (why := check(leaf.strip())):
                return f"holds something that {why}"
    return ""


def _find_leaf(route: Route, path: str) -> Classes | None:
    """The classes of a document's leaf; what stands below free text is free text."""
    classes = route.index.exact.get(path)
    while classes is None and "." in path:
        path = path.rpartition(".")[0]
        above = route.index.exact.get(path)
        classes = above if above == _ONLY_TEXT else None
    return classes
