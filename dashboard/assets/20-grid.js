// Rows of the worklist, read from the REST interface by the infinite row model.
// Not by Dash callbacks: dash-ag-grid keeps one pending request, and a lost answer would leave its block empty for good.
(function () {
  const PHONE = window.matchMedia('(max-width: 47.99em)');
  const LEAST_SECONDS = 10;      // each refresh costs the grid some memory, so bursts of changes are taken together
  const grid = window.milepost.grid = {sort: '', api: null, version: null, last: 0};
  let timer = null;

  const foretold = () => Boolean(window.milepost.filters.due_within_seconds);   // nothing else has a chance to tell

  function url(first, last) {
    const p = new URLSearchParams();
    for (const [name, value] of Object.entries(window.milepost.filters)) {
      if (Array.isArray(value)) value.forEach(v => p.append(name, v)); else p.set(name, value);
    }
    if (grid.sort) p.set('sort', grid.sort);
    p.set('limit', last - first);
    p.set('offset', first);
    return document.getElementById('milepost').dataset.instances + '?' + p;
  }
  const source = {
    getRows: function (ask) {
      const sorted = ask.sortModel && ask.sortModel[0];
      grid.sort = sorted ? (sorted.sort === 'desc' ? '-' : '') + sorted.colId : '';
      window.milepost.rewrite();
      const api = grid.api;
      fetch(url(ask.startRow, ask.endRow), {headers: {accept: 'application/json'}})
        .then(function (answer) { if (!answer.ok) throw new Error(answer.status); return answer.json(); })
        .then(function (page) {
          const frame = document.getElementById('worklist-grid-state');
          if (frame) frame.dataset.empty = page.total === 0;
          ask.successCallback(page.items, page.total);
        })
        .catch(function () {
          ask.failCallback();
          setTimeout(function () { if (api === grid.api && !api.isDestroyed()) api.refreshInfiniteCache(); }, 3000);
        });
    },
  };
  function fit() {
    const api = grid.api, phone = PHONE.matches;
    if (!api || api.isDestroyed()) return;
    const columns = api.getColumns().map(c => c.getColId());
    api.setColumnsVisible(columns.filter(c => !['card', 'chance', 'stuck_since'].includes(c)), !phone);
    // what is due is not held up
    api.setColumnsVisible(['chance'], !phone && foretold());
    api.setColumnsVisible(['stuck_since'], !phone && !foretold());
    api.setColumnsVisible(['card'], phone);
    api.setGridOption('headerHeight', phone ? 0 : 36);
    // before its datasource is set the infinite model has no cache to tell of a new height
    if (api.getGridOption('datasource') === source) api.setGridOption('rowHeight', phone ? 94 : 50);
  }
  PHONE.addEventListener('change', fit);

  // the chance comes and goes with its filter, and with it the sort by it
  grid.refit = function () {
    if (!foretold() && /chance$/.test(grid.sort)) {
      grid.sort = '';
      if (grid.api && !grid.api.isDestroyed()) grid.api.applyColumnState({state: [{colId: 'chance', sort: null}]});
    }
    fit();
  };

  grid.attach = function (id) {
    if (!id) return;
    window.dash_ag_grid.getApiAsync(id).then(function (api) {
      grid.api = api;
      grid.last = Date.now();
      const state = api.getColumnState().find(c => c.sort);
      grid.sort = state ? (state.sort === 'desc' ? '-' : '') + state.colId : '';
      fit();
      // dash-ag-grid sets a datasource of its own when the grid is ready, sometimes after this: win, then stop looking
      let looks = 0;
      (function own() {
        if (api.isDestroyed()) return;
        if (api.getGridOption('datasource') !== source) { api.setGridOption('datasource', source); setTimeout(fit, 0); }
        if (looks++ < 40) setTimeout(own, 50);
      })();
    });
  };
  grid.purge = function () {
    if (grid.api && !grid.api.isDestroyed()) grid.api.purgeInfiniteCache();
  };
  grid.changed = function (version) {
    const before = grid.version;
    grid.version = version;
    if (!version || !before || before === version || timer) return;
    const wait = Math.max(0, LEAST_SECONDS * 1000 - (Date.now() - grid.last));
    timer = setTimeout(function () {
      timer = null;
      grid.last = Date.now();
      if (grid.api && !grid.api.isDestroyed()) grid.api.refreshInfiniteCache();
    }, wait);
  };
})();
