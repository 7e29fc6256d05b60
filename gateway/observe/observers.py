"""One place that is told of everything: log, metrics and page are fed from the same record."""

from gateway.exchange import Exchange
from gateway.observe.feed import Feed
from gateway.observe.log import Logger, log_exchange, log_fault
from gateway.observe.metrics import Metrics
from gateway.policy.credentials import mask_sid
from gateway.store.breaker import StoreState


class Observers:
    """Told of finished exchanges, faults and events of keys."""

    def __init__(self, log: Logger, metrics: Metrics, feed: Feed) -> None:
        self.log = log
        self.metrics = metrics
        self._feed = feed

    def finish(self, exchange: Exchange) -> None:
        """An exchange has ended."""
        self.metrics.observe(exchange)
        log_exchange(self.log, exchange)
        self._feed.put(exchange)

    def fault(self, error: BaseException, request_id: str) -> None:
        """An exception that nobody foresaw."""
        log_fault(self.log, error, request_id)

    def store_changed(self, state: StoreState) -> None:
        """The shared store went away or came back."""
        if state.available:
            self.log.info("store is back")
        else:
            self.log.warning("store is away", reason=state.reason)

    def handshake_failed(self, reason: str, words: str) -> None:
        """A caller's TLS handshake failed; `words` say more where its certificate was refused."""
        self.log.info("tls handshake failed", reason=reason, detail=words)

    def issuer_changed(self, name: str, failure: str) -> None:
        """An issuer's keys could not be fetched ('': they could again)."""
        if failure:
            self.log.warning("issuer is away", issuer=name, reason=failure)
        else:
            self.log.info("issuer is back", issuer=name)

    def admin_refused(self, address: str) -> None:
        """Somebody showed the admin port a wrong token."""
        self.log.warning("admin token refused", address=address)

    def key_event(self, event: str, account_sid: str, key_label: str) -> None:
        """A Twilio key was refused, put aside or restored."""
        self.metrics.count_key_event(event, key_label)
        write = self.log.info if event == "restored" else self.log.warning
        write("credential key " + event.replace("_", " "), account=mask_sid(account_sid), key=key_label)
