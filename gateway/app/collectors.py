"""What metrics read of the parts at a scrape, beside what is counted as it happens."""

from gateway.app.components import Components
from gateway.app.minting import Minting
from gateway.app.webhook_port import WebhookPort
from gateway.audit.audit_trail import AuditTrail
from gateway.listener.tunnels import TunnelBounds
from gateway.observe.metrics.audit_families import AuditCollector
from gateway.observe.metrics.consumer_key_families import ConsumerKeyCollector
from gateway.observe.metrics.identity_families import IdentityCollector
from gateway.observe.metrics.outcome_families import OutcomeCollector
from gateway.observe.metrics.registry import Metrics
from gateway.observe.metrics.runtime_families import StateCollector
from gateway.observe.metrics.tunnel_families import TunnelCollector
from gateway.observe.metrics.webhook_families import WebhookCollector
from gateway.observe.runtime import Runtime


def register_collectors(
    metrics: Metrics,
    runtime: Runtime,
    components: Components,
    tunnels: TunnelBounds,
    minting: Minting,
    trail: AuditTrail | None,
    webhooks: WebhookPort | None,
) -> None:
    """Register every collector of the parts that this process has."""
    registry = metrics.registry
    registry.register(IdentityCollector(runtime.listeners, components.keys))
    registry.register(TunnelCollector(tunnels, lambda: minting.minted, lambda: minting.expires))
    if trail is not None:
        registry.register(AuditCollector(trail))
    registry.register(StateCollector(runtime))
    registry.register(ConsumerKeyCollector(runtime.snapshot, runtime.key_usage))
    registry.register(OutcomeCollector(components.resolver))
    if webhooks is not None:
        registry.register(WebhookCollector(metrics.webhooks, webhooks.state))
