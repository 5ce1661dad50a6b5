#!/bin/sh
# Makes the webhook subscriptions of Business Central that are missing, and renews those that are there.
#
# They expire after 3 days: run it once a day, by cron or a timer. It ends with 1 when one of them could not be had.
#
#   BC_TENANT         the Entra tenant
#   BC_ENVIRONMENT    the environment, such as Production
#   BC_COMPANY        the id of the company
#   BC_CLIENT_ID      an app registration with access to the API of Business Central
#   BC_CLIENT_SECRET  its secret
#   BC_STATE          what Business Central sends back with every notification: the secret of the Source
#   BC_URL            where it sends: https://milepost.example.com/sources/business-central/TOKEN
#   BC_SETS           what is subscribed to; by default customers salesOrders salesInvoices salesCreditMemos
#   BC_API, BC_LOGIN  where that is not api.businesscentral.dynamics.com and login.microsoftonline.com
set -eu
umask 077

login=${BC_LOGIN:-https://login.microsoftonline.com}
api=${BC_API:-https://api.businesscentral.dynamics.com}/v2.0/$BC_TENANT/$BC_ENVIRONMENT/api/v2.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Secrets go through files: what stands on a command line shows in the list of processes.
printf '%s' "$BC_CLIENT_SECRET" > "$work/secret"
curl --fail --silent --show-error --output "$work/token" \
    --data grant_type=client_credentials \
    --data-urlencode "client_id=$BC_CLIENT_ID" \
    --data-urlencode "client_secret@$work/secret" \
    --data-urlencode "scope=https://api.businesscentral.dynamics.com/.default" \
    "$login/$BC_TENANT/oauth2/v2.0/token"
jq --raw-output '"Authorization: Bearer " + .access_token' "$work/token" > "$work/headers"
echo "Content-Type: application/json" >> "$work/headers"

ask() {
    curl --fail --silent --show-error --max-time 60 --header "@$work/headers" "$@"
}

ask --output "$work/all" "$api/subscriptions"
failed=0
for set in ${BC_SETS:-customers salesOrders salesInvoices salesCreditMemos}; do
    resource="/api/v2.0/companies($BC_COMPANY)/$set"
    printf '%s' "$BC_STATE" | jq --raw-input --slurp --arg url "$BC_URL" --arg resource "$resource" \
        '{notificationUrl: $url, resource: $resource, clientState: .}' > "$work/body"
    found=$(jq --raw-output --arg url "$BC_URL" --arg resource "$resource" \
        '[.value[] | select(.notificationUrl == $url and "/" + (.resource | ltrimstr("/")) == $resource)][0]
         | select(.) | .subscriptionId + " " + (.["@odata.etag"] // "*")' "$work/all")
    if [ -n "$found" ]; then
        id=${found%% *}
        set -- --request PATCH --header "If-Match: ${found#* }" "$api/subscriptions('$id')"
        done="renewed"
    else
        set -- --request POST "$api/subscriptions"
        done="made"
    fi
    if ask --output /dev/null --data "@$work/body" "$@"; then
        echo "$set: $done"
    else
        echo "$set: not $done" >&2
        failed=1
    fi
done
exit "$failed"
