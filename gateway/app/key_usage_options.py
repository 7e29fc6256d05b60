"""Hands the keeper of keys' use what it reads, and tells the parts which consumers are shared."""

from gateway.app.components import Components
from gateway.app.configuration import Configuration
from gateway.key_usage.usage_file import UsageFile
from gateway.key_usage.usage_keeper import UsageKeeper
from gateway.observe.live.traffic_window import TrafficWindow
from gateway.policy.snapshot import Snapshots


def make_keeper(
    configuration: Configuration, window: TrafficWindow, components: Components, snapshots: Snapshots
) -> UsageKeeper:
    """The keeper of one process. Redis, where there is one, is opened on the admin loop."""
    path = configuration.options.key_usage_file
    window.consumer_keys.consumers = lambda: snapshots.current.consumers
    return UsageKeeper(
        window.consumer_keys,
        components.former_keys,
        lambda: snapshots.current.identities.keys,
        window.refresh,
        None if path is None else UsageFile(path),
        shows_addresses=window.shows_addresses,
    )
