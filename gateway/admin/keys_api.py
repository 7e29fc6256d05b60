"""`/api/keys`: consumers' keys and their use, former keys, and who calls with a shared consumer's."""

from aiohttp import web

from gateway.admin.api import answering
from gateway.admin.query_parameters import require_known
from gateway.key_usage.usage_report import describe_callers, describe_former, describe_keys
from gateway.observe.runtime import Runtime

_CONSUMER = frozenset({"consumer"})
_NONE: frozenset[str] = frozenset()


class KeysApi:
    """One per admin port, on its loop."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the paths."""
        router.add_get("/api/keys", answering(self._keys))
        router.add_get("/api/consumers/{name}/callers", answering(self._callers))

    async def _keys(self, request: web.Request) -> dict[str, object]:
        require_known(request.query, _CONSUMER)
        wanted = request.query.get("consumer", "")
        keeper, keys = self._runtime.key_usage, self._runtime.snapshot().identities.keys
        keeper.update()
        return {
            "kept": keeper.kept,
            "since": round(keeper.since, 3),
            "note": keeper.trouble,
            "keys": describe_keys(keeper, keys, wanted),
            "former": describe_former(keeper, keys, wanted),
        }

    async def _callers(self, request: web.Request) -> dict[str, object]:
        require_known(request.query, _NONE)
        name = request.match_info["name"]
        consumer = self._runtime.snapshot().consumers.get(name)
        if consumer is None:
            raise LookupError("the configuration has no consumer of this name")
        self._runtime.key_usage.update()
        return {
            "consumer": name,
            "shared": consumer.shared,
            "since": round(self._runtime.key_usage.since, 3),
            "callers": describe_callers(self._runtime.key_usage, name),
        }
