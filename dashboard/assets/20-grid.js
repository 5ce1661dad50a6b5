// Rows of the worklist, read from the REST interface by the infinite row model.
// Not by Dash callbacks: dash-ag-grid keeps one pending request, and a lost answer would leave its block empty for good.
(function () {
  const PHONE = window.matchMedia('(max-width: 47.99em)');
  const LEAST_SECONDS = 5;       // bursts of changes are taken together
  const STILL = 700;             // milliseconds for which a filter stands before more is asked about it than its rows
  const MOST = 500;              // rows that one question brings, and one act takes
  const milepost = window.milepost;
  const grid = milepost.grid = {sort: '', api: null, version: null, last: 0, total: 0, exact: true, columns: null, chosen: new Map()};
  const element = id => document.getElementById(id);
  const alive = () => grid.api && !grid.api.isDestroyed();
  grid.alive = () => Boolean(alive());
  let timer = null, behind = false, asking = 0, still = null, told = null;

  const foretold = () => Boolean(milepost.filters.due_within_seconds);   // nothing else has a chance to tell

  grid.query = function () {
    const p = new URLSearchParams();
    for (const [name, value] of Object.entries(milepost.filters)) {
      if (Array.isArray(value)) value.forEach(v => p.append(name, v)); else p.set(name, value);
    }
    if (grid.sort) p.set('sort', grid.sort);
    return p;
  };
  // whoever looks because of the same change is answered once for all of them
  function page(first, last, version) {
    const p = grid.query();
    p.set('limit', last - first);
    p.set('offset', first);
    asking++;
    return fetch(element('milepost').dataset.instances + '?' + p, {headers: {accept: 'application/json', ...(version && {'milepost-version': version})}})
      .then(function (answer) { if (!answer.ok) throw new Error(answer.status); return answer.json(); })
      .finally(() => asking--);
  }
  grid.first = () => page(0, MOST);
  function state(name, value) {
    const frame = element('worklist-grid-state');
    if (frame) frame.dataset[name] = value;
  }
  // where nobody has counted to the last row, it is known by a page that is not full
  function end(ask, found) {
    if (found.total_exact && !found.looked_back_to) return found.total;
    return found.items.length < ask.endRow - ask.startRow ? ask.startRow + found.items.length : -1;
  }
  // of what has finished not everything is looked through for words and attributes, nor put in an order that no index has
  function reach(since) {
    const note = element('worklist-reach');
    if (!note) return;
    note.hidden = !since;
    if (!since) return;
    const time = document.createElement('time');
    time.dateTime = time.title = since;
    time.dataset.tell = 'relative';
    time.textContent = milepost.relative(since);
    note.replaceChildren('Of what has finished, only what moved last is in this list: what moved after ', time,
      '. A key is found however old it is; for words, attributes and other orders, narrow the filter or export it.');
  }
  const source = {
    getRows: function (ask) {
      const sorted = ask.sortModel && ask.sortModel[0];
      grid.sort = sorted ? (sorted.sort === 'desc' ? '-' : '') + sorted.colId : '';
      milepost.rewrite();
      const api = grid.api;
      page(ask.startRow, ask.endRow)
        .then(function (found) {
          grid.total = found.total;
          grid.exact = found.total_exact;
          state('empty', found.total === 0);
          reach(found.looked_back_to);
          state('failed', false);
          ask.successCallback(found.items, end(ask, found));
          setTimeout(mark, 0);
        })
        .catch(function () {
          ask.failCallback();
          state('failed', ask.startRow === 0 && !api.getDisplayedRowAtIndex(0)?.data);
          setTimeout(function () { if (api === grid.api && alive()) api.refreshInfiniteCache(); }, 3000);
        });
    },
  };

  // --- columns: which are seen stands in the address, where it is not as it comes
  grid.all = function () {
    const words = element('worklist-columns');
    return words ? words.dataset.columns.split('|').map(w => w.split(':')).map(([id, label, seen]) => ({id, label, seen: seen === '1'})) : [];
  };
  grid.seen = () => grid.columns || grid.all().filter(c => c.seen).map(c => c.id);
  grid.choose = function (names) {
    const usual = grid.all().filter(c => c.seen).map(c => c.id).join();
    const known = grid.all().map(c => c.id).filter(id => names.includes(id));
    grid.columns = known.length && known.join() !== usual ? known : null;
    fit();
    milepost.rewrite();
  };
  function fit() {
    const api = grid.api, phone = PHONE.matches;
    if (!alive()) return;
    const seen = new Set(phone ? ['card'] : grid.seen());
    if (!phone && foretold()) { seen.add('chance'); seen.delete('stuck_since'); }   // what is due is not held up
    const all = api.getColumns().map(c => c.getColId()).filter(id => !/^ag-/.test(id));
    api.setColumnsVisible(all.filter(id => seen.has(id)), true);
    api.setColumnsVisible(all.filter(id => !seen.has(id)), false);
    api.setGridOption('headerHeight', phone ? 0 : 36);
    // before its datasource is set the infinite model has no cache to tell of a new height
    if (api.getGridOption('datasource') === source) api.setGridOption('rowHeight', phone ? 94 : 50);
  }
  PHONE.addEventListener('change', fit);

  // the chance comes and goes with its filter, and with it the sort by it
  grid.refit = function () {
    if (!foretold() && /chance$/.test(grid.sort)) {
      grid.sort = '';
      if (alive()) grid.api.applyColumnState({state: [{colId: 'chance', sort: null}]});
    }
    fit();
  };
  grid.order = function (sort) {
    if ((sort || '') === grid.sort || !alive()) return;
    const id = (sort || '').replace('-', '');
    grid.api.applyColumnState({state: id ? [{colId: id, sort: sort[0] === '-' ? 'desc' : 'asc'}] : [], defaultState: {sort: null}});
  };

  grid.attach = function (id) {
    if (!id) return;
    window.dash_ag_grid.getApiAsync(id).then(function (api) {
      const columns = new URLSearchParams(location.search).get('columns');
      grid.api = api;
      grid.last = Date.now();
      told = null;
      clear();
      const sorted = api.getColumnState().find(c => c.sort);
      grid.sort = sorted ? (sorted.sort === 'desc' ? '-' : '') + sorted.colId : '';
      grid.columns = null;
      if (columns) grid.choose(columns.split(','));
      api.addEventListener('rowSelected', function (e) {
        if (!e.node.data || e.source === 'api') return;
        if (e.node.isSelected()) grid.chosen.set(e.node.data.id, e.node.data); else grid.chosen.delete(e.node.data.id);
        bar();
      });
      api.addEventListener('bodyScrollEnd', function () { if (behind) look(); });
      fit();
      // dash-ag-grid sets a datasource of its own when the grid is ready, sometimes after this
      const set = api.setGridOption;
      api.setGridOption = (name, value) => name === 'datasource' ? undefined : set.call(api, name, value);
      set.call(api, 'datasource', source);
      setTimeout(fit, 0);
    });
  };
  grid.purge = function () {
    changed(0);
    clear();
    if (alive()) grid.api.purgeInfiniteCache();
  };
  grid.refresh = function () {
    changed(0);
    behind = false;
    if (alive()) grid.api.refreshInfiniteCache();
  };

  // --- what is chosen
  function mark() {      // rows that come again are chosen as before
    if (alive()) grid.api.forEachNode(n => { if (n.data && n.isSelected() !== grid.chosen.has(n.data.id)) n.setSelected(grid.chosen.has(n.data.id), false, 'api'); });
  }
  function bar() {
    const shown = element('worklist-bar'), count = grid.chosen.size;
    if (!shown) return;
    shown.hidden = !count;
    element('worklist-selected').textContent = milepost.count(count) + ' selected';
    const all = element('worklist-take-all');
    all.hidden = count >= Math.min(grid.total, MOST);
    all.textContent = grid.total > MOST ? 'Take the first ' + MOST + ' of ' + (grid.exact ? '' : 'more than ') + milepost.count(grid.total) : 'Take all ' + milepost.count(grid.total);
  }
  function clear() { grid.chosen.clear(); mark(); bar(); }
  grid.clear = clear;
  grid.takeAll = function () {
    return grid.first().then(function (found) {
      found.items.forEach(item => grid.chosen.set(item.id, item));
      mark();
      bar();
    });
  };

  // --- what is read does not move by itself: rows change in their places, and what would move them is only told
  function changed(count) {
    const hint = element('worklist-changed');
    if (!hint) return;
    hint.hidden = !count;
    hint.textContent = count ? milepost.count(count) + ' changed – refresh' : '';
  }
  function look() {
    if (!alive() || document.hidden) return;
    const api = grid.api;
    const first = Math.max(0, api.getFirstDisplayedRowIndex()), last = Math.max(first, api.getLastDisplayedRowIndex()) + 1;
    page(first, Math.min(last, first + 100), grid.version).then(function (found) {
      if (api !== grid.api || !alive()) return;
      if (!grid.total || !found.total) { grid.refresh(); return; }
      behind = true;
      let moved = 0;
      found.items.forEach(function (item, i) {
        const node = api.getDisplayedRowAtIndex(first + i);
        if (!node || !node.data || node.data.id !== item.id) moved++;
        else if (JSON.stringify(node.data) !== JSON.stringify(item)) {
          node.setData(item);
          if (grid.chosen.has(item.id)) grid.chosen.set(item.id, item);
        }
      });
      changed(Math.max(moved, Math.abs(found.total - grid.total)));
    }).catch(() => {});       // the banner says that the connection is gone
  }
  grid.changed = function (version) {
    const before = grid.version;
    grid.version = version;
    if (!version || !before || before === version || timer) return;
    const wait = Math.max(0, LEAST_SECONDS * 1000 - (Date.now() - grid.last));
    timer = setTimeout(function () {
      timer = null;
      grid.last = Date.now();
      look();
    }, wait);
  };

  // --- what they have in common takes many rows to tell: it is asked for once a filter stands and its rows are there
  grid.still = function (asked) {
    const dash = window.dash_clientside, why = element('worklist-why'), now = still = JSON.stringify(asked);
    if (!asked || !(asked.verdict || asked.incident)) { told = now; return asked; }
    if (why) dash.set_props('worklist-why', {className: 'why stale', ...(!why.hasChildNodes() && {children: why.dataset.looking})});
    const began = Date.now();
    return new Promise(function (resolve) {
      (function look() {
        if (still !== now) resolve(dash.no_update);
        else if (asking || Date.now() - began < STILL) setTimeout(look, 100);
        else if (told === now) { dash.set_props('worklist-why', {className: 'why'}); resolve(dash.no_update); }
        else { told = now; resolve(asked); }
      })();
    });
  };

  // --- the keyboard
  function focused() {
    const cell = alive() && grid.api.getFocusedCell();
    return cell ? cell.rowIndex : -1;
  }
  function row() { return alive() ? grid.api.getDisplayedRowAtIndex(focused()) : null; }
  function move(step) {
    if (!alive() || !grid.total) return;
    const at = Math.min(grid.total - 1, Math.max(0, focused() + step));
    grid.api.ensureIndexVisible(at);
    grid.api.setFocusedCell(at, PHONE.matches ? 'card' : grid.seen().includes('title') ? 'title' : grid.seen()[0]);
  }
  const keys = {
    j: () => move(1),
    k: () => move(-1),
    x: function () {
      const node = row();
      if (!node || !node.data) return;
      if (grid.chosen.has(node.data.id)) grid.chosen.delete(node.data.id); else grid.chosen.set(node.data.id, node.data);
      mark();
      bar();
    },
    o: function () { const node = row(); if (node && node.data) milepost.go(milepost.instance(node.data.id)); },
    r: () => grid.refresh(),
    a: function () {
      const node = row();
      if (grid.chosen.size) milepost.review('acknowledge', [...grid.chosen.values()]);
      else if (node && node.data) milepost.review('acknowledge', [node.data]);
    },
  };
  document.addEventListener('keydown', function (e) {
    if (!milepost.onWorklist() || e.ctrlKey || e.metaKey || e.altKey || milepost.typing() || document.querySelector('dialog[open], [role=dialog]')) return;
    const on = document.activeElement, inGrid = on && on.closest('.ag-root');
    const key = e.key === 'Enter' && inGrid && on.classList.contains('ag-cell') ? 'o' : e.key;
    if (!keys[key]) return;
    e.preventDefault();
    keys[key]();
  });
  document.addEventListener('click', function (e) {
    const on = e.target.closest('#worklist-changed, #worklist-take-all, #worklist-clear, #worklist-bar [data-act]');
    if (!on) return;
    if (on.id === 'worklist-changed') grid.refresh();
    else if (on.id === 'worklist-take-all') grid.takeAll();
    else if (on.id === 'worklist-clear') clear();
    else milepost.review(on.dataset.act, [...grid.chosen.values()]);
  });
})();
