"""What a file may say of a target: the fields of each kind, as data. What they mean is alerting's.

A value goes to one `part` of the target's address: `url`, `secret`, `more` (whatever else tells where messages arrive)
or `aside`, which is none of the address. A `secret` one is written as a reference, `${NAME}`, and never as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class TargetField:
    """`several`: a list, or one value alone. `default` counts where the field is absent."""

    name: str
    part: str
    description: str
    example: str = ""
    needed: bool = False
    secret: bool = False
    several: bool = False
    default: str = ""


@dataclass(frozen=True, slots=True)
class TargetKind:
    """A kind of target; of `one_of` exactly one field is given."""

    description: str
    fields: tuple[TargetField, ...]
    one_of: tuple[str, ...] = ()


_F = TargetField
COMMON = (
    _F("zone", "aside", "The IANA time zone of whoever reads; UTC without it.", "Europe/Berlin"),
    _F("locale", "aside", "How numbers, money and times are spelled; English without it.", "de_DE"),
    _F("title", "aside", "A template of the first line.", "{{ word }}: {{ headline }}"),
    _F("text", "aside", "A template of the message.", "{{ sentence }}"),
    _F("at_most", "aside", "How many messages go out in how long; what is more waits.", "30/1m"),
    _F("fallback", "aside", "The target that is told when this one takes no more messages.", "operations-mail"),
)
"""What every target may say."""

TARGET_KINDS: Mapping[str, TargetKind] = MappingProxyType(
    {
        "slack": TargetKind(
            "Slack: a bot, whose message is kept up to date, or an incoming webhook.",
            (
                _F("webhook_url", "url", "The URL of an incoming webhook.", "${SLACK_WEBHOOK_URL}", secret=True),
                _F("token", "secret", "The token of a bot, with the scope chat:write.", "${SLACK_TOKEN}", secret=True),
                _F("channel", "more", "The id of the channel a bot writes to.", "C024BE91L"),
                _F("signing_secret", "aside", "Of the app, for its buttons.", "${SLACK_SIGNING_SECRET}", secret=True),
                _F("api_url", "url", "Where a bot finds Slack.", default="https://slack.com/api"),
            ),
            one_of=("webhook_url", "token"),
        ),
        "teams": TargetKind(
            "Microsoft Teams: a workflow that posts what is sent to its URL.",
            (_F("url", "url", "The URL of the workflow.", "${TEAMS_WORKFLOW_URL}", needed=True, secret=True),),
        ),
        "pagerduty": TargetKind(
            "PagerDuty: Events API v2.",
            (
                _F("routing_key", "secret", "An integration key.", "${PAGERDUTY_KEY}", needed=True, secret=True),
                _F("webhook_secret", "aside", "Of a webhook subscription.", "${PAGERDUTY_SECRET}", secret=True),
                _F("api_url", "url", "Where it is.", default="https://events.pagerduty.com"),
            ),
        ),
        "jira_ops": TargetKind(
            "Jira Service Management Operations, and what speaks as Opsgenie does.",
            (
                _F("api_key", "secret", "The key of an API integration.", "${JIRA_OPS_KEY}", needed=True, secret=True),
                _F("team", "more", "The team that responds.", "erp-platform"),
                _F("api_url", "url", "Where it is.", default="https://api.atlassian.com/jsm/ops/integration"),
            ),
        ),
        "servicenow": TargetKind(
            "ServiceNow: an incident, found again by its correlation id.",
            (
                _F("url", "url", "The instance.", "https://example.service-now.com", needed=True),
                _F("user", "more", "Who opens incidents; without it the password is a bearer token.", "milepost"),
                _F("password", "secret", "His password, or a token.", "${SERVICENOW_SECRET}", needed=True, secret=True),
                _F("assignment_group", "more", "The group it is assigned to.", "ERP Platform"),
            ),
        ),
        "email": TargetKind(
            "E-mail: one thread for each incident.",
            (
                _F("server", "url", "smtp:// or smtps://, a host, a port.", "smtp://mail.example.com:587", needed=True),
                _F("from", "more", "The sender.", "Milepost <milepost@example.com>", needed=True),
                _F("to", "more", "Who receives it.", "erp@example.com", needed=True, several=True),
                _F("user", "more", "Who logs in at the server.", "milepost"),
                _F("password", "secret", "His password.", "${SMTP_PASSWORD}", secret=True),
            ),
        ),
        "webhook": TargetKind(
            "A webhook, signed as Standard Webhooks say.",
            (
                _F("url", "url", "Where it is sent.", "https://hooks.example.com/milepost", needed=True),
                _F("secret", "secret", "whsec_ and random bytes in base64.", "${HOOK_SECRET}", secret=True),
            ),
        ),
        "alertmanager": TargetKind(
            "Prometheus Alertmanager; each member of a cluster is a target of its own.",
            (
                _F("url", "url", "Where it is.", "http://alertmanager.example.com:9093", needed=True),
                _F("user", "more", "Who logs in; without it the password is a bearer token.", "milepost"),
                _F("password", "secret", "His password, or a token.", "${ALERTMANAGER_SECRET}", secret=True),
            ),
        ),
        "apprise": TargetKind(
            "Whatever Apprise can reach; the extra `apprise` must be installed.",
            (_F("url", "url", "A URL as Apprise spells them.", "${APPRISE_URL}", needed=True, secret=True),),
        ),
    }
)
