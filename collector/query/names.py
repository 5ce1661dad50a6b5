"""Under which other ids a thing is known: accounts that the CRM has merged, records that a system has replaced.

What replaced what is known to the instances that carry the ids as joining keys. Whoever asks for one id by a search
key, for the orders of an account, means the others too.
"""

from __future__ import annotations

from collector.catalogue import Catalogue
from collector.query.reader import Reader
from collector.stored_progress import readable
from slo_rules.identity import Key, spellings, split_key
from slo_rules.progress import other_names


async def names_besides(reader: Reader, catalogue: Catalogue, asked: str) -> list[Key]:
    """The other keys of what is asked for by `namespace=value` or by the value alone."""
    replaced = {rule.namespace for rule in catalogue.key_rules if rule.aliases}
    named, equals, value = asked.partition("=")
    namespaces = replaced & {named} if equals else replaced
    if not namespaces or "\x00" in asked:
        return []
    keys = [
        f"{namespace}={spelled}"
        for namespace in sorted(namespaces)
        for spelled in spellings(
            (rule for rule in catalogue.key_rules if rule.namespace == namespace), value if equals else asked
        )
    ]
    pairs = [split_key(key) for key in keys]
    rows = await reader.all(
        "carriers", {"namespaces": [name for name, _ in pairs], "values": [value for _, value in pairs]}
    )
    carried = [progress for row in rows if (progress := readable(row["progress"], row["id"])) is not None]
    found = {name for progress in carried for key in keys for name in other_names(progress, key)}
    return sorted(found - set(keys))
