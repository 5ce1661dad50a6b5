"""The scripts of the pages about NetSuite and ServiceNow, run by Node with stand-ins for what those systems offer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from collector.sources.exchange import Credentials, Received
from slo_rules.durations import SECOND
from tests.sources import becomes, receiver

PAGES = Path(__file__).parents[2] / "docs" / "sources"
NODE = shutil.which("node")
pytestmark = [pytest.mark.acceptance, pytest.mark.skipif(NODE is None, reason="Node is not installed")]
SECRET = "0123456789abcdef-schlüssel"

NETSUITE = """
const crypto = require('crypto');
const sent = [], logged = [], waiting = new Map();
let answer = 200, number = 0;
const encode = {Encoding: {UTF_8: 'utf8', HEX: 'hex'}};
const modules = {
  'N/encode': encode,
  'N/runtime': {accountId: 'TSTDRV1', executionContext: 'USERINTERFACE', getCurrentUser: () => ({id: -5})},
  'N/log': {error: (entry) => logged.push(entry.title)},
  'N/https': {post: (one) => { if (answer === 'down') throw new Error('SSS_REQUEST_TIME_EXCEEDED');
    if (answer < 300) sent.push(one); return {code: answer}; }},
  'N/crypto': {HashAlg: {SHA256: 'sha256'},
    createSecretKey: (said) => { if (said.secret !== 'custsecret_milepost') throw new Error('no secret'); return SECRET; },
    createHmac: (said) => { const made = crypto.createHmac(said.algorithm, said.key);
      return {update: (one) => made.update(one.input, one.inputEncoding),
              digest: (one) => made.digest(one.outputEncoding).toUpperCase()}; }},
  'N/record': {
    create: () => { const fields = {}; return {setValue: (one) => { fields[one.fieldId] = one.value; },
      save: () => waiting.set(++number, fields)}; },
    load: (one) => waiting.has(one.id) ? {getValue: (of) => waiting.get(one.id)[of.fieldId]} : SAVED.whole,
    delete: (one) => waiting.delete(one.id)},
  'N/search': {Sort: {ASC: 'ASC'}, createColumn: (said) => said, create: () => ({run: () => ({
    getRange: (of) => [...waiting.keys()].slice(of.start, of.end).map((id) => ({id: id}))})})}
};
const load = (source) => { let made; new Function('define', source)((names, build) => {
  made = build(...names.map((name) => modules[name])); }); return made; };
modules['./milepost_post'] = load(SCRIPTS[0]);
const saved = load(SCRIPTS[1]), again = load(SCRIPTS[2]);
const types = {CREATE: 'create', EDIT: 'edit', XEDIT: 'xedit', DELETE: 'delete'};
"""

SERVICENOW = """
const crypto = require('crypto');
const sent = [];
const record = (fields, shown, operation) => ({
  isValidField: (name) => name in fields, getValue: (name) => fields[name], getDisplayValue: (name) => shown[name],
  operation: () => operation, getTableName: () => 'incident',
  getFields: () => { const names = Object.keys(fields);
    return {size: () => names.length, get: (at) => ({getName: () => names[at]})}; }});
const gs = {generateGUID: () => 'guid-1', base64Encode: (text) => Buffer.from(text).toString('base64'),
  getProperty: (name) => ({instance_name: 'acme', 'milepost.secret': SECRET})[name]};
function GlideCertificateEncryption() {}
GlideCertificateEncryption.prototype.generateMac = (key, algorithm, text) =>
  crypto.createHmac({HmacSHA256: 'sha256'}[algorithm], Buffer.from(key, 'base64')).update(text).digest('base64');
const sn_ws = {RESTMessageV2: function () { const one = {headers: {}};
  this.setEndpoint = (url) => { one.url = url; }; this.setHttpMethod = (method) => { one.method = method; };
  this.setRequestHeader = (name, text) => { one.headers[name] = text; };
  this.setRequestBody = (body) => { one.body = body; }; this.executeAsync = () => sent.push(one); }};
"""


def scripts(page: str) -> list[str]:
    """The blocks of JavaScript of a page."""
    text = (PAGES / page).read_text("utf-8")
    found = re.findall(r"^ *```javascript\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    assert found
    return found


def run(*parts: str, **values: Any) -> Any:
    """What a program prints as JSON."""
    assert NODE is not None
    named = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
    done = subprocess.run(
        [NODE, "-"], input=named + "\n".join(parts), capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def received(sent: dict[str, Any]) -> Received:
    headers = {name.lower(): text for name, text in sent["headers"].items()}
    return Received("POST", "", headers, sent["body"].encode())


def netsuite(program: str, **records: Any) -> dict[str, Any]:
    """What NetSuite's scripts did: sent, logged, and how many wait."""
    report = "console.log(JSON.stringify({sent: sent, logged: logged, waiting: waiting.size}));"
    found: dict[str, Any] = run(NETSUITE, program, report, SCRIPTS=scripts("netsuite.md"), SECRET=SECRET, SAVED=records)
    return found


def order(**fields: Any) -> dict[str, Any]:
    told = {"tranid": "SO-10472", "otherrefnum": "PO-GLBX-88213", "total": "48250.00", "memo": "Größe"} | fields
    return {"id": 88412, "type": "salesorder", "isDynamic": False, "fields": told, "sublists": {"item": {}}}


class TestNetSuite:
    KNOWN = receiver("netsuite", credentials=Credentials((SECRET.encode(),)), tenant="TSTDRV1")

    def test_what_its_script_sends_is_known_and_becomes_an_event(self) -> None:
        program = """
          saved.afterSubmit({UserEventType: types, type: 'create', newRecord: SAVED.now, oldRecord: null});
          saved.afterSubmit({UserEventType: types, type: 'edit', newRecord: SAVED.later, oldRecord: SAVED.now});
          saved.afterSubmit({UserEventType: types, type: 'delete', newRecord: SAVED.now, oldRecord: SAVED.later});
        """
        later = order(status="Closed", statusRef="closed")
        found = netsuite(program, now=order(custbody_correlation_id="b1f0"), later=later)
        assert (found["logged"], found["waiting"]) == ([], 0)
        events = []
        for sent in found["sent"]:
            at = int(sent["headers"]["X-NS-Timestamp"]) * SECOND
            assert self.KNOWN.refuse(received(sent), at) == ""
            assert self.KNOWN.refuse(received(sent | {"body": sent["body"] + " "}), at)
            events.append(becomes(self.KNOWN, received(sent)))
        assert [event["type"] for event in events] == ["order.created", "order.closed", "order.deleted"]
        assert events[0]["data"]["correlation_id"] == "b1f0"
        assert events[1]["data"]["changed"] == ["status", "statusRef"]
        assert all(event["data"]["purchase_order"] == "PO-GLBX-88213" for event in events)
        assert all(event["id"].startswith("netsuite:TSTDRV1:salesorder:88412:") for event in events)

    def test_an_inline_edit_is_sent_whole(self) -> None:
        program = "saved.afterSubmit({UserEventType: types, type: 'xedit', newRecord: SAVED.part, oldRecord: null});"
        part = {"id": 88412, "type": "salesorder", "fields": {"memo": "x"}}
        (sent,) = netsuite(program, part=part, whole=order())["sent"]
        assert becomes(self.KNOWN, received(sent))["data"]["order_number"] == "SO-10472"

    @pytest.mark.parametrize("answer", ["503", "404", "'down'"])
    def test_what_was_not_acknowledged_waits_and_is_sent_again(self, answer: str) -> None:
        program = f"""
          answer = {answer};
          saved.afterSubmit({{UserEventType: types, type: 'create', newRecord: SAVED.now, oldRecord: null}});
          saved.afterSubmit({{UserEventType: types, type: 'edit', newRecord: SAVED.now, oldRecord: SAVED.now}});
          again.execute();
          if (waiting.size !== 2 || sent.length !== 0) throw new Error('not kept');
          answer = 200;
          again.execute();
        """
        found = netsuite(program, now=order())
        assert [becomes(self.KNOWN, received(sent))["type"] for sent in found["sent"]] == [
            "order.created",
            "order.updated",
        ]
        assert found["waiting"] == 0
        assert set(found["logged"]) == {"Milepost was not reached"}


class TestServiceNow:
    def test_what_its_rule_sends_is_known_and_becomes_an_event(self) -> None:
        now = {
            "sys_id": "46f6", "number": "INC0010046", "sys_mod_count": "4", "state": "6", "correlation_id": "SO-20417",
            "sys_updated_on": "2026-03-03 08:12:45", "short_description": "Ärger", "close_code": None,
        }  # fmt: skip
        (script,) = scripts("servicenow.md")
        program = f"""
          const current = record(NOW, {{state: 'Resolved'}}, 'update'), previous = record(BEFORE, {{}}, 'update');
          {script}
          console.log(JSON.stringify(sent));
        """
        (sent,) = run(SERVICENOW, program, NOW=now, BEFORE=now | {"state": "2", "sys_mod_count": "3"}, SECRET=SECRET)
        known = receiver("servicenow", credentials=Credentials((SECRET.encode(),)), tenant="acme")
        assert known.refuse(received(sent), 0) == ""
        event = becomes(known, received(sent))
        assert (event["type"], event["id"], event["time"]) == ("case.resolved", "guid-1", "2026-03-03T08:12:45Z")
        assert event["data"]["external_id"] == "SO-20417"
        assert event["data"]["changed"] == ["sys_mod_count", "state"]

    def test_what_is_inserted_has_nothing_before_it(self) -> None:
        (script,) = scripts("servicenow.md")
        program = f"""
          const current = record(NOW, {{state: 'New'}}, 'insert'), previous = null;
          {script}
          console.log(JSON.stringify(sent));
        """
        (sent,) = run(SERVICENOW, program, NOW={"sys_id": "1", "number": "INC1", "state": "1"}, SECRET=SECRET)
        assert becomes(receiver("servicenow"), received(sent))["type"] == "case.created"
