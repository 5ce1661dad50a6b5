"""The channels by kind of target."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from alerting.channels.alertmanager import channel as alertmanager
from alerting.channels.apprise import channel as apprise
from alerting.channels.email import channel as email
from alerting.channels.jira_ops import channel as jira_ops
from alerting.channels.letter import Channel
from alerting.channels.pagerduty import channel as pagerduty
from alerting.channels.servicenow import channel as servicenow
from alerting.channels.slack import channel as slack
from alerting.channels.teams import channel as teams
from alerting.channels.webhook import channel as webhook

CHANNELS: Mapping[str, Channel] = MappingProxyType(
    {
        "slack": slack,
        "teams": teams,
        "pagerduty": pagerduty,
        "jira_ops": jira_ops,
        "servicenow": servicenow,
        "email": email,
        "webhook": webhook,
        "alertmanager": alertmanager,
        "apprise": apprise,
    }
)
