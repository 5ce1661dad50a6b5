// Acts on instances: what exactly is touched is reviewed first, and each row says what became of it.
// They go to the REST interface with a request id, so that trying again after a lost answer does nothing twice.
(function () {
  const milepost = window.milepost;
  const NAME = 'milepost.name';
  const WORDS = {
    assign: {verb: 'Assign', done: 'assigned', lead: 'Nobody is told by this; who handles it is shown in every list.'},
    acknowledge: {verb: 'Acknowledge', done: 'acknowledged', lead: 'It says that somebody has seen it, for as long as it stands as it does. Alerting goes on.'},
    comment: {verb: 'Comment on', done: 'noted', lead: 'The comment stands with each of these instances.'},
    waive: {verb: 'Waive', done: 'waived', lead: 'Until then these need nobody: they leave alerting and stay in every report.'},
  };
  const own = () => { try { return localStorage.getItem(NAME) || ''; } catch (e) { return ''; } };
  milepost.ownName = own;
  milepost.keepName = name => { try { localStorage.setItem(NAME, name); } catch (e) { /* private windows keep nothing */ } };

  function make(tag, given, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(given || {})) {
      if (name === 'text') element.textContent = value;
      else if (name.slice(0, 2) === 'on') element.addEventListener(name.slice(2), value);
      else if (value !== false && value != null) element.setAttribute(name, value === true ? '' : value);
    }
    element.append(...children.filter(c => c != null));
    return element;
  }
  milepost.make = make;
  const plural = n => milepost.count(n) + (n === 1 ? ' instance' : ' instances');

  function field(label, input) {
    return make('label', {class: 'field'}, make('span', {text: label}), input);
  }
  const local = milepost.viewer.local;
  milepost.field = field;
  function line(item) {
    const mark = make('span', {class: 'mk mk-' + item.verdict, 'aria-hidden': 'true'});
    const handled = item.handling && item.handling.assigned_to;
    return make('tr', {'data-id': item.id},
      make('td', {}, make('span', {class: 'strong', text: item.title}), make('span', {class: 'sub', text: handled ? 'assigned to ' + handled : ''})),
      make('td', {}, make('span', {class: 'badge badge-' + item.verdict}, mark, milepost.verdict(item.verdict))),
      make('td', {text: item.waiting_for_title || ''}),
      make('td', {class: 'figure', text: milepost.money(item.value)}),
      make('td', {class: 'result'}));
  }

  milepost.review = function (act, items) {
    if (!items.length) return;
    const words = WORDS[act], request = milepost.requestId();
    const by = make('input', {name: 'by', required: true, maxlength: 200, autocomplete: 'name', value: own()});
    const to = make('input', {name: 'to', maxlength: 200, list: 'review-assignees', placeholder: 'nobody'});
    const text = make('textarea', {name: 'text', rows: 2, maxlength: 1000, required: act === 'comment' || act === 'waive'});
    const until = make('input', {name: 'until', type: 'datetime-local', required: true, value: local(new Date(Date.now() + 86400000))});
    const fields = [field('Your name', by)];
    if (act === 'assign') {
      const people = make('datalist', {id: 'review-assignees'});
      fields.push(field('Assign to', to), people);
      fetch('/api/v1/assignees').then(a => a.ok ? a.json() : {items: []}).then(function (found) {
        people.append(...[...new Set([own(), ...found.items])].filter(Boolean).map(name => make('option', {value: name})));
      }).catch(() => {});
    }
    if (act === 'waive') fields.push(field('Until (' + milepost.viewer.zone + ')', until));
    fields.push(field(act === 'waive' ? 'Reason' : act === 'comment' ? 'Comment' : 'Comment, if you like', text));

    const heading = make('h2', {id: 'review-heading', text: words.verb + ' ' + plural(items.length), tabindex: -1});
    const told = make('p', {class: 'lead', text: words.lead, 'aria-live': 'polite'});
    const go = make('button', {type: 'submit', class: 'primary', text: words.verb + ' ' + plural(items.length)});
    const close = make('button', {type: 'button', class: 'plain', text: 'Cancel', onclick: () => dialog.close()});
    const rows = make('tbody', {}, ...items.map(line));
    const table = make('div', {class: 'review-rows', tabindex: 0, role: 'region', 'aria-label': 'What is touched'},
      make('table', {class: 'table'},
        make('caption', {text: 'What is touched'}),
        make('thead', {}, make('tr', {}, ...['Instance', 'Verdict', 'Waiting for', 'Value', ''].map(h => make('th', {scope: 'col', text: h})))),
        rows));
    const form = make('form', {method: 'dialog', onsubmit: submit}, make('div', {class: 'fields'}, ...fields), table,
      make('div', {class: 'review-foot'}, told, close, go));
    const dialog = make('dialog', {class: 'review', 'aria-labelledby': 'review-heading'}, heading, form);
    let acted = false;
    dialog.addEventListener('close', function () {
      dialog.remove();
      if (acted) { milepost.grid.clear(); milepost.grid.refresh(); }
    });
    document.body.append(dialog);
    dialog.showModal();
    (by.value ? (act === 'assign' ? to : act === 'acknowledge' ? go : text) : by).focus();

    function submit(e) {
      e.preventDefault();
      if (acted) { dialog.close(); return; }
      const said = {act: act, ids: items.map(i => i.id), by: by.value.trim(), request: request};
      if (act === 'assign') said.to = to.value.trim() || null;
      if (text.value.trim()) said.text = text.value.trim().replace(/\s+/g, ' ');
      const replaced = {assign: i => (i.handling || {}).assigned_to, acknowledge: i => (i.handling || {}).acknowledged_by, waive: i => (i.waiver || {}).by}[act];
      if (replaced) said.seen = Object.fromEntries(items.map(i => [i.id, replaced(i) || null]));
      if (act === 'waive') said.until = milepost.viewer.instant(until.value).toISOString();
      milepost.keepName(said.by);
      go.disabled = true;
      told.textContent = 'Working …';
      fetch('/api/v1/instances/acts', {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(said)})
        .then(function (answer) { return answer.json().then(body => ({ok: answer.ok, body: body})); })
        .then(function (answer) {
          go.disabled = false;
          if (!answer.ok) { told.textContent = answer.body.title || 'It was refused.'; return; }
          show(answer.body);
        })
        .catch(function () {
          go.disabled = false;
          told.textContent = 'The connection was lost before an answer came. Trying again does nothing twice.';
          go.textContent = 'Try again';
        });
    }
    function show(found) {
      acted = true;
      for (const item of found.items) {
        const cell = rows.querySelector('[data-id="' + item.id + '"] .result');
        if (!cell) continue;
        cell.textContent = item.done ? words.done : item.faults.map(f => f.message).join('; ');
        cell.classList.add(item.done ? 'fine' : 'refused');
      }
      heading.textContent = found.refused ? found.done + ' ' + words.done + ', ' + found.refused + ' refused' : plural(found.done) + ' ' + words.done;
      const overtaken = found.items.some(i => i.faults.some(f => f.field === 'seen'));
      told.textContent = overtaken ? 'Somebody else was faster. The list shows how it stands now; do it again if you still mean it.' : act === 'waive' && found.done ? 'The lists show it as soon as the log has been read up to here.' : '';
      form.querySelectorAll('input, textarea').forEach(i => { i.disabled = true; });
      close.hidden = true;
      go.textContent = 'Close';
      go.focus();
    }
  };
  // without a secure context the browser makes no UUIDs by itself
  milepost.requestId = () => crypto.randomUUID ? crypto.randomUUID() : uuid();
  function uuid() {
    const b = crypto.getRandomValues(new Uint8Array(16));
    b[6] = b[6] & 15 | 64; b[8] = b[8] & 63 | 128;
    const h = [...b].map(x => x.toString(16).padStart(2, '0')).join('');
    return [h.slice(0, 8), h.slice(8, 12), h.slice(12, 16), h.slice(16, 20), h.slice(20)].join('-');
  }
})();
