// Incidents: filters that live in the address, acts with a form each, silences, the keyboard.
(function () {
  const milepost = window.milepost, make = milepost.make, field = milepost.field;
  const config = () => document.getElementById('milepost').dataset;
  const element = id => document.getElementById(id);
  const CONTROLS = ['q', 'status', 'severity', 'domain', 'owner', 'sort'];
  const onList = () => location.pathname === config().prefix + 'incidents';
  let filters = {};

  Object.assign(window.dash_clientside.milepost, {filterIncidents: function () {
    filters = {};
    CONTROLS.forEach((name, i) => { if (arguments[i]) filters[name] = arguments[i]; });
    Object.assign(filters, milepost.rangeOf('incidents', ...[0, 1, 2].map(i => arguments[CONTROLS.length + i]), arguments[CONTROLS.length + 3]));
    const text = new URLSearchParams(filters).toString(), next = location.pathname + (text ? '?' + text : '');
    if (onList() && next !== location.pathname + location.search) history.replaceState(history.state, '', next);
    return filters;
  }});
  // a link to the list while it is open: dcc.Location does not see what replaceState wrote
  window.addEventListener('_dashprivate_pushstate', () => setTimeout(function () {
    if (!onList() || !element('incidents-q')) return;
    const p = new URLSearchParams(location.search);
    CONTROLS.forEach(function (name) {
      if ((p.get(name) || '') !== (filters[name] || '')) window.dash_clientside.set_props('incidents-' + name, {value: p.get(name) || (name === 'q' ? '' : null)});
    });
    milepost.rangeFields.forEach(function (name) {
      const value = p.get(name);
      if ((value || '') !== (filters[name] || '')) window.dash_clientside.set_props('incidents-' + name, {value: value && name !== 'since' ? milepost.pickerValue(value) : value});
    });
  }, 60));

  const HOURS = [[1, '1 hour'], [4, '4 hours'], [8, '8 hours'], [24, '1 day'], [72, '3 days'], [168, '7 days']];
  // how long, by a word or by a moment; `open` is what no end at all is called, where there may be none
  function ending(open) {
    const choice = make('select', {name: 'for'}, open && make('option', {value: '', text: open}),
      ...HOURS.map(([h, label]) => make('option', {value: h, text: label})), make('option', {value: 'at', text: 'until a moment …'}));
    const at = make('input', {type: 'datetime-local', name: 'until', value: milepost.viewer.local(new Date(Date.now() + 86400000))});
    const beside = field('Until (' + milepost.viewer.zone + ')', at);
    const follow = () => { beside.hidden = choice.value !== 'at'; at.required = choice.value === 'at'; };
    choice.addEventListener('change', follow);
    follow();
    return {fields: [field('For', choice), beside], value: function () {
      if (!choice.value) return null;
      return (choice.value === 'at' ? milepost.viewer.instant(at.value) : new Date(Date.now() + choice.value * 3600000)).toISOString();
    }};
  }
  const words = input => input.value.trim().replace(/\s+/g, ' ');
  const area = (name, most) => make('textarea', {name: name, rows: 3, maxlength: most, required: true});

  // each says what its form asks for and how that is said to the REST interface
  const ACTS = {
    acknowledge: {verb: 'Acknowledge', lead: 'You take it on: nobody further is told while that holds. When it ends and it still fires, whoever knew is told again.', form: function () {
      const until = ending('until it resolves');
      return {fields: until.fields, say: () => { const at = until.value(); return at ? {until: at} : {}; }};
    }},
    withdraw: {verb: 'Take back', lead: 'Nobody is at it any more: the escalation goes on.', form: () => ({fields: [], say: () => ({})})},
    assign: {verb: 'Assign', lead: 'Routes can match by it. Left empty it is nobody’s.', form: function (on) {
      const to = make('input', {name: 'to', maxlength: 200, list: 'incident-assignees', placeholder: 'nobody', value: on.assignee});
      const people = make('datalist', {id: 'incident-assignees'});
      fetch('/api/v1/assignees').then(a => a.ok ? a.json() : {items: []}).then(function (found) {
        people.append(...[...new Set([milepost.ownName(), ...found.items])].filter(Boolean).map(name => make('option', {value: name})));
      }).catch(() => {});
      return {fields: [field('Assign to', to), people], first: to, say: () => ({to: words(to) || null})};
    }},
    comment: {verb: 'Comment', lead: 'It stands in the history, and the list finds it.', form: function () {
      const text = area('text', 4000), request = milepost.requestId();
      return {fields: [field('Comment', text)], first: text, say: () => ({text: words(text), request: request})};
    }},
    postpone: {verb: 'Postpone', lead: 'Nobody is told until then, at most 14 days. Whoever knew is told again if it still fires.', form: function () {
      const until = ending(), reason = area('reason', 1000);
      return {fields: [...until.fields, field('Reason', reason)], first: reason, say: () => ({until: until.value(), reason: words(reason)})};
    }},
    link: {verb: 'Link', lead: 'The deployment, change or ticket that it comes from, or that mends it.', form: function () {
      const url = make('input', {name: 'url', type: 'url', required: true, maxlength: 1000, placeholder: 'https://'});
      const title = make('input', {name: 'title', required: true, maxlength: 1000, placeholder: 'CHG-4711'});
      return {fields: [field('Address', url), field('Title', title)], first: url, say: () => ({url: url.value.trim(), title: words(title)})};
    }},
    resolve: {verb: 'Resolve', lead: 'Whoever was told hears that it is resolved. It opens anew after four hours, or when it has doubled.', form: function () {
      const reason = area('reason', 1000);
      return {fields: [field('Reason', reason)], first: reason, say: () => ({reason: words(reason)})};
    }},
    silence: {verb: 'Silence', lead: 'Nobody is told of what matches all that is ticked, also of what is still to come. Take a tick away to silence more.', form: function (on) {
      const until = ending(), reason = area('reason', 1000), request = milepost.requestId();
      const owner = make('input', {name: 'owner', maxlength: 200, placeholder: 'you'});
      const boxes = Object.entries(on.match).map(([name, value]) => [name, value, make('input', {type: 'checkbox', name: name, checked: true})]);
      const match = make('fieldset', {class: 'match'}, make('legend', {text: 'What is silenced'}),
        ...boxes.map(([name, value, box]) => make('label', {class: 'check'}, box, name.replace(/_/g, ' ') + ' is ' + value)));
      return {fields: [match, ...until.fields, field('Who answers for it', owner), field('Reason', reason)], first: reason, path: '/api/v1/silences', say: function () {
        const said = {request: request, until: until.value(), reason: words(reason), match: Object.fromEntries(boxes.filter(([, , box]) => box.checked).map(([name, value]) => [name, value]))};
        if (words(owner)) said.owner = words(owner);
        return said;
      }};
    }},
  };

  function send(method, path, said) {
    return fetch(path, {method: method, headers: {'content-type': 'application/json'}, body: JSON.stringify(said)})
      .then(answer => answer.json().catch(() => ({})).then(body => ({ok: answer.ok, body: body})));
  }
  const refusal = body => (body.faults || body.errors || []).map(f => f.message).join('; ') || body.title || 'It was refused.';
  function reload() {
    ['incident', 'incidents'].forEach(function (name) {
      if (name === 'incident' ? element('incident-acts') : element('incidents-q')) {
        const data = name === 'incident' ? {id: element('incident-acts').dataset.incident} : {...filters};
        window.dash_clientside.set_props(name + '-ask', {data: {...data, at: Date.now()}});
      }
    });
  }

  milepost.actOnIncident = function (act, on) {
    if (document.querySelector('dialog[open]')) return;
    const what = ACTS[act], made = what.form(on);
    const by = make('input', {name: 'by', required: true, maxlength: 200, autocomplete: 'name', value: milepost.ownName()});
    const heading = make('h2', {id: 'act-heading', text: what.verb, tabindex: -1});
    const told = make('p', {class: 'lead', text: what.lead, 'aria-live': 'polite'});
    const go = make('button', {type: 'submit', class: 'primary', text: what.verb});
    const form = make('form', {method: 'dialog', onsubmit: submit}, make('p', {class: 'about', text: on.title}),
      make('div', {class: 'fields one'}, field('Your name', by), ...made.fields),
      make('div', {class: 'review-foot'}, told, make('button', {type: 'button', class: 'plain', text: 'Cancel', onclick: () => dialog.close()}), go));
    const dialog = make('dialog', {class: 'review incident-act', 'aria-labelledby': 'act-heading'}, heading, form);
    dialog.addEventListener('close', () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    (by.value ? made.first || go : by).focus();

    function submit(e) {
      e.preventDefault();
      milepost.keepName(words(by));
      go.disabled = true;
      told.textContent = 'Working …';
      send('POST', made.path || '/api/v1/incidents/' + encodeURIComponent(on.id) + '/' + act, {by: words(by), ...made.say()}).then(function (answer) {
        go.disabled = false;
        if (!answer.ok) { told.textContent = refusal(answer.body); told.classList.add('refused'); return; }
        dialog.close();
        reload();
      }).catch(function () {
        go.disabled = false;
        told.textContent = 'The connection was lost before an answer came. What happened to the incident says whether it was done.';
        reload();
      });
    }
  };
  function here() {
    const bar = element('incident-acts');
    return bar && {id: bar.dataset.incident, title: bar.dataset.title, assignee: bar.dataset.assignee, match: JSON.parse(bar.dataset.match)};
  }
  document.addEventListener('click', function (e) {
    const button = e.target.closest('[data-incident-act]');
    if (button) milepost.actOnIncident(button.dataset.incidentAct, here());
  });

  function drawSilences(note) {
    const into = element('silences');
    fetch('/api/v1/silences').then(a => { if (!a.ok) throw new Error(a.status); return a.json(); }).then(function (found) {
      const lasting = found.items.filter(s => s.status !== 'over');
      const told = make('p', {class: 'muted', role: 'status', text: note || ''});
      into.replaceChildren(lasting.length ? make('ul', {}, ...lasting.map(line)) : make('p', {class: 'muted', text: 'Nothing is silenced. An incident’s page has the button.'}), told);
    }).catch(() => into.replaceChildren(make('p', {class: 'muted', role: 'status', text: 'The silences cannot be read right now.'})));
  }
  function line(one) {
    const when = one.status === 'pending' ? 'begins ' + milepost.relative(one.since) : 'ends ' + milepost.relative(one.until);
    const by = make('input', {'aria-label': 'Your name', placeholder: 'Your name', required: true, maxlength: 200, value: milepost.ownName()});
    return make('li', {}, make('span', {class: 'strong', text: one.words}), make('span', {class: 'sub', text: one.owner + ': ' + one.reason + ' · ' + when}),
      make('form', {class: 'end-silence', onsubmit: function (e) {
        e.preventDefault();
        milepost.keepName(words(by));
        send('DELETE', '/api/v1/silences/' + encodeURIComponent(one.id), {by: words(by)})
          .then(a => { drawSilences(a.ok ? 'Ended.' : refusal(a.body)); reload(); }, () => drawSilences('It could not be ended. Try again.'));
      }}, by, make('button', {class: 'act', text: 'End it', 'aria-label': 'End the silence: ' + one.words})));
  }
  document.addEventListener('toggle', function (e) {
    if (e.target.matches && e.target.matches('details.menu') && e.target.open && e.target.querySelector('#silences')) drawSilences();
  }, true);

  document.addEventListener('keydown', function (e) {
    if (e.ctrlKey || e.metaKey || e.altKey || milepost.typing() || document.querySelector('dialog[open]')) return;
    const page = here();
    if (page && (e.key === 'a' || e.key === 'c')) {
      const button = document.querySelector('[data-incident-act=' + (e.key === 'a' ? 'acknowledge' : 'comment') + ']');
      if (button) { e.preventDefault(); button.click(); }
      return;
    }
    if (!onList()) return;
    if (e.key === '/') { e.preventDefault(); element('incidents-q').focus(); return; }
    const rows = [...document.querySelectorAll('.incidents td:first-child a')];
    const at = rows.indexOf(document.activeElement);
    if (e.key === 'j' || e.key === 'k') {
      const next = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + (e.key === 'j' ? 1 : -1)))];
      if (next) { next.focus(); next.scrollIntoView({block: 'nearest'}); }
    } else if (at >= 0 && e.key === 'o') rows[at].click();
    else if (at >= 0 && e.key === 'a') {
      e.preventDefault();
      milepost.actOnIncident('acknowledge', {id: decodeURIComponent(rows[at].pathname.split('/').pop()), title: rows[at].textContent});
    }
  });
})();
