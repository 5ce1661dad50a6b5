// The menus of the worklist: saved views (one's own in this browser, shared ones in the database), columns, export.
(function () {
  const milepost = window.milepost, make = milepost.make;
  const OWN = 'milepost.views';
  const element = id => document.getElementById(id);

  function mine() {
    try { return JSON.parse(localStorage.getItem(OWN)) || []; } catch (e) { return []; }
  }
  function keep(views) { try { localStorage.setItem(OWN, JSON.stringify(views)); } catch (e) { /* private windows keep nothing */ } }
  const present = () => location.search.replace(/^\?/, '');
  const shared = name => '/api/v1/views/' + encodeURIComponent(name);
  const send = (method, name, body) => fetch(shared(name), {method: method, headers: {'content-type': 'application/json'}, body: body && JSON.stringify(body)});

  function entry(view, drop) {
    const open = make('a', {href: location.pathname + '?' + view.query, class: 'menu-item', onclick: function (e) {
      if (e.metaKey || e.ctrlKey || e.shiftKey) return;
      e.preventDefault();
      shut();
      milepost.go(location.pathname + '?' + view.query);
    }}, make('span', {class: 'strong', text: view.name}), make('span', {class: 'muted', text: view.by ? 'by ' + view.by : ''}));
    if (view.query === present()) open.setAttribute('aria-current', 'true');
    return make('li', {}, open, make('button', {class: 'drop', 'aria-label': 'Delete the view ' + view.name, title: 'Delete', text: '×', onclick: drop}));
  }
  function list(title, views, drop) {
    return views.length ? [make('h3', {text: title}), make('ul', {}, ...views.map(v => entry(v, () => drop(v))))] : [];
  }
  function drawViews(note) {
    const into = element('worklist-views');
    fetch('/api/v1/views').then(a => { if (!a.ok) throw new Error(a.status); return a.json(); }).then(f => f.items, () => null).then(function (others) {
      const name = make('input', {placeholder: 'Name of this view', maxlength: 60, required: true, 'aria-label': 'Name of this view'});
      const share = make('input', {type: 'checkbox'});
      const by = make('input', {placeholder: 'Your name', maxlength: 200, 'aria-label': 'Your name', value: milepost.ownName(), hidden: true});
      share.addEventListener('change', () => { by.hidden = !share.checked; by.required = share.checked; });
      const told = make('p', {class: 'muted', role: 'status', text: note || (others === null ? 'Shared views cannot be read right now.' : '')});
      let replace = false;
      const form = make('form', {class: 'save-view', onsubmit: function (e) {
        e.preventDefault();
        const view = {name: name.value.trim(), query: present() || 'sort='};
        if (!share.checked) {
          keep(mine().filter(v => v.name !== view.name).concat(view).sort((a, b) => a.name.localeCompare(b.name)));
          drawViews('Saved in this browser.');
          return;
        }
        milepost.keepName(by.value.trim());
        send('PUT', view.name, {query: view.query, by: by.value.trim(), replace: replace}).then(function (answer) {
          if (answer.ok) { drawViews('Shared with everybody.'); return null; }
          if (answer.status === 409) { replace = true; told.textContent = 'There is one of that name. Save again to replace it.'; return null; }
          return answer.json().then(body => { told.textContent = body.title; });
        }).catch(() => { told.textContent = 'It could not be saved. Try again.'; });
      }}, name, make('label', {class: 'check'}, share, 'Share with everybody'), by, make('button', {class: 'primary', text: 'Save this view'}), told);
      into.replaceChildren(
        ...list('Mine', mine(), v => { keep(mine().filter(o => o.name !== v.name)); drawViews(); }),
        ...list('Shared', others || [], v => { if (confirm('Delete “' + v.name + '” for everybody?')) send('DELETE', v.name).then(() => drawViews(), () => drawViews('It could not be deleted.')); }),
        form);
    });
  }
  function drawColumns() {
    const grid = milepost.grid, seen = new Set(grid.seen());
    element('worklist-columns').replaceChildren(...grid.all().map(function (column) {
      const box = make('input', {type: 'checkbox', checked: seen.has(column.id), disabled: column.id === 'title', onchange: function () {
        if (box.checked) seen.add(column.id); else seen.delete(column.id);
        grid.choose([...seen]);
      }});
      return make('label', {class: 'check'}, box, column.label);
    }));
  }
  function drawExport() {
    document.querySelectorAll('[data-export]').forEach(function (a) {
      const p = milepost.grid.query();
      if (/chance$/.test(p.get('sort') || '')) p.delete('sort');
      p.set('format', a.dataset.export);
      a.href = element('milepost').dataset.instances + '/export?' + p;
    });
  }
  function shut(but) { document.querySelectorAll('details.menu[open]').forEach(d => { if (d !== but) d.open = false; }); }
  document.addEventListener('toggle', function (e) {
    if (!e.target.matches || !e.target.matches('details.menu') || !e.target.open) return;
    shut(e.target);
    if (e.target.querySelector('#worklist-views')) drawViews();
    if (e.target.querySelector('#worklist-columns')) drawColumns();
    if (e.target.querySelector('[data-export]')) drawExport();
  }, true);
  document.addEventListener('click', e => { if (!e.target.closest('details.menu')) shut(); if (e.target.closest('[data-export]')) shut(); });
  document.addEventListener('keydown', function (e) {
    const open = e.key === 'Escape' && document.querySelector('details.menu[open]');
    if (open) { open.open = false; open.querySelector('summary').focus(); }
  });

  document.addEventListener('click', function (e) {
    const chip = e.target.closest('[data-drop]');
    if (!chip) return;
    const names = chip.dataset.drop === 'all' ? [...document.querySelectorAll('[data-drop]')].map(o => o.dataset.drop).filter(n => n !== 'all') : [chip.dataset.drop];
    names.forEach(name => window.dash_clientside.set_props('filter-' + name, {value: name === 'attribute' ? [] : ['key', 'incident'].includes(name) ? '' : null}));
  });
})();
