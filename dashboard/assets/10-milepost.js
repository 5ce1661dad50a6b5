// The browser's part: the clock of relative times, the tick, the hotkeys, the filters of the worklist.
(function () {
  const milepost = window.milepost = {};
  const config = () => document.getElementById('milepost').dataset;
  const nothing = () => window.dash_clientside.no_update;

  milepost.rough = function (seconds) {   // as wording.rough
    const size = Math.abs(seconds);
    const units = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']], whole = Math.floor(size);
    for (let i = 0; i < units.length; i++) {
      const [length, unit] = units[i];
      if (whole < length) continue;
      let told = Math.floor(whole / length) + ' ' + unit;
      if (i + 1 < units.length) {
        const finer = Math.floor(whole % length / units[i + 1][0]);
        if (finer && unit !== 'min' && whole < 10 * length) told += ' ' + finer + ' ' + units[i + 1][1];
      }
      return told;
    }
    return '0 s';
  };
  milepost.relative = function (text) {
    const gap = (Date.parse(text) - Date.now()) / 1000;
    if (Math.abs(gap) < 5) return 'just now';
    return gap > 0 ? 'in ' + milepost.rough(gap) : milepost.rough(gap) + ' ago';
  };
  milepost.age = text => milepost.rough((Date.now() - Date.parse(text)) / 1000);
  milepost.viewer = window.milepostViewer;
  milepost.moment = milepost.viewer.moment;
  milepost.count = milepost.viewer.count;
  milepost.money = value => value && value.amount != null ? milepost.viewer.money(value) : '–';
  milepost.verdict = name => (JSON.parse(config().verdicts))[name] || name;
  milepost.unknown = why => (JSON.parse(config().unknown))[why] || why;
  milepost.instance = id => config().prefix + 'instances/' + encodeURIComponent(id);

  // the same that dcc.Link does
  milepost.go = function (href) {
    window.history.pushState({}, '', href);
    window.dispatchEvent(new CustomEvent('_dashprivate_pushstate'));
    window.scrollTo(0, 0);
  };

  setInterval(function () {
    if (document.hidden) return;
    document.querySelectorAll('time[data-tell]').forEach(function (e) {
      const told = milepost[e.dataset.tell](e.getAttribute('datetime'));
      if (e.firstChild && e.firstChild.nodeType === 3 && e.firstChild.nodeValue !== told) e.firstChild.nodeValue = told;
    });
  }, 1000);

  let live = true;
  const tick = () => window.dash_clientside.set_props('tick', {disabled: document.hidden || !live});
  document.addEventListener('visibilitychange', tick);

  document.addEventListener('keydown', function (e) {
    if ((e.ctrlKey || e.metaKey) && e.key === 'k') {
      e.preventDefault();
      window.dash_clientside.set_props('search', {opened: true});
    }
    const field = document.getElementById('filter-q');
    if (e.key === '/' && !milepost.typing() && field) { e.preventDefault(); field.focus(); }
  });
  milepost.typing = function () {
    const on = document.activeElement;
    const quiet = ['radio', 'checkbox', 'button', 'range'];
    return Boolean(on && (on.isContentEditable || on.tagName === 'TEXTAREA' || (on.tagName === 'INPUT' && quiet.indexOf(on.type) < 0)));
  };

  // --- the worklist's filters live in the address. dcc.Location is left alone: it would mount the page anew.
  const CONTROLS = ['verdict', 'q', 'workflow', 'domain', 'owner', 'assigned_to', 'acknowledged', 'source_awaited', 'waiting_for', 'reason', 'key', 'attribute', 'incident', 'min_age_seconds', 'min_value', 'due_within_seconds'];
  const TYPED = ['q', 'key', 'incident'], SEVERAL = ['verdict', 'attribute'];
  const onWorklist = milepost.onWorklist = () => location.pathname === config().prefix + 'worklist';

  function address(filters, sort, columns) {
    const p = new URLSearchParams();
    for (const [name, value] of Object.entries(filters)) {
      if (Array.isArray(value)) value.forEach(v => p.append(name, v));
      else if (value) p.set(name, value);
    }
    if (sort) p.set('sort', sort);
    if (columns) p.set('columns', columns.join(','));
    const text = p.toString();
    return location.pathname + (text ? '?' + text : '');
  }
  milepost.filters = {};
  milepost.rewrite = function () {
    if (!onWorklist()) return;
    // before the grid is there the address knows better which columns are meant
    const asked = new URLSearchParams(location.search).get('columns');
    const columns = milepost.grid.alive() ? milepost.grid.columns : asked && asked.split(',');
    const next = address(milepost.filters, milepost.grid.sort, columns);
    if (next !== location.pathname + location.search) history.replaceState(history.state, '', next);
  };

  // a link to the worklist while it is open: dcc.Location does not see what replaceState wrote, so the controls follow the address here
  function follow() {
    setTimeout(function () {
      if (!onWorklist() || !document.getElementById('filter-q')) return;
      const p = new URLSearchParams(location.search);
      CONTROLS.forEach(function (name) {
        const none = SEVERAL.includes(name) ? [] : TYPED.includes(name) ? '' : null;
        const value = SEVERAL.includes(name) ? p.getAll(name) : p.get(name) || none;
        if (JSON.stringify(value) !== JSON.stringify(milepost.filters[name] || none))
          window.dash_clientside.set_props('filter-' + name, {value: value});
      });
      milepost.grid.choose((p.get('columns') || '').split(','));
      milepost.grid.order(p.get('sort'));
    }, 60);
  }
  window.addEventListener('_dashprivate_pushstate', follow);

  window.dash_clientside = Object.assign({}, window.dash_clientside, {milepost: {
    navigation: opened => ({width: 200, breakpoint: 'sm', collapsed: {mobile: !opened}}),
    closeNavigation: () => false,
    openSearch: function () {
      const by = window.dash_clientside.callback_context.triggered.map(t => t.prop_id + ':' + t.value);
      if (by.some(b => /^open-search/.test(b) && !/:(null|undefined)$/.test(b))) return true;
      return by.some(b => b.indexOf('_pages_location') === 0) ? false : nothing();
    },
    live: function (checked) { live = checked !== false; return document.hidden || !live; },
    toggleFilters: n => 'filters' + ((n || 0) % 2 ? ' open' : ''),
    filter: function () {
      const filters = {}, values = arguments;
      CONTROLS.forEach(function (name, i) {
        const value = values[i];
        if (value && value.length) filters[name] = value;
      });
      const same = JSON.stringify(filters) === JSON.stringify(milepost.filters);
      milepost.filters = filters;
      milepost.grid.refit();
      milepost.rewrite();
      if (!same) milepost.grid.purge();
      return filters;
    },
    attachGrid: function (id) { milepost.grid.attach(id); return ''; },
    still: asked => milepost.grid.still(asked),
    refreshGrid: function (version) { milepost.grid.changed(version); return ''; },
  }});
})();
